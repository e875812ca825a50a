"""What a release says of itself: a changelog entry in Markdown, and the message of its tag."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from datatools.diff.changes import Diff
from datatools.fixes.records import FixRecord
from datatools.release.kinds import Reason
from datatools.report.against.data import count_pairs
from datatools.report.markdown import code, prose, table
from datatools.report.words import count, visible

RECORDS = 20  # fix records that an entry lists
PAIRS = 10  # pairs of labels


@dataclass(frozen=True)
class Summary:
    """What changed since `before` (the tag of a release; empty: this is the first), and why it is the step that it is."""

    before: str
    kind: str
    reasons: Sequence[Reason]
    facts: Mapping[str, str]  # data version, commit, ...
    blocks: Sequence[str] = field(default=())  # more Markdown


def write_entry(artifact: str, version: str, day: str, summary: Summary, allow: str | None) -> str:
    """The changelog entry, which starts with `## VERSION (day)`."""
    since = (
        f"Since {code(summary.before)}, {summary.kind}:" if summary.before else f"The first release of the {artifact}."
    )
    blocks = [f"## {version} ({day})", since]
    if summary.reasons:
        blocks.append("\n".join(f"- {prose(reason.text, 300)} ({reason.kind})" for reason in summary.reasons))
    elif summary.before:
        blocks.append("- nothing in it changed")
    if allow:
        blocks.append(f"Released as a smaller step than that, because: {prose(allow, 300)}")
    blocks += [*summary.blocks, " · ".join(f"{name} {code(value)}" for name, value in summary.facts.items())]
    return "\n\n".join(blocks) + "\n"


def write_message(artifact: str, version: str, summary: Summary, allow: str | None) -> str:
    """The message of the tag: the same in plain text, names made harmless."""
    lines = [f"{artifact} {version}: {summary.kind}, {len(summary.reasons)} kinds of changes since {summary.before}"]
    if not summary.before:
        lines = [f"{artifact} {version}: the first release"]
    lines += ["", *(f"{visible(reason.text, 300)} ({reason.kind})" for reason in summary.reasons)]
    lines += [f"released as a smaller step, because: {visible(allow, 300)}"] if allow else []
    return "\n".join([*lines, "", *(f"{name}: {visible(value)}" for name, value in summary.facts.items())]) + "\n"


def describe_diff(diff: Diff) -> list[str]:
    """Which labels became which, the classes whose counts changed, and the decisions behind it."""
    pairs = count_pairs(diff.changes, "relabelled")[:PAIRS]
    told = [[f"{code(pair['before'])} → {code(pair['after'])}", count(pair["n"])] for pair in pairs]
    classes = [
        [
            code(row.label),
            count(row.images_before),
            count(row.images_after),
            count(row.objects_before),
            count(row.objects_after),
        ]
        for row in diff.classes
        if (row.images_before, row.objects_before) != (row.images_after, row.objects_after)
    ]
    head = ["class", "#images before", "#after", "#objects before", "#after"]
    blocks = [table(["relabelled", "#n"], told)] if told else []
    blocks += [table(head, classes)] if classes else []
    return [*blocks, *_describe_records(diff.records, diff.n_from_source)]


def describe_metrics(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[str]:
    """Each number of an evaluation, then and now."""
    old, new = before or {}, after or {}
    names = [name for name in new if _number(new[name])]
    if not names:
        return []
    if not old:
        return [table(["metric", "#now"], [[code(name), _number(new[name])] for name in names])]
    rows = [[code(name), _number(old.get(name)), _number(new[name])] for name in names]
    return [table(["metric", "#before", "#now"], rows)]


def _describe_records(records: Sequence[FixRecord], n_from_source: int) -> list[str]:
    shown = [
        f"- {code(record.id)} {prose(record.who)}, {record.when[:10]}: {prose(record.why, 200)}"
        for record in records[:RECORDS]
    ]
    more = [f"- and {len(records) - RECORDS:,} more in `data/fixes`"] if len(records) > RECORDS else []
    head = [f"Decided by people ({count(len(records))} fix records):"] if records else []
    came = [f"{count(n_from_source)} changes came with the data itself."] if n_from_source else []
    return [*head, *(["\n".join([*shown, *more])] if shown else []), *came]


def _number(value: Any) -> str:
    is_one = isinstance(value, (int, float)) and not isinstance(value, bool)
    return f"{value:,.4g}" if is_one else ""
