"""How good each annotator is, and where each goes wrong."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from datatools.agreement.dawid_skene import DawidSkene, fit_dawid_skene
from datatools.agreement.ratings import Codes, Floats, Ratings, as_ratings
from datatools.agreement.resampling import RESAMPLES, chance_corrected, group_alike, interval

QUALITY = [
    "annotator",
    "n",
    "n_compared",
    "agreement",
    "kappa",
    "low",
    "high",
    "accuracy",
    "worst_class",
    "worst_accuracy",
]
WORK_MAX, RESAMPLES_MIN = 30_000_000, 100  # ratings that all resamples together may hold


def annotator_quality(
    ratings: pd.DataFrame | Ratings, consensus: DawidSkene | None = None, n_resamples: int | None = None, seed: int = 0
) -> pd.DataFrame:
    """One row an annotator, columns QUALITY; a number that cannot be measured is null.

    `n` ratings, `n_compared` of them on items that another annotator rated too; everything else rests on these.
    `agreement`: share that is the consensus label. `kappa` with its 95 % interval `low`, `high`: agreement with the
    others, corrected for chance (kappa_with_others). `accuracy`: share expected to be right given all labels, the mean
    probability that `consensus` gives the annotator's labels. `worst_class`: the consensus class of which the annotator
    misses the largest share, `worst_accuracy` the share that is hit. `consensus` is fitted (Dawid and Skene) if not given.
    """
    coded = as_ratings(ratings)
    fit = consensus or fit_dawid_skene(coded)
    shared = coded.comparable()
    n_annotators, place = len(coded.annotators), fit.items.get_indexer(coded.items[shared.item])
    n = np.bincount(shared.annotator, minlength=n_annotators)
    right = fit.probs.argmax(axis=1)[place] == shared.label if len(place) else np.zeros(0, dtype=bool)
    believed = fit.probs[place, shared.label] if len(place) else np.zeros(0)
    with np.errstate(invalid="ignore"):
        agreement, accuracy = (np.bincount(shared.annotator, part, n_annotators) / n for part in (right, believed))
    table = pd.DataFrame({"annotator": coded.annotators, "n": np.bincount(coded.annotator, minlength=n_annotators)})
    table = table.assign(n_compared=n, agreement=agreement, accuracy=accuracy)
    table[["kappa", "low", "high"]] = kappa_with_others(coded, n_resamples, seed)
    worst = _worst_classes(count_confusions(coded, fit, min_n=0), coded)
    return table.join(worst, on="annotator").reindex(columns=QUALITY)


def count_confusions(
    ratings: pd.DataFrame | Ratings, consensus: DawidSkene | None = None, min_n: int = 1
) -> pd.DataFrame:
    """Which classes each annotator takes for which: columns annotator, label (consensus), given, n, share of the label.

    Only items that at least two annotators rated count; largest `n` first within an annotator. With `min_n` 0 the right
    labels are listed too.
    """
    coded = as_ratings(ratings)
    fit = consensus or fit_dawid_skene(coded)
    shared = coded.comparable()
    place = fit.items.get_indexer(coded.items[shared.item])
    truth = fit.probs.argmax(axis=1)[place] if len(place) else np.zeros(0, dtype=np.int64)
    rows = pd.DataFrame({"annotator": shared.annotator, "label": truth, "given": shared.label})
    rows = rows.value_counts().rename("n").reset_index()
    rows["share"] = rows["n"] / rows.groupby(["annotator", "label"])["n"].transform("sum")
    if min_n:
        rows = rows[(rows["label"] != rows["given"]) & (rows["n"] >= min_n)]
    rows = rows.sort_values(
        ["annotator", "n", "label", "given"], ascending=[True, False, True, True], ignore_index=True
    )
    names = {"annotator": coded.annotators, "label": coded.classes, "given": coded.classes}
    return rows.assign(**{name: index[rows[name].to_numpy()] for name, index in names.items()})


def kappa_with_others(ratings: pd.DataFrame | Ratings, n_resamples: int | None = None, seed: int = 0) -> Floats:
    """Kappa of each annotator with the others: rows of kappa, low, high; nan where no item was rated by another too.

    Cohen's kappa of the annotator and one of the others drawn at random for each item. With two annotators it is
    Cohen's kappa. The interval is a bootstrap over items; by default of RESAMPLES resamples, of fewer (100 or more) where
    they would take longer than some seconds.
    """
    coded = as_ratings(ratings)
    shared = coded.comparable()
    result = np.full((len(coded.annotators), 3), np.nan)
    if not len(shared.item):
        return result
    kinds, n_of_kind = _distinct_items(shared)
    measure = _kappa_measure(kinds)
    affordable = int(np.clip(WORK_MAX // len(kinds.item), RESAMPLES_MIN, RESAMPLES))
    rated = np.bincount(shared.annotator, minlength=len(result)) > 0
    result[rated, 0] = measure(n_of_kind[None].astype(np.float64))[0, rated]
    ends = interval(measure, n_of_kind, n_resamples or affordable, seed)
    enough = np.bincount(shared.annotator, minlength=len(result)) >= 2
    if ends is not None:
        result[enough, 1:] = ends[:, enough].T
    return result


def _distinct_items(ratings: Ratings) -> tuple[Ratings, Codes]:
    """One item of each kind (the same labels by the same annotators), numbered from 0, and how many there are of each."""
    _, item = np.unique(ratings.item, return_inverse=True)
    n_items = int(item.max()) + 1
    group = group_alike(item, ratings.annotator * len(ratings.classes) + ratings.label, n_items)
    _, one, n = np.unique(group, return_index=True, return_counts=True)
    kept = np.isin(item, one)
    order = np.argsort(group[item[kept]], kind="stable")
    arrays = (group[item[kept]][order], ratings.annotator[kept][order], ratings.label[kept][order])
    return Ratings(pd.RangeIndex(len(n)), ratings.annotators, ratings.classes, *arrays), n


def _kappa_measure(kinds: Ratings) -> Callable[[Floats], Floats]:
    """Weights (resamples, kinds) -> kappa of each annotator (resamples, annotators)."""
    n_annotators, n_classes = len(kinds.annotators), len(kinds.classes)
    own, label, n_others = kinds.others()
    share = n_others / (kinds.n_of_item[kinds.item[own]] - 1)
    same = kinds.label[own] == label
    own_cell = kinds.annotator[own] * n_classes + kinds.label[own]
    other_cell = kinds.annotator[own] * n_classes + label
    kind, annotator, size = kinds.item[own], kinds.annotator[own], n_annotators * n_classes

    def one(weights: Floats) -> Floats:
        """Kappa of each annotator with the others, by weights of the images."""
        weight = weights[kind] * share
        n = np.bincount(annotator, weight, n_annotators)
        observed = n - np.bincount(annotator[same], weight[same], n_annotators)
        marginals = (
            np.bincount(cell, weight, size).reshape(n_annotators, n_classes) for cell in (own_cell, other_cell)
        )
        expected = n - np.multiply(*marginals).sum(axis=1) / np.maximum(n, 1e-300)
        return chance_corrected(np.where(observed < 1e-9, 0.0, observed), np.where(expected < 1e-9, 0.0, expected))

    return lambda weights: np.stack([one(row) for row in weights])


def _worst_classes(confusions: pd.DataFrame, ratings: Ratings) -> pd.DataFrame:
    """Index annotator: the class it hits least (of equals the first in the class order), and how often it hits it."""
    missed = confusions[confusions["label"] != confusions["given"]].groupby(["annotator", "label"])["share"].sum()
    table = (1.0 - missed).rename("worst_accuracy").reset_index().rename(columns={"label": "worst_class"})
    table = table.assign(order=ratings.classes.get_indexer(table["worst_class"]))
    table = table.sort_values(["worst_accuracy", "order"]).drop_duplicates("annotator")
    return table.set_index("annotator")[["worst_class", "worst_accuracy"]]
