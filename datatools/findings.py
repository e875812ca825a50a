"""What a check says: rows of the findings table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from datatools.schema import FINDINGS


@dataclass(frozen=True)
class Finding:
    """One defect. `score` runs from 0 (worst) to 1 (fine); `path` and `annotation_id` are null for the data set."""

    message: str
    path: str | None = None
    annotation_id: str | None = None
    score: float = 0.0


def to_table(findings: Iterable[Finding], code: str, version: int, severity: str) -> pd.DataFrame:
    """Return the findings of one check as a FINDINGS table."""
    return FINDINGS.conform(
        [
            {
                "code": code,
                "version": version,
                "severity": severity,
                "path": finding.path,
                "annotation_id": finding.annotation_id,
                "score": finding.score,
                "message": finding.message,
            }
            for finding in findings
        ]
    )


def concat(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Join findings tables into one, sorted by code, path and annotation."""
    filled = [table for table in tables if len(table)]
    return FINDINGS.conform(pd.concat(filled, ignore_index=True)) if filled else FINDINGS.empty()
