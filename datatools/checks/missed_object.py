"""What it finds: a box or mask on which annotators differ: one who saw the image did not draw it, they gave it different
classes, or their outlines overlap far less than is usual.

Why it matters: it is the cheapest sign of a missed, spurious or badly drawn object.

What to do: look at the image; what is marked is what each of them drew. Then delete, add, rename or move.

Options: `validate.iou_min`: the IoU from which two boxes or masks mean one object (default 0.5). An annotator saw an image
who has any row on it from a source in which they drew objects of the kind, or whom the image's record names in `annotators`. An
object that is missing is named once, on the annotation with the first id; different classes on each annotation that has not
the class of most. An overlap is far below the usual if its IoU is below the lower quarter of all matches by more than 3
times their interquartile range, and the outline is as far off in pixels (a small object has a low IoU at once); from 20 matches
on. A class that an annotator never draws is AGR004.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pandas as pd

from datatools.agreement.comparison import UNUSED_MIN, Comparison, compare_objects, find_unused_classes
from datatools.agreement.matching import Ints
from datatools.checks.base import Check, Inputs
from datatools.checks.drawing import mark_box, mark_polygon
from datatools.findings import Finding, Mark
from datatools.params import ValidateParams
from datatools.schema import BOX

ENOUGH = 20  # fewer matches show no usual overlap
FAR_OUT = 3.0  # interquartile ranges beyond the quartile: Tukey (1977), Exploratory Data Analysis, calls this far out
IOU_FINE = 0.8  # from here on two outlines are the same for most purposes, however exact the others are


def find_missed_objects(annotations: pd.DataFrame, images: pd.DataFrame, params: ValidateParams) -> Iterator[Finding]:
    """Yield the findings on each object that annotators drew and see differently."""
    for comparison in compare_objects(annotations, images, params.iou_min):
        yield from _find_missed(comparison)
        yield from _find_renamed(comparison)
        yield from _find_misdrawn(comparison)


def _find_missed(comparison: Comparison) -> Iterator[Finding]:
    objects, n = comparison.objects, len(comparison.annotators)
    members = _members(comparison)
    near = _nearest(comparison)
    never = {(who, label) for who, label, count in find_unused_classes(comparison) if count >= UNUSED_MIN}
    starts = np.searchsorted(comparison.saw_image, np.arange(len(comparison.paths) + 1))
    n_saw = comparison.n_saw
    for group in members:
        if len(group) == n_saw[objects.image[group[0]]]:
            continue
        first = group[0]
        image, label = objects.image[first], int(objects.label[first])
        drew = set(objects.annotator[group].tolist())
        saw = comparison.saw_by[starts[image] : starts[image + 1]].tolist()
        absent = [who for who in saw if who not in drew and (who, label) not in never]
        if not absent:
            continue
        beside = [near[key] for item in group.tolist() for who in absent if (key := item * n + who) in near]
        message = (
            f"{_names(comparison, sorted(drew))} drew {_what(comparison, first)}; {_names(comparison, absent)} did not"
        )
        if beside:
            iou, other = max(beside, key=lambda pair: (pair[0], -objects.rank[pair[1]]))
            message += (
                f" (nearest {_what(comparison, other, article=False)} of {_name(comparison, other)}: IoU {iou:.2f})"
            )
        yield _finding(
            comparison, first, message, len(drew) / len(saw), "missed", [*group, *(item for _, item in beside)]
        )


def _find_renamed(comparison: Comparison) -> Iterator[Finding]:
    labels = comparison.objects.label
    for group in _members(comparison):
        if len(group) == 1 or (labels[group] == labels[group[0]]).all():
            continue
        counts = Counter(labels[group].tolist())
        said = ", ".join(
            f"{_name(comparison, item)} {_class(comparison, item)}" for item in _by_annotator(comparison, group)
        )
        for item in group:
            share = counts[int(labels[item])] / len(group)
            if share <= 0.5:
                yield _finding(comparison, item, f"annotators name it differently: {said}", share, "class", group)


def _find_misdrawn(comparison: Comparison) -> Iterator[Finding]:
    matches, objects = comparison.matches, comparison.objects
    if len(matches) < ENOUGH:
        return
    size = np.sqrt((objects.area[matches.one] + objects.area[matches.other]) / 2)
    offset = (1 - matches.iou) * size
    low, high = min(_fence(matches.iou, -1), IOU_FINE), _fence(offset, 1)
    usual = float(np.median(matches.iou))
    for position in np.flatnonzero((matches.iou < low) & (offset > high)):
        one, other, iou = int(matches.one[position]), int(matches.other[position]), float(matches.iou[position])
        first, second = sorted((one, other), key=lambda item: _id(comparison, item))
        drawn = (
            f"{_name(comparison, first)} and {_name(comparison, second)} draw {_what(comparison, first)} differently"
        )
        subject = f"overlap with {_name(comparison, second)}"
        message = f"{drawn}: IoU {iou:.2f}, usual is {usual:.2f}"
        yield _finding(comparison, first, message, iou, subject, [first, second])


def _fence(values: np.ndarray, side: int) -> float:
    lower, upper = np.quantile(values, [0.25, 0.75])
    return float((upper if side > 0 else lower) + side * FAR_OUT * (upper - lower))


def _members(comparison: Comparison) -> list[Ints]:
    """The annotations of each object, by id."""
    if not len(comparison.objects):
        return []
    ids = comparison.unpacked.ids.take(comparison.objects.rows)
    order = np.lexsort((pd.factorize(pd.array(ids, "string"), sort=True)[0], comparison.unit))
    return np.split(order, np.flatnonzero(np.diff(comparison.unit[order])) + 1)


def _nearest(comparison: Comparison) -> dict[int, tuple[float, int]]:
    """Object x annotators + annotator -> IoU and position of what overlaps it most of theirs."""
    overlaps, objects, n = comparison.overlaps, comparison.objects, len(comparison.annotators)
    mine, theirs = np.r_[overlaps.one, overlaps.other], np.r_[overlaps.other, overlaps.one]
    keys, iou = mine * n + objects.annotator[theirs], np.r_[overlaps.iou, overlaps.iou]
    order = np.lexsort((objects.rank[theirs], -iou, keys))
    best = order[np.r_[True, np.diff(keys[order]) != 0]] if len(order) else order
    pairs = zip(iou[best].tolist(), theirs[best].tolist(), strict=True)
    return dict(zip(keys[best].tolist(), pairs, strict=True))


def _finding(
    comparison: Comparison, item: int, message: str, score: float, subject: str, shown: list[int] | Ints
) -> Finding:
    position = comparison.objects.rows[item]
    path, annotation_id = comparison.unpacked.paths[position], comparison.unpacked.ids[position]
    marks = tuple(mark for other in dict.fromkeys(map(int, shown)) for mark in _marks(comparison, other))
    return Finding(message, path, annotation_id, score, subject, marks)


def _marks(comparison: Comparison, item: int) -> list[Mark]:
    position = int(comparison.objects.rows[item])
    if comparison.kind == "box":
        return [mark_box(comparison.unpacked.boxes[position])]
    if position in comparison.unpacked.rles:
        return [mark_polygon(np.array(ring)) for ring in comparison.unpacked.rles[position].to_rings()]
    polygons = comparison.unpacked.polygons
    return [mark_polygon(polygons.ring(ring)) for ring in comparison.unpacked.rings(position)]


def _by_annotator(comparison: Comparison, group: Ints) -> Ints:
    return group[np.argsort(comparison.objects.annotator[group])]


def _id(comparison: Comparison, item: int) -> str:
    return str(comparison.unpacked.ids[comparison.objects.rows[item]])


def _name(comparison: Comparison, item: int) -> str:
    return comparison.annotators[comparison.objects.annotator[item]]


def _names(comparison: Comparison, annotators: list[int]) -> str:
    *most, last = [comparison.annotators[number] for number in annotators]
    return f"{', '.join(most)} and {last}" if most else last


def _class(comparison: Comparison, item: int) -> str:
    label = comparison.labels[comparison.objects.label[item]]
    return "without a class" if label is None else repr(label)


def _what(comparison: Comparison, item: int, article: bool = True) -> str:
    text = f"{comparison.kind} {_class(comparison, item)}"
    return f"the {text}" if article else text


def _spoil(inputs: Inputs) -> Inputs:
    """A second annotator of the boxes, who draws all but the first."""
    annotations = inputs["annotations"]
    again = annotations[annotations["kind"] == "box"]
    again = again.assign(annotation_id=again["annotation_id"] + "@dora", annotator="dora", source="annotations.json")
    first = again.iloc[[0]].assign(**dict.fromkeys(BOX, 0.0), kind="label", label="circle")
    return {**inputs, "annotations": pd.concat([annotations, again.iloc[1:], first], ignore_index=True)}


CHECK = Check("AGR005", "annotators differ on an object", "info", find_missed_objects, _spoil)
