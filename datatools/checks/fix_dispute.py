"""What it finds: two people decided differently on one annotation or image.

Why it matters: neither is applied, so that nobody's word is overwritten in silence; the data stays as it was.

What to do: talk, or ask a third person, and decide with `datatools fixes settle`; `datatools fixes blame` shows who said what.

Options: none.
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.findings import Finding
from datatools.schema import FIX_STATUS


def find_fix_disputes(fixes: pd.DataFrame) -> Iterator[Finding]:
    """Yield a finding for each annotation or image whose records have the status `disputed`."""
    disputed = fixes[fixes["status"] == "disputed"]
    for row in disputed.drop_duplicates(["path", "annotation_id", "message"]).to_dict("records"):
        about = row["annotation_id"] if pd.notna(row["annotation_id"]) else None
        yield Finding(f"people decided differently: {row['message']}", row["path"], about)


def _spoil(inputs: Inputs) -> Inputs:
    path = inputs["images"]["path"].iloc[0]
    common = {"status": "disputed", "op": "exclude", "path": path, "message": "ann: excluded; bob: included"}
    rows = [{**common, "id": name, "when": f"2026-01-0{name}"} for name in "12"]
    return {**inputs, "fixes": FIX_STATUS.conform(rows)}


CHECK = Check("FIX002", "people decided differently", "warning", find_fix_disputes, _spoil)
