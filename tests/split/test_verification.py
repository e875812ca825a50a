"""`datatools split verify` on a project as a run leaves it: everything kept, and each promise broken in turn."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from datatools.cli import app
from datatools.errors import DatatoolsError
from datatools.project import Project
from datatools.schema import SPLIT
from datatools.split.verification import verify_split
from datatools.store import load_json, load_table, save_json, save_table
from stages.split import main
from tests.finished_runs import entry, git
from tests.split.project import PARAMS, write_data, write_pairs

GROUPS = {f"old/{number:02d}.png": f"w{number % 15}" for number in range(60)}
PAIRS = [("old/00.png", "old/15.png")]
DEPS = [f"data/dataset/{name}" for name in ("images.parquet", "annotations.parquet", "dataset.json", "fixes.parquet")]
NEIGHBORS = ["data/neighbors/pairs.parquet", "data/neighbors/neighbors.json"]
OUTS = ["data/split/split.parquet", "data/split/certificate.json", "data/split/ledger.csv"]


def finish(project: Project) -> None:
    """Run the stage and record it as DVC does."""
    before = Path.cwd()
    os.chdir(project.root)
    try:
        words = [
            "--dataset",
            "data/dataset",
            "--neighbors",
            "data/neighbors",
            "--out",
            "data/split",
            "--reports",
            "reports",
        ]
        assert main(words) == 0
    finally:
        os.chdir(before)
    record(project)


def record(project: Project) -> None:
    """dvc.lock of what is on disk now."""
    params = yaml.safe_load((project.root / "params.yaml").read_text())
    stage = {
        "deps": [entry(project.root, path) for path in DEPS + NEIGHBORS],
        "params": {"params.yaml": {"split": params["split"]}},
    }
    stage["outs"] = [entry(project.root, path) for path in OUTS]
    (project.root / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": {"split": stage}}))


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    project = Project(tmp_path)
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".gitignore").write_text("/.dvc\n/.datatools\n")
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    (tmp_path / "params.yaml").write_text(yaml.safe_dump({**PARAMS, "neighbors": {"model": "none"}}))
    write_data(project, GROUPS, PAIRS)
    subprocess.run(["git", "init", "-q", "-b", "main", str(tmp_path)], check=True)
    finish(project)
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "split")
    yield project


def broken(project: Project) -> dict[str, str]:
    return {promise.name: promise.text for promise in verify_split(project) if not promise.kept}


def change_sides(project: Project, **sides: str) -> None:
    """Put images on other sides by hand, as if the stage had."""
    file = project.split / "split.parquet"
    table = load_table(file, SPLIT)
    save_table(file, table.assign(split=table["path"].map(sides).fillna(table["split"])), SPLIT)
    record(project)


def test_everything_is_kept(project):
    promises = verify_split(project)
    assert all(promise.kept for promise in promises), broken(project)
    assert [promise.name for promise in promises] == [
        "every image on one side or in quarantine",
        "groups on one side",
        "near-duplicates on one side",
        "equal files on one side",
        "the same split again from the data",
        "the ledger has every sample on its side",
        "the assignment is the certified one",
        "the pairs are the certified ones",
        "the data is the certified one",
        "the certificate's numbers are right",
        "no sample moved since the last commit",
    ]
    assert promises[2].text == "0 of 1 pairs cross (hashes that differ in at most 16 bits)"


def test_sides_changed_by_hand_break_what_they_break(project):
    sides = dict(zip(*load_table(project.split / "split.parquet", SPLIT)[["path", "split"]].to_numpy().T, strict=True))
    other = "val" if sides["old/00.png"] != "val" else "test"
    change_sides(project, **{"old/00.png": other})
    found = broken(project)
    assert set(found) == {
        "groups on one side",
        "near-duplicates on one side",
        "the same split again from the data",
        "the assignment is the certified one",
    }
    assert found["groups on one side"] == "1 of 15 cross"
    assert found["near-duplicates on one side"].endswith(
        "cross (hashes that differ in at most 16 bits), such as old/00.png"
    )


def test_an_image_without_a_side(project):
    table = load_table(project.split / "split.parquet", SPLIT)
    save_table(project.split / "split.parquet", table.iloc[1:], SPLIT)
    record(project)
    assert broken(project)["every image on one side or in quarantine"] == "1 of 60 are not"


@pytest.mark.parametrize(("key", "value"), [("near_duplicates", 7), ("largest_class_deviation", 0.0), ("seed", 5)])
def test_a_certificate_that_says_something_else(project, key, value):
    file = project.split / "certificate.json"
    save_json(file, {**load_json(file), key: value})
    record(project)
    assert broken(project) == {"the certificate's numbers are right": f"differing: {key}"}


def test_a_line_taken_out_of_the_ledger(project):
    file = project.split / "ledger.csv"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:-1]))
    record(project)
    found = broken(project)
    assert found["the ledger has every sample on its side"] == "1 are missing, such as old/59.png"
    assert found["no sample moved since the last commit"].startswith("1 of 60; was and is: old/59.png ")


def test_a_split_started_anew_has_moved_since_the_last_commit(project):
    (project.split / "ledger.csv").unlink()
    (project.root / "params.yaml").write_text(yaml.safe_dump({"split": {"seed": 3}}))
    finish(project)
    (name,) = broken(project)
    assert name == "no sample moved since the last commit"


def test_growth_is_no_move(project):
    write_data(project, {**GROUPS, "new/0.png": "n", "new/1.png": "w3"}, PAIRS)
    finish(project)
    assert verify_split(project)[-1].text == "0 of 60; 2 new lines since HEAD"


def test_without_a_commit_there_is_nothing_to_compare_with(project):
    git(project.root, "rm", "-q", "--cached", "data/split/ledger.csv")
    git(project.root, "commit", "-qm", "no ledger")
    last = verify_split(project)[-1]
    assert last.kept and "no ledger in HEAD" in last.text


def test_outside_git_there_is_nothing_to_compare_with(project, tmp_path):
    (tmp_path / ".git").rename(tmp_path / "no git")
    last = verify_split(project)[-1]
    assert last.kept and "no ledger in HEAD" in last.text


def test_a_new_search_is_compared_with_the_pairs_on_disk(project):
    assert verify_split(project, search=True)[-1].text.startswith("0 found, 0 cross, 1 differ")
    write_pairs(project, [])
    finish(project)
    promise = verify_split(project, search=True)[-1]
    assert (promise.name, promise.kept) == ("a new search finds the same pairs", True)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda root: (root / "dvc.lock").unlink(), "dvc.lock: expected what `dvc repro` recorded"),
        (lambda root: (root / "dvc.lock").write_text("stages: {}"), "expected that the stage split ran"),
        (lambda root: (root / "params.yaml").write_text("split: {seed: 4}"), "split in params.yaml changed since"),
        (
            lambda root: (root / "data/split/ledger.csv").write_text("x"),
            "ledger.csv is not what the stage split wrote: look at .git diff data",
        ),
        (lambda root: (root / "data/split/ledger.csv").unlink(), "ledger.csv: expected the ledger. Got no such file"),
        (lambda root: (root / "data/split/split.parquet").unlink(), "expected the table split. Got no such file"),
        (lambda root: (root / "data/neighbors/pairs.parquet").write_text("x"), "pairs.parquet changed since"),
    ],
)
def test_missing_or_old_files_are_a_wrong_call(project, spoil, message):
    spoil(project.root)
    with pytest.raises(DatatoolsError, match=message):
        verify_split(project)


def test_the_command(project, monkeypatch):
    monkeypatch.chdir(project.root)
    done = CliRunner().invoke(app, ["split", "verify"])
    assert done.exit_code == 0 and "kept    groups on one side: 0 of 15 cross\n" in done.output
    change_sides(project, **{"old/00.png": "quarantine"})
    done = CliRunner().invoke(app, ["split", "verify"])
    assert done.exit_code == 1 and "BROKEN  the same split again from the data: 1 images differ" in done.output
