"""A release from beginning to end: what is refused, what is written, and that DVC finds it."""

from __future__ import annotations

import dataclasses
import datetime
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from datatools.cli import app
from datatools.errors import DatatoolsError
from datatools.project import Project
from datatools.release.run import Done, make_release
from datatools.schema import ANNOTATIONS
from tests.finished_runs import git
from tests.project import BIN
from tests.rounds import FIXED, RECORD, finish_round, make_project, relabel_one
from tests.small_data import box_row, make_dataset

DAY = datetime.date(2026, 7, 2)


@pytest.fixture(autouse=True)
def person(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "Rita")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "r@example.org")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path / "p")


def release(project: Project, artifact: str, version: str, **options: str | bool | None) -> Done:
    return make_release(project, artifact, version, DAY, **options)  # type: ignore[arg-type]


def with_box(project: Project, commit: str) -> Project:
    dataset = make_dataset()
    rows = [*dataset.annotations.to_dict("records"), box_row("coco/new", (1, 1, 9, 9), FIXED)]
    return finish_round(project, dataclasses.replace(dataset, annotations=ANNOTATIONS.conform(rows)), commit=commit)


def test_the_first_release(project: Project):
    done = release(project, "data", "0.1.0")
    assert done.tag == "data@v0.1.0"
    assert done.entry.startswith(
        "## 0.1.0 (2026-07-02)\n\nThe first release of the data.\n\n24 images, 120 annotations, 3 classes."
    )
    assert (project.root / "CHANGELOG.data.md").read_text() == f"# Releases of the data\n\n{done.entry}"
    assert git(project.root, "rev-parse", "data@v0.1.0^{commit}") == git(project.root, "rev-parse", "HEAD")
    assert "git push origin HEAD data@v0.1.0" in done.next_steps[-1]


def test_a_relabelled_image_asks_for_a_major_step(project: Project):
    release(project, "data", "1.0.0")
    relabel_one(project)
    for version in ("1.0.1", "1.1.0", "1.99.0"):
        with pytest.raises(
            DatatoolsError, match=r"since 1\.0\.0 are major \(relabelled: 1\): expected 2\.0\.0 or higher"
        ):
            release(project, "data", version)
    assert git(project.root, "tag") == "data@v1.0.0"
    done = release(project, "data", "2.0.0")
    for words in (
        "Since `data@v1.0.0`, major:", "- relabelled: 1 (major)", "| `circle` → `star` | 1 |", "five points", RECORD.id,
    ):  # fmt: skip
        assert words in done.entry, words
    message = git(project.root, "for-each-ref", "--format=%(contents)", "refs/tags/data@v2.0.0")
    assert message.startswith("data 2.0.0: major")
    assert "relabelled: 1 (major)" in message


def test_what_is_added_asks_for_a_minor_step(project: Project):
    release(project, "data", "1.0.0")
    with_box(project, "One box more")
    with pytest.raises(DatatoolsError, match=r"are minor \(annotation added: 1\): expected 1\.1\.0 or higher"):
        release(project, "data", "1.0.1")
    assert release(project, "data", "1.1.0-rc.1").tag == "data@v1.1.0-rc.1"
    assert "1 changes came with the data itself" in release(project, "data", "1.1.0", against="1.0.0").entry


def test_nothing_changed_is_a_patch(project: Project):
    release(project, "data", "1.0.0")
    done = release(project, "data", "1.0.1")
    assert "- nothing in it changed" in done.entry


def test_a_smaller_step_wants_a_reason_that_is_kept(project: Project):
    release(project, "data", "1.0.0")
    relabel_one(project)
    with pytest.raises(DatatoolsError, match="or say why not"):
        release(project, "data", "1.0.1", allow="  ")
    done = release(project, "data", "1.0.1", allow="one *typo*")
    assert "Released as a smaller step than that, because: one \\*typo\\*" in done.entry
    assert "as a smaller step, because: one *typo*" in git(project.root, "tag", "-n20", "-l", "data@v1.0.1")


def test_a_reason_that_was_not_needed_is_not_told(project: Project):
    release(project, "data", "1.0.0")
    assert "smaller" not in release(project, "data", "2.0.0", allow="because").entry


def test_a_dry_run_writes_nothing(project: Project):
    done = release(project, "data", "1.0.0", dry_run=True)
    assert done.next_steps[1:] == ("dry run: CHANGELOG.data.md and the tag data@v1.0.0 were not written",)
    assert not (project.root / "CHANGELOG.data.md").exists()
    assert git(project.root, "tag") == ""


@pytest.mark.parametrize("text", ["stages: {}\n", "[", "- a\n", "artifacts:\n", "artifacts: {model: {path: m}}\n"])
def test_a_project_that_declares_no_artifact_is_told(project: Project, text: str):
    (project.root / "dvc.yaml").write_text(text)
    git(project.root, "commit", "-qam", "dvc.yaml", "--allow-empty")
    done = release(project, "data", "1.0.0", dry_run=True)
    assert done.next_steps[0].startswith("note: dvc.yaml names no artifact data")


def test_a_declared_artifact_needs_no_note(project: Project):
    (project.root / "dvc.yaml").write_text("artifacts: {data: {path: data/dataset}}\n")
    git(project.root, "commit", "-qam", "dvc.yaml")
    assert len(release(project, "data", "1.0.0", dry_run=True).next_steps) == 1


def test_against_an_older_release(project: Project):
    release(project, "data", "1.0.0")
    with_box(project, "One box more")
    release(project, "data", "1.1.0")
    relabel_one(project)
    assert "Since `data@v1.0.0`" in release(project, "data", "2.0.0", against="data@v1.0.0", dry_run=True).entry
    with pytest.raises(
        DatatoolsError, match=r"--against: expected a release of the data \(data@v1\.0\.0, data@v1\.1\.0\)"
    ):
        release(project, "data", "2.0.0", against="data@v3.0.0")


@pytest.mark.parametrize(
    ("artifact", "version", "said"),
    [
        ("set", "1.0.0", r"expected one of data, model\. Got 'set'"),
        ("data", "1.0", r"expected a semantic version"),
        ("data", "0.9.0", r"expected a version after 1\.0\.0, the last \(data@v1\.0\.0\)\. Got 0\.9\.0"),
        ("data", "1.0.0", r"expected a version after 1\.0\.0"),
        ("data", "1.0.0-rc.1", r"expected a version after 1\.0\.0"),
    ],
)
def test_wrong_calls(project: Project, artifact: str, version: str, said: str):
    release(project, "data", "1.0.0")
    with pytest.raises(DatatoolsError, match=said):
        release(project, artifact, version)


@pytest.mark.parametrize(
    "file", ["dvc.lock", "params.yaml", "data/fixes/a.jsonl", "data/fixes/new.jsonl", "data/sources.yaml"]
)
def test_everything_must_be_committed(project: Project, file: str):
    with (project.root / file).open("a") as text:
        text.write("\n")
    with pytest.raises(
        DatatoolsError, match=rf"expected everything committed\. Got changes in {re.escape(file)}: commit them"
    ):
        release(project, "data", "1.0.0")


def test_changelogs_and_foreign_files_do_not_stand_in_the_way(project: Project):
    (project.root / "notes.txt").write_text("mine")
    release(project, "data", "1.0.0")
    git(project.root, "add", "-A")
    git(project.root, "commit", "-qm", "changelog")
    release(project, "data", "1.0.1")  # changes a file that Git has
    release(project, "model", "1.0.0")


def test_results_must_be_up_to_date(project: Project):
    (project.root / "data" / "fixes" / "a.jsonl").write_text("{}\n")
    git(project.root, "commit", "-qam", "a record, and no run")
    with pytest.raises(
        DatatoolsError,
        match=r"expected results that are up to date\. Got: data/fixes changed since the stage ingest ran",
    ):
        release(project, "data", "1.0.0")


def test_there_must_be_a_run_and_a_commit(project: Project, tmp_path: Path):
    lock = yaml.safe_load((project.root / "dvc.lock").read_text())
    del lock["stages"]["train"]
    (project.root / "dvc.lock").write_text(yaml.safe_dump(lock))
    git(project.root, "commit", "-qam", "no model")
    with pytest.raises(DatatoolsError, match=r"expected a run of the stage train\. Got none in dvc\.lock"):
        release(project, "model", "1.0.0")
    assert release(project, "data", "1.0.0").tag == "data@v1.0.0"
    subprocess.run(["git", "init", "-q", str(tmp_path / "new")], check=True)
    with pytest.raises(DatatoolsError, match="expected a Git repository with a commit"):
        release(Project(tmp_path / "new"), "data", "1.0.0")


def test_the_model(project: Project):
    assert "| `accuracy` | 0.8 |" in release(project, "model", "1.0.0").entry
    relabel_one(project)
    with pytest.raises(DatatoolsError, match=r"are minor \(trained on data .*\): expected 1\.1\.0 or higher"):
        release(project, "model", "1.0.1")
    done = release(project, "model", "1.1.0")
    assert "| `accuracy` | 0.8 | 0.8 |" in done.entry
    finish_round(project, make_dataset(), weights=b"three", network="resnet18", commit="Another network")
    with pytest.raises(DatatoolsError, match=r"are major \(network: resnet8 -> resnet18\): expected 2\.0\.0"):
        release(project, "model", "1.2.0")


def test_labels_cannot_act_on_the_changelog(project: Project):
    release(project, "data", "1.0.0")
    dataset = make_dataset()
    evil = "| @team <img src=x>\n# [x](y)"
    label = dataset.annotations["label"]
    rows = dataset.annotations.assign(label=label.mask(dataset.annotations["path"] == FIXED, evil))
    changed = dataclasses.replace(dataset, annotations=rows, classes=(*dataset.classes, evil))
    finish_round(project, changed, commit="Evil labels")
    entry = re.sub(r"`[^`]*`", "", release(project, "data", "2.0.0").entry)  # code spans are harmless
    assert "<img" not in entry
    assert not re.search(r"^# |\]\(y", entry, re.MULTILINE)


def test_the_command(project: Project, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(project.root)
    done = CliRunner().invoke(app, ["release", "data", "1.0.0"])
    assert done.exit_code == 0, done.output
    assert "tagged data@v1.0.0; the entry is in CHANGELOG.data.md: commit it" in done.output


@pytest.mark.timeout(120)
def test_dvc_fetches_what_was_released(project: Project, tmp_path: Path):
    """`dvc artifacts get` by name and version, of the old data after it has changed."""
    root = project.root
    (root / ".dvc" / "config").write_text("")
    artifacts = {
        "data": {"path": "data/dataset/dataset.json", "type": "dataset"},
        "model": {"path": "models/model.safetensors", "type": "model"},
    }
    stages = {
        name: {
            "cmd": "true",
            **{
                kind: [item["path"] for item in stage[kind] if "reports/evaluate/metrics" not in item["path"]]
                for kind in ("deps", "outs")
            },
        }
        for name, stage in yaml.safe_load((root / "dvc.lock").read_text())["stages"].items()
    }
    (root / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages, "artifacts": artifacts}))
    git(root, "add", "-A")
    git(root, "commit", "-qm", "What is released")
    release(project, "data", "1.0.0")
    release(project, "model", "1.0.0")
    relabel_one(project)
    release(project, "data", "2.0.0")
    dvc = shutil.which("dvc", path=str(BIN)) or "dvc"
    for name, out in (("data", "old.json"), ("model", "old.safetensors")):
        command = [dvc, "artifacts", "get", str(root), name, "--rev", "v1.0.0", "--out", out]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "old.safetensors").read_bytes() == b"one"
    assert make_dataset().version in (tmp_path / "old.json").read_text()
    assert make_dataset().version not in (project.dataset / "dataset.json").read_text()
