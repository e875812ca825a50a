"""A project as a run of the pipeline leaves it, without running one: tables, dvc.lock, DVC's cache, a Git commit."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from datatools.dvc_hashes import File, Hashes
from datatools.findings import Finding, concat, to_table
from datatools.project import Project
from datatools.schema import FINDINGS, IMAGES
from datatools.store import save_json, save_table
from tests.small_data import make_images

CODES = {"BOX001": "error", "BOX002": "error", "BOX006": "warning", "IMG003": "info", "SPL001": "error"}


def git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), "-c", "user.name=Rita", "-c", "user.email=r@example.org", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def found(code: str, *findings: Finding, version: int = 1) -> pd.DataFrame:
    """A FINDINGS table of one check."""
    return to_table(findings, code, version, CODES[code])


def start_project(root: Path) -> Project:
    """An empty project under Git, with DVC's folder."""
    (root / ".dvc").mkdir(parents=True)
    (root / "data" / "fixes").mkdir(parents=True)
    (root / "data" / "fixes" / "a.jsonl").write_text("{}\n")
    (root / "dvc.yaml").write_text("stages: {}\n")
    (root / "params.yaml").write_text("ingest:\n  format: auto\nvalidate:\n  box_min_px: 2.0\n")
    (root / ".gitignore").write_text("/.dvc/cache\n/data/dataset\n/data/findings\n/reports\n")
    subprocess.run(["git", "init", "-q", "-b", "main", str(root)], check=True)
    return Project(root)


def finish_run(
    project: Project,
    *tables: pd.DataFrame,
    images: Mapping[str, str] | None = None,
    versions: Mapping[str, int] | None = None,
    curate: Iterable[pd.DataFrame] | None = None,
    commit: str = "",
) -> Project:
    """Write the tables, the report and dvc.lock of a run; with `commit`, commit it under this message.

    `images` are sha256 by path; `versions` those of the checks that ran, None for a report that says nothing of them.
    """
    images = {"a.png": "aa", "b.png": "bb"} if images is None else images
    rows = make_images(list(images)).assign(sha256=list(images.values())) if images else IMAGES.empty()
    save_table(project.dataset / "images.parquet", rows, IMAGES)
    save_table(project.findings, concat(tables), FINDINGS)
    checks: list[dict[str, Any]] = [{"code": code, "outcome": "clean"} for code in CODES]
    if versions is not None:
        checks = [{"code": code, "outcome": "clean", "version": version} for code, version in versions.items()]
    save_json(project.validation, {"checks": checks})
    root = project.root
    params = yaml.safe_load((root / "params.yaml").read_text())
    stages = {
        "ingest": {
            "params": {"params.yaml": {"ingest": params["ingest"]}},
            "deps": [entry(root, "data/fixes")],
            "outs": [entry(root, "data/dataset/images.parquet")],
        },
        "validate": {
            "params": {"params.yaml": {"validate": params["validate"]}},
            "deps": [entry(root, "data/dataset/images.parquet")],
            "outs": [entry(root, "data/findings/validate.parquet"), entry(root, "reports/validate.json")],
        },
    }
    if curate is not None:
        save_table(project.model_findings, concat(curate), FINDINGS)
        stages["curate"] = {
            "deps": [entry(root, "data/findings/validate.parquet")],
            "outs": [entry(root, "data/findings/curate.parquet")],
        }
    (root / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))
    if commit:
        git(root, "add", "-A")
        git(root, "commit", "-qm", commit)
    return project


def entry(root: Path, path: str) -> dict[str, Any]:
    """What dvc.lock says of a file or of a folder of one level; files go into the cache."""
    place = root / path
    if place.is_dir():
        parts = sorted((file.name, md5(file.read_bytes())) for file in place.iterdir())
        listing = "[" + ", ".join(f'{{"md5": "{digest}", "relpath": "{name}"}}' for name, digest in parts) + "]"
        return {"path": path, "hash": "md5", "md5": md5(listing.encode()) + ".dir"}
    digest = md5(place.read_bytes())
    cached = root / ".dvc" / "cache" / "files" / "md5" / digest[:2] / digest[2:]
    cached.parent.mkdir(parents=True, exist_ok=True)
    cached.write_bytes(place.read_bytes())
    return {"path": path, "hash": "md5", "md5": digest}


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def spy_on_hashes(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that are hashed from now on, in their order."""
    hashed: list[Path] = []
    real = Hashes._look_at

    def spying(self: Hashes, place: str | Path) -> File:
        hashed.append(Path(place))
        return real(self, place)

    monkeypatch.setattr(Hashes, "_look_at", spying)
    return hashed
