from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from datatools.project import Project
from datatools.status import Standing, find_standing
from tests.builders import lay_out
from tests.command_line import Run
from tests.test_dvc_state import dvc

PIPELINE = """
stages:
  ingest:
    cmd: mkdir -p data/dataset && cp data/raw/a.txt data/dataset/out.txt
    deps: [data/raw, data/fixes]
    params: [ingest]
    outs: [data/dataset/out.txt]
"""


def git(root: Path, *arguments: str) -> None:
    command = ["git", "-c", "user.name=Rita", "-c", "user.email=r@example.org", *arguments]
    subprocess.run(command, cwd=root, check=True, capture_output=True)


def commit(project: Project) -> None:
    git(project.root, "add", "-A")
    git(project.root, "commit", "-qm", "state")


def stand(project: Project) -> dict[str, tuple[str, str]]:
    return {found.about: (found.text, found.command) for found in find_standing(project)}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project of one stage that ran; all is committed."""
    root = tmp_path / "project"
    lay_out(
        root,
        {
            "data/raw/a.txt": "1",
            "data/raw/b/c.txt": "22",
            "data/fixes/.gitkeep": "",
            "dvc.yaml": PIPELINE,
            "params.yaml": "ingest: {format: auto}\n",
            ".gitignore": "/.datatools\n",
        },
    )
    git(root, "init", "-q")
    dvc(root, "init", "-q")
    dvc(root, "config", "core.analytics", "false")
    dvc(root, "add", "-q", "data/raw")
    dvc(root, "repro", "-q")
    project = Project(root)
    commit(project)
    return project


def test_a_finished_project(project: Project):
    assert stand(project) == {
        "data": ("data/raw, 2 files, 0.0 MB, as data/raw.dvc records", ""),
        "pipeline": ("1 stages up to date", ""),
        "remote": ("not pushed and proven as it is now, never", "datatools push"),
    }


def test_an_empty_project_begins_with_an_import(tmp_path: Path):
    lay_out(tmp_path, {"dvc.yaml": "stages: {}\n", "params.yaml": "{}\n"})
    assert stand(Project(tmp_path)) == {
        "data": ("data/raw there is none", "datatools import SOURCE"),
        "pipeline": ("never run", "dvc repro"),
    }


def test_changed_data_is_named(project: Project):
    (project.raw / "a.txt").write_text("3")
    (project.raw / "b/c.txt").unlink()
    for name in "defgh":
        (project.raw / f"{name}.txt").write_text("4")
    found = stand(project)
    text = "new d.txt, e.txt, f.txt and 2 more; changed a.txt; gone b/c.txt"
    assert found["data"] == (f"data/raw, 6 files, 0.0 MB, {text}", "dvc add data/raw")
    assert found["pipeline"] == ("data/raw of stage ingest changed", "dvc repro")


def test_changed_data_without_its_list_in_the_cache(project: Project):
    (project.raw / "a.txt").write_text("3")
    for listing in (project.root / ".dvc/cache").rglob("*.dir"):
        listing.unlink()
    assert stand(project)["data"][0].endswith("not as data/raw.dvc records")


def test_links_into_a_cache_that_is_no_longer_there_are_no_change(project: Project):
    (project.raw / "a.txt").unlink()
    (project.raw / "a.txt").symlink_to("/nowhere/files/md5/00/11")
    text = "data/raw: links that lead nowhere, as after the project was moved"
    assert stand(project)["data"] == (text, "datatools pull")


def test_a_pointer_with_the_marks_of_a_merge_is_not_called_missing(project: Project):
    (project.root / "data/raw.dvc").write_text("<<<<<<< HEAD\n")
    text = "data/raw, 2 files, 0.0 MB; data/raw.dvc is broken, as a merge may leave it"
    assert stand(project)["data"] == (text, "git checkout HEAD -- data/raw.dvc")


def test_data_that_was_not_pulled(project: Project):
    for file in project.raw.rglob("*.txt"):
        file.unlink()
    for folder in (project.raw / "b", project.raw):
        folder.rmdir()
    (project.dataset / "out.txt").unlink()
    found = stand(project)
    assert found["data"] == ("data/raw is not on this machine", "datatools pull")
    missing = "data/dataset/out.txt, data/raw of the last run not on this machine"
    assert found["pipeline"] == (missing, "datatools pull")


def test_names_are_told_as_they_are(project: Project):
    (project.fixes / "für uns.jsonl").write_text("{}\n{}\n")
    assert stand(project)["git"][0] == "not committed: data/fixes/für uns.jsonl"
    commit(project)
    git(project.root, "mv", "data/fixes/für uns.jsonl", 'data/fixes/a "b".jsonl')
    (project.root / "params.yaml").write_text("ingest: {format: coco}\n")
    assert stand(project)["git"][0] == 'not committed: data/fixes/a "b".jsonl, params.yaml'


def test_records_since_the_last_run(project: Project):
    (project.fixes / "a.jsonl").write_text("{}\n{}\n")
    found = stand(project)
    assert found["fixes"] == ("2 records, 2 since the last run", "dvc repro")
    assert found["git"] == ("not committed: data/fixes/a.jsonl", "git add, git commit")
    dvc(project.root, "repro", "-q")
    assert stand(project)["fixes"] == ("2 records, all seen by the last run", "")
    lay_out(project.root, {"reports/validate.json": json.dumps({"checks": [{"code": "FIX001", "n_findings": 1}]})})
    assert stand(project)["fixes"] == (
        "2 records, all seen by the last run, 1 in conflict or disputed",
        "datatools fixes check",
    )


def test_records_were_seen_by_the_last_run_also_while_a_later_stage_is_out_of_date(project: Project):
    later = "  lift: {cmd: 'true', deps: [data/fixes]}\n"
    (project.root / "dvc.yaml").write_text(PIPELINE + later)
    (project.fixes / "a.jsonl").write_text("{}\n")
    dvc(project.root, "repro", "-q", "ingest")
    assert stand(project)["fixes"] == ("1 records, all seen by the last run", "")


def test_the_queue_of_the_last_report(project: Project):
    lay_out(project.root, {"reports/report.json": json.dumps({"queue": {"n": 1200}})})
    assert stand(project)["review"] == ("1,200 images were in the queue of the last report", "datatools review")


def test_a_push_is_told_until_something_changes(project: Project):
    store = project.root.parent / "store"
    dvc(project.root, "remote", "add", "-q", "-d", "store", str(store))
    command = [sys.executable, "-c", "from datatools.cli import main; main()", "push", "--who", "Rita"]
    subprocess.run(command, cwd=project.root, check=True, capture_output=True)
    text, command_next = stand(project)["remote"]
    assert text.startswith("pushed as it is now to store, and proven, 20")
    assert not command_next
    (project.raw / "a.txt").write_text("3")
    dvc(project.root, "add", "-q", "data/raw")
    text, command_next = stand(project)["remote"]
    assert text.startswith("not pushed and proven as it is now, last time 20")
    assert command_next == "datatools push"


@pytest.mark.parametrize(
    "name", ["dvc.lock", "dvc.yaml", "data/raw.dvc", "reports/report.json", "data/receipts/a.json"]
)
@pytest.mark.parametrize("text", ["", "[1]", "{", "\x00"])
def test_a_broken_document_is_no_crash(project: Project, name: str, text: str):
    lay_out(project.root, {name: text})
    assert "data" in stand(project)


@pytest.mark.parametrize(
    "end", ["stages:\n  ingest:", "    cmd", "    deps:\n    - pat", "    params:\n      params.yaml:", "outs:\n    -"]
)
def test_a_lock_that_was_cut_off_is_told_from_none(project: Project, end: str):
    lock = project.root / "dvc.lock"
    text = lock.read_text()
    lock.write_text(text[: text.index(end) + len(end)])
    assert subprocess.run(["dvc", "status"], cwd=project.root, capture_output=True).returncode, "DVC reads it"
    assert stand(project)["pipeline"][1] == "git checkout HEAD -- dvc.lock"
    git(project.root, "checkout", "HEAD", "--", "dvc.lock")
    assert stand(project)["pipeline"] == ("1 stages up to date", "")
    lock.unlink()
    assert stand(project)["pipeline"] == ("never run", "dvc repro")


def test_a_broken_lock_that_was_never_committed_goes(project: Project):
    git(project.root, "rm", "-q", "--cached", "dvc.lock")
    git(project.root, "commit", "-qm", "without")
    (project.root / "dvc.lock").write_text("schema: '2.0'\nstag")
    assert stand(project)["pipeline"][1] == "rm dvc.lock"


def test_the_command_prints_a_line_each(project: Project, run_in: Run):
    code, out, err = run_in(project.raw, "status")
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "data      data/raw, 2 files, 0.0 MB, as data/raw.dvc records"
    assert out.splitlines()[-1].endswith(": datatools push")


def test_neither_dvc_nor_pandas_is_loaded(project: Project):
    code = (
        "import sys; from pathlib import Path; from datatools.project import Project; from datatools.status import "
        "find_standing; find_standing(Project(Path())); print([n for n in ('dvc', 'pandas', 'numpy') if n in sys.modules])"
    )
    find_standing(project)
    done = subprocess.run([sys.executable, "-c", code], cwd=project.root, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_a_line():
    assert str(Standing("data", "as recorded")) == "data      as recorded"
    assert str(Standing("git", "not committed: a", "git add")) == "git       not committed: a: git add"
