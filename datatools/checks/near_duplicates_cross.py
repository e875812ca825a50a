"""What it finds: near-duplicates (or copies) on more than one side of the split.

Why it matters: a picture that is learnt by heart is recognised in the test, and the score says nothing about new ones.

What to do: run `dvc repro split`; it keeps near-duplicates together. If the split was edited by hand or came with the data,
mend it there.

Options: the section `neighbors` of params.yaml says how alike near-duplicates are.
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.checks.sides import find_crossing
from datatools.findings import Finding
from datatools.schema import PAIRS, SIDES
from datatools.similarity.clusters import cluster_pairs


def find_crossing_duplicates(pairs: pd.DataFrame, split: pd.DataFrame) -> Iterator[Finding]:
    """Yield a finding for each cluster of near-duplicates on several sides, named by its first path."""
    placed = list(split.loc[split["split"].isin(SIDES), "path"])  # what is quarantined links nothing
    for cluster, sides, path in find_crossing(cluster_pairs(placed, pairs), split):
        yield Finding(f"shows the same picture as {path}: the two are on {sides}", cluster)


def _spoil(inputs: Inputs) -> Inputs:
    first, *others = inputs["images"]["path"]
    pairs = [{"path": first, "other": other, "how": "hash", "hash_bits": 3} for other in others]
    return {**inputs, "pairs": PAIRS.conform(pairs)}


CHECK = Check(
    "SPL002", "near-duplicates on several sides of the split", "error", find_crossing_duplicates, _spoil, version=2
)
