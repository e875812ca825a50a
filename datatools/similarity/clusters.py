"""Near-duplicates: what a pair (PAIRS) says, and the clusters that pairs form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd


def cluster_pairs(paths: Sequence[str], pairs: pd.DataFrame) -> pd.Series:
    """Return the smallest path of the cluster of each of `paths` (the index); links of `pairs` (PAIRS) chain.

    A path in no pair is a cluster of its own. A pair of which an end is not among `paths` links nothing.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    names = pd.Index(pd.Series(list(paths), dtype="string"), name="path")
    ordered = names.sort_values()
    ends = ordered.get_indexer(pairs["path"]), ordered.get_indexer(pairs["other"])
    known = (ends[0] >= 0) & (ends[1] >= 0)
    rows, columns = ends[0][known], ends[1][known]
    links = coo_matrix((np.ones(len(rows), dtype=np.int8), (rows, columns)), shape=(len(names), len(names)))
    _, numbers = connected_components(links, directed=False)
    _, first = np.unique(numbers, return_index=True)
    smallest = pd.Series(ordered[first[numbers]].array, index=ordered, name="cluster", dtype="string")
    return smallest.reindex(names)


def describe_pair(pair: Any) -> str:
    """By what a pair (a row of PAIRS that is not identical) was found, in words."""
    by_hash = f"{pair.hash_bits} of 256 hash bits differ" if pair.how in ("hash", "both") else ""
    if pair.how == "hash":
        return by_hash
    view = "" if pair.view == "same" else f"{pair.view}, "
    by_pixels = f"{view}pixels agree by {pair.correlation:.3f}, similarity {pair.similarity:.2f}"
    return f"{by_hash}; {by_pixels}" if by_hash else by_pixels


def score_pair(pair: Any) -> float:
    """How unlike the two of a pair are: the share of hash bits that differ, or what their pixels lack of agreement."""
    if pair.how == "identical":
        return 0.0
    by_hash = [pair.hash_bits / 256] if pair.how in ("hash", "both") else []
    by_pixels = [1 - pair.correlation] if pair.how in ("embedding", "both") else []
    return float(min(by_hash + by_pixels))
