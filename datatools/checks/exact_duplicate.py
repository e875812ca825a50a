"""What it finds: files with the very same bytes under two or more names.

Why it matters: a copy in train and test makes the test score a lie; copies also weigh one case more than others, and
two annotators may have given the copies different labels.

What to do: exclude all but one (`datatools fix IMAGE --exclude --why "copy of ..."`). The split already keeps copies
on one side.

Options: none; the comparison is by SHA-256.
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.findings import Finding


def find_exact_duplicates(images: pd.DataFrame) -> Iterator[Finding]:
    """Yield a finding for every copy of an earlier path; the first path of each content is the original."""
    ordered = images.sort_values("path")
    first = ordered.groupby("sha256")["path"].transform("first")
    copies = ordered[first != ordered["path"]]
    for path, original in zip(copies["path"], first[copies.index], strict=True):
        yield Finding(f"has the same bytes as {original}", path)


def _spoil(inputs: Inputs) -> Inputs:
    images = inputs["images"].copy()
    images.loc[1, "sha256"] = images.loc[0, "sha256"]
    return {**inputs, "images": images}


CHECK = Check("DUP001", "exact duplicate", "error", find_exact_duplicates, _spoil)
