"""The records as lines: what was decided and what became of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from datatools.fixes.history import Decided, describe_change, load_decided
from datatools.project import Project


def list_records(project: Project) -> Iterator[str]:
    """Yield a line a record, oldest first: id, status, when, who, what, why; then a line for each broken one."""
    decided, broken = load_decided(project)
    yield from to_lines(decided)
    for line in broken:
        yield f"{line.file}:{line.line}: not a record: {line.message}"


def to_lines(decided: Iterable[Decided]) -> Iterator[str]:
    """A line a record: id, status, when, who, about what, what, why."""
    for item in decided:
        record = item.record
        target = record.annotation_id or record.path or ""
        what = f"{describe_change(record)}  {record.why}"
        yield f"{record.id}  {item.status:<8}  {record.when[:19]}Z  {record.who}  {target}  {what}"
