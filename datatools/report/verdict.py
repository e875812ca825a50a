"""What the gate says: lines for a terminal, a JSON document, or annotations for a GitHub workflow."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pandas as pd

from datatools.checks.runner import hint, load_titles
from datatools.errors import DatatoolsError
from datatools.gate import FATES, Verdict
from datatools.mutes import Muted
from datatools.report.summary import to_plain
from datatools.report.words import count, count_severities, plural, visible, where_of
from datatools.schema import SEVERITIES

EXAMPLES = 3  # findings shown of each code
ANNOTATIONS_PER_LEVEL = 10  # GitHub shows no more of one level and step
LEVELS = {"error": "error", "warning": "warning", "info": "notice"}
COLUMNS = ["code", "version", "severity", "path", "annotation_id", "subject", "score", "message"]
WRITERS = ("text", "json", "github")


def write_lines(verdict: Verdict, form: str, data_root: str) -> Iterator[str]:
    """The verdict as one of WRITERS; `data_root` leads from the repository to the images. Raises DatatoolsError."""
    if form not in WRITERS:
        raise DatatoolsError(f"--format must be one of {', '.join(WRITERS)}. Got {form!r} instead.")
    if form == "github":
        return to_verdict_github(verdict, data_root)
    return to_verdict_json(verdict) if form == "json" else to_verdict_text(verdict)


def to_verdict_text(verdict: Verdict) -> Iterator[str]:
    """The verdict, then the findings that fail by code with the first of each, then what was not counted."""
    yield write_verdict(verdict)
    titles = load_titles()
    for row in verdict.of("crashed").to_dict("records"):
        yield f"  {row['code']}  crashed: {visible(row['message'])}"
    failing = verdict.of("failing")
    for code, rows in _by_code(failing):
        first = rows.iloc[0]
        yield f"  {code}  {first['severity']}  {count(len(rows))}  {visible(titles.get(code, ''))}"
        for row in rows.head(EXAMPLES).to_dict("records"):
            yield f"      {where_of(row)}: {visible(row['message'])}"
        if len(rows) > EXAMPLES:
            yield f"      and {count(len(rows) - EXAMPLES)} more: datatools findings --code {code}"
        if hint(code):
            yield f"      -> {visible(hint(code), 300)}"
    yield from _not_counted(verdict)
    yield from to_mute_lines(verdict.muted)


def to_verdict_json(verdict: Verdict) -> Iterator[str]:
    """One document: `passed`, the counts by fate, the findings that fail, expired and idle mutes."""
    document = {
        "verdict": write_verdict(verdict),
        "passed": verdict.passed,
        "max_severity": verdict.max_severity,
        "against": verdict.against or None,
        "stages": verdict.stages,
        "counts": {fate: len(verdict.of(fate)) for fate in FATES},
        "failing": verdict.of("crashed", "failing")[COLUMNS].to_dict("records"),
        "expired_mutes": [mute.describe() for mute in verdict.muted.expired],
        "idle_mutes": [mute.describe() for mute in verdict.muted.idle],
    }
    yield json.dumps(to_plain(document), indent=2, ensure_ascii=False)


def to_verdict_github(verdict: Verdict, data_root: str) -> Iterator[str]:
    """Workflow commands: the first findings that fail as annotations of their files, then the verdict.

    `data_root` leads from the repository to the images.
    """
    titles = load_titles()
    failing = verdict.of("crashed", "failing").sort_values("score", kind="stable")
    for severity in reversed(SEVERITIES):
        for row in failing[failing["severity"] == severity].head(ANNOTATIONS_PER_LEVEL).to_dict("records"):
            file = "dvc.yaml" if pd.isna(row["path"]) else f"{data_root}/{row['path']}"
            title = f"{row['code']} {titles.get(row['code'], '')}".strip()
            about = f"{row['annotation_id']}: " if pd.notna(row["annotation_id"]) else ""
            text = visible(f"{about}{row['message']}", 400)
            level = LEVELS.get(str(row["severity"]), "error")
            yield f"::{level} file={_property(file)},title={_property(title)}::{_escape(text)}"
    for line in to_mute_lines(verdict.muted):
        yield f"::warning file=data/mutes.yaml::{_escape(line)}"
    level = "notice" if verdict.passed else "error"
    yield f"::{level} title=datatools gate::{_escape(write_verdict(verdict))}"


def write_verdict(verdict: Verdict) -> str:
    """Passed or failed and why, in one line."""
    since = f" since {visible(verdict.against, 60)}" if verdict.against else ""
    new = "new " if verdict.against else ""
    stages = " and ".join(verdict.stages)
    bar = "finding at all" if verdict.max_severity == "none" else f"finding worse than {verdict.max_severity}"
    crashed, failing = verdict.of("crashed"), verdict.of("failing")
    if verdict.passed:
        return f"passed: no {new}{bar}{since} (of {stages})"
    parts = []
    if len(failing):
        parts.append(count_severities(failing) + (f", new{since}" if since else ""))
    if len(crashed):
        n = crashed["code"].nunique()
        parts.append(
            f"{plural(n, 'check')} crashed, so nobody knows what {'it' if n == 1 else 'they'} would have found"
        )
    return f"failed: {'; '.join(parts)}"


def to_mute_lines(muted: Muted) -> Iterator[str]:
    """Lines about entries of data/mutes.yaml that do nothing any more."""
    for mute in muted.expired:
        yield f"expired mute, no longer in force: {visible(mute.describe())} (until {mute.until})"
    for mute in muted.idle:
        yield f"mute that matches nothing: {visible(mute.describe())}; remove it from data/mutes.yaml"


def _by_code(findings: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    groups = [
        (str(code), rows.sort_values("score", kind="stable")) for code, rows in findings.groupby("code", sort=True)
    ]
    ranks = {name: rank for rank, name in enumerate(reversed(SEVERITIES))}
    return sorted(groups, key=lambda group: (ranks.get(group[1].iloc[0]["severity"], 0), group[0]))


def _not_counted(verdict: Verdict) -> Iterator[str]:
    known, newer, muted, allowed = (len(verdict.of(fate)) for fate in ("known", "newer check", "muted", "allowed"))
    facts = [
        (known, f"{count(known)} known at {visible(verdict.against, 60)}"),
        (allowed, f"{count(allowed)} not worse than {verdict.max_severity}"),
        (muted, f"{count(muted)} muted"),
    ]
    named = [text for n, text in facts if n]
    if named:
        yield f"not counted: {', '.join(named)}"
    if newer:
        codes = ", ".join(sorted(verdict.of("newer check")["code"].unique()))
        yield (
            f"not new data: {plural(newer, 'finding')} on images that were there, by checks that are newer than "
            f"{visible(verdict.against, 60)}: {codes}"
        )


def _escape(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escape(visible(text, 300)).replace(":", "%3A").replace(",", "%2C")
