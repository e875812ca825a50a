"""What it finds: a box around the whole image, in a data set whose boxes usually mark a part of it.

Why it matters: it is often the default box that a tool made, or a class that somebody gave to the image. A detector learns
from it that the object is everywhere.

What to do: look at the image. Draw the box around the object, or keep it where the object really fills the image.

Options: `validate.box_cover_max`: the share of the image from which a box covers everything (default 0.98). The check is
silent where this is no exception: with fewer than 20 boxes, where more than one box in twenty does it, and for classes
that do it in half of their boxes.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.checks.drawing import mark_box
from datatools.checks.geometry import unpack
from datatools.checks.pairs import ENOUGH, area_of, shares
from datatools.findings import Finding
from datatools.params import ValidateParams

RARELY = 0.05  # share of all boxes
OFTEN = 0.5  # share of a class's boxes
SEVERAL = 5  # boxes of a class that show a habit


def find_covering_boxes(annotations: pd.DataFrame, images: pd.DataFrame, params: ValidateParams) -> Iterator[Finding]:
    """Yield a finding for each box that covers more of its image than the bar."""
    objects = unpack(annotations)
    sizes = objects.sizes(images)
    big = objects.areas > params.box_cover_max * (sizes[:, 0] * sizes[:, 1])  # within its image it is no bigger
    if not big.any():
        return
    among = np.flatnonzero(~np.isnan(objects.boxes[:, 0]) & (sizes > 0).all(axis=1))
    boxes, sizes = objects.boxes[among], sizes[among]
    covered = area_of(np.clip(boxes, 0, np.tile(sizes, 2))) / sizes.prod(axis=1)
    covering = covered > params.box_cover_max
    if len(among) < ENOUGH or covering.mean() > RARELY:
        return
    found = np.flatnonzero(covering)
    n, share = shares(found, objects.classes[among])
    for index in found[(share < OFTEN) | (n < SEVERAL)]:
        message = f"covers {covered[index]:.1%} of its image, as {covering.sum()} of {len(among)} boxes do"
        yield objects.finding(among[index], message, 0.5, [mark_box(boxes[index])])


def _spoil(inputs: Inputs) -> Inputs:
    annotations = inputs["annotations"].copy()
    row = annotations.index[annotations["kind"] == "box"][0]
    annotations.loc[row, ["x0_px", "y0_px", "x1_px", "y1_px"]] = [0.0, 0.0, 64.0, 48.0]
    return {**inputs, "annotations": annotations}


CHECK = Check("BOX007", "box covers the whole image", "info", find_covering_boxes, _spoil)
