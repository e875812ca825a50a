"""The findings as a list: filtered, the worst first, muted ones last."""

from __future__ import annotations

import datetime
import fnmatch
import json
import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from datatools.checks.runner import get_check, hint
from datatools.errors import DatatoolsError
from datatools.gate import load_findings
from datatools.mutes import Muted, apply_mutes, load_mutes
from datatools.project import Project
from datatools.report.summary import to_plain
from datatools.report.terminal import STYLES
from datatools.report.verdict import to_mute_lines
from datatools.report.words import count, count_severities, visible, where_of
from datatools.schema import SEVERITIES

COLUMNS = ["code", "severity", "path", "annotation_id", "subject", "score", "message", "offer", "muted"]
WRITERS = ("text", "json")


@dataclass(frozen=True)
class Listing:
    """Findings that were asked for, in order, with the column `muted` (the reason, empty where not muted)."""

    findings: pd.DataFrame
    muted: Muted
    stale: str


def list_findings(
    project: Project, code: str | None, path: str | None, severity: str | None, today: datetime.date
) -> Listing:
    """The findings of the last run of `code`, on images that match the glob `path`, of `severity` or worse.

    Raises DatatoolsError for an unknown code or severity, and where there are no findings tables.
    """
    if severity is not None and severity not in SEVERITIES:
        raise DatatoolsError(f"--severity must be one of {', '.join(SEVERITIES)}. Got {severity!r} instead.")
    found = load_findings(project)
    muted = apply_mutes(found.table, load_mutes(project.mutes), today)
    ranks = (
        found.table["severity"]
        .map({name: n for n, name in enumerate(SEVERITIES)})
        .fillna(len(SEVERITIES))
        .astype(float)
    )
    chosen = np.ones(len(found.table), bool)
    if code is not None:
        chosen &= (found.table["code"] == get_check(code).code).to_numpy(bool)
    if path is not None:
        chosen &= found.table["path"].fillna("").str.match(re.compile(fnmatch.translate(path))).to_numpy(bool)
        chosen &= found.table["path"].notna().to_numpy()
    if severity is not None:
        chosen &= (ranks >= SEVERITIES.index(severity)).to_numpy(bool)
    reasons = pd.Series([muted.reason(row) for row in range(len(found.table))], found.table.index, "string")
    order = found.table.assign(muted=reasons, rank=-ranks, is_muted=muted.is_muted)[chosen]
    order = order.sort_values(["is_muted", "rank", "code", "score", "path"], kind="stable", ignore_index=True)
    return Listing(order.drop(columns=["rank", "is_muted"]), muted, found.stale)


def to_listing_table(listing: Listing, limit: int) -> Group:
    """The verdict, the first `limit` findings, and what to do about their codes."""
    is_muted = listing.findings["muted"].ne("").to_numpy(bool)
    n_muted = int(is_muted.sum())
    verdict = count_severities(listing.findings[~is_muted]) + (f", {count(n_muted)} muted" if n_muted else "")
    parts: list[RenderableType] = [Text(verdict, style="bold")]
    if listing.stale:
        parts.append(Text(f"out of date: {visible(listing.stale)}; run `dvc repro`", style="yellow"))
    shown = listing.findings.head(limit)
    table = Table.grid(padding=(0, 2))
    for ratio in (None, None, 2, 3):
        table.add_column(no_wrap=ratio is None, overflow="fold", ratio=ratio)
    for row in shown.to_dict("records"):
        level = Text(visible(row["severity"], 10), STYLES.get(row["severity"], ""))
        message = Text(visible(row["message"], 300))
        if row["muted"]:
            level, message = Text("muted", "dim"), message.append(f" ({visible(row['muted'])})", style="dim")
        table.add_row(Text(visible(row["code"], 20)), level, Text(where_of(row)), message)
    if len(shown):
        parts += ["", table]
    if len(listing.findings) > len(shown):
        parts.append(Text(f"and {count(len(listing.findings) - len(shown))} more: --limit N", style="dim"))
    codes = list(dict.fromkeys(shown["code"]))
    if codes:
        parts += ["", Text("What to do", style="bold")]
        parts += [Padding(Text(f"{code}  {visible(hint(code), 300)}"), (0, 0, 0, 2)) for code in codes]
    parts += [Text(line) for line in to_mute_lines(listing.muted)]
    return Group(*parts)


def to_listing_json(listing: Listing, form: str = "json") -> str:
    """All findings that were asked for, as JSON. Raises DatatoolsError for another form."""
    if form != "json":
        raise DatatoolsError(f"--format must be one of {', '.join(WRITERS)}. Got {form!r} instead.")
    rows = to_plain(listing.findings[COLUMNS].to_dict("records"))
    return json.dumps(rows, indent=2, ensure_ascii=False)
