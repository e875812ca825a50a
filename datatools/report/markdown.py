"""The report for a pull request: Markdown below the size that GitHub takes, foreign text only in code spans."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from datatools.report.lift_words import to_rows
from datatools.report.summary import has_one_class, write_accuracy, write_level
from datatools.report.words import KINDS, OPS, count, describe_agreement, is_number, moment, percent, plural, visible

Section = dict[str, Any]
LIMIT_BYTES = 65_000  # GitHub takes 65,536 characters
CUT = "The rest is cut: it would not fit. The whole report is in `reports/report.html` and `reports/report.json`."
ROWS = 20
CLASSES = 40
EXAMPLES = 2
# Characters that GitHub acts on outside code spans; these look like them and do nothing.
HARMLESS = str.maketrans(
    {"@": "\uff20", "#": "\uff03", "<": "\u2039", ">": "\u203a", "&": "\uff06", "`": "'", "|": "\u00a6"}
)
LINKS = {"www.": "www\u2024", "://": "\ua789//", "GH-": "GH\u2011"}  # what GitHub turns into links by itself


def to_markdown(summary: Section, limit_bytes: int = LIMIT_BYTES) -> str:
    """Return the summary as Markdown of at most `limit_bytes` UTF-8 bytes.

    What does not fit is cut between whole blocks, never in a table, and a sentence says so.
    """
    room = limit_bytes - len(CUT) - 1
    text = ""
    for block in _blocks(summary):
        grown = text + block + "\n\n"
        if len(grown.encode()) > room:
            return text + CUT + "\n"
        text = grown
    return text.rstrip("\n") + "\n"


def code(text: Any, limit: int = 120) -> str:
    """Foreign text as a code span that cannot end early, break a table, mention a person or link to an issue."""
    shown = visible(text, limit).replace("`", "'").replace("|", "\u00a6").strip()
    return f"`{shown}`" if shown != "-" else "-"


def prose(text: Any, limit: int = 120) -> str:
    """A title as plain words: whatever Markdown or GitHub would act on is escaped or replaced by a look-alike."""
    shown = visible(text, limit).translate(HARMLESS)
    for link, harmless in LINKS.items():
        shown = shown.replace(link, harmless)
    return "".join("\\" + char if char in "\\*_[]{}()!~$" else char for char in shown)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; a head that starts with `#` is a column of numbers. Cells must be harmless already."""
    names = [name.removeprefix("#") for name in head]
    rules = ["---:" if name.startswith("#") else "---" for name in head]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [names, rules, *rows])


def spans(row: Section, *names: str) -> list[str]:
    """Cells of foreign text."""
    return [code(row[name]) for name in names]


def counts(row: Section, *names: str) -> list[str]:
    """Cells of whole numbers."""
    return [count(row[name]) for name in names]


def shares(row: Section, *names: str) -> list[str]:
    """Cells of shares of 1, in per cent."""
    return [percent(row[name]) for name in names]


def _blocks(summary: Section) -> list[str]:
    blocks = [f"## {prose(summary['title'])}", f"**{summary['headline']}**", _next(summary["next"])]
    for name, body in (
        ("Review first", _queue(summary["queue"])),
        ("Fixes", _fixes(summary["fixes"])),
        ("What the fixes bought", _lift(summary)),
        ("Findings", _findings(summary["findings"])),
        ("Agreement", [text] if (text := describe_agreement(summary["agreement"], code)) else []),
        ("Left out", _left_out(summary["data"])),
        ("Split and classes", _split(summary)),
        ("Model", _model(summary["model"], has_one_class(summary))),
        ("Under-represented", _slices(summary["curate"]["slices"])),
        ("Provenance", _provenance(summary)),
    ):
        blocks += [f"### {name}\n\n{body[0]}", *body[1:]] if body else []
    return blocks


def _next(steps: Sequence[Section]) -> str:
    commands = [f" {code(step['command'], 300)}" if step["command"] else "" for step in steps]
    return "\n".join(
        f"{n}. {step['what']}{command}" for n, (step, command) in enumerate(zip(steps, commands, strict=True), 1)
    )


def _queue(queue: Section) -> list[str]:
    if not queue["n"]:
        return ["Nothing waits for review."]
    kinds = ", ".join(f"{n:,} {prose(KINDS.get(kind, kind))}" for kind, n in queue["by_kind"].items())
    names = ("path", "label", "suggested", "split", "reason")
    rows = [[*counts(row, "rank"), *spans(row, *names)] for row in queue["top"][:ROWS]]
    head = ["#rank", "image", *names[1:]]
    return [f"{plural(queue['n'], 'image')} to review: {kinds}.", table(head, rows)]


def _fixes(fixes: Section) -> list[str]:
    if not fixes["n"]:
        return ["No fixes yet: a decision made in review appears here."]
    statuses = ", ".join(f"{n:,} {name}" for name, n in fixes["by_status"].items() if n)
    blocks = [f"{plural(fixes['n'], 'decision')}: {statuses}."]
    if fixes["conflicts"]:
        rows = [[_image(row), _change(row), *spans(row, "who", "message")] for row in fixes["conflicts"][:ROWS]]
        blocks.append(
            "**In conflict or disputed, not applied:**\n\n" + table(["image", "decision", "who", "conflict"], rows)
        )
    moved = [
        [code(row["class"]), *counts(row, "before", "after"), f"{row['delta']:+,}"] for row in fixes["class_counts"]
    ]
    blocks += [prose(line, 400) for line in fixes["aim"]]
    blocks += _capped(["class", "#before fixes", "#after", "#change"], moved, "class", "classes")
    for lane in fixes["lanes"]:
        blocks += _lane(lane)
    rows = [
        [_image(row), _change(row), *spans(row, "status", "who", "moment", "why")]
        for row in _dated(fixes["decisions"][:ROWS])
    ]
    return [*blocks, *([table(["image", "decision", "status", "who", "when (UTC)", "why"], rows)] if rows else [])]


def _lane(lane: Section) -> list[str]:
    """What was decided about the labels of some sides of the split."""
    ops = ", ".join(f"{n:,} {OPS.get(op, 'decided')}" for op, n in lane["by_op"].items())
    classes = [[code(row["class"]), *counts(row, "reviewed", "changed", "became")] for row in lane["by_class"]]
    people = [[code(row["annotator"]), *counts(row, "reviewed", "changed")] for row in lane["by_annotator"]]
    return [
        f"**{prose(lane['title'])}**: {ops}. {prose(lane['aim'], 400)}",
        *_capped(["label was", "#reviewed", "#changed", "#became it"], classes, "class", "classes"),
        *_capped(["labels of", "#reviewed", "#changed"], people, "annotator", "annotators"),
    ]


def _lift(summary: Section) -> list[str]:
    """The verdict and the two tables; without fix records nothing."""
    lift = summary["lift"]
    if not summary["fixes"]["n"]:
        return []
    if not lift["measured"]:
        return [prose(lift["verdict"], 400)]
    return [f"**{prose(lift['verdict'], 400)}**", *lift_tables(to_rows(lift)), prose(lift["method"], 1000)]


def lift_tables(rows: Section) -> list[str]:
    """The tables of a measured lift, of the rows that lift_words.to_rows makes."""
    accuracies = [[prose(row["name"]), row["mean"], row["std"]] for row in rows["accuracies"]]
    differences = [[prose(row["name"]), row["value"], row["interval"]] for row in rows["differences"]]
    return [
        table([plural(rows["n_test"], "test image"), "#accuracy", "#spread over seeds"], accuracies),
        table(["percentage points", "#difference", f"#{rows['confidence']} interval"], differences),
    ]


def _dated(rows: Iterable[Section]) -> list[Section]:
    return [{**row, "moment": moment(row["when"])} for row in rows]


def _image(row: Section) -> str:
    return code(row["path"] or row["id"])


def _change(row: Section) -> str:
    if row["op"] == "relabel":
        return f"{code(row['before'])} → {code(row['after'])}"
    return OPS.get(row["op"] or "", "not a record") + (f" {code(row['before'])}" if row["before"] else "")


def _findings(findings: Section) -> list[str]:
    rows = []
    for row in findings["codes"]:
        examples = "; ".join(" ".join(spans(example, "path", "message")) for example in row["examples"][:EXAMPLES])
        rows.append([code(row["code"]), count(row["n"]), code(row["severity"]), prose(row["title"]), examples])
    blocks = [table(["code", "#n", "severity", "what", "for example"], rows)] if rows else ["No findings."]
    return [*blocks, *([f"And {count(findings['muted'])} muted in `data/mutes.yaml`."] if findings["muted"] else [])]


def _left_out(data: Section) -> list[str]:
    if not data["left_out"]:
        return []
    rows = [
        [
            row["what"],
            count(row["n"]),
            prose(row["title"]),
            ", ".join(code(example["path"]) for example in row["examples"]),
        ]
        for row in data["left_out"]
    ]
    return [table(["what", "#n", "reason", "for example"], rows)]


def _split(summary: Section) -> list[str]:
    split = summary["split"]
    sizes = ", ".join(f"{n:,} {side}" for side, n in split["sizes"].items())
    held = f", {count(split['quarantine'])} in quarantine" if split["quarantine"] else ""
    line = f"{plural(summary['data']['images'], 'image')}: {sizes}{held}."
    if is_number(split["groups_crossing"]):
        line += f" {count(split['groups_crossing'])} of {count(split['groups'])} groups cross,"
        line += f" {plural(split['near_duplicates_crossing'] or 0, 'near-duplicate crosses', 'near-duplicates cross')}."
    rows = [[code(row["class"]), *counts(row, "n", "train", "val", "test")] for row in summary["classes"]]
    return [line, *_capped(["class", "#images", "#train", "#val", "#test"], rows, "class", "classes")]


def _model(model: Section, one_class: bool) -> list[str]:
    if not model:
        return []
    facts = [f"Test accuracy **{write_accuracy(model)}**", write_level(model), f"{count(model['n'])} images"]
    line = ", ".join(fact for fact in facts if fact) + f"; macro F1 {percent(model['macro_f1'])}."
    if one_class:
        line += " All labels are of one class, so none of these figures says anything."
    worst = sorted(model["per_class"], key=lambda row: row["f1"] if is_number(row["f1"]) else -1)
    rows = [[code(row["class"]), *shares(row, "precision", "recall", "f1"), *counts(row, "support")] for row in worst]
    head = ["class, worst first", "#precision", "#recall", "#F1", "#images"]
    mixed = [[*spans(row, "actual", "predicted"), *counts(row, "n")] for row in model["confusions"][:ROWS]]
    return [
        line,
        *_capped(head, rows, "class", "classes"),
        *([table(["label", "taken for", "#times"], mixed)] if mixed else []),
    ]


def _slices(slices: Sequence[Section]) -> list[str]:
    rows = [
        [*spans(row, "column", "value"), *counts(row, "n"), *shares(row, "share", "accuracy")]
        for row in slices
        if row["is_rare"]
    ]
    return _capped(["column", "value", "#images", "#share", "#accuracy"], rows, "slice", "slices")


def _provenance(summary: Section) -> list[str]:
    record = summary["record"]
    names = {"data_version": "trained on", "code_commit": "code", "device": "device", "seeds": "seeds"}
    facts = [("data", summary["data"]["version"]), *((words, record.get(name)) for name, words in names.items())]
    return [", ".join(f"{words} {code(value)}" for words, value in facts if value is not None) + "."]


def _capped(head: Sequence[str], rows: Sequence[Sequence[str]], noun: str, nouns: str) -> list[str]:
    if not rows:
        return []
    rest = len(rows) - CLASSES
    more = [f"And {plural(rest, f'more {noun}', f'more {nouns}')}."] if rest > 0 else []
    return [table(head, rows[:CLASSES]), *more]
