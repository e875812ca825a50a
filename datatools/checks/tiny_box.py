"""What it finds: a box only a few pixels wide or high.

Why it matters: mostly it is a slip of the mouse. A real object of that size has nothing to learn from and is scaled away;
metrics count it as missed all the same.

What to do: look at it; delete the slip, or keep it and leave small objects out of the metric.

Options: `validate.box_min_px`: a box with a shorter side is tiny (default 2). Classes whose boxes are often tiny (more than
one in ten, of at least 20) are passed over, and sides that are a tenth of the image's; boxes without any area are BOX003.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.checks.drawing import mark_box
from datatools.checks.geometry import unpack
from datatools.checks.pairs import ENOUGH, shares
from datatools.findings import Finding
from datatools.params import ValidateParams

USUAL = 0.1  # share of a class's boxes
PART = 0.1  # of the image's side: then it is the image that is tiny


def find_tiny_boxes(annotations: pd.DataFrame, images: pd.DataFrame, params: ValidateParams) -> Iterator[Finding]:
    """Yield a finding for each box with a side shorter than the bar, in pixels."""
    objects = unpack(annotations)
    sides = objects.sides
    is_low = (sides[:, 0] < params.box_min_px) | (sides[:, 1] < params.box_min_px)
    low = np.flatnonzero(is_low)
    short = low[objects.is_box[low] & (sides[low] > 0).all(axis=1)]
    if not len(short):
        return
    is_short = (sides[short] < params.box_min_px) & ~(sides[short] >= PART * objects.sizes(images)[short])
    tiny = short[is_short.any(axis=1)]
    judged = objects.is_box & ~np.isnan(sides[:, 0])
    classes = objects.classes
    n, share = shares(tiny, classes if judged.all() else np.where(judged, classes, classes.max(initial=0) + 1))
    for position in tiny[(share <= USUAL) | (n < ENOUGH)]:
        width, height = sides[position]
        message = f"is tiny: {width:g} x {height:g} px, the bar is {params.box_min_px:g}"
        score = float(min(width, height) / params.box_min_px)
        yield objects.finding(position, message, score, [mark_box(objects.boxes[position])])


def _spoil(inputs: Inputs) -> Inputs:
    annotations = inputs["annotations"].copy()
    row = annotations.index[annotations["kind"] == "box"][0]
    annotations.loc[row, "x1_px"] = annotations.loc[row, "x0_px"] + 1
    return {**inputs, "annotations": annotations}


CHECK = Check("BOX006", "tiny box", "warning", find_tiny_boxes, _spoil)
