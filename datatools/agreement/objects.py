"""How far annotators agree on boxes and masks: whether they find the same objects, name them alike and draw them alike.

**Measures.** F1 is 2 x matches / objects of both, whatever the classes: what kappa becomes when there are countless places
without an object (Hripcsak and Rothschild, 2005, Agreement, the F-measure, and reliability in information retrieval).
`class_alpha` is Krippendorff's nominal alpha of the classes of matched objects. `alpha` is the same with a missing object as
one more label, and an image that all leave empty as one object that all miss (as KaLOS counts). Beware of it where one class
rules: no object can be missed by all, so that with a single class it is at most 0 as soon as one object is missed. Intervals
are bootstrapped over images.

**Stated answers.** None where there is nothing to measure: no image that two saw, no match whose IoU could be averaged. 1.0
where annotators saw the same images and none drew anything, and where only one label was given: nothing to disagree on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from datatools.agreement.comparison import Comparison, compare_objects
from datatools.agreement.matching import Floats, Ints, Pairs, match_pairs
from datatools.agreement.resampling import RESAMPLES, chance_corrected, interval

THRESHOLDS = tuple(percent / 100 for percent in range(50, 100, 5))
MAX_INTERVALS = 100  # with more pairs of annotators than this, pairs get no intervals


@dataclass(frozen=True)
class _Units:
    """Nominal ratings of units in images, in long form: a value each, of the unit's number, and each unit's image."""

    unit: Ints
    value: Ints
    image: Ints  # of each unit
    n_images: int
    n_values: int


def measure_object_agreement(
    annotations: pd.DataFrame, images: pd.DataFrame, iou_min: float = 0.5, n_resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Any]:
    """Agreement on boxes and on masks as a JSON object: `iou_min`, and in `kinds` an entry for each that two annotators drew.

    An entry has the counts (`images` that two or more saw, `objects` on them), the measures of all annotators together (F1
    at `iou_min` and, as `f1_50_95`, averaged over IoU 0.50, 0.55, ..., 0.95; `thresholds` has each) and the lists

    - `pairs`: precision and recall take the first of the two as the reference; `f1_same_class` counts only matches of one class;
    - `classes`: `n` objects, each counted once for every other annotator who saw its image; the shares `same`, `confused`
      (matched with another class, by `confused_with`) and `missing`;
    - `annotators`: `precision` is the share of their objects that the others have too, `recall` of the others' that they have.
    """
    comparisons = compare_objects(annotations, images, iou_min)
    return {"iou_min": iou_min, "kinds": [_measure(comparison, n_resamples, seed) for comparison in comparisons]}


def measure_pairs(
    comparison: Comparison, sweep: Sequence[Pairs] = (), n_resamples: int = 0, seed: int = 0
) -> list[dict[str, Any]]:
    """The measures of every two annotators who saw a common image, in the order of their names.

    With the matches of several thresholds in `sweep` also `f1_50_95`, their mean F1.
    """
    found = _matches_by_pair(comparison, comparison.matches)
    at = [{pair: len(chosen) for pair, chosen in _matches_by_pair(comparison, matches).items()} for matches in sweep]
    images_of = [
        np.sort(comparison.saw_image[comparison.saw_by == number]) for number in range(len(comparison.annotators))
    ]
    rows_of = [np.flatnonzero(comparison.objects.annotator == number) for number in range(len(comparison.annotators))]
    pairs = _pairs_with_common_images(comparison)
    n_resamples = n_resamples if len(pairs) <= MAX_INTERVALS else 0
    rows = []
    for a, b in pairs:
        common = np.intersect1d(images_of[a], images_of[b], assume_unique=True)
        sides = [rows_of[side][np.isin(comparison.objects.image[rows_of[side]], common)] for side in (a, b)]
        chosen = comparison.matches.take(found.get((a, b), np.zeros(0, np.int64)))
        counts = [counted.get((a, b), 0) for counted in at]
        rows.append(
            {
                "annotators": [comparison.annotators[a], comparison.annotators[b]],
                "images": len(common),
                "objects": [len(side) for side in sides],
                **_measure_pair(comparison, common, sides, chosen, n_resamples, seed),
                **({"f1_50_95": float(np.mean([_f1(n, sum(map(len, sides))) for n in counts]))} if sweep else {}),
            }
        )
    return rows


def _measure(comparison: Comparison, n_resamples: int, seed: int) -> dict[str, Any]:
    objects, matches = comparison.objects, comparison.matches
    ends = int((comparison.n_saw[objects.image] - 1).sum())
    sweep = [match_pairs(objects, comparison.overlaps, level) for level in THRESHOLDS]
    at = {f"{level:.2f}": _f1(len(found), ends) for level, found in zip(THRESHOLDS, sweep, strict=True)}
    units = _all_units(comparison)
    return {
        "kind": comparison.kind,
        "images": len(comparison.paths),
        "objects": len(objects),
        "without_area": comparison.n_rows - len(objects),
        "distinct_objects": int(comparison.unit.max()) + 1 if len(objects) else 0,
        "f1": _f1(len(matches), ends),
        "f1_50_95": float(np.mean(list(at.values()))),
        **_overlap_means(matches.iou),
        **_alphas(units, _without_missing(units), n_resamples, seed),
        "thresholds": at,
        "pairs": measure_pairs(comparison, sweep, n_resamples, seed),
        "classes": _measure_classes(comparison),
        "annotators": _measure_annotators(comparison),
    }


def _matches_by_pair(comparison: Comparison, matches: Pairs) -> dict[tuple[int, int], Ints]:
    annotator, n = comparison.objects.annotator, len(comparison.annotators)
    keys = annotator[matches.one] * n + annotator[matches.other]
    order = np.argsort(keys, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(keys[order])) + 1)
    return {divmod(int(keys[group[0]]), n): group for group in groups if len(group)}


def _pairs_with_common_images(comparison: Comparison) -> list[tuple[int, int]]:
    from scipy.sparse import coo_array

    shape = (len(comparison.paths), len(comparison.annotators))
    saw = coo_array(
        (np.ones(len(comparison.saw_by), np.int64), (comparison.saw_image, comparison.saw_by)), shape
    ).tocsr()
    one, other = (saw.T @ saw).nonzero()
    return sorted((int(a), int(b)) for a, b in zip(one, other, strict=True) if a < b)


def _measure_pair(
    comparison: Comparison, common: Ints, sides: Sequence[Ints], matches: Pairs, n_resamples: int, seed: int
) -> dict[str, Any]:
    objects, missing = comparison.objects, len(comparison.labels)
    n, total = len(matches), len(sides[0]) + len(sides[1])
    same = int((objects.label[matches.one] == objects.label[matches.other]).sum())
    alone = [np.setdiff1d(side, end) for side, end in zip(sides, (matches.one, matches.other), strict=True)]
    # Units: the matches, then each object alone, then the images without any.
    empty = np.setdiff1d(common, objects.image[np.concatenate(sides)])
    gap = [np.full(len(part), missing) for part in (*alone, empty)]
    one = np.concatenate([objects.label[matches.one], objects.label[alone[0]], gap[1], gap[2]])
    other = np.concatenate([objects.label[matches.other], gap[0], objects.label[alone[1]], gap[2]])
    image = np.concatenate([objects.image[part] for part in (matches.one, *alone)] + [empty])
    units = _Units(
        np.tile(np.arange(len(one)), 2), np.r_[one, other], np.searchsorted(common, image), len(common), missing + 1
    )
    return {
        "matched": n,
        "precision": _share(n, len(sides[1])),
        "recall": _share(n, len(sides[0])),
        "f1": _f1(n, total),
        "f1_same_class": _f1(same, total),
        **_overlap_means(matches.iou),
        **_alphas(units, _without_missing(units), n_resamples, seed),
    }


def _measure_classes(comparison: Comparison) -> list[dict[str, Any]]:
    objects, matches, n_labels = comparison.objects, comparison.matches, len(comparison.labels)
    n = np.bincount(objects.label, comparison.n_saw[objects.image] - 1, n_labels).astype(np.int64)
    mine = np.r_[objects.label[matches.one], objects.label[matches.other]]
    theirs = np.r_[objects.label[matches.other], objects.label[matches.one]]
    keys, counts = np.unique(mine * n_labels + theirs, return_counts=True)
    met: list[dict[int, int]] = [{} for _ in comparison.labels]
    for key, count in zip(keys.tolist(), counts.tolist(), strict=True):
        met[key // n_labels][key % n_labels] = count
    iou = np.r_[matches.iou, matches.iou][mine == theirs]
    sums = np.bincount(mine[mine == theirs], iou, n_labels)
    rows = []
    for number, (label, by) in enumerate(zip(comparison.labels, met, strict=True)):
        same, matched, total = by.get(number, 0), sum(by.values()), int(n[number])
        if not total:
            continue  # drawn only on images that one annotator saw
        confused = sorted((other for other in by if other != number), key=lambda other: (-by[other], other))
        rows.append(
            {
                "label": label,
                "n": total,
                "same": same / total,
                "confused": (matched - same) / total,
                "missing": (total - matched) / total,
                "mean_iou": float(sums[number] / same) if same else None,
                "confused_with": [{"label": comparison.labels[other], "n": by[other]} for other in confused],
            }
        )
    return rows


def _measure_annotators(comparison: Comparison) -> list[dict[str, Any]]:
    objects, matches, n = comparison.objects, comparison.matches, len(comparison.annotators)
    on_image = np.bincount(objects.image, minlength=len(comparison.paths))
    drawn = np.bincount(objects.annotator, minlength=n)
    shown = np.bincount(objects.annotator, comparison.n_saw[objects.image] - 1, n).astype(np.int64)
    theirs = np.bincount(comparison.saw_by, on_image[comparison.saw_image], n).astype(np.int64) - drawn
    ends = np.r_[objects.annotator[matches.one], objects.annotator[matches.other]]
    matched = np.bincount(ends, minlength=n)
    iou = np.bincount(ends, np.r_[matches.iou, matches.iou], n)
    same = np.tile(objects.label[matches.one] == objects.label[matches.other], 2)
    alike = np.bincount(ends, same, n)
    n_images = np.bincount(comparison.saw_by, minlength=n)
    return [
        {
            "annotator": name,
            "images": int(n_images[number]),
            "objects": int(drawn[number]),
            "precision": _share(matched[number], shown[number]),
            "recall": _share(matched[number], theirs[number]),
            "f1": _f1(matched[number], shown[number] + theirs[number]) if n_images[number] else None,
            "same_class": _share(alike[number], matched[number]),
            "mean_iou": _share(iou[number], matched[number]),
        }
        for number, name in enumerate(comparison.annotators)
    ]


def _all_units(comparison: Comparison) -> _Units:
    """The objects that anyone drew, and one for each image that all left empty; a value for each who saw the image."""
    objects, missing, n_saw = comparison.objects, len(comparison.labels), comparison.n_saw
    size = np.bincount(comparison.unit, minlength=0)
    image = np.zeros(len(size), np.int64)
    image[comparison.unit] = objects.image
    empty = np.setdiff1d(np.arange(len(comparison.paths)), image)
    absent = np.repeat(np.arange(len(size) + len(empty)), np.r_[n_saw[image] - size, n_saw[empty]])
    unit, value = np.r_[comparison.unit, absent], np.r_[objects.label, np.full(len(absent), missing)]
    return _Units(unit, value, np.r_[image, empty], len(comparison.paths), missing + 1)


def _without_missing(units: _Units) -> _Units:
    there = units.value < units.n_values - 1
    return _Units(units.unit[there], units.value[there], units.image, units.n_images, units.n_values)


def _alphas(units: _Units, named: _Units, n_resamples: int, seed: int) -> dict[str, Any]:
    alpha, ends = _nominal_alpha(units, n_resamples, seed)
    class_alpha, class_ends = _nominal_alpha(named, n_resamples, seed)
    return {"alpha": alpha, "alpha_interval": ends, "class_alpha": class_alpha, "class_alpha_interval": class_ends}


def _nominal_alpha(units: _Units, n_resamples: int, seed: int) -> tuple[float | None, list[float] | None]:
    """Krippendorff's nominal alpha of the units with two values or more, and its interval over images."""
    from scipy.sparse import coo_array

    per_unit = np.bincount(units.unit, minlength=len(units.image))
    keys, counts = np.unique(units.unit * units.n_values + units.value, return_counts=True)
    unit, value = np.divmod(keys, units.n_values)
    paired = per_unit[unit] >= 2
    unit, value, counts = unit[paired], value[paired], counts[paired]
    if not len(unit):
        return None, None
    within = counts * (per_unit[unit] - counts) / (per_unit[unit] - 1)
    disagreement = np.bincount(units.image[unit], within, units.n_images)
    given = coo_array((counts.astype(np.float64), (units.image[unit], value)), (units.n_images, units.n_values)).tocsr()

    def alpha(weights: Floats) -> Floats:
        """Alpha of each weighting of the images, shape (weightings,)."""
        totals = (given.T @ weights.T).T
        n = totals.sum(axis=1)
        return chance_corrected(weights @ disagreement, (n**2 - (totals**2).sum(axis=1)) / np.maximum(n - 1, 1))

    ends = interval(alpha, np.ones(units.n_images, np.int64), n_resamples, seed)
    return float(alpha(np.ones((1, units.n_images)))[0]), None if ends is None else [float(end) for end in ends]


def _overlap_means(iou: Floats) -> dict[str, float | None]:
    """Mean IoU and Dice of matched objects; Dice is 2 IoU / (1 + IoU)."""
    if not len(iou):
        return {"mean_iou": None, "mean_dice": None}
    return {"mean_iou": float(iou.mean()), "mean_dice": float((2 * iou / (1 + iou)).mean())}


def _share(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None


def _f1(n_matches: int, n_objects: int) -> float:
    """2 x matches / objects of both; 1.0 where neither drew any."""
    return float(2 * n_matches / n_objects) if n_objects else 1.0
