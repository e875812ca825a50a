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
from datatools.checks.pairs import Floats, Ints, iter_near, where
from datatools.findings import Finding, Offer
from datatools.params import ValidateParams
from datatools.schema import ANNOTATIONS

DELETE = Offer("delete")


def find_duplicate_boxes(annotations: pd.DataFrame, params: ValidateParams) -> Iterator[Finding]:
    """Yield a finding for each box that an earlier one of its image, class and annotator already says."""
    objects = unpack(annotations)
    among = where(objects.is_box & (objects.areas > 0))
    earlier, later, ious = _pairs(objects, among, params.duplicate_iou)
    if not len(earlier):
        return
    by_file, files = find_repeated_files(objects, among, earlier, later)
    for first, second, n_both, n_boxes in files:
        message = f"{first} and {second} have {n_both} boxes in common, of {n_boxes} in the smaller file"
        yield Finding(message, subject=f"{first}, {second}")
    gone: set[int] = set()
    single = np.flatnonzero(~by_file)
    pairs = (of_each[single].tolist() for of_each in (earlier, later, ious))
    drawn = (objects.boxes[position[single]].tolist() for position in (earlier, later))
    for one, other, iou, box, other_box in zip(*pairs, *drawn, strict=True):
        if one in gone or other in gone or objects.is_crowd(one) or objects.is_crowd(other):
            continue
        gone.add(other)
        how = "is the same box as" if iou == 1 else f"has IoU {iou:.3f} with"
        marks = [mark_box(other_box), mark_box(box)]
        yield objects.finding(other, f"{how} {objects.ids[one]}", 1 - iou, marks, DELETE)


def _pairs(objects: Objects, among: slice | Ints, min_iou: float) -> tuple[Ints, Ints, Floats]:
    """Positions of two boxes that lie on each other, the earlier and the later one, and their IoU; in order of the later."""
    (x0, y0, x1, y1), areas = objects.boxes.T, objects.areas
    heights, start = objects.sides[:, 1], x0[among]
    reach = (1 - min_iou) * objects.sides[:, 0][among]
    reach += start  # beyond it the IoU is lower
    ones, others, ious = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0)]
    for one, other in iter_near(objects.opinions[among], start, reach):
        if not isinstance(among, slice):
            one, other = among[one], among[other]
        maybe = np.abs(y0[one] - y0[other]) < 1 + (1 - min_iou) * np.maximum(heights[one], heights[other])
        one, other = one[maybe], other[maybe]
        width = np.minimum(x1[one], x1[other]) - np.maximum(x0[one], x0[other])
        height = np.minimum(y1[one], y1[other]) - np.maximum(y0[one], y0[other])
        common = np.maximum(width, 0) * np.maximum(height, 0)
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
