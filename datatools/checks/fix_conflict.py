"""What it finds: a fix record that could not be applied: the label it was made on is another one now, its annotation or
image is gone, or its line is not a record.

Why it matters: a person decided something and it does not hold; the last writer must not win in silence.

What to do: `datatools fixes check` lists them. Look at the image again and make a new record, or revert the old one. An image
that the source renamed, `datatools diff` says to what, is decided on again under its new name.

Options: none.
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.findings import Finding
from datatools.schema import FIX_STATUS


def find_fix_conflicts(fixes: pd.DataFrame) -> Iterator[Finding]:
    """Yield a finding for each record with the status `conflict`."""
    for row in fixes[fixes["status"] == "conflict"].itertuples():
        yield Finding(f"fix record {row.id} is not applied: {row.message}", _known(row.path), _known(row.annotation_id))


def _known(value: object) -> str | None:
    return None if pd.isna(value) else str(value)  # type: ignore[call-overload]


def _spoil(inputs: Inputs) -> Inputs:
    row = {
        "id": "ab12",
        "status": "conflict",
        "when": "2026-01-01",
        "message": "label is '3', the record was made on '4'",
    }
    return {**inputs, "fixes": FIX_STATUS.conform([row])}


CHECK = Check("FIX001", "fix record in conflict", "error", find_fix_conflicts, _spoil)
