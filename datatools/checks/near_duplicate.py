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
    rows = images.loc[images["duplicate_of"] != images["path"], ["path", "sha256", "phash", "duplicate_of"]]
    firsts = images.loc[images["path"].isin(rows["duplicate_of"]), ["path", "sha256", "phash"]]
    pairs = rows.merge(firsts.add_prefix("first_"), left_on="duplicate_of", right_on="first_path")
    for row in pairs[pairs["sha256"] != pairs["first_sha256"]].itertuples():
        bits = hamming(row.phash, row.first_phash)
        text = f"shows the same picture as {row.first_path} ({bits} of 256 hash bits differ)"
        yield Finding(text, row.path, score=bits / 256)


def _spoil(inputs: Inputs) -> Inputs:
    images = inputs["images"].copy()
    images.loc[1, "duplicate_of"] = images.loc[0, "path"]
    return {**inputs, "images": images}


CHECK = Check("DUP002", "near-duplicate", "warning", find_near_duplicates, _spoil)
