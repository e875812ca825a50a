from __future__ import annotations

from pathlib import Path

import pytest

from datatools.errors import DatatoolsError
from datatools.fixes.apply import apply_fixes
from datatools.fixes.log import list_records
from datatools.fixes.records import BrokenLine, append_records
from datatools.project import Project
from datatools.schema import ANNOTATIONS, FIX_STATUS
from datatools.store import append_line, save_table
from tests.builders import make_record


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    old = make_record("relabel", 1, before="cat", after="dog", id="r1")
    new = [make_record("exclude", 2, id="r2"), make_record("revert", 3, reverts="r1", id="r3")]
    append_records(project.fixes / "x.jsonl", [*reversed(new), old])
    append_line(project.fixes / "x.jsonl", "<<<<<<< HEAD")
    status = apply_fixes(ANNOTATIONS.empty(), [old], [BrokenLine("x.jsonl", 4, "?")]).status
    save_table(project.dataset / "fixes.parquet", status, FIX_STATUS)
    return project


def test_the_log_has_a_line_a_record_oldest_first_then_the_broken_ones(project: Project):
    when = "2026-07-01T12:00:0"
    assert list(list_records(project)) == [
        f"r1  reverted  {when}1Z  ann  label/a.png  cat -> dog  looked",
        f"r2  pending   {when}2Z  ann  a.png  exclude  looked",
        f"r3  pending   {when}3Z  ann    revert r1  looked",
        "x.jsonl:4: not a record: Expecting value: line 1 column 1 (char 0)",
    ]


def test_the_log_before_the_first_run_says_what_to_run(tmp_path: Path):
    with pytest.raises(DatatoolsError, match=r"fixes\.parquet: expected the table fixes\. Got no such file: run"):
        list(list_records(Project(tmp_path)))
