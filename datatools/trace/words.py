"""A story as a terminal shows it: one line a fact, the name of the section before its first line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from datatools.report.words import percent, plural, visible

Story = Mapping[str, Any]
Lines = Iterator[str]
MANY = 8  # lines of one section
DIGITS = 12  # of a hash
SHORT_VALUE = 40  # characters of a value that changed


def to_terminal(story: Story) -> Group:
    """The story as a rich renderable; no name in it can move the cursor or start a style."""
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="bold", no_wrap=True)
    facts.add_column(overflow="fold")
    for name, tell in SECTIONS[story["kind"]].items():
        lines = list(tell(story))
        if lines:
            facts.add_row(name, Text("\n".join(visible(line, 300) for line in _cut(lines))))
    return Group(Text(f"{story['kind']} {visible(story['name'], 200)}", style="bold"), facts)


def _cut(lines: list[str]) -> list[str]:
    more = len(lines) - MANY
    return [*lines[:MANY], f"and {more:,} more: --json has them"] if more > 0 else lines


def _place(story: Story) -> Lines:
    facts, metadata = story["facts"], story["metadata"]
    if facts:
        size = f"{facts['width_px']} x {facts['height_px']} {facts['format']}, {facts['n_bytes']:,} bytes"
        yield f"{size}, SHA-256 {facts['sha256'][:DIGITS]}"
        yield f"from {facts['source']}" + (f", group {facts['group']}" if facts["group"] else "")
        if metadata:
            yield ", ".join(f"{name} {value}" for name, value in metadata.items())
    yield from _left_out(story)


def _left_out(story: Story) -> Lines:
    if not story["in_data_set"]:
        yield "not in the data set now"
    for row in story["left_out"]:
        yield f"left out: {row['reason']}, {row['message']} ({row['source']})"


def _annotations(story: Story) -> Lines:
    yield from (_annotation(row) for row in story["annotations"])


def _annotation(row: Story) -> str:
    corners = [row[name] for name in ("x0_px", "y0_px", "x1_px", "y1_px")]
    box = "" if None in corners else " at " + ", ".join(f"{value:g}" for value in corners)
    who = f" by {row['annotator']}" if row["annotator"] else ""
    return f"{row['annotation_id']}: {row['kind']} {row['label']}{box}{who}, from {row['source']}"


def _value(story: Story) -> Lines:
    if story["value"]:
        yield _annotation(story["value"])
    votes = story["votes"]
    if votes:
        yield "voted: " + ", ".join(f"{row['annotator']} {row['label']}" for row in votes)
    if story["image"]:
        yield f"on {story['image']}"
    yield from _left_out(story)


def _side(story: Story) -> Lines:
    split = story["split"]
    if split:
        fold = "" if split["fold"] is None else f", fold {split['fold']}"
        others = split["together"] - 1
        unit = f", together with {plural(others, 'other image')}" if others else ""
        yield f"{split['side']}{fold}{unit}{_since(split['since'])}"


def _since(since: Story) -> str:
    if not since:
        return ""
    return f", since {_commit(since)}" if since["commit"] else ", in a ledger that is not committed yet"


def _near(story: Story) -> Lines:
    for row in story["near_duplicates"]:
        yield f"{row['image']} ({row['how']}{_share(', correlation', row['correlation'])}), in {row['split']}"


def _share(words: str, value: float | None) -> str:
    return "" if value is None else f"{words} {value:.3f}"


def _findings(story: Story) -> Lines:
    yield from (f"{row['code']} {row['severity']}: {row['message']}" for row in story["findings"])


def _queue(story: Story) -> Lines:
    yield from (f"rank {row['rank']}: {row['reason']}" for row in story["queue"])


def _fixes(story: Story) -> Lines:
    yield from map(_fix, story.get("others", story.get("fixes")) or ())


def _fix(row: Story) -> str:
    return f"{row['id']} {row['when'][:10]} {row['who']}: {row['what']}, {row['status']} ({row['why']})"


def _copies(story: Story) -> Lines:
    yield from story["copies"]


def _learners(story: Story) -> Lines:
    for row in story["learnt_by"]:
        learnt = f"as {row['label']}" if row["label"] else "perhaps: the tables of that time are not on this machine"
        yield f"{learnt}, {_model(row)}"


def _model(row: Story) -> str:
    now = " (the one on disk)" if row["is_current"] else ""
    return f"model {row['md5'][:DIGITS]}{now}, {_commit(row)}"


def _said(story: Story) -> Lines:
    said = story["predicted"]
    if said:
        verdict = "right" if said["right"] else f"wrong by the label {said['label']}"
        sure = "" if said["confidence"] is None else f" with {percent(said['confidence'])}"
        yield f"{said['predicted']}{sure}: {verdict}"


def _changes(story: Story) -> Lines:
    for event in story["changes"]:
        yield f"{_commit(event)}: " + "; ".join(map(_change, event["changes"]))
    if story["missing"]:
        yield f"not in the cache, so not known: {', '.join(story['missing'])} (`dvc fetch --all-commits` brings them)"
    if story.get("looked_at", {}).get("older_left_out"):
        yield f"older than the last {story['looked_at']['versions']} versions: not looked at (--commits looks further)"


def _change(change: Story) -> str:
    about = f" {change['annotation_id']}" if change.get("annotation_id") else ""
    values = [_short(change.get(name)) for name in ("before", "after")]
    return change["kind"] + about + (f" {values[0]} -> {values[1]}" if any(values) else "")


def _short(value: Any) -> str:
    if value is None:
        return ""
    text = (
        value if isinstance(value, str) else ", ".join(map(str, value.values() if isinstance(value, dict) else value))
    )
    return text if len(text) <= SHORT_VALUE else f"{text[: SHORT_VALUE - 1]}…"


def _commit(row: Story) -> str:
    return f"{row['commit']} {row['when'][:10]} {row['who']}: {row['subject']}" if row["commit"] else row["subject"]


def _made(story: Story) -> Lines:
    yield f"SHA-256 {(story['sha256'] or 'not on this machine')[:DIGITS]}, MD5 {story['md5'][:DIGITS]} in dvc.lock"
    yield f"data {story['data_version']}, code {story['code_commit']}, {story['network']}"
    yield f"first in {_commit(story['first_in'])}"
    yield from (f"not on this machine: {name} (`dvc fetch --all-commits` brings it)" for name in story["missing"])


def _params(story: Story) -> Lines:
    for name in ("params", "augment", "packages"):
        if story[name]:
            yield f"{name}: " + ", ".join(f"{key} {value}" for key, value in story[name].items() if key != "policy")


def _in_force(story: Story) -> Lines:
    fixes = story["fixes"]
    if fixes is None:
        yield "not recorded"
    elif fixes["n"]:
        yield f"{plural(fixes['n'], 'record')}, hash {fixes['sha256'][:DIGITS]}: {', '.join(fixes['ids'] or ['--json has no list'])}"
    else:
        yield "none"


def _learnt(story: Story) -> Lines:
    if story["n_images"] is None:
        yield "not known: the tables of that time are not on this machine"
        return
    copies = f" and {story['n_copies']:,} augmented copies" if story["n_copies"] else ""
    yield f"{plural(story['n_images'], 'image')} of the train side{copies}; --json lists them"


def _metrics(story: Story) -> Lines:
    if story["metrics"]:
        yield ", ".join(
            f"{name} {value:g}" for name, value in story["metrics"].items() if isinstance(value, (int, float))
        )


def _releases(story: Story) -> Lines:
    yield ", ".join(story["releases"]) or "in no release"


def _record(story: Story) -> Lines:
    yield _fix(story["record"])
    target = story["record"]["annotation_id"] or story["record"]["path"]
    if target:
        yield f"about {target}"
    yield from (f"evidence: {name} {value}" for name, value in story["evidence"].items())
    yield f"{'in Git by ' if story['added_in']['commit'] else ''}{_commit(story['added_in'])}"


def _trained(story: Story) -> Lines:
    if not story["changes_data"]:
        yield "none: such a record changes no label, box or mask"
    words = {True: "with it", False: "without it", None: "not known: the tables of that time are not on this machine"}
    yield from (f"{_model(row)}: {words[row['with_it']]}" for row in story["models"])


Sections = dict[str, Callable[[Story], Iterable[str]]]
COMMON: Sections = {"Findings": _findings, "Queue": _queue, "Fixes": _fixes}
ENDING: Sections = {"Learnt by": _learners, "Changed in": _changes}
SECTIONS: dict[str, Sections] = {
    "image": {
        "Image": _place, "Annotations": _annotations, "Split": _side, "Looks like": _near, **COMMON,
        "Copies": _copies, "The model says": _said, **ENDING,
    },
    "annotation": {"Value": _value, **COMMON, **ENDING},
    "model": {
        "Made": _made, "Params": _params, "Fix records": _in_force, "Learnt from": _learnt, "Metrics": _metrics,
        "Releases": _releases,
    },
    "fix record": {"Record": _record, "Others": _fixes, "Models": _trained},
}  # fmt: skip
