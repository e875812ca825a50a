"""What it finds: images that show the same picture, though their bytes differ: brightness, noise, compression, mirrored, cropped.

Why it matters: near-duplicates on both sides of a split leak the test set into training.

What to do: look at the pair. Exclude one, or keep both: the split keeps them on one side either way.

Options: `neighbors.hash_bits`: in how many of 256 bits the perceptual hashes (pHash) may differ. `neighbors.similarity_min`
and `neighbors.correlation_min`: from which cosine of embeddings on two images are laid over each other, and how well
their pixels must agree then. Links chain: a cluster can hold images further apart than that. Copies with equal bytes are
DUP001.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.findings import Finding
from datatools.schema import PAIRS
from datatools.similarity.clusters import describe_pair, score_pair


def find_near_duplicates(pairs: pd.DataFrame) -> Iterator[Finding]:
    """Yield a finding for each image that shows the same picture as an earlier path: the one it is most like."""
    near = pairs[pairs["how"] != "identical"]
    nearest: dict[str, Any] = {}
    for row in near.sort_values("path").itertuples():
        known = nearest.get(row.other)
        if known is None or score_pair(row) < score_pair(known):
            nearest[row.other] = row
    for path, row in sorted(nearest.items()):
        yield Finding(f"shows the same picture as {row.path} ({describe_pair(row)})", path, score=score_pair(row))


def _spoil(inputs: Inputs) -> Inputs:
    one, other = inputs["images"]["path"].iloc[:2]
    return {**inputs, "pairs": PAIRS.conform([{"path": one, "other": other, "how": "hash", "hash_bits": 7}])}


CHECK = Check("DUP002", "near-duplicate", "warning", find_near_duplicates, _spoil, version=2)
