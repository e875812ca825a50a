"""What it finds: images that show the same picture, though their bytes differ (brightness, noise, compression).

Why it matters: near-duplicates on both sides of a split leak the test set into training.

What to do: look at the pair. Exclude one, or keep both: the split keeps them on one side either way.

Options: `ingest.near_duplicate_bits`: in how many of 256 bits the perceptual hashes (pHash) may differ. Links chain: a
cluster can hold images further apart than that. Copies with equal bytes are DUP001.
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.duplicates import hamming
from datatools.findings import Finding


def find_near_duplicates(images: pd.DataFrame) -> Iterator[Finding]:
    """Yield a finding for each image that is not its cluster's first path and has other bytes than that one."""
    by_path = images.set_index("path")
    rows = images[images["duplicate_of"] != images["path"]]
    for path, original in zip(rows["path"], rows["duplicate_of"], strict=True):
        one, other = by_path.loc[path], by_path.loc[original]
        if one["sha256"] != other["sha256"]:
            bits = hamming(one["phash"], other["phash"])
            yield Finding(
                f"shows the same picture as {original} ({bits} of 256 hash bits differ)", path, score=bits / 256
            )


def _spoil(inputs: Inputs) -> Inputs:
    images = inputs["images"].copy()
    images.loc[1, "duplicate_of"] = images.loc[0, "path"]
    return {**inputs, "images": images}


CHECK = Check("DUP002", "near-duplicate", "warning", find_near_duplicates, _spoil)
