"""What was left out at intake as findings: each row of REJECTED whose reason is the code of a check."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from datatools.findings import Finding


def find_left_out(rejected: pd.DataFrame, code: str) -> Iterator[Finding]:
    """Yield a finding for each row of REJECTED with the reason `code`; it names file and row, and the annotation if known."""
    for row in rows_left_out(rejected, code):
        place = name_place(row["source"], row["row"])
        name = row["annotation_id"]
        yield Finding(f"{row['message']} (left out: {place})", row["path"], name, subject=None if name else place)


def rows_left_out(rejected: pd.DataFrame, code: str) -> list[dict[str, Any]]:
    """The rows of REJECTED with the reason `code`; null is None."""
    if rejected.empty:
        return []
    rows = rejected[rejected["reason"] == code]
    return rows.astype(object).where(rows.notna(), None).to_dict("records")  # type: ignore[return-value]


def name_place(source: str, row: int | None) -> str:
    """Where a row was: its file, and its number there."""
    return str(source) if row is None else f"{source}, row {row}"
