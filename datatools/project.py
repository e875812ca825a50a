"""Where a project keeps what: the layout that dvc.yaml spells out (a test compares the two)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from datatools.errors import DatatoolsError


@dataclass(frozen=True)
class Project:
    """The folder with dvc.yaml and params.yaml, and the places below it."""

    root: Path

    def __getattr__(self, name: str) -> Path:
        """`project.raw` is `root / LAYOUT['raw']`."""
        if name not in LAYOUT:
            raise AttributeError(name)
        return self.root / LAYOUT[name]


LAYOUT = {
    "params": "params.yaml",
    "raw": "data/raw",
    "answer_key": "data/answer_key.csv",
    "images": "data/images",
    "fixes": "data/fixes",
    "mutes": "data/mutes.yaml",
    "dataset": "data/dataset",
    "findings": "data/findings/validate.parquet",
    "model_findings": "data/findings/curate.parquet",
    "queue": "data/queue/queue.parquet",
    "neighbors": "data/neighbors",
    "split": "data/split",
    "augmented": "data/augmented",
    "models": "models",
    "validation": "reports/validate.json",
    "validation_page": "reports/validate.html",
    "split_page": "reports/split.html",
    "metrics": "reports/evaluate/metrics.json",
    "report": "reports/report.json",
    "page": "reports/report.html",
    "state": ".datatools",
}


def find_project(start: Path) -> Project:
    """The project that the folder `start` is in; raises DatatoolsError when neither it nor a parent is one."""
    project = look_for_project(start)
    if project is None:
        raise DatatoolsError(
            f"{start}: expected a project with dvc.yaml and params.yaml here or above. Got none: change into one."
        )
    return project


def look_for_project(start: Path) -> Project | None:
    """The project that the folder `start` is in; None when neither it nor a parent is one."""
    for folder in (start, *start.parents):
        if (folder / "dvc.yaml").exists() and (folder / "params.yaml").exists():
            return Project(folder)
    return None


def has_pipeline(folder: Path) -> bool:
    """Whether the folder has a pipeline as `datatools init` writes it, in whatever version."""
    pipeline = folder / "dvc.yaml"
    is_whole = pipeline.is_file() and (folder / "params.yaml").is_file()
    return is_whole and b"python -m stages.ingest" in pipeline.read_bytes()
