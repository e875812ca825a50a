"""What it finds: a box that reaches over the edge of its image.

Why it matters: part of the box has no pixels; crops fail or are padded, and IoU with a prediction can never be 1.

What to do: clip the box, or check whether it was drawn on an image of another size (see IMG002). Where at least 90 % of
the box lies inside, clipping it is the repair that is offered.

Options: `validate.tolerance_px`: how far over the edge is still fine (default 0.5, for rounding). Corners out of order
(BOX001) are put in order first.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.checks.drawing import mark_box, offer_box
from datatools.checks.geometry import unpack
from datatools.checks.pairs import Bools, Floats, area_of
from datatools.findings import Finding
from datatools.params import ValidateParams

CLIP_FROM = 0.9  # share inside the image from which the rest is a slip of the hand


def find_boxes_outside(annotations: pd.DataFrame, images: pd.DataFrame, params: ValidateParams) -> Iterator[Finding]:
    """Yield a finding for each box that stands more than the tolerance over an edge, in pixels."""
    objects = unpack(annotations)
    boxes, sizes = objects.boxes, objects.sizes(images)
    maybe = np.flatnonzero(_stand_out(boxes, sizes))
    over = np.concatenate([-boxes[maybe, :2], boxes[maybe, 2:] - sizes[maybe]], axis=1).max(axis=1)
    outside, over = maybe[over > params.tolerance_px], over[over > params.tolerance_px]
    boxes, sizes = boxes[outside], sizes[outside]
    clipped = np.clip(boxes, 0, np.tile(sizes, 2))
    inside = area_of(clipped) / np.where(area_of(boxes) > 0, area_of(boxes), np.inf)
    for position, by, box, after, size, share in zip(outside, over, boxes, clipped, sizes, inside, strict=True):
        image = f"{size[0]:.0f} x {size[1]:.0f} image"
        part = f"; {share:.1%} of it lies inside" if share > 0 else ", all of it outside"
        message = f"reaches {by:g} px over the edge of its {image}{part}"
        offer = offer_box(objects.corners[position], after) if share >= CLIP_FROM else None
        yield objects.finding(position, message, marks=[mark_box(box)], offer=offer)


def _stand_out(boxes: Floats, sizes: Floats) -> Bools:
    """Which boxes stand over an edge at all."""
    (x0, y0, x1, y1), (width, height) = boxes.T, sizes.T
    return (x0 < 0) | (y0 < 0) | (x1 > width) | (y1 > height)


def _spoil(inputs: Inputs) -> Inputs:
    annotations = inputs["annotations"].copy()
    row = annotations["x0_px"].first_valid_index()
    annotations.loc[row, "x1_px"] += 1000
    return {**inputs, "annotations": annotations}


CHECK = Check("BOX002", "box outside the image", "error", find_boxes_outside, _spoil)
