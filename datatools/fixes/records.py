"""One decision of a person: a line of JSON in `data/fixes/*.jsonl`, appended and never changed."""

from __future__ import annotations

import dataclasses
import json
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from datatools.errors import DatatoolsError
from datatools.store import append_line

SCHEMA = 2
SCHEMAS = (1, 2)  # read; 2 added include, add, set_metadata, set_split, ask, `column` and `settles`
NEEDS = {
    "relabel": ("annotation_id", "after"),
    "confirm": ("annotation_id",),
    "move_box": ("annotation_id", "after"),
    "edit_mask": ("annotation_id", "after"),
    "add": ("annotation_id", "path", "after"),
    "delete": ("annotation_id",),
    "exclude": ("path",),
    "include": ("path",),
    "set_metadata": ("path", "column"),
    "set_split": ("path", "after"),
    "ask": ("path",),
    "revert": ("reverts",),
}
OPS = tuple(NEEDS)


@dataclass(frozen=True)
class FixRecord:
    """Who decided what, when and why.

    `op` is relabel, move_box or edit_mask (an annotation's label, box or mask changes from `before` to `after`), confirm
    (its label stays `before`), add (an annotation that was missing), delete (the annotation leaves the data set; `before`
    is its label), exclude (the image leaves the data set), include (it stays, or comes back), set_metadata (the column
    `column` of metadata.csv changes for the image), set_split (the image goes to the side `after` of the split), ask (an
    expert should decide; nothing changes) or revert (the record named in `reverts` no longer holds). Boxes, masks and added
    annotations are written as in datatools/fixes/values.py. `settles` are the ids of the records that this one overrules,
    where people disagreed. `base` is the data version that the person saw; `evidence` is what the queue said of it.
    """

    op: str
    who: str
    when: str  # UTC, ISO 8601 with microseconds
    why: str
    path: str | None = None
    annotation_id: str | None = None
    before: str | None = None
    after: str | None = None
    column: str | None = None
    reverts: str | None = None
    settles: tuple[str, ...] = ()
    base: str | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    schema: int = SCHEMA


@dataclass(frozen=True)
class BrokenLine:
    """A line that is not a record: a torn write, a merge gone wrong. It is reported and never applied."""

    file: str
    line: int
    message: str


def now() -> str:
    """The present moment as records write it."""
    return write_moment(datetime.now(UTC))


def write_moment(moment: datetime) -> str:
    """A moment in UTC as records write it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def to_line(record: FixRecord) -> str:
    """The record as one line of JSON with sorted keys; empty fields are left out."""
    values = {key: value for key, value in dataclasses.asdict(record).items() if value not in (None, {}, ())}
    return json.dumps(values, sort_keys=True, ensure_ascii=False)


def from_line(line: str) -> FixRecord:
    """Parse one line; raises ValueError that says what is wrong."""
    values = json.loads(line)
    json.dumps(values, ensure_ascii=False).encode()  # half a character (a lone surrogate) is a ValueError here
    if not isinstance(values, dict):
        raise ValueError("not a JSON object")
    if values.get("schema") not in SCHEMAS or type(values["schema"]) is not int:
        raise ValueError(f"schema {values.get('schema')!r} is not one of {', '.join(map(str, SCHEMAS))}")
    if values.get("op") not in OPS:
        raise ValueError(f"op {values.get('op')!r} is not one of {', '.join(OPS)}")
    names = {item.name for item in dataclasses.fields(FixRecord)}
    unknown, missing = sorted(set(values) - names), sorted({"id", "who", "when", "why"} - set(values))
    if unknown or missing:
        raise ValueError(f"unknown field {unknown[0]!r}" if unknown else f"field {missing[0]!r} is missing")
    lacking = [name for name in NEEDS[values["op"]] if name not in values]
    if lacking:
        raise ValueError(f"{values['op']} needs the field {lacking[0]!r}")
    for name, value in values.items():
        if name == "settles" and not (isinstance(value, list) and all(isinstance(old, str) for old in value)):
            raise ValueError("settles must be a list of strings")
        if name not in ("schema", "settles") and not isinstance(value, dict if name == "evidence" else str):
            raise ValueError(f"{name} must be {'an object' if name == 'evidence' else 'a string'}")
    return FixRecord(**{**values, "settles": tuple(values.get("settles", ()))})


def load_records(folder: Path) -> tuple[list[FixRecord], list[BrokenLine]]:
    """Read every `*.jsonl` under `folder`, each record once, ordered by time and id, whatever the files are called."""
    records: list[FixRecord] = []
    broken: list[BrokenLine] = []
    for path in sorted(folder.glob("*.jsonl")):
        found, torn = parse_lines(path.read_bytes(), path.name)
        records += found
        broken += torn
    return in_order(records), broken


def parse_lines(data: bytes, file: str) -> tuple[list[FixRecord], list[BrokenLine]]:
    """The records in the bytes of a file, in its order, and the lines that are none; empty lines are neither."""
    records: list[FixRecord] = []
    broken: list[BrokenLine] = []
    for number, line in enumerate(data.split(b"\n"), start=1):
        if line.strip():
            try:
                records.append(from_line(line.decode("utf-8")))
            except (ValueError, RecursionError) as error:
                broken.append(BrokenLine(file, number, str(error)))
    return records, broken


def in_order(records: Iterable[FixRecord]) -> list[FixRecord]:
    """By time and id, each id once: the first that comes stands."""
    once: dict[str, FixRecord] = {}
    for record in records:
        once.setdefault(record.id, record)
    return sorted(once.values(), key=lambda record: (record.when, record.id))


def append_records(path: Path, records: Sequence[FixRecord]) -> None:
    """Append records to one reviewer's file; each is on the disk before the next is written."""
    for record in records:
        if not record.who.strip():
            raise DatatoolsError(
                f"{path}: a fix record needs who decided it. Got none: set git config user.name or pass --who."
            )
        append_line(path, to_line(record))


def file_records(folder: Path, records: Iterable[FixRecord]) -> None:
    """Append each record to the file of its author's day."""
    for record in records:
        append_records(sitting_path(folder, record.who, record.when), [record])


def sitting_path(folder: Path, who: str, when: str) -> Path:
    """The file of one reviewer's day: two reviewers never write to one file, so Git has nothing to merge."""
    name = re.sub(r"[^a-z0-9]+", "-", who.lower()).strip("-") or "someone"
    return folder / f"{when[:10]}-{name}.jsonl"
