"""Versions from Git and the DVC cache, and the workspace."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml

from datatools.diff.compare import compare_versions
from datatools.diff.versions import IMAGE_COLUMNS, load_version, parse_range
from datatools.errors import DatatoolsError
from datatools.findings import Finding
from datatools.project import Project
from tests.builders import make_record
from tests.diff.commits import start, write_version
from tests.diff.test_planted import make_version
from tests.finished_runs import found, git


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with two commits, v1 and v2, that differ in a record and a finding."""
    project = start(tmp_path_factory.mktemp("made") / "project")
    version = make_version(6)
    finding = found("BOX001", Finding("swapped", "000.png", "file/000.png#0"))
    write_version(project, version.dataset, version.split, finding, {"fleiss": 0.5}, commit="v1")
    records = [make_record("set_split", path="000.png", after="val")]
    write_version(project, version.dataset, version.split, found("BOX001"), {"fleiss": 0.6}, records, commit="v2")
    return project.root


@pytest.fixture
def project(made: Path, tmp_path: Path) -> Project:
    return Project(Path(shutil.copytree(made, tmp_path / "project")))


def test_a_revision_is_read_without_its_files_in_the_workspace(project: Project) -> None:
    for folder in ("data/dataset", "data/split", "data/findings", "reports"):
        shutil.rmtree(project.root / folder)
    before, after = load_version(project, "v1"), load_version(project, "v2")
    assert (before.name, before.commit) == ("v1", git(project.root, "rev-parse", "v1"))
    assert [len(version.records) for version in (before, after)] == [0, 1]
    assert after.applied == {after.records[0].id} and not before.applied
    assert list(after.dataset.images.columns) == list(IMAGE_COLUMNS)
    assert after.split is not None and after.data and not after.stale
    assert before.findings is not None and len(before.findings) == 1
    assert [version.agreement for version in (before, after)] == [{"fleiss": 0.5}, {"fleiss": 0.6}]


def test_the_workspace_is_what_is_on_disk(project: Project) -> None:
    here = load_version(project, None)
    assert (here.name, here.commit, here.stale) == ("workspace", None, "")
    assert compare_versions(load_version(project, "v2"), here).is_empty
    other = make_version(5)
    write_version(project, other.dataset, other.split)
    diff = compare_versions(load_version(project, "v2"), load_version(project, None))
    assert diff.by_kind["image removed"] == 1
    assert diff.new_findings is None or len(diff.new_findings) == 0


def test_a_workspace_that_is_out_of_date_says_so(project: Project) -> None:
    (project.fixes / "new.jsonl").write_text("{}\n")
    assert load_version(project, None).stale == "data/fixes changed since the stage ingest ran"


def test_findings_of_models_that_judged_other_data_are_out_of_date(project: Project) -> None:
    lock = project.root / "dvc.lock"
    stages = yaml.safe_load(lock.read_text())
    deps = [{"path": "data/dataset/annotations.parquet", "md5": "0" * 32}]
    stages["stages"]["curate"] = {"cmd": "curate", "deps": deps}
    lock.write_text(yaml.safe_dump(stages))
    assert load_version(project, None).stale == "data/dataset/annotations.parquet changed since the stage curate ran"


def test_tables_that_an_old_revision_did_not_have_are_none(tmp_path: Path) -> None:
    project = start(tmp_path / "project")
    write_version(project, make_version(3).dataset, commit="v1")
    version = load_version(project, "v1")
    assert version.split is None and version.findings is None and version.agreement is None
    diff = compare_versions(version, load_version(project, None))
    assert diff.is_empty and diff.findings == () and diff.new_findings is None


def test_columns_that_an_old_revision_did_not_have_are_null(tmp_path: Path) -> None:
    project = start(tmp_path / "project")
    write_version(project, make_version(3).dataset)
    file = project.dataset / "images.parquet"
    pd.read_parquet(file).drop(columns=["subset"]).to_parquet(file)
    images = load_version(project, None).dataset.images
    assert list(images.columns) == list(IMAGE_COLUMNS) and images["subset"].isna().all()


def test_what_is_missing_is_named(project: Project) -> None:
    with pytest.raises(DatatoolsError, match=r"^no-such: expected a Git revision\. Got none in "):
        load_version(project, "no-such")
    (project.dataset / "annotations.parquet").unlink()
    with pytest.raises(DatatoolsError, match=r"^workspace: expected the data set .* Got none: run it\.$"):
        load_version(project, None)
    git(project.root, "rm", "-q", "--cached", "dvc.lock")
    git(project.root, "commit", "-qm", "without")
    with pytest.raises(DatatoolsError, match=r"^HEAD: expected a dvc\.lock in it\. Got none"):
        load_version(project, "HEAD")
    (project.root / "dvc.lock").write_text("schema: '2.0'\nstages: {other: {}}\n")
    git(project.root, "add", "-A")
    git(project.root, "commit", "-qm", "other")
    with pytest.raises(DatatoolsError, match=r"^HEAD: expected the data set .*name a revision whose pipeline ran\.$"):
        load_version(project, "HEAD")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("annotations.parquet", "the table annotations as Parquet"), ("dataset.json", "JSON")],
)
def test_a_foreign_file_is_an_error(project: Project, name: str, expected: str) -> None:
    (project.dataset / name).write_text("something else")
    with pytest.raises(DatatoolsError, match=rf"^data/dataset/{name}: expected {expected}\. Got: "):
        load_version(project, None)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((None, None), ("HEAD", None)),
        (("main", None), ("main", None)),
        (("main", "HEAD~1"), ("main", "HEAD~1")),
        (("main..next", None), ("main", "next")),
        (("main..", None), ("main", "HEAD")),
        (("..next", None), ("HEAD", "next")),
    ],
)
def test_what_a_call_names(given: tuple[str | None, str | None], expected: tuple[str, str | None]) -> None:
    assert parse_range(*given) == expected


@pytest.mark.parametrize("given", [("a...b", None), ("a..b", "c")])
def test_what_no_call_names(given: tuple[str, str | None]) -> None:
    with pytest.raises(DatatoolsError, match=r"^diff: expected A B, or A\.\.B\. Got 'a"):
        parse_range(*given)
