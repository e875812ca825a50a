"""Everything that reports/validate.json says about agreement."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pandas as pd

from datatools.agreement.alpha import alpha_by_class, alpha_interval, krippendorff_alpha
from datatools.agreement.dawid_skene import fit_dawid_skene
from datatools.agreement.kappa import (
    fleiss_interval,
    fleiss_kappa,
    interval_of_table,
    kappa_of_table,
    n_equally_rated,
    pair_tables,
    percent_agreement,
)
from datatools.agreement.objects import measure_object_agreement
from datatools.agreement.quality import annotator_quality, count_confusions
from datatools.agreement.ratings import Ratings, as_ratings
from datatools.dataset import Dataset

PAIRS_MAX = 20  # more annotators than these are compared with the others, not one by one
CONFUSIONS_MAX = 3  # named of each annotator


def measure_agreement(ratings: pd.DataFrame | Ratings, seed: int = 0) -> dict[str, Any]:
    """Agreement of all annotators, by class, by annotator and by pair, as plain values; what has no answer is None.

    `ratings` has the index path and a column an annotator. `n` counts the images Fleiss' kappa rests on, `n_compared`
    those with two ratings or more, on which all else rests. Intervals are 95 % bootstrap intervals over images. `cohen`
    lists every pair of at most PAIRS_MAX annotators, and none of more.
    """
    coded = as_ratings(ratings)
    few = len(coded.annotators) <= PAIRS_MAX
    fleiss, alpha = fleiss_kappa(coded), krippendorff_alpha(coded)
    result = {
        "annotators": len(coded.annotators),
        "n": n_equally_rated(coded),
        "n_compared": int((coded.n_of_item >= 2).sum()),
        "percent": percent_agreement(coded),
        "fleiss": fleiss,
        "fleiss_interval": _listed(fleiss_interval(coded, seed=seed)),
        "alpha": alpha,
        "alpha_interval": _listed(alpha_interval(coded, seed=seed)),
        "cohen": _pairs(coded, seed) if few else [],
        "by_class": _records(alpha_by_class(coded, seed=seed)),
    }
    fit = fit_dawid_skene(coded)
    quality = annotator_quality(coded, fit, seed=seed)
    confusions = count_confusions(coded, fit).groupby("annotator", sort=False).head(CONFUSIONS_MAX)
    by_name: dict[Any, list[dict[str, Any]]] = {}
    for row in _records(confusions):
        by_name.setdefault(row.pop("annotator"), []).append(row)
    rows = [{**row, "confuses": by_name.get(row["annotator"], [])} for row in _records(quality)]
    fitted = {"n_iter": fit.n_iter, "converged": fit.converged, "log_likelihood": fit.log_likelihood}
    return {**result, "by_annotator": rows, "dawid_skene": fitted}


def measure_dataset(dataset: Dataset, iou_min: float, seed: int = 0) -> dict[str, Any]:
    """measure_agreement of the image labels of `dataset`, and in `objects` measure_object_agreement of its boxes and masks."""
    objects = measure_object_agreement(dataset.annotations, dataset.images, iou_min, seed=seed)
    return {**measure_agreement(dataset.ratings, seed), "objects": objects}


def _pairs(ratings: Ratings, seed: int) -> list[dict[str, Any]]:
    tables = pair_tables(ratings)
    rows = []
    for first, second in combinations(range(len(ratings.annotators)), 2):
        table = tables.get((first, second))
        rows.append(
            {
                "annotators": [str(ratings.annotators[first]), str(ratings.annotators[second])],
                "n": 0 if table is None else int(table.sum()),
                "kappa": None if table is None else kappa_of_table(table),
                "interval": None if table is None else _listed(interval_of_table(table, seed=seed)),
            }
        )
    return rows


def _listed(ends: tuple[float, float] | None) -> list[float] | None:
    return None if ends is None else list(ends)


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as plain values: names as text, numbers as Python's, null as None; `low` and `high` become `interval`."""
    rows = []
    for record in table.to_dict("records"):
        row = {key: _plain(value) for key, value in record.items()}
        if "low" in row:
            low, high = row.pop("low"), row.pop("high")
            row["interval"] = None if low is None else [low, high]
        rows.append(row)
    return rows


def _plain(value: Any) -> Any:
    if pd.isna(value):
        return None
    return value if isinstance(value, (int, float, bool)) else str(value)
