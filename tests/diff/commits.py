"""Versions of a data set as a project keeps them: tables in the DVC cache, dvc.lock and fix records in a Git commit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from datatools.dataset import Dataset, save_dataset
from datatools.fixes.records import FixRecord, to_line
from datatools.project import Project
from datatools.schema import FINDINGS, FIX_STATUS, SPLIT
from datatools.store import save_json, save_table
from tests.finished_runs import entry, git

FIXES = "data/fixes/2026-07-01-ann.jsonl"
OUTS = {
    "ingest": [
        f"data/dataset/{name}" for name in ("images.parquet", "annotations.parquet", "dataset.json", "fixes.parquet")
    ],
    "split": ["data/split/split.parquet"],
    "validate": ["data/findings/validate.parquet", "reports/validate.json"],
}


def write_version(
    project: Project,
    dataset: Dataset,
    split: pd.DataFrame | None = None,
    findings: pd.DataFrame | None = None,
    agreement: dict[str, Any] | None = None,
    records: list[FixRecord] | None = None,
    status: pd.DataFrame | None = None,
    commit: str = "",
) -> None:
    """Write what a run of the pipeline leaves; with `commit`, commit and tag it. All records count as applied without `status`."""
    root, records = project.root, records or []
    save_dataset(project.dataset, dataset)
    (root / FIXES).parent.mkdir(parents=True, exist_ok=True)
    (root / FIXES).write_text("".join(to_line(record) + "\n" for record in records))
    save_table(project.dataset / "fixes.parquet", to_status(records) if status is None else status, FIX_STATUS)
    if split is not None:
        save_table(project.split / "split.parquet", split, SPLIT)
    if findings is not None:
        save_table(project.findings, findings, FINDINGS)
        save_json(project.validation, {"checks": [], "agreement": agreement})
    outs = {name: [entry(root, path) for path in paths if (root / path).exists()] for name, paths in OUTS.items()}
    stages: dict[str, Any] = {name: {"outs": found} for name, found in outs.items() if found}
    stages["ingest"]["deps"] = [entry(root, "data/fixes")]
    (root / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))
    if commit:
        git(root, "add", "-A")
        git(root, "commit", "-qm", commit, "--allow-empty")
        git(root, "tag", "-f", commit)


def to_status(records: list[FixRecord], status: str = "applied") -> pd.DataFrame:
    """FIX_STATUS of records that were all applied."""
    names = ("id", "op", "path", "annotation_id", "before", "after", "why", "who", "when")
    rows = [{**{name: getattr(record, name) for name in names}, "status": status} for record in records]
    return FIX_STATUS.conform(rows)


def start(folder: Path) -> Project:
    """An empty project whose tables Git passes over."""
    from tests.finished_runs import start_project

    project = start_project(folder)
    (folder / "data" / "fixes" / "a.jsonl").unlink()
    (folder / ".gitignore").write_text("/.dvc\n/data/dataset\n/data/split\n/data/findings\n/reports\n")
    return project
