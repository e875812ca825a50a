"""The end of a run in a terminal: what happened, what looks wrong, what to do next."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from datatools.report.summary import has_one_class, write_accuracy, write_level
from datatools.report.words import KINDS, count, describe_agreement, is_number, percent, plural, visible

Section = dict[str, Any]
TOP = 5
MAX_CODES = 30
STYLES = {"error": "red", "warning": "yellow", "info": "dim"}


def to_terminal(summary: Section, report: str = "reports/report.html") -> Group:
    """The summary as a rich renderable; colour only underlines what the words say. `report` is where the page is."""
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="bold", no_wrap=True)
    facts.add_column(overflow="fold")
    for name, lines in _facts(summary).items():
        if lines:
            facts.add_row(name, Group(*lines))
    title = Text.assemble((visible(summary["title"], 60), "bold"), "  ", (f"data {summary['data']['version']}", "dim"))
    parts: list[RenderableType] = [title, Text(visible(summary["headline"], 400), style="bold"), "", facts]
    if summary["queue"]["top"]:
        parts += [
            "",
            Text("Look at these first", style="bold"),
            Padding(_queue(summary["queue"]["top"][:TOP]), (0, 0, 0, 2)),
        ]
    return Group(*parts, "", _next(summary["next"], report))


def to_text(summary: Section, report: str = "reports/report.html", width: int = 100) -> str:
    """The same without colour, `width` columns wide and without spaces at line ends: for files, logs and tests."""
    console = Console(file=io.StringIO(), width=width, color_system=None, force_terminal=False, legacy_windows=False)
    with console.capture() as capture:
        console.print(to_terminal(summary, report), highlight=False)
    return "".join(line.rstrip() + "\n" for line in capture.get().splitlines())


def _facts(summary: Section) -> dict[str, list[RenderableType]]:
    return {
        "Images": _images(summary["data"]),
        "Findings": _findings(summary["findings"]),
        "Kappa": [Text(text)] if (text := describe_agreement(summary["agreement"], visible)) else [],
        "Split": _split(summary["split"]),
        "Model": _model(summary["model"], has_one_class(summary)),
        "Labels": _labels(summary["curate"], summary["queue"]),
        "Fixes": _fixes(summary["fixes"]),
    }


def _images(data: Section) -> list[RenderableType]:
    lines = [Text(f"{plural(data['images'], 'image')} taken in, {plural(data['files_left_out'], 'file')} left out")]
    if data["rows_left_out"]:
        lines[0].append(f", {plural(data['rows_left_out'], 'annotation')} left out")
    lines += [_left_out(row) for row in data["left_out"]]
    return list(lines)


def _findings(findings: Section) -> list[RenderableType]:
    muted = f", {count(findings['muted'])} muted" if findings.get("muted") else ""  # an older report has none
    if not findings["n"]:
        return [Text(f"none{muted}")]
    by_severity = [(n, name) for name, n in findings["by_severity"].items() if n]
    head = Text(", ".join(f"{n:,} {name}" if name == "info" else plural(n, name) for n, name in by_severity) + muted)
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right")
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for row in findings["codes"][:MAX_CODES]:
        severity = Text(visible(row["severity"], 10), STYLES.get(row["severity"], ""))
        table.add_row(count(row["n"]), Text(visible(row["code"], 20)), severity, Text(visible(row["title"] or None)))
    rest = len(findings["codes"]) - MAX_CODES
    return [head, table, *([Text(f"and {plural(rest, 'more code')}")] if rest > 0 else [])]


def _split(split: Section) -> list[RenderableType]:
    if not any(split["sizes"].values()):
        return []
    line = Text(", ".join(f"{n:,} {side}" for side, n in split["sizes"].items()))
    if split.get("quarantine"):  # an older report has none
        line.append(f", {split['quarantine']:,} in quarantine")
    if is_number(split["groups_crossing"]):
        groups = f"{split['groups_crossing']:,} of {plural(split['groups'] or 0, 'group')} cross"
        pairs = plural(split["near_duplicates_crossing"] or 0, "near-duplicate crosses", "near-duplicates cross")
        line.append(f"; {groups}, {pairs}")
    return [line]


def _model(model: Section, one_class: bool) -> list[RenderableType]:
    if not is_number(model.get("accuracy")):
        return []
    line = Text(f"test accuracy {write_accuracy(model)}")
    if write_level(model):
        line.append(f", {write_level(model)}")
    line.append(f", {plural(model['n'] or 0, 'image')}; macro F1 {percent(model['macro_f1'])}")
    return [line.append("; all labels are of one class, so neither says anything") if one_class else line]


def _labels(curate: Section, queue: Section) -> list[RenderableType]:
    lines: list[RenderableType] = []
    if is_number(curate["label_issues"]):
        judged = f"{curate['label_issues']:,} of {count(curate['images_judged'])} judged look wrong"
        if confirmed := curate.get("label_issues_confirmed"):  # an older report has none
            judged += f" (and {confirmed:,} that people decided on)"
        agreed = percent(curate["out_of_fold_accuracy"])  # the lower, the more of these are hard images, not errors
        known = is_number(curate["out_of_fold_accuracy"])
        lines.append(Text(judged + (f", by models that agree with {agreed} of all labels" if known else "")))
    kinds = ", ".join(f"{n:,} {visible(KINDS.get(kind, kind))}" for kind, n in queue["by_kind"].items())
    return [*lines, Text(f"{plural(queue['n'], 'image')} to review" + (f": {kinds}" if kinds else ""))]


def _fixes(fixes: Section) -> list[RenderableType]:
    if not fixes["n"]:
        return [Text("none yet")]
    counts = ", ".join(f"{n:,} {name}" for name, n in fixes["by_status"].items() if n)
    conflicts = [
        Text(f"{row['status']}: {visible(row['path'] or row['id'], 60)}: {visible(row['message'])}", style="red")
        for row in fixes["conflicts"][:TOP]
    ]
    return [Text(counts), *conflicts]


def _left_out(row: Section) -> Text:
    words = f"  {plural(row['n'], row['what'])}: {visible(row['title'])}"
    return Text(words).append(f" [{visible(row['reason'], 30)}]", style="dim")


def _queue(rows: Iterable[Section]) -> Table:
    table = Table.grid(padding=(0, 2))
    for justify in ("right", "left", "left", "left"):
        table.add_column(justify="right" if justify == "right" else "left", overflow="fold")
    for row in rows:
        change = Text(visible(row["label"], 30))
        if row["suggested"] and row["suggested"] != row["label"]:
            change.append(" -> ").append(visible(row["suggested"], 30), style="bold")
        table.add_row(count(row["rank"]), Text(visible(row["path"], 60)), change, Text(visible(row["reason"])))
    return table


def _next(steps: Iterable[Section], report: str) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("Report", Text(visible(report)))
    for number, step in enumerate(steps):
        line = Text(step["what"])
        if step["command"]:
            line.append("\n  ").append(visible(step["command"], 300), style="cyan")
        table.add_row("Next" if number == 0 else "", line)
    return table
