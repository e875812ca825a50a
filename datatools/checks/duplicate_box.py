"""What it finds: two boxes of one class that lie on each other: one object, marked twice.

Why it matters: the object counts twice in training and in every metric, and a detector that finds it once is said to have
missed one.

What to do: delete one of the two; the later one is offered. Look at the image first where two objects really lie on each
other.

Options: `validate.duplicate_iou`: the overlap (IoU) from which two boxes are one (default 0.9). Boxes by different
annotators are two opinions, not duplicates; boxes that mark a crowd (`iscrowd`) are passed over. Two annotation files that
have most of their boxes in common (at least 10) are one finding. For masks see MSK011.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.checks.drawing import mark_box
from datatools.checks.geometry import Objects, find_repeated_files, unpack
from datatools.checks.pairs import Floats, Ints, iter_near
from datatools.findings import Finding, Offer
from datatools.params import ValidateParams
from datatools.schema import ANNOTATIONS


def find_duplicate_boxes(annotations: pd.DataFrame, params: ValidateParams) -> Iterator[Finding]:
    """Yield a finding for each box that an earlier one of its image, class and annotator already says."""
    objects = unpack(annotations)
    among = np.flatnonzero(objects.is_box & (objects.areas > 0))
    earlier, later, ious = _pairs(objects, among, params.duplicate_iou)
    if not len(earlier):
        return
    by_file, files = find_repeated_files(objects, among, earlier, later)
    for first, second, n_both, n_boxes in files:
        message = f"{first} and {second} have {n_both} boxes in common, of {n_boxes} in the smaller file"
        yield Finding(message, subject=f"{first}, {second}")
    gone: set[int] = set()
    for index in np.flatnonzero(~by_file):
        one, other, iou = earlier[index], later[index], ious[index]
        if one in gone or other in gone or objects.is_crowd(one) or objects.is_crowd(other):
            continue
        gone.add(other)
        how = "is the same box as" if iou == 1 else f"has IoU {iou:.3f} with"
        marks = [mark_box(objects.boxes[other]), mark_box(objects.boxes[one])]
        yield objects.finding(other, f"{how} {objects.ids[one]}", float(1 - iou), marks, Offer("delete"))


def _pairs(objects: Objects, among: Ints, min_iou: float) -> tuple[Ints, Ints, Floats]:
    """Positions of two boxes that lie on each other, the earlier and the later one, and their IoU; in order of the later."""
    boxes, areas = objects.boxes, objects.areas
    x0, x1 = boxes[among, 0], boxes[among, 2]
    reach = x0 + (1 - min_iou) * (x1 - x0)  # beyond it the IoU is lower
    ones, others, ious = [among[:0]], [among[:0]], [np.empty(0)]
    for near in iter_near(objects.opinions[among], x0, reach):
        one, other = among[near[0]], among[near[1]]
        sides = (
            np.minimum(boxes[one, side + 2], boxes[other, side + 2]) - np.maximum(boxes[one, side], boxes[other, side])
            for side in (0, 1)
        )
        width, height = (np.maximum(side, 0) for side in sides)
        common = width * height
        iou = common / (areas[one] + areas[other] - common)
        same = (iou >= min_iou) & (iou > 0)
        ones.append(one[same])
        others.append(other[same])
        ious.append(iou[same])
    earlier, later, order = objects.order_pairs(np.concatenate(ones), np.concatenate(others))
    return earlier[order], later[order], np.concatenate(ious)[order]


def _spoil(inputs: Inputs) -> Inputs:
    annotations = inputs["annotations"]
    again = annotations[annotations["kind"] == "box"].head(1).assign(annotation_id="coco/later")
    return {**inputs, "annotations": ANNOTATIONS.conform(pd.concat([annotations, again]))}


CHECK = Check("BOX005", "duplicate box", "warning", find_duplicate_boxes, _spoil)
