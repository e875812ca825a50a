"""Files that people write, checked by themselves, and the pre-commit hooks that ask for it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from datatools.errors import DatatoolsError
from datatools.fixes.records import to_line
from datatools.lint import lint_file, lint_project
from datatools.project import Project
from tests.builders import make_record
from tests.project import REPO, run

HOOKS = yaml.safe_load((REPO / ".pre-commit-hooks.yaml").read_text())
LINES = [to_line(make_record("confirm", second, f"{second}.png", before="cat")).rstrip("\n") for second in (1, 2)]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Two records, no mutes and all parameters, committed."""
    project = Project(tmp_path / "project")
    project.fixes.mkdir(parents=True)
    (project.fixes / "ann.jsonl").write_text("\n".join(LINES) + "\n")
    shutil.copy(REPO / "params.yaml", project.params)
    shutil.copy(REPO / "data" / "mutes.yaml", project.mutes)
    (project.root / "dvc.yaml").write_text("stages: {}\n")
    settings = ["git", "-c", "user.name=t", "-c", "user.email=t@t", "-c", "commit.gpgsign=false"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"]):
        subprocess.run([*settings, *command], cwd=project.root, check=True)
    return project


def test_what_is_right_is_silent(project: Project):
    assert list(lint_project(project)) == []
    (project.fixes / "bob.jsonl").write_text(LINES[0] + "\n\n")  # new, not committed yet
    (project.fixes / "ann.jsonl").write_text("\n".join(reversed(LINES)))  # as merge=union may leave it
    assert list(lint_project(project)) == []
    project.mutes.unlink()
    assert list(lint_project(project)) == []


def test_a_line_that_is_no_record_is_named(project: Project):
    with (project.fixes / "ann.jsonl").open("a") as file:
        file.write('{"op": "confirm"\n<<<<<<< HEAD\n')
    problems = list(lint_project(project))
    assert [problem.split(": not a record: ")[0] for problem in problems] == [
        "data/fixes/ann.jsonl:3",
        "data/fixes/ann.jsonl:4",
    ]


@pytest.mark.parametrize("text", [LINES[1], f"{LINES[0].replace('cat', 'dog')}\n{LINES[1]}\n"])
def test_a_record_that_was_changed_or_taken_away_is_named(project: Project, text: str):
    (project.fixes / "ann.jsonl").write_text(text)
    (problem,) = lint_project(project)
    assert problem.startswith("data/fixes/ann.jsonl: line 1 of the last commit was changed or is gone")


def test_mutes_and_parameters_are_read(project: Project):
    project.mutes.write_text("code: BOX001\n")
    project.params.write_text("train:\n  epochs: 0\nsplit:\n  ratio: 1\n")
    mutes, split, train = sorted(lint_project(project), key=lambda text: (("mutes" not in text), text))
    assert "expected a list of mutes" in mutes and "'ratio'" in split and "train.epochs must be an int" in train


def test_a_file_of_another_kind_is_a_wrong_call(project: Project):
    with pytest.raises(DatatoolsError, match=r"lint: expected data/fixes/\*\.jsonl, .*Got 'dvc\.yaml' instead"):
        list(lint_file(project, project.root / "dvc.yaml"))


def test_the_command_takes_files_of_a_project_below(project: Project):
    fine = run(project.root.parent, "datatools", "lint", "project/data/fixes/ann.jsonl", "project/params.yaml")
    assert fine.stdout == ""
    project.mutes.write_text("x")
    failed = run(project.root, "datatools", "lint", check=False)
    assert failed.returncode == 1 and "expected a list of mutes" in failed.stdout


def test_the_hooks_are_a_manifest_and_run(project: Project):
    pytest.importorskip("pre_commit", reason="needs pre-commit: pip install pre-commit")
    run(REPO, "pre-commit", "validate-manifest", ".pre-commit-hooks.yaml")
    hooks = [{**hook, "language": "system"} for hook in HOOKS]  # the environment of this test instead of one to install
    config = {"repos": [{"repo": "local", "hooks": hooks}]}
    (project.root / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config))
    run(project.root, "git", "add", "-A")
    passed = run(project.root, "pre-commit", "run", "--all-files")
    assert passed.stdout.count("Passed") == len(HOOKS) == 3
    (project.fixes / "ann.jsonl").write_text(LINES[0] + "\n")
    run(project.root, "git", "add", "-A")
    failed = run(project.root, "pre-commit", "run", "--all-files", check=False)
    assert failed.returncode == 1 and "records are append-only" in failed.stdout
