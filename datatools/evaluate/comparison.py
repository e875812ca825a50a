"""Two classifiers on the same test images and labels: what is better, what is worse, and what only chance can tell apart.

Both are measured on the images that both saw with the same bytes, under one set of labels: those of `after`. The difference
of two reports would mix that with another test set and with labels that were corrected in between; both are told apart.

**Interval.** 95 %, percentile bootstrap over the common images, paired: a resample draws an image with what both models said
of it (Efron and Tibshirani, 1993, An Introduction to the Bootstrap, chapters 13 and 16). **Real** is a difference of accuracy
whose interval excludes 0 and whose exact sign test on the images that only one model gets right (McNemar, 1947, Psychometrika
12: 153-157; exact by the binomial distribution) has p < 0.05: with a handful of such images the bootstrap alone calls
4 against 0 a difference, which is heads four times in a row. Macro F1 has no such test: its interval decides.

What no interval here has in it: another training seed moves the accuracy as well, with the same data (`datatools lift`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datatools.agreement.resampling import CONFIDENCE, interval
from datatools.evaluate.metrics import compute_metrics

RESAMPLES = 2000  # as in datatools/lift.py: each end of an interval rests on 50
Codes = NDArray[np.int64]
Floats = NDArray[np.float64]
Document = dict[str, Any]


@dataclass(frozen=True)
class Rated:
    """Images that are alike (same labels, same predictions) as one row with a count, all (kinds,), codes of `classes`."""

    classes: tuple[str, ...]
    truth: Codes
    old_truth: Codes
    before: Codes
    after: Codes
    n: Codes


def compare_models(
    before: pd.DataFrame, after: pd.DataFrame, same: Mapping[str, str], classes: Sequence[str]
) -> Document:
    """Compare two PREDICTIONS tables as the module says; the result is a document for JSON.

    `same` has, for each image that both data sets have with the same bytes, its path in `after` and in `before`
    (`find_same_images`). `classes` come first in every list; a class that only a table has follows. Without common test
    images the differences are None.
    """
    common = join_predictions(before, after, same)
    names = _list_classes(classes, before, after)
    rated = _rate(common, names)
    return {
        "images": _count_images(before, after, common),
        "own": {"before": _describe_own(before, names), "after": _describe_own(after, names)},
        "accuracy": _compare_accuracy(rated),
        "macro_f1": _compare_f1(rated),
        "test_labels": _find_label_effect(rated),
        "classes": _compare_classes(rated),
        "confusions": compare_confusions(common),
        "cases": list_cases(common),
        "confidence": CONFIDENCE,
        "resamples": RESAMPLES,
    }


def compare_counts(both_right: int, only_before: int, only_after: int, both_wrong: int) -> Document:
    """The comparison of accuracies where only these counts of images are known: who was right."""
    n = np.array([both_right, only_before, only_after, both_wrong], np.int64)
    truth, before, after = np.zeros(4, np.int64), np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    rated = Rated(("right", "wrong"), truth, truth, before, after, n)
    return _compare_accuracy(rated)


def find_same_images(before: pd.DataFrame, after: pd.DataFrame, renamed: Mapping[str, str]) -> dict[str, str]:
    """Path in `after` -> path in `before` of each image that both IMAGES tables have with the same bytes.

    `renamed` (new path -> old path) are those under another name, as `datatools.gate.find_renamed` finds them.
    """
    both = before[["path", "sha256"]].merge(after[["path", "sha256"]], on=["path", "sha256"])
    return {**dict(zip(both["path"], both["path"])), **renamed}


def join_predictions(before: pd.DataFrame, after: pd.DataFrame, same: Mapping[str, str]) -> pd.DataFrame:
    """A row an image that both tables measure, by its path in `after`.

    Columns path, label (of `after`), old_label, before, after (what each model said), confidence_before, confidence_after.
    """
    old = before.rename(
        columns={"path": "old_path", "label": "old_label", "predicted": "before", "confidence": "confidence_before"}
    )
    new = after.rename(columns={"predicted": "after", "confidence": "confidence_after"})
    new = new.assign(old_path=new["path"].map(dict(same)).astype("string"))
    rows = new[new["old_path"].notna()].merge(old, on="old_path")
    names = ["path", "label", "old_label", "before", "after", "confidence_before", "confidence_after"]
    return rows[names].sort_values("path", kind="stable", ignore_index=True)


def compare_confusions(common: pd.DataFrame) -> list[Document]:
    """Each cell of the confusion matrix that changed: actual, predicted, before, after, change; the largest change first.

    `common` is a table of `join_predictions`; both counts are under its `label`.
    """
    cells = [common.groupby(["label", name]).size() for name in ("before", "after")]
    for cell in cells:
        cell.index.names = ["actual", "predicted"]
    table = pd.concat(cells, axis=1, keys=["before", "after"]).fillna(0).astype(int).reset_index()
    table["change"] = table["after"] - table["before"]
    table["size"] = table["change"].abs()
    changed = table[table["change"] != 0].sort_values(
        ["size", "actual", "predicted"], ascending=[False, True, True], kind="stable"
    )
    rows: list[Document] = changed.drop(columns="size").to_dict("records")
    return rows


def list_cases(common: pd.DataFrame) -> dict[str, list[Document]]:
    """The test images that at least one of the two gets wrong: fixed, newly_failing, still_failing.

    Each row has path, label, old_label, before, after and their confidences. The most confident error comes first: of the
    model of before for what is fixed, of the model of after for the others.
    """
    was, is_right = (common[name] == common["label"] for name in ("before", "after"))
    chosen = {"fixed": ~was & is_right, "newly_failing": was & ~is_right, "still_failing": ~was & ~is_right}
    found = {}
    for name, rows in chosen.items():
        by = "confidence_before" if name == "fixed" else "confidence_after"
        order = common[rows].sort_values([by, "path"], ascending=[False, True], kind="stable")
        found[name] = [_plain(row) for row in order.to_dict("records")]
    return found


def is_real(found: Mapping[str, Any]) -> bool:
    """Whether the difference is more than the choice of test images explains; see the module."""
    has_interval = found["low"] is not None and found["high"] is not None
    excludes_0 = has_interval and not found["low"] <= 0 <= found["high"]
    return bool(excludes_0 and found.get("p", 0.0) < 1 - CONFIDENCE)


def _list_classes(classes: Sequence[str], *tables: pd.DataFrame) -> tuple[str, ...]:
    seen = {name for table in tables for column in ("label", "predicted") for name in table[column].dropna()}
    return (*classes, *sorted(seen - set(classes)))


def _rate(common: pd.DataFrame, classes: tuple[str, ...]) -> Rated:
    index = pd.Index(classes)
    names = ("label", "old_label", "before", "after")
    codes = np.stack([np.asarray(index.get_indexer(pd.Index(common[name])), np.int64) for name in names], axis=1)
    kinds, n = np.unique(codes, axis=0, return_counts=True)
    truth, old_truth, before, after = kinds.T
    return Rated(classes, truth, old_truth, before, after, n.astype(np.int64))


def _count_images(before: pd.DataFrame, after: pd.DataFrame, common: pd.DataFrame) -> Document:
    return {
        "before": len(before),
        "after": len(after),
        "common": len(common),
        "only_before": len(before) - len(common),
        "only_after": len(after) - len(common),
        "relabelled": int((common["label"] != common["old_label"]).sum()),
    }


def _describe_own(table: pd.DataFrame, classes: tuple[str, ...]) -> Document:
    """What a version says of itself: its own test images under its own labels."""
    found = compute_metrics(list(table["label"]), list(table["predicted"]), classes, CONFIDENCE)
    return {name: found[name] for name in ("n", "accuracy", "accuracy_low", "accuracy_high", "macro_f1")}


def _compare_accuracy(rated: Rated) -> Document:
    from scipy.stats import binomtest

    hits = [(guess == rated.truth).astype(float) for guess in (rated.before, rated.after)]
    found = _compare(rated, *(lambda weights, hit=hit: weights @ hit / weights.sum(axis=1) for hit in hits))
    only_before, only_after = (int(rated.n[one > other].sum()) for one, other in (hits, hits[::-1]))
    n = only_before + only_after
    found |= {"only_before_right": only_before, "only_after_right": only_after}
    found["p"] = float(binomtest(only_after, n).pvalue) if n else 1.0
    return {**found, "is_real": is_real(found)}


def _compare_f1(rated: Rated) -> Document:
    found = _compare(
        rated, *(lambda weights, guess=guess: _macro_f1(weights, rated, guess) for guess in (rated.before, rated.after))
    )
    return {**found, "is_real": is_real(found)}


def _find_label_effect(rated: Rated) -> Document:
    """The model of before on the labels of after, less the same model on its own labels: what corrected labels do alone."""
    old, new = ((rated.before == truth).astype(float) for truth in (rated.old_truth, rated.truth))
    return _compare(rated, *(lambda weights, hit=hit: weights @ hit / weights.sum(axis=1) for hit in (old, new)))


def _compare_classes(rated: Rated) -> list[Document]:
    """Recall of each class that the common images have, the largest change first; each interval is by itself."""
    member = _one_hot(rated.truth, len(rated.classes))
    shares = [
        lambda weights, hit=hit: _divide(weights @ (member * hit[:, None]), weights @ member)
        for hit in (rated.before == rated.truth, rated.after == rated.truth)
    ]
    counts = rated.n @ member
    if not len(rated.n):
        return []
    before, after = (share(rated.n[None].astype(float))[0] for share in shares)
    ends = interval(lambda weights: shares[1](weights) - shares[0](weights), rated.n, RESAMPLES)
    rows = [
        {
            "class": rated.classes[code],
            "support": int(counts[code]),
            "before": float(before[code]),
            "after": float(after[code]),
            "difference": float(after[code] - before[code]),
            "low": None if ends is None else _number(ends[0][code]),
            "high": None if ends is None else _number(ends[1][code]),
        }
        for code in np.flatnonzero(counts)
    ]
    return sorted(rows, key=lambda row: -abs(row["difference"]))


def _compare(rated: Rated, before: Any, after: Any) -> Document:
    """`before`, `after`, their difference `value` and its interval; each measure maps weights (r, kinds) to (r,)."""
    if not len(rated.n):
        return dict.fromkeys(("before", "after", "value", "low", "high"))
    whole = rated.n[None].astype(float)
    one, other = float(before(whole)[0]), float(after(whole)[0])
    ends = interval(lambda weights: after(weights) - before(weights), rated.n, RESAMPLES)
    low, high = (None, None) if ends is None else map(_number, ends)
    return {"before": one, "after": other, "value": other - one, "low": low, "high": high}


def _macro_f1(weights: Floats, rated: Rated, guess: Codes) -> Floats:
    """Macro F1 of each resample, (r,): the mean over the classes that it has, given or predicted."""
    k = len(rated.classes)
    given, called = _one_hot(rated.truth, k), _one_hot(guess, k)
    hits, total = weights @ (given * called), weights @ (given + called)
    return np.asarray(np.nanmean(_divide(2.0 * hits, total), axis=1))


def _one_hot(codes: Codes, k: int) -> Floats:
    """(kinds, k); a code of -1, no class, has a row of zeros."""
    return np.asarray(codes[:, None] == np.arange(k), np.float64)


def _divide(one: Floats, other: Floats) -> Floats:
    """NaN for 0/0."""
    return np.divide(one, other, out=np.full(one.shape, np.nan), where=other > 0)


def _number(value: Any) -> float | None:
    """None for NaN: in a resample without any image of a class there is no recall, hence no interval."""
    return None if np.isnan(value) else float(value)


def _plain(row: Mapping[Any, Any]) -> Document:
    return {str(name): None if pd.isna(value) else value for name, value in row.items()}
