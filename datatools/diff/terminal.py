"""A difference in a terminal: the verdict, what was counted, the changes one by one."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from datatools.diff.changes import Change, Diff, Value, VersionName
from datatools.fixes.records import FixRecord
from datatools.report.words import NONE, count, is_number, plural, visible

STYLES = {"image added": "green", "annotation added": "green", "image removed": "red", "annotation removed": "red"}
SEVERITIES = {"error": "red", "warning": "yellow", "info": "dim"}  # colours
ROWS = 20  # of each table of counts
AGREEMENT = {"fleiss": "Fleiss' kappa", "alpha": "Krippendorff's alpha"}
Block = list[RenderableType]


def to_terminal(diff: Diff, limit: int | None) -> Group:
    """The difference as a rich renderable, with at most `limit` changes; None for counts alone."""
    parts: Block = [_title(diff), Text(describe(diff), style="bold")]
    parts += [Text(line, style="yellow") for line in _stale(diff)]
    blocks = [_kinds(diff), _classes(diff), _split(diff), _slices(diff), _annotators(diff), _findings(diff)]
    blocks += [_agreement(diff)]
    if limit is not None:
        blocks += [_changes(diff, limit)]
    for block in blocks:
        parts += ["", *block] if block else []
    return Group(*parts)


def to_text(diff: Diff, limit: int | None, width: int = 100) -> str:
    """The same without colour, `width` columns wide and without spaces at line ends: for files, logs and tests."""
    console = Console(file=io.StringIO(), width=width, color_system=None, force_terminal=False, legacy_windows=False)
    with console.capture() as capture:
        console.print(to_terminal(diff, limit), highlight=False)
    return "".join(line.rstrip() + "\n" for line in capture.get().splitlines())


def describe(diff: Diff) -> str:
    """The verdict in one sentence."""
    findings = [(sum(row.new for row in diff.findings), "new"), (sum(row.gone for row in diff.findings), "gone")]
    said = ", ".join(f"{plural(n, 'finding')} {word}" for n, word in findings if n)
    if not diff.changes:
        if diff.is_empty:
            return "No difference."
        return f"The data is the same; {said}." if said else "No change of images or annotations; classes differ."
    n_images = len({change.path for change in diff.changes})
    text = f"{plural(len(diff.changes), 'change')} on {plural(n_images, 'image')}"
    n_fixed = len(diff.changes) - diff.n_from_source
    if n_fixed:
        people = sorted({record.who for record in diff.records})
        names = ", ".join(visible(name, 30) for name in people[:3]) + (" and others" if len(people) > 3 else "")
        text += f": {count(n_fixed)} by fix records ({names}), {count(diff.n_from_source)} from the source"
    return f"{text}; {said}." if said else f"{text}."


def describe_value(value: Value, limit: int = 40) -> str:
    """A `before` or `after` in a few characters."""
    if value is None:
        return "(none)"
    if isinstance(value, tuple):
        return _box(value)
    if isinstance(value, Mapping):
        return visible(", ".join(f"{name}: {_short(item)}" for name, item in value.items()) or None, limit)
    return visible(value, limit)


def describe_change(change: Change) -> str:
    """What became of what, in words, without names."""
    if change.kind in ("image added", "image removed", "image changed"):
        return " -> ".join(_content(value) for value in (change.before, change.after) if value is not None)
    if change.kind in ("annotation added", "annotation removed"):
        value = change.after or change.before
        assert isinstance(value, Mapping)
        return " ".join([visible(value["label"], 30), *([_box(value["box"])] if value["box"] else [])])
    if change.kind == "reshaped" and not isinstance(change.before, tuple) and not isinstance(change.after, tuple):
        return _overlap(change)
    words = f"{describe_value(change.before)} -> {describe_value(change.after)}"
    return f"{words}, {_overlap(change)}" if change.kind in ("moved", "reshaped") else words


def _title(diff: Diff) -> Text:
    return Text.assemble(*_version(diff.before), ("  ->  ", "dim"), *_version(diff.after))


def _version(version: VersionName) -> list[tuple[str, str]]:
    commit = version.commit or ""
    is_other = commit and not commit.startswith(version.name)
    facts = [commit[:8] if is_other else "", f"data {visible(version.data, 20)}" if version.data else ""]
    return [(visible(version.name, 40), "bold"), (" " + " ".join(fact for fact in facts if fact), "dim")]


def _stale(diff: Diff) -> Iterator[str]:
    for version in (diff.before, diff.after):
        if version.stale:
            yield f"{visible(version.name)} is out of date: {visible(version.stale)}; run `dvc repro`"


def _kinds(diff: Diff) -> Block:
    table = _grid("right", "left", "left")
    for kind, n in diff.by_kind.items():
        fixed = sum(bool(change.fixes) for change in diff.changes if change.kind == kind)
        table.add_row(count(n), Text(kind, STYLES.get(kind, "")), Text(f"{fixed:,} by fixes" if fixed else "", "dim"))
    return [table] if diff.changes else []


def _classes(diff: Diff) -> Block:
    pairs = {
        "images": [(row.images_before, row.images_after) for row in diff.classes],
        "objects": [(row.objects_before, row.objects_after) for row in diff.classes],
    }
    pairs = {what: counts for what, counts in pairs.items() if any(one != other for one, other in counts)}
    names = [visible(row.label, 30) for row in diff.classes]
    rows = [(name, *counts) for name, *counts in zip(names, *pairs.values()) if any(a != b for a, b in counts)]
    table = _grid("left", *("right", "left", "right", "right") * len(pairs))
    table.add_row(Text("Classes", style="bold"), *(cell for what in pairs for cell in (Text(what, "dim"), "", "", "")))
    for name, *counts in rows[:ROWS]:
        table.add_row(name, *(cell for pair in counts for cell in _difference(*pair)))
    return [table, *_more(len(rows) - ROWS, "class", "--format json", "classes")] if rows else []


def _split(diff: Diff) -> Block:
    return _numbers(
        "Split", [(row.name, "images", row.before, row.after) for row in diff.sides if row.before != row.after]
    )


def _slices(diff: Diff) -> Block:
    rows = [
        (f"{visible(row.group, 30)} = {visible(row.name, 30)}", "images", row.before, row.after) for row in diff.slices
    ]
    return _numbers("Slices", rows)


def _annotators(diff: Diff) -> Block:
    rows = [
        (visible(row.name, 30), "annotations", row.before, row.after)
        for row in diff.annotators
        if row.before != row.after
    ]
    return _numbers("Annotators", rows)


def _numbers(title: str, rows: Sequence[tuple[str, str, int, int]]) -> Block:
    """A table of what was counted and differs: name, what, before, after, difference."""
    table = _grid("left", "left", "right", "left", "right", "right")
    for name, what, before, after in rows[:ROWS]:
        table.add_row(Text(name), Text(what, "dim"), *_difference(before, after))
    return [Text(title, style="bold"), table, *_more(len(rows) - ROWS, "row", "--format json")] if rows else []


def _difference(before: int, after: int) -> tuple[str, str, str, str]:
    return count(before), "->", count(after), f"{after - before:+,}" if after != before else ""


def _findings(diff: Diff) -> Block:
    rows = [row for row in diff.findings if row.new or row.gone]
    table = _grid("left", "left", "right", "right")
    for row in rows[:ROWS]:
        severity = Text(visible(row.severity, 10), SEVERITIES.get(row.severity, ""))
        new, gone = (f"{n:,} {word}" if n else "" for n, word in ((row.new, "new"), (row.gone, "gone")))
        table.add_row(visible(row.code, 20), severity, new, gone)
    return [Text("Findings", style="bold"), table, *_more(len(rows) - ROWS, "code", "--format json")] if rows else []


def _agreement(diff: Diff) -> Block:
    before, after = diff.agreement_before or {}, diff.agreement_after or {}
    table = _grid("left", "right", "left", "right")
    for name, words in AGREEMENT.items():
        if before.get(name) != after.get(name):
            table.add_row(words, _measure(before.get(name)), "->", _measure(after.get(name)))
    return [Text("Agreement", style="bold"), table] if table.row_count else []


def _measure(value: Any) -> str:
    return f"{value:.3f}" if is_number(value) else NONE


def _changes(diff: Diff, limit: int) -> Block:
    table = Table.grid(padding=(0, 2))
    for ratio in (None, 3, 4):
        table.add_column(no_wrap=ratio is None, overflow="fold", ratio=ratio)
    records = {record.id: record for record in diff.records}
    for change in diff.changes[:limit]:
        where = Text(visible(change.path, 80))
        if change.annotation_id and change.annotation_id.removeprefix("label/") != change.path:
            where.append(f"\n{visible(change.annotation_id, 80)}", style="dim")
        what = Text(describe_change(change))
        for line in _who(change, records):
            what.append(f"\n{line}", style="dim")
        table.add_row(Text(change.kind, STYLES.get(change.kind, "")), where, what)
    more = _more(len(diff.changes) - limit, "change", "--limit N, or --format json")
    return [Text("Changes", style="bold"), *([table] if limit else []), *more] if diff.changes else []


def _who(change: Change, records: Mapping[str, FixRecord]) -> Iterator[str]:
    for name in change.fixes:
        if record := records.get(name):
            yield f"{visible(record.who, 30)}: {visible(record.why, 80)} ({visible(name, 16)})"
    if not change.fixes and change.annotator:
        yield f"source, {visible(change.annotator, 30)}"


def _content(value: Value) -> str:
    assert isinstance(value, Mapping)
    return f"{value['width_px']} x {value['height_px']} px, sha256 {str(value['sha256'])[:8]}"


def _overlap(change: Change) -> str:
    return "IoU " + (f"{change.iou:.3f}" if change.iou is not None else "none: no area")


def _box(box: Iterable[float | None]) -> str:
    return "[" + ", ".join("-" if side is None else f"{side:g}" for side in box) + "]"


def _short(value: Any) -> str:
    return _box(value) if isinstance(value, tuple) else str(value)


def _grid(*justify: Any) -> Table:
    table = Table.grid(padding=(0, 2))
    for side in justify:
        table.add_column(justify=side, overflow="fold")
    return table


def _more(n: int, noun: str, how: str, nouns: str = "") -> Block:
    return (
        [Text(f"and {plural(n, 'more ' + noun, 'more ' + (nouns or noun + 's'))}: {how}", style="dim")] if n > 0 else []
    )
