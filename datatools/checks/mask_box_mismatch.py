"""What it finds: an object whose box is not the box around its mask.

Why it matters: one of the two was edited and the other was not, or they belong to different objects. Trainers crop the
mask to the box or make the box from the mask, and learn something else than what was drawn.

What to do: look which of the two is right and make the other one from it. Exporting again mostly does that.

Options: `validate.mask_box_px`: how far a side of the box may be from the mask's own bounds (default 1.5, so that the
pixel by which formats with inclusive and half-open corners differ is no finding). Parts outside the image do not count,
and crowds (`iscrowd`) are passed over. Where more than one object in five disagrees (of at least 20), the boxes were drawn
for themselves; then only those are found that share less than half with the bounds (IoU).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.checks.drawing import mark_box
from datatools.checks.geometry import unpack
from datatools.checks.pairs import ENOUGH, Floats, area_of
from datatools.findings import Finding
from datatools.params import ValidateParams

USUAL = 0.2  # share of objects that disagree
LEAST_IOU = 0.5


def find_mask_box_mismatches(
    annotations: pd.DataFrame, images: pd.DataFrame, params: ValidateParams
) -> Iterator[Finding]:
    """Yield a finding for each object whose box is further from its mask's bounds than the bar, in pixels."""
    objects = unpack(annotations)
    if not len(objects.mask_rows):
        return
    among = np.flatnonzero(~np.isnan(objects.boxes[:, 0]) & ~np.isnan(objects.mask_bounds[:, 0]))
    boxes, bounds = objects.boxes[among], objects.mask_bounds[among]
    edge = np.tile(np.nan_to_num(objects.sizes(images)[among], nan=np.inf), 2)
    off = np.abs(boxes - bounds).max(axis=1)
    off = np.minimum(off, np.abs(np.clip(boxes, 0, edge) - np.clip(bounds, 0, edge)).max(axis=1))
    disagree = off > params.mask_box_px
    ious = _ious(boxes, bounds)
    found = disagree
    if len(among) >= ENOUGH and disagree.mean() > USUAL:
        found = disagree & (ious < LEAST_IOU)
    for index in np.flatnonzero(found):
        position, box, bound = among[index], boxes[index], bounds[index]
        if not objects.is_crowd(position):
            numbers = f"({_text(box)}), but its mask lies in ({_text(bound)})"
            message = f"box is {numbers}: {off[index]:.1f} px off, IoU {ious[index]:.2f}"
            yield objects.finding(position, message, float(ious[index]), [mark_box(box), mark_box(bound)])


def _ious(one: Floats, other: Floats) -> Floats:
    low, high = np.maximum(one[:, :2], other[:, :2]), np.minimum(one[:, 2:], other[:, 2:])
    common = np.clip(high - low, 0, None).prod(axis=1)
    union = area_of(one) + area_of(other) - common
    return np.where(union > 0, common / np.where(union > 0, union, 1), 0)


def _text(box: Floats) -> str:
    return ", ".join(f"{value:.1f}".removesuffix(".0") for value in box)


def _spoil(inputs: Inputs) -> Inputs:
    annotations = inputs["annotations"].copy()
    annotations.loc[annotations["mask"].first_valid_index(), "x1_px"] += 10
    return {**inputs, "annotations": annotations}


CHECK = Check("MSK010", "mask and box disagree", "warning", find_mask_box_mismatches, _spoil)
