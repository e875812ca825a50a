"""What it finds: an image in quarantine: on no side of the split, because on any it would link two.

Why it matters: nothing learns from it and nothing is measured on it. It came after the images that it links (a photo of
a person whose other photos are on two sides, a copy of one image that is also near another), or two images that were on
different sides turned out to belong together; then the one outside the test set is here.

What to do: look at reports/split.html, which names what it links. Exclude the image, or correct the group or the
near-duplicate that is none; or leave it: the split is right without it.

Options: `split.group_by`, `ingest.group_column` and the section `neighbors` say what is linked.
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.findings import Finding
from datatools.schema import QUARANTINE, SIDES


def find_quarantined(split: pd.DataFrame) -> Iterator[Finding]:
    """Yield a finding for each quarantined image, with an image of its unit on each side."""
    held = split[split["split"] == QUARANTINE]
    if held.empty:
        return
    placed = split[split["group"].isin(held["group"]) & split["split"].isin(SIDES)].sort_values("path")
    firsts = placed.drop_duplicates(["group", "split"]).groupby("group")
    linked = {str(group): ", ".join(f"{row.path} ({row.split})" for row in rows.itertuples()) for group, rows in firsts}
    for row in held.itertuples():
        yield Finding(
            f"is on no side: it belongs with {linked.get(str(row.group), 'images in quarantine')}", str(row.path)
        )


def _spoil(inputs: Inputs) -> Inputs:
    split = inputs["split"].copy()
    split.loc[0, "split"] = QUARANTINE
    return {**inputs, "split": split}


CHECK = Check("SPL003", "image in quarantine", "warning", find_quarantined, _spoil)
