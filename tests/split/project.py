"""A small DVC project whose only stage is the split: its tables are written by hand, so that a run takes seconds."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd
import yaml

from datatools.dataset import Dataset, save_dataset
from datatools.project import Project
from datatools.schema import ANNOTATIONS, FIX_STATUS, PAIRS
from datatools.split.ledger import load_ledger
from datatools.store import save_json, save_table
from tests.project import REPO, environment, run
from tests.small_data import CLASSES, image_row, label_rows, make_images

PARAMS = {"split": {"train": 0.7, "val": 0.2, "test": 0.1}}
Pair = tuple[str, str]


def write_data(project: Project, groups: Mapping[str, str | None], pairs: Iterable[Pair] = ()) -> None:
    """One image a path of `groups`, labelled by turns; `pairs` are near-duplicates."""
    images = [image_row(path, group=group) for path, group in groups.items()]
    rows = [
        row for number, path in enumerate(sorted(groups)) for row in label_rows(path, {"anna": CLASSES[number % 3]})
    ]
    save_dataset(project.dataset, Dataset(make_images(images), ANNOTATIONS.conform(rows), CLASSES))
    save_table(project.dataset / "fixes.parquet", FIX_STATUS.empty(), FIX_STATUS)
    write_pairs(project, pairs)


def write_pairs(project: Project, pairs: Iterable[Pair]) -> None:
    rows = [{"path": min(pair), "other": max(pair), "how": "hash", "hash_bits": 3} for pair in pairs]
    save_table(project.root / "data" / "neighbors" / "pairs.parquet", PAIRS.conform(rows), PAIRS)
    save_json(project.root / "data" / "neighbors" / "neighbors.json", {"model": "none", "hash_bits": 16})


def make_project(root: Path, groups: Mapping[str, str | None], pairs: Iterable[Pair] = ()) -> Project:
    """Lay out `root` under Git and DVC and commit it; nothing ran yet."""
    project = Project(root)
    write_data(project, groups, pairs)
    stage = yaml.safe_load((REPO / "dvc.yaml").read_text())["stages"]["split"]
    stage["deps"] = [dep for dep in stage["deps"] if dep.startswith("data/")]
    (root / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"split": stage}}, sort_keys=False))
    (root / "params.yaml").write_text(yaml.safe_dump(PARAMS))
    (root / ".gitattributes").write_text("data/split/ledger.csv merge=union -text\n")
    (root / ".gitignore").write_text("/.datatools/\n")
    start_git(root)
    run(root, "dvc", "init", "-q")
    commit(project, "start")
    return project


def start_git(root: Path) -> None:
    run(root, "git", "init", "-q", "-b", "main")
    run(root, "git", "config", "user.name", "Rita Reviewer")
    run(root, "git", "config", "user.email", "rita@example.org")


def repro(project: Project) -> str:
    """Run `dvc repro` with the stages and the library of this checkout; returns what it said."""
    done = subprocess.run(["dvc", "repro"], cwd=project.root, env=environment(REPO), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def commit(project: Project, message: str) -> None:
    run(project.root, "git", "add", "-A")
    run(project.root, "git", "commit", "-qm", message)


def read_sides(project: Project) -> dict[str, str]:
    table = pd.read_parquet(project.split / "split.parquet")
    return dict(zip(table["path"], table["split"], strict=True))


def read_ledger(project: Project) -> dict[str, str]:
    ledger = load_ledger(project.split / "ledger.csv")
    return dict(zip(ledger["path"], ledger["split"], strict=True))
