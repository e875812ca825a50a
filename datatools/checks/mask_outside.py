"""What it finds: a mask that reaches over the edge of its image, as a polygon or in run lengths of another size.

Why it matters: the part outside has no pixels; rasterisers clip it, some shift it, and area and mask no longer agree.

What to do: clip the polygon, or check whether it was drawn on an image of another size (see IMG002).

Options: `validate.tolerance_px`: how far over the edge is still fine (default 0.5, for rounding).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.checks.drawing import mark_box, mark_point
from datatools.checks.geometry import unpack
from datatools.checks.pairs import Floats
from datatools.findings import Finding
from datatools.params import ValidateParams

MOST_MARKS = 20  # points outside that are drawn


def find_masks_outside(annotations: pd.DataFrame, images: pd.DataFrame, params: ValidateParams) -> Iterator[Finding]:
    """Yield a finding for each polygon with a point more than the tolerance outside its image, in pixels."""
    objects = unpack(annotations)
    if not len(objects.mask_rows):
        return
    rings, sizes = objects.polygons, objects.sizes(images)
    over = _over(rings.bounds, sizes[rings.row])
    for index in np.flatnonzero(over > params.tolerance_px):
        points, position = rings.ring(index), rings.row[index]
        outside = ((points < -params.tolerance_px) | (points > sizes[position] + params.tolerance_px)).any(axis=1)
        message = f"polygon {rings.part[index] + 1} reaches {over[index]:g} px over the edge of its image"
        yield objects.finding(position, message, marks=map(mark_point, points[outside][:MOST_MARKS]))
    over = _over(objects.runs.bounds, sizes[objects.run_rows])
    for index in np.flatnonzero(over > params.tolerance_px):
        message = f"run lengths reach {over[index]:g} px over the edge of their image"
        yield objects.finding(objects.run_rows[index], message, marks=[mark_box(objects.runs.bounds[index])])


def _over(bounds: Floats, sizes: Floats) -> Floats:
    """How far each of the bounds stands over an edge of its image, in pixels; NaN where either is unknown."""
    return np.maximum(-bounds[:, :2], bounds[:, 2:] - sizes).max(axis=1)


def _spoil(inputs: Inputs) -> Inputs:
    annotations = inputs["annotations"].copy()
    row = annotations["mask"].first_valid_index()
    annotations.loc[row, "mask"] = "[[[-9,1],[9,1],[9,9],[-9,1]]]"
    return {**inputs, "annotations": annotations}


CHECK = Check("MSK003", "mask outside the image", "error", find_masks_outside, _spoil)
