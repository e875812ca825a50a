"""Reading the records back: what was decided and what became of it."""

from __future__ import annotations

from collections.abc import Iterator

from datatools.fixes.records import load_records
from datatools.project import Project
from datatools.schema import FIX_STATUS
from datatools.store import load_table

PENDING = "pending"  # made since the last `dvc repro`


def list_records(project: Project) -> Iterator[str]:
    """Yield a line a record, oldest first: id, status, when, who, what, why; then a line for each broken one."""
    table = load_table(project.dataset / "fixes.parquet", FIX_STATUS)
    status = dict(zip(table["id"], table["status"], strict=True))
    records, broken = load_records(project.fixes)
    for record in records:
        what = (
            f"{record.before} -> {record.after}"
            if record.op == "relabel"
            else f"{record.op} {record.reverts or ''}".strip()
        )
        target = record.annotation_id or record.path or ""
        yield f"{record.id}  {status.get(record.id, PENDING):<8}  {record.when[:19]}Z  {record.who}  {target}  {what}  {record.why}"
    for line in broken:
        yield f"{line.file}:{line.line}: not a record: {line.message}"
