"""One reader for the files of the workspace and of a revision."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from datatools.errors import DatatoolsError
from datatools.findings import Finding
from datatools.project import Project
from datatools.schema import FINDINGS, FIX_STATUS
from datatools.version_files import open_files
from tests.finished_runs import finish_run, found, git, spy_on_hashes, start_project

TABLE = "data/findings/validate.parquet"
EACH = pytest.mark.parametrize("name", [None, "HEAD"])


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Two runs: the finding of the first, which is HEAD, is gone in the second, which is on disk."""
    project = start_project(tmp_path / "p")
    finish_run(project, found("BOX001", Finding("swapped", "a.png", "a.png#0")), commit="one")
    return finish_run(project, found("BOX001"))


def test_a_version_says_what_it_is(project: Project) -> None:
    here, before = open_files(project.root, None), open_files(project.root, "main")
    assert (here.name, here.commit) == ("workspace", None)
    assert (before.name, before.commit) == ("main", git(project.root, "rev-parse", "HEAD"))


def test_a_revision_has_its_own_files(project: Project) -> None:
    tables = [open_files(project.root, name).load_table(TABLE, FINDINGS) for name in ("HEAD", None)]
    assert [None if table is None else len(table) for table in tables] == [1, 0]
    files = open_files(project.root, "HEAD")
    assert files.load_json("reports/validate.json")["checks"]
    assert files.read_text("params.yaml") == (project.root / "params.yaml").read_text()
    assert files.read("params.yaml") is None, "no stage wrote it"
    (project.root / "params.yaml").write_text("other: 1\n")
    assert "other" not in str(files.read_text("params.yaml"))
    assert open_files(project.root, None).read_text("params.yaml") == "other: 1\n"


@EACH
def test_what_is_not_there_is_none(project: Project, name: str | None) -> None:
    files = open_files(project.root, name)
    assert files.read("nowhere") is files.read_text("nowhere") is None
    assert files.load_table("nowhere", FINDINGS) is files.load_csv("nowhere") is files.load_json("nowhere") is None


def test_columns_that_came_are_null_and_those_that_went_are_left_out(project: Project) -> None:
    file = project.root / "old.parquet"
    pd.DataFrame({"code": ["BOX001"], "gone": [1]}).to_parquet(file)
    files = open_files(project.root, None)
    table = files.load_table("old.parquet", FINDINGS, ("code", "path"))
    assert table is not None
    assert list(table.columns) == ["code", "path"]
    assert table["path"].isna().all()
    assert dict(table.dtypes) == {name: FINDINGS.columns[name] for name in table.columns}


def test_all_columns_are_typed_and_in_their_order(project: Project) -> None:
    table = open_files(project.root, "HEAD").load_table(TABLE, FINDINGS)
    assert table is not None
    pd.testing.assert_frame_equal(table, FINDINGS.conform(table))


@pytest.mark.parametrize("load", ["table", "json", "csv"])
def test_another_file_is_an_error(project: Project, load: str) -> None:
    (project.root / "x").write_bytes(b"\xff{")
    files = open_files(project.root, None)
    expected = {"table": "the table fixes as Parquet", "json": "JSON", "csv": "CSV"}[load]
    with pytest.raises(DatatoolsError, match=rf"^x: expected {expected}\. Got: .+ Run `dvc repro`\.$"):
        files.load_table("x", FIX_STATUS) if load == "table" else getattr(files, f"load_{load}")("x")


def test_only_the_workspace_can_be_out_of_date(project: Project) -> None:
    stages = "ingest", "validate", "no such stage"
    assert open_files(project.root, None).find_stale(*stages) == ""
    (project.fixes / "new.jsonl").write_text("{}\n")
    assert open_files(project.root, None).find_stale(*stages) == "data/fixes changed since the stage ingest ran"
    assert open_files(project.root, "HEAD").find_stale(*stages) == ""


def test_what_two_questions_are_about_is_hashed_once(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed = spy_on_hashes(monkeypatch)
    files = open_files(project.root, None)
    assert files.find_stale("ingest") == files.find_stale("validate") == files.find_stale("validate", "ingest") == ""
    assert len(hashed) == len(set(hashed)) > 0


def test_a_project_that_never_ran_has_no_version(tmp_path: Path) -> None:
    project = start_project(tmp_path / "p")
    with pytest.raises(DatatoolsError, match=r"dvc\.lock: expected what `dvc repro` recorded"):
        open_files(project.root, None)
    with pytest.raises(DatatoolsError, match=r"^HEAD: expected a Git revision\. Got none in "):
        open_files(project.root, "HEAD")
