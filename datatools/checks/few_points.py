"""What it finds: a mask polygon with fewer than three different points.

Why it matters: it has no area, so its object has an empty mask.

What to do: draw the outline again or delete the annotation.

Options: none.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.checks.drawing import mark_point
from datatools.checks.geometry import unpack
from datatools.findings import Finding


def find_few_points(annotations: pd.DataFrame) -> Iterator[Finding]:
    """Yield a finding for each polygon with fewer than three different points."""
    objects = unpack(annotations)
    if not len(objects.mask_rows):
        return
    rings = objects.polygons
    for index in np.flatnonzero(rings.n_different < 3):
        n_points, points = rings.n_different[index], np.unique(rings.ring(index), axis=0)
        message = f"polygon {rings.part[index] + 1} has {n_points} different points, an area needs 3"
        yield objects.finding(rings.row[index], message, marks=map(mark_point, points))


def _spoil(inputs: Inputs) -> Inputs:
    annotations = inputs["annotations"].copy()
    row = annotations["mask"].first_valid_index()
    annotations.loc[row, "mask"] = "[[[1,1],[9,1],[1,1]]]"
    return {**inputs, "annotations": annotations}


CHECK = Check("MSK004", "polygon with too few points", "error", find_few_points, _spoil)
