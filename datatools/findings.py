"""What a check says: rows of the findings table."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from datatools.schema import FINDINGS

SHAPES = ("point", "line", "box", "polygon")
TEXTS = ("path", "annotation_id", "subject", "message")  # of a Finding, in the order of FINDINGS.key
CRASHED = "the check itself"  # subject of the finding that the crash of a check is
DTYPES = {name: pd.api.types.pandas_dtype(dtype) for name, dtype in FINDINGS.columns.items()}
_ENCODER = json.JSONEncoder()  # json.dumps makes a new one for each call
_OFFER_ENCODER = json.JSONEncoder(ensure_ascii=False)


@dataclass(frozen=True)
class Mark:
    """Something to draw on the image so that a person sees the fault.

    `xy` are pixels, one x, y after the other: a point's two, the ends of a line, the corners of a box (x0, y0, x1, y1),
    the points of a polygon.
    """

    shape: str  # one of SHAPES
    xy: tuple[float, ...]


@dataclass(frozen=True)
class Offer:
    """A repair that is certain, as the fix record a person may accept: operation, and the value before and after.

    The values are written as in a FixRecord: a label, a box or a mask. An offer is never applied by itself.
    """

    op: str
    before: str | None = None
    after: str | None = None


@dataclass(frozen=True)
class Finding:
    """One defect. `score` runs from 0 (worst) to 1 (fine); `path` and `annotation_id` are null for the data set.

    `subject` says what it is about where those two do not: a class, a pair of annotators, a slice. Code, path, annotation
    and subject together name the defect in two versions of the data; the message may differ.
    """

    message: str
    path: str | None = None
    annotation_id: str | None = None
    score: float = 0.0
    subject: str | None = None
    marks: tuple[Mark, ...] = ()
    offer: Offer | None = None


def to_table(findings: Iterable[Finding], code: str, version: int, severity: str) -> pd.DataFrame:
    """Return the findings of one check as a FINDINGS table."""
    rows = list(findings)
    return _tabulate(rows, code, version, severity) if rows else _none_found().copy(deep=False)  # copied on write


def _tabulate(rows: list[Finding], code: str, version: int, severity: str) -> pd.DataFrame:
    """What FINDINGS.conform makes of the rows, several times faster: a run has many tables, and most are short."""
    columns: dict[str, Any] = {
        "code": [code] * len(rows),
        "version": np.full(len(rows), version),
        "severity": [severity] * len(rows),
        **{name: [_text(getattr(finding, name)) for finding in rows] for name in TEXTS},
        "score": np.array([finding.score for finding in rows], np.float64),
        "marks": [dump_marks(finding.marks) for finding in rows],
        "offer": [dump_offer(finding.offer) for finding in rows],
    }
    keys = list(zip(*(_nulls_last(columns[name]) for name in (*TEXTS, "score", "marks", "offer")), strict=True))
    order = sorted(range(len(rows)), key=keys.__getitem__)
    ordered = {
        name: columns[name][order]
        if isinstance(dtype, np.dtype)
        else pd.array([columns[name][row] for row in order], dtype)
        for name, dtype in DTYPES.items()
    }
    return pd.DataFrame(ordered, copy=False)


def _text(value: Any) -> str | None:
    return value if value is None or type(value) is str else None if pd.isna(value) else str(value)


def _nulls_last(column: Sequence[Any]) -> Sequence[Any]:
    """What to sort a column by so that its nulls come last; texts without a null, or nothing but nulls, are ready."""
    n_nulls = column.count(None) if isinstance(column, list) else -1
    if n_nulls in (0, len(column)):
        return column if n_nulls == 0 else [0] * len(column)
    return [(True, "") if value is None or value != value else (False, value) for value in column]


def concat(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Join findings tables into one, sorted by code, path and annotation."""
    filled = [table for table in tables if len(table)]
    return FINDINGS.conform(pd.concat(filled, ignore_index=True)) if filled else _none_found().copy(deep=False)


@functools.cache
def _none_found() -> pd.DataFrame:
    return _tabulate([], "", 0, "")


def is_crash(findings: pd.DataFrame) -> pd.Series:
    """Which rows of a FINDINGS table are the crash of a check, not a defect of the data."""
    return ((findings["subject"] == CRASHED) & findings["path"].isna()).fillna(False).astype(bool)


def dump_marks(marks: Sequence[Mark]) -> str | None:
    """Marks as the table keeps them: a JSON list of `[shape, [x, y, ...]]`; None for none."""
    return _ENCODER.encode([(mark.shape, mark.xy) for mark in marks]) if marks else None


def parse_marks(text: str | None) -> tuple[Mark, ...]:
    """The marks of a row; none for a null."""
    if text is None or pd.isna(text):
        return ()
    return tuple(Mark(shape, tuple(map(float, xy))) for shape, xy in json.loads(text))


def dump_offer(offer: Offer | None) -> str | None:
    """An offer as the table keeps it: a JSON object without the empty fields."""
    if offer is None:
        return None
    fields = {"op": offer.op, "before": offer.before, "after": offer.after}
    return _OFFER_ENCODER.encode({key: value for key, value in fields.items() if value is not None})


def parse_offer(text: str | None) -> Offer | None:
    """The offer of a row; None for a null."""
    return None if text is None or pd.isna(text) else Offer(**json.loads(text))
