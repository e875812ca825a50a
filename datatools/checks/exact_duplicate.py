"""What it finds: files with the very same bytes under two or more names.

Why it matters: a copy in train and test makes the test score a lie; copies also weigh one case more than others, and
two annotators may have given the copies different labels (DUP003).

What to do: exclude all but one (`datatools fix IMAGE --exclude --why "copy of ..."`). The split already keeps copies
on one side. Where copy and original have the same label, the same boxes and masks and the same place (train, val, test) in
the source, nothing is lost: then to exclude the copy is offered as a repair.

Options: none; the comparison is by SHA-256.
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.findings import Finding, Offer
from datatools.schema import BOX, CONSENSUS

EXCLUDE = Offer("exclude")


def find_exact_duplicates(images: pd.DataFrame, annotations: pd.DataFrame) -> Iterator[Finding]:
    """Yield a finding for every copy of an earlier path; the first path of each content is the original."""
    ordered = images[images["sha256"].duplicated(keep=False)].sort_values("path")
    first = ordered.groupby("sha256")["path"].transform("first")
    copies = ordered[first != ordered["path"]]
    said = _what_is_said(annotations[annotations["path"].isin(ordered["path"])])
    subsets = ordered.set_index("path")["subset"].fillna("")
    for path, original in zip(copies["path"], first[copies.index], strict=True):
        same = said.get(path, 0) == said.get(original, 0)
        is_certain = same and subsets[path] == subsets[original]
        but = "" if same else ", but other annotations"
        yield Finding(f"has the same bytes as {original}{but}", path, offer=EXCLUDE if is_certain else None)


def _what_is_said(annotations: pd.DataFrame) -> pd.Series:
    """A number by path that is the same for the same label, boxes and masks, whoever drew them and in whatever order."""
    rows = annotations[annotations["kind"].ne("label") | annotations["annotator"].eq(CONSENSUS).fillna(False)]
    values = rows[["label", "kind", *BOX, "mask", "attributes"]]
    return pd.util.hash_pandas_object(values, index=False).groupby(rows["path"]).sum()


def _spoil(inputs: Inputs) -> Inputs:
    images = inputs["images"].copy()
    images.loc[1, "sha256"] = images.loc[0, "sha256"]
    return {**inputs, "images": images}


CHECK = Check("DUP001", "exact duplicate", "error", find_exact_duplicates, _spoil)
