"""Findings that a team has decided to live with until a date: data/mutes.yaml, in Git beside the fix records.

A list of entries:

    - code: BOX005
      path: "scans/2024-*"      # optional glob over image paths; * stands for any characters, / too
      annotation: coco/17       # optional
      subject: cat              # optional: class, pair of annotators, slice
      reason: overlapping cells are drawn twice on purpose
      until: 2027-01-31         # the last day on which it holds
      by: Ada                   # optional

A muted finding stays in the findings tables; it is counted apart and does not fail the gate.
"""

from __future__ import annotations

import datetime
import fnmatch
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray

from datatools.errors import DatatoolsError
from datatools.findings import concat, is_crash
from datatools.project import Project
from datatools.schema import FINDINGS
from datatools.store import load_table, save_text

MAX_DAYS = 3650
REQUIRED = ("code", "reason", "until")
KEYS = ("code", "path", "annotation", "subject", "reason", "until", "by")
HEAD = """\
# Findings to live with until a date. They stay in the tables, are counted apart and do not fail `datatools gate`.
# `datatools mute CODE --path GLOB --reason "..." --days 90` adds an entry.
"""


@dataclass(frozen=True)
class Mute:
    """One entry: the findings it covers, why, and the last day (UTC) on which it holds."""

    code: str
    reason: str
    until: datetime.date
    path: str | None = None
    annotation: str | None = None
    subject: str | None = None
    by: str | None = None

    def describe(self) -> str:
        """The entry's code and what narrows it, in one line."""
        narrow = {"path": self.path, "annotation": self.annotation, "subject": self.subject}
        return " ".join([self.code, *(f"{name}={value}" for name, value in narrow.items() if value is not None)])


@dataclass(frozen=True)
class Muted:
    """Mutes applied to a findings table.

    `entry` has for each finding the number of the first entry that mutes it, -1 where none does. `expired` no longer
    mute anything, `idle` match no finding.
    """

    mutes: tuple[Mute, ...]
    entry: NDArray[np.int64]
    expired: tuple[Mute, ...]
    idle: tuple[Mute, ...]

    @property
    def is_muted(self) -> NDArray[np.bool_]:
        """Which findings are muted."""
        return np.asarray(self.entry >= 0)

    def reason(self, row: int) -> str:
        """Why the finding in this row is muted, by whom and until when; empty where it is not."""
        if self.entry[row] < 0:
            return ""
        mute = self.mutes[self.entry[row]]
        return f"{mute.reason} (until {mute.until}{f', {mute.by}' if mute.by else ''})"


def apply_mutes(findings: pd.DataFrame, mutes: Sequence[Mute], today: datetime.date) -> Muted:
    """Say of each finding which entry mutes it on the day `today`."""
    entry = np.full(len(findings), -1, np.int64)
    codes = findings["code"].where(~is_crash(findings), "").to_numpy()  # a check that crashed is never fine
    idle = []
    for number, mute in enumerate(mutes):
        rows = np.flatnonzero(codes == mute.code)
        hits = rows[_covers(mute, findings.iloc[rows])]
        if not len(hits):
            idle.append(mute)
        elif today <= mute.until:
            entry[hits] = np.where(entry[hits] < 0, number, entry[hits])
    expired = tuple(mute for mute in mutes if mute.until < today)
    return Muted(tuple(mutes), entry, expired, tuple(mute for mute in idle if mute not in expired))


def load_mutes(path: Path) -> tuple[Mute, ...]:
    """Read the entries of `path`; none where there is no such file. Raises DatatoolsError that names file and entry."""
    try:
        return parse_mutes(path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError) as error:
        raise DatatoolsError(f"{path}: expected a list of mutes. Got: {error}. Mend the file.") from error


def parse_mutes(text: str, where: str) -> tuple[Mute, ...]:
    """The entries of a YAML text; `where` starts every error. Raises DatatoolsError."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        document = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DatatoolsError(
            f"{where}: expected YAML. Got: {' '.join(str(error).split())}. Mend that place."
        ) from error
    if node is None or document is None:
        return ()
    if not isinstance(document, list):
        raise DatatoolsError(
            f"{where}: expected a list of mutes. Got a {type(document).__name__}: start entries with -."
        )
    return tuple(
        _parse_entry(item, part, f"{where}: entry {number} (line {part.start_mark.line + 1})")
        for number, (item, part) in enumerate(zip(document, node.value), start=1)
    )


def make_mute(
    code: str,
    reason: str,
    today: datetime.date,
    until: str | None,
    days: int | None,
    path: str | None = None,
    annotation: str | None = None,
    subject: str | None = None,
    by: str | None = None,
) -> Mute:
    """A new entry that holds to the day `until` or for `days` days from `today`. Raises DatatoolsError."""
    if (until is None) == (days is None):
        raise DatatoolsError("mute: expected --until DATE or --days N. Got none or both: nothing is muted for ever.")
    last = _parse_date(until) if until is not None else today + datetime.timedelta(days=min(days or 0, MAX_DAYS))
    if last < today:
        raise DatatoolsError(f"mute: --until must be today or later. Got {last}, which is over.")
    mute = Mute(code.upper(), reason.strip(), last, path, annotation, subject, by)
    _check(_to_mapping(mute), "mute")
    return mute


def mute_findings(project: Project, mute: Mute, today: datetime.date) -> int:
    """Add the entry to the project's file; returns how many findings of the last run it mutes.

    Raises DatatoolsError where it mutes none: a slip in the glob or the id.
    """
    tables = [table for table in (project.findings, project.model_findings) if table.exists()]
    findings = concat([load_table(table, FINDINGS) for table in tables])
    n_findings = int(apply_mutes(findings, (mute,), today).is_muted.sum())
    if not n_findings:
        known = ", ".join(sorted(findings["code"].unique())) or "none"
        raise DatatoolsError(
            f"mute: expected findings of the last run that match. Got {mute.describe()}, which matches none of those "
            f"(codes: {known}): see `datatools findings`."
        )
    add_mute(project.mutes, mute)
    return n_findings


def add_mute(path: Path, mute: Mute) -> None:
    """Append an entry to the file, which keeps its comments and entries. Raises DatatoolsError for a broken file."""
    before = load_mutes(path)
    _check(_to_mapping(mute), "mute")
    if mute in before:
        raise DatatoolsError(f"{path}: expected a new mute. Got {mute.describe()}, which is there already.")
    text = path.read_text(encoding="utf-8") if path.exists() else HEAD
    start = text if not text or text.endswith("\n") else text + "\n"
    entry = yaml.safe_dump([_to_mapping(mute)], sort_keys=False, allow_unicode=True, width=10_000)
    grown = start + entry
    if _parses_to(grown, (*before, mute)):
        save_text(path, grown)
    elif _parses_to(re.sub(r"^\[\s*\]\s*$", "", start, flags=re.MULTILINE) + entry, (mute,)):  # an empty list
        save_text(path, re.sub(r"^\[\s*\]\s*$", "", start, flags=re.MULTILINE) + entry)
    else:
        raise DatatoolsError(f"{path}: expected entries that start with '- ' in the first column. Got another layout.")


def _parses_to(text: str, mutes: tuple[Mute, ...]) -> bool:
    try:
        return parse_mutes(text, "") == mutes
    except DatatoolsError:
        return False


def _covers(mute: Mute, findings: pd.DataFrame) -> NDArray[np.bool_]:
    covered = np.ones(len(findings), bool)
    for column, value in (("annotation_id", mute.annotation), ("subject", mute.subject)):
        if value is not None:
            covered &= (findings[column] == value).fillna(False).to_numpy(bool)
    if mute.path is not None:
        matches = re.compile(fnmatch.translate(mute.path)).match
        covered &= np.fromiter((matches(path) is not None for path in findings["path"].fillna("")), bool, len(findings))
        covered &= findings["path"].notna().to_numpy()
    return covered


def _parse_entry(item: Any, node: yaml.Node, where: str) -> Mute:
    if not isinstance(item, dict) or not isinstance(node, yaml.MappingNode):
        raise DatatoolsError(f"{where} must be a mapping of {', '.join(KEYS)}. Got {item!r} instead.")
    names = [key.value for key, _ in node.value]
    for name in names:
        if names.count(name) > 1:
            raise DatatoolsError(f"{where} may have each key once. Got {name!r} twice: start a new entry with '- '.")
    _check(item, where)
    return Mute(**item)


def _check(item: Mapping[Any, Any], where: str) -> None:
    for key in item:
        if key not in KEYS:
            raise DatatoolsError(f"{where} has the keys {', '.join(KEYS)}. Got {key!r} instead: rename or remove it.")
    for key in REQUIRED:
        if key not in item:
            raise DatatoolsError(f"{where} needs {', '.join(REQUIRED)}. Got no {key!r}: add it.")
    for key, value in item.items():
        if key == "until":
            if type(value) is not datetime.date:
                raise DatatoolsError(f"{where}: until must be a date such as 2027-01-31. Got {str(value)!r} instead.")
        elif not isinstance(value, str) or not value.strip():
            raise DatatoolsError(f"{where}: {key} must be text; put it in quotes. Got {value!r} instead.")
    if not re.fullmatch(r"[A-Z]{3}\d{3}", item["code"]):
        raise DatatoolsError(f"{where}: code must be a finding's code such as BOX001. Got {item['code']!r} instead.")


def _parse_date(text: str) -> datetime.date:
    try:
        return datetime.date.fromisoformat(text)
    except ValueError as error:
        raise DatatoolsError(f"mute: --until must be a date such as 2027-01-31. Got {text!r} instead.") from error


def _to_mapping(mute: Mute) -> dict[str, Any]:
    return {key: getattr(mute, key) for key in KEYS if getattr(mute, key) is not None}
