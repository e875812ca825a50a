"""The certificate of the split for people: a verdict, the promises, bars by class and side, and who is in quarantine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datatools.report.markdown import code, prose, table
from datatools.report.pages import render
from datatools.report.summary import to_plain
from datatools.report.words import count, percent, plural
from datatools.schema import SIDES
from datatools.split.promises import list_promises
from datatools.store import save_text

Section = dict[str, Any]
MAX_ROWS = 200  # of a table on the page; all are in certificate.json
MARKDOWN_ROWS = 20


@dataclass(frozen=True)
class SplitReport:
    """The two forms that go to disk."""

    markdown: str
    html: str


def build_split_report(certificate: Mapping[str, Any]) -> SplitReport:
    """The report of a certificate: the same certificate, the same bytes, in whatever folder."""
    summary = summarise_split(certificate)
    return SplitReport(to_split_markdown(summary), to_split_page(summary))


def save_split_report(folder: Path, report: SplitReport) -> None:
    """Write split.md and split.html to `folder`."""
    save_text(folder / "split.md", report.markdown)
    save_text(folder / "split.html", report.html)


def summarise_split(certificate: Mapping[str, Any]) -> Section:
    """What both forms show, without NaN: the certificate, its promises, a row a class and a row a class's objects."""
    promises = [
        {"name": promise.name, "kept": promise.kept, "text": promise.text} for promise in list_promises(certificate)
    ]
    plain: Section = to_plain({"promises": promises, **certificate})
    return plain


def to_split_page(summary: Section) -> str:
    """The page: self-contained, no script, every text escaped."""
    return render("split_page.html", {}, {**summary, "sides": SIDES, "max_rows": MAX_ROWS})


def to_split_markdown(summary: Section) -> str:
    """The report for a pull request: verdict, promises, sizes, the classes furthest off, quarantine."""
    blocks = ["## Split", f"**{prose(summary['verdict'], 400)}**"]
    kept = [
        ["kept" if row["kept"] else "**broken**", prose(row["name"]), prose(row["text"], 300)]
        for row in summary["promises"]
    ]
    blocks.append(table(["", "promise", "counted"], kept))
    sizes = [
        [side, count(summary["sizes"][side]), percent(summary["reached"][side]), percent(summary["ratios"][side])]
        for side in SIDES
    ]
    blocks.append(table(["side", "#images", "#reached", "#asked"], sizes))
    blocks += _classes(summary["deviations"], "class, furthest off first", "#images")
    blocks += _classes(summary["object_deviations"], "objects of", "#n")
    blocks += _quarantine(summary["quarantined"])
    blocks += _disagreements(summary["source"], summary["ledger"])
    blocks.append(
        f"Sides: {prose(summary['source']['used'])} ({prose(summary['source']['why'], 200)}). "
        f"Data {code(summary['data_version'])}, seed {summary['seed']}, assignment {code(summary['assignment_sha256'][:16])}. "
        "`datatools split verify` counts all this again."
    )
    return "\n\n".join(blocks) + "\n"


def _classes(rows: Sequence[Section], head: str, number: str) -> list[str]:
    if not rows:
        return []
    cells = [
        [
            code(row["class"]),
            *(count(row[name]) for name in ("n", *SIDES)),
            f"{row['off']:+,.1f} {row['side']}",
            prose(row["why"], 200),
        ]
        for row in rows[:MARKDOWN_ROWS]
    ]
    return [
        table([head, number, *(f"#{side}" for side in SIDES), "#off", "why"], cells),
        *_rest(rows, "class", "classes"),
    ]


def _quarantine(rows: Sequence[Section]) -> list[str]:
    if not rows:
        return []
    cells = [[code(row["path"]), code(row["reason"], 200)] for row in rows[:MARKDOWN_ROWS]]
    head = f"### Quarantine\n\n{plural(len(rows), 'image')} on no side, because each would link two."
    return [head, table(["image", "why"], cells), *_rest(rows, "image", "images")]


def _disagreements(source: Section, ledger: Section) -> list[str]:
    lines = [
        f"- {code(row['path'])}: the data says {row['data']}, the ledger {row['ledger']}, which counts."
        for row in source["differs"]
    ]
    lines += [
        f"- {code(row['path'])}: the ledger has it on {' and '.join(row['splits'])}; {row['splits'][-1]} counts."
        for row in ledger["disputes"]
    ]
    return ["\n".join(lines[:MARKDOWN_ROWS]), *_rest(lines, "line", "lines")] if lines else []


def _rest(rows: Sequence[Any], noun: str, nouns: str) -> list[str]:
    rest = len(rows) - MARKDOWN_ROWS
    return (
        [f"And {plural(rest, f'more {noun}', f'more {nouns}')} in `data/split/certificate.json`."] if rest > 0 else []
    )
