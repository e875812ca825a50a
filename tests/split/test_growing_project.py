"""The ledger in a real DVC project: kept between runs, merged by Git, enough for a fresh clone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from datatools.project import Project
from tests.project import run
from tests.split.project import (
    commit,
    make_project,
    read_ledger,
    read_sides,
    repro,
    write_data,
)

OLD = {f"old/{number:02d}.png": f"w{number % 15}" for number in range(60)}


def more(prefix: str, n: int = 12) -> dict[str, str | None]:
    return {f"{prefix}/{number:02d}.png": f"{prefix}{number % 6}" for number in range(n)}


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose first split is committed."""
    project = make_project(tmp_path_factory.mktemp("first") / "project", OLD)
    assert "Running stage 'split'" in repro(project)
    commit(project, "first split")
    return project


@pytest.fixture
def project(first: Project, tmp_path: Path) -> Project:
    """A copy of it to change, cache included."""
    shutil.copytree(first.root, tmp_path / "project", symlinks=True)
    return Project(tmp_path / "project")


def test_growth_keeps_every_side_and_an_unchanged_project_does_nothing(project):
    before, ledger = read_sides(project), (project.split / "ledger.csv").read_bytes()
    assert "Running stage" not in repro(project)
    assert run(project.root, "git", "status", "--porcelain").stdout == ""
    write_data(project, {**OLD, **more("new")})
    repro(project)
    after = read_sides(project)
    assert {path: after[path] for path in before} == before, "no image moved"
    assert len(after) == 72 and read_ledger(project) == after
    assert set(ledger.splitlines()) < set((project.split / "ledger.csv").read_bytes().splitlines())
    assert "Running stage" not in repro(project)


def test_excluded_images_come_back_where_they_were(project):
    before = read_sides(project)
    tested = sorted(path for path, side in before.items() if side == "test")
    write_data(project, {path: group for path, group in OLD.items() if path not in tested})
    repro(project)
    assert "test" not in read_sides(project).values()
    write_data(project, OLD)
    repro(project)
    assert read_sides(project) == before


def test_other_ratios_and_another_seed_move_nothing(project):
    before = read_sides(project)
    params = {"split": {"train": 0.2, "val": 0.2, "test": 0.6, "seed": 7}}
    (project.root / "params.yaml").write_text(yaml.safe_dump(params))
    repro(project)
    assert read_sides(project) == before
    write_data(project, {**OLD, **more("new")})
    repro(project)
    after = read_sides(project)
    assert {path: after[path] for path in before} == before
    assert {after[path] for path in more("new")} == {"test"}, "new images fill up towards the ratios"
    (project.split / "ledger.csv").unlink()
    repro(project)
    sizes = [list(read_sides(project).values()).count(side) for side in ("train", "val", "test")]
    assert sizes[2] > sizes[0], "without the ledger the split starts anew"


def test_a_fresh_clone_without_cache_gives_the_same_split(project, tmp_path):
    write_data(project, {**OLD, **more("new")})
    repro(project)
    commit(project, "more")
    expected, ledger = read_sides(project), (project.split / "ledger.csv").read_bytes()
    run(tmp_path, "git", "clone", "-q", str(project.root), "clone")
    clone = Project(tmp_path / "clone")
    assert not (clone.split / "split.parquet").exists()
    repro(clone)
    assert read_sides(clone) == expected
    assert (clone.split / "ledger.csv").read_bytes() == ledger
    assert run(clone.root, "git", "status", "--porcelain").stdout == ""


def test_two_branches_merge_to_one_ledger(project):
    run(project.root, "git", "checkout", "-q", "-b", "one")
    write_data(project, {**OLD, **more("one")})
    repro(project)
    commit(project, "one")
    one = read_ledger(project)
    run(project.root, "git", "checkout", "-q", "main")
    write_data(project, {**OLD, **more("two")})
    repro(project)
    commit(project, "two")
    two = read_ledger(project)
    done = run(project.root, "git", "merge", "-q", "one", check=False)
    conflicts = [line for line in done.stdout.splitlines() if line.startswith("CONFLICT")]
    assert conflicts and not any("ledger.csv" in line for line in conflicts), "the ledger merges by itself"
    run(project.root, "git", "checkout", "-q", "--ours", ".")
    write_data(project, {**OLD, **more("one"), **more("two")})
    repro(project)
    assert read_ledger(project) == {**one, **two} == read_sides(project)
    lines = (project.split / "ledger.csv").read_text().splitlines()
    assert lines[0] == "path,sha256,split" and lines[1:] == sorted(lines[1:])


def test_branches_that_put_one_sample_on_two_sides_agree_on_the_test_set(project):
    test = next(path for path, side in read_sides(project).items() if side == "test")
    line = next(line for line in (project.split / "ledger.csv").read_text().splitlines() if line.startswith(test))
    with (project.split / "ledger.csv").open("a") as file:
        file.write(line.replace(",test", ",train") + "\n")
    assert "Running stage 'split'" in repro(project), "the ledger changed"
    assert read_sides(project)[test] == "test"
    certificate = yaml.safe_load((project.split / "certificate.json").read_text())
    assert certificate["ledger"]["disputes"] == [{"path": test, "splits": ["train", "test"]}]
    assert test in (project.root / "reports" / "split.md").read_text()
