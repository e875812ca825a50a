"""What the labels of an image's nearest images say of its own label: evidence that needs no training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datatools.similarity.graph import Neighbors

MOST_NEIGHBORS = 16  # of the graph: more would outvote a class of few images
FEWEST = 5  # fewer are no majority


def count_neighbor_labels(
    labels: pd.Series, neighbors: Neighbors, units: pd.Series, classes: Sequence[str]
) -> pd.DataFrame:
    """Count the labels of each labelled image's nearest images; a row a label, with the index (path) of `labels`.

    Columns: `n`, the labelled neighbours; `n_same`, those with the image's own label; `share` of its own label, weighed by
    cosine similarity (0 worst, 1 fine; NaN without a neighbour); `preferred`, the label of the greatest weight (null
    without a neighbour), and `n_preferred`. This is the distance-weighted nearest-neighbour vote (Dudani 1976).

    An image of the same unit (`units`, index path: groups and near-duplicates) does not count: it may carry the same wrong
    label by copying. So the vote is out of sample, as in cross-fitting. An image without an embedding has no vote.
    """
    own = _codes(labels, classes)
    near, weights = _nearest(labels, neighbors, units, classes)
    votes, counts = np.zeros((len(own), len(classes))), np.zeros((len(own), len(classes)), dtype=np.int64)
    each = np.arange(len(own))
    for label, weight in zip(near.T, weights.T, strict=True):  # a label of -1 has the weight 0
        votes[each, label] += weight
        counts[each, label] += weight > 0
    total, preferred = votes.sum(axis=1), votes.argmax(axis=1)
    some = total > 0
    return pd.DataFrame(
        {
            "n": counts.sum(axis=1),
            "n_same": counts[each, own],
            "share": np.divide(votes[each, own], total, out=np.full(len(own), np.nan), where=some),
            "preferred": np.where(some, np.asarray(classes, dtype=object)[preferred], None),
            "n_preferred": np.where(some, counts[each, preferred], 0),
        },
        index=labels.index,
    )


def describe_neighbors(counted: pd.DataFrame) -> pd.Series:
    """What a majority of the neighbours says of each label, in words (index path): only of images that have one."""
    clear = counted[(counted["n"] >= FEWEST) & (2 * counted["n_preferred"] > counted["n"])]
    return pd.Series([_describe(row) for row in clear.itertuples()], index=clear.index, dtype=object)


def summarize_neighbors(counted: pd.DataFrame, labels: pd.Series) -> dict[str, Any]:
    """How far the neighbours can be trusted: `n` images with neighbours, and for which share of them they prefer the label.

    `accuracy` is null without an image that has neighbours.
    """
    known = counted["n"] > 0
    same = counted["preferred"][known].to_numpy() == labels[known].to_numpy(dtype=object)
    return {"n": int(known.sum()), "accuracy": float(same.mean()) if known.any() else None}


def _nearest(
    labels: pd.Series, neighbors: Neighbors, units: pd.Series, classes: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Codes and weights of the labels of each image's neighbours, (n, k) both; a weight of 0 does not count."""
    k = min(MOST_NEIGHBORS, neighbors.indices.shape[1])
    if not k or not len(neighbors.indices):
        return np.zeros((len(labels), 0), np.int64), np.zeros((len(labels), 0))
    paths = pd.Index(neighbors.paths)
    rows = paths.get_indexer(labels.index)
    there = rows >= 0
    near = neighbors.indices[rows, :k]
    codes = _codes(labels.reindex(paths), classes)
    unit = pd.factorize(units.reindex(paths))[0]
    counts = (codes[near] >= 0) & (unit[near] != unit[rows][:, None]) & there[:, None]
    return codes[near], np.where(counts, np.maximum(neighbors.similarities[rows, :k], 0.0), 0.0)


def _codes(labels: pd.Series, classes: Sequence[str]) -> NDArray[np.int64]:
    return np.asarray(pd.Index(classes).get_indexer(pd.Index(labels)), dtype=np.int64)


def _describe(row: Any) -> str:
    if row.n_same == row.n_preferred:
        return f"{row.n_same} of its {row.n} nearest images have its label"
    return f"{row.n_preferred} of its {row.n} nearest images are {row.preferred!r}, {row.n_same} have its label"
