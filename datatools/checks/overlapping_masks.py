"""What it finds: two masks of one class that share most of the smaller one: the same object twice, or one over another.

Why it matters: a pixel belongs to one object. Copies count an object twice, and an overlap teaches that its pixels are two
things at once.

What to do: delete the copy, or cut the overlap out of one of the two.

Options: `validate.overlap_max`: the largest part of the smaller mask that may be shared (default 0.5). Copies (IoU above
0.99) are always found. Masks by different annotators, of different classes, and crowds (`iscrowd`) are not compared. A
class of at least 20 masks of which more than one in ten overlaps like that is passed over: there it is the way to draw.
Two annotation files that have most of their masks in common (at least 10) are one finding.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import shapely

from datatools.checks.base import Check, Inputs
from datatools.checks.drawing import mark_box
from datatools.checks.geometry import Objects, find_repeated_files, unpack
from datatools.checks.pairs import ENOUGH, Floats, Ints, area_of, find_crossing_boxes, shares
from datatools.findings import Finding, Offer
from datatools.params import ValidateParams
from datatools.schema import ANNOTATIONS

COPY_IOU = 0.99
USUAL = 0.1  # share of a class's masks


def find_overlapping_masks(annotations: pd.DataFrame, params: ValidateParams) -> Iterator[Finding]:
    """Yield a finding for the later of any two masks that share more than the bar; areas are in pixels."""
    objects = unpack(annotations)
    if len(objects.mask_rows) < 2:
        return
    one, other, common, areas = _overlaps(objects, min(params.overlap_max, COPY_IOU))
    iou = common / (areas.sum(axis=1) - common)
    is_copy = iou > COPY_IOU
    too_much = ~is_copy & (common > params.overlap_max * areas.min(axis=1))
    overlapping = np.isin(objects.mask_rows, [one[too_much], other[too_much]]).nonzero()[0]
    n, share = shares(overlapping, objects.classes[objects.mask_rows])
    usual = np.zeros(len(objects.table), bool)
    usual[objects.mask_rows[overlapping]] = (n >= ENOUGH) & (share > USUAL)
    by_file, files = find_repeated_files(objects, objects.mask_rows, one[is_copy], other[is_copy])
    for first, second, n_both, n_masks in files:
        message = f"{first} and {second} have {n_both} masks in common, of {n_masks} in the smaller file"
        yield Finding(message, subject=f"{first}, {second}")
    speaks = too_much & ~usual[other]
    told = np.zeros(len(one), bool)
    told[is_copy] = by_file
    copies: set[int] = set()
    for index in range(len(one)):
        earlier, later = one[index], other[index]
        if told[index] or earlier in copies or later in copies or not (is_copy[index] or speaks[index]):
            continue
        marks = [mark_box(objects.mask_bounds[later]), mark_box(objects.mask_bounds[earlier])]
        part = common[index] / areas[index].min()
        if is_copy[index]:
            copies.add(later)
            message = f"is a copy of {objects.ids[earlier]}: IoU {iou[index]:.3f}"
            yield objects.finding(later, message, 0.0, marks, Offer("delete"))
        else:
            message = f"shares {common[index]:.0f} px with {objects.ids[earlier]}: {part:.0%} of the smaller of the two"
            yield objects.finding(later, message, float(1 - part), marks)


def _overlaps(objects: Objects, most: float) -> tuple[Ints, Ints, Floats, Floats]:
    """Pairs of masks, earlier and later, their common area and both areas, where it is more than `most` of the smaller."""
    bounds = objects.mask_bounds
    rows = np.flatnonzero(area_of(bounds) > 0)
    one, other = (rows[side] for side in find_crossing_boxes(objects.opinions[rows], bounds[rows]))
    areas = np.stack([objects.mask_areas[one], objects.mask_areas[other]], axis=1)
    low, high = np.maximum(bounds[one, :2], bounds[other, :2]), np.minimum(bounds[one, 2:], bounds[other, 2:])
    maybe = np.clip(high - low, 0, None).prod(axis=1) > most * areas.min(axis=1)  # the bounds share at least as much
    maybe &= areas.min(axis=1) > 0
    one, other, areas = one[maybe], other[maybe], areas[maybe]
    common = _common(objects, one, other)
    found = common > most * areas.min(axis=1)
    crowds = [position for position in np.unique([one[found], other[found]]) if objects.is_crowd(position)]
    found &= ~np.isin([one, other], crowds).any(axis=0)
    one, other, common, areas = one[found], other[found], common[found], areas[found]
    earlier, later, order = objects.order_pairs(one, other)
    return earlier[order], later[order], common[order], areas[order]


def _common(objects: Objects, one: Ints, other: Ints) -> Floats:
    """The area that two masks share, for each pair: exact in runs of one size, else that of their outlines."""
    place = np.full(len(objects.table), -1)
    place[objects.run_rows] = np.arange(len(objects.run_rows))
    sizes = objects.runs.size_hw
    in_runs = (place[one] >= 0) & (place[other] >= 0)
    in_runs[in_runs] = (sizes[place[one[in_runs]]] == sizes[place[other[in_runs]]]).all(axis=1)
    common = np.zeros(len(one))
    common[in_runs] = objects.runs.intersect(place[one[in_runs]], place[other[in_runs]])
    needed = np.unique(np.concatenate([one[~in_runs], other[~in_runs]]))
    shapes = np.full(len(objects.table), None, object)
    shapes[needed] = [objects.shape(position) for position in needed]
    common[~in_runs] = shapely.area(shapely.intersection(shapes[one[~in_runs]], shapes[other[~in_runs]]))
    return common


def _spoil(inputs: Inputs) -> Inputs:
    annotations = inputs["annotations"]
    again = annotations[annotations["kind"] == "mask"].head(1).assign(annotation_id="coco/later")
    return {**inputs, "annotations": ANNOTATIONS.conform(pd.concat([annotations, again]))}


CHECK = Check("MSK011", "overlapping masks", "warning", find_overlapping_masks, _spoil)
