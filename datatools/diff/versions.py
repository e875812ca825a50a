"""A version of the data as `datatools diff` compares it: a Git revision, or the workspace. Nothing is checked out."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from datatools.dataset import Dataset
from datatools.errors import DatatoolsError
from datatools.findings import concat
from datatools.fixes.committed import load_committed_records
from datatools.fixes.records import FixRecord, load_records
from datatools.project import LAYOUT, Project
from datatools.revisions import Revision, find_stale, load_stages, open_revision
from datatools.schema import ANNOTATIONS, FINDINGS, FIX_STATUS, IMAGES, SPLIT, Table

WORKSPACE = "workspace"
HEAD = "HEAD"
FINDERS = ("findings", "model_findings")  # places of Project
# What is compared; the columns that an image was measured to have follow from its content.
IMAGE_COLUMNS = (
    *("path", "sha256", "n_bytes", "width_px", "height_px", "format"),
    *("group", "subset", "metadata", "attributes"),
)
STALE_STAGES = ("ingest", "split", "validate")


@dataclass(frozen=True)
class Version:
    """What is known of a version. Tables that no stage wrote in it are None.

    `dataset.images` has only IMAGE_COLUMNS. `applied` are the ids of the fix records that are in the data; `records` are
    all that lie in data/fixes. `agreement` is that of reports/validate.json.
    """

    name: str
    commit: str | None  # None: the workspace
    dataset: Dataset
    split: pd.DataFrame | None = None
    findings: pd.DataFrame | None = None
    records: Sequence[FixRecord] = ()
    agreement: Mapping[str, Any] | None = None
    applied: frozenset[str] = frozenset()
    stale: str = ""
    data: str | None = field(default=None)  # the version that dataset.json names


class _Files(Protocol):
    """Where the files of a version are read."""

    def read(self, path: str) -> bytes | None: ...


@dataclass(frozen=True)
class _Workspace:
    root: Path

    def read(self, path: str) -> bytes | None:
        try:
            return (self.root / path).read_bytes()
        except FileNotFoundError:
            return None


def parse_range(before: str | None, after: str | None) -> tuple[str | None, str | None]:
    """The two versions that a call names: `A B`, `A..B`, `A` (against the workspace) or nothing (HEAD against it).

    Raises DatatoolsError for `A...B`, which Git means in another way, and for a range beside a second version.
    """
    if before is None or ".." not in before:
        return before or HEAD, after
    if after is not None or "..." in before:
        raise DatatoolsError(f"diff: expected A B, or A..B. Got {' '.join(filter(None, (before, after)))!r} instead.")
    one, other = before.split("..", 1)
    return one or HEAD, other or HEAD


def load_version(project: Project, name: str | None) -> Version:
    """The version that Git calls `name` (branch, tag, commit); None for the workspace as it is on disk.

    Files of a revision come from the DVC cache, else from the remote. Raises DatatoolsError for a revision that Git does
    not know, or whose pipeline did not run, and where a file is neither here nor there.
    """
    if name is None:
        stages = load_stages(project.root)
        stale = find_stale(project.root, stages, tuple(stage for stage in STALE_STAGES if stage in stages))
        return _load(_Workspace(project.root), WORKSPACE, None, load_records(project.fixes)[0], stale)
    revision = open_revision(project.root, name)
    return _load(revision, name, revision.commit, load_committed_records(project.root, revision.commit))


def _load(
    files: _Workspace | Revision, name: str, commit: str | None, records: Sequence[FixRecord], stale: str = ""
) -> Version:
    folder = LAYOUT["dataset"]
    facts = _read_json(files, f"{folder}/dataset.json")
    images = _read_table(files, f"{folder}/images.parquet", IMAGES, IMAGE_COLUMNS)
    annotations = _read_table(files, f"{folder}/annotations.parquet", ANNOTATIONS)
    if facts is None or images is None or annotations is None:
        raise DatatoolsError(
            f"{name}: expected the data set that `dvc repro` writes to {folder}. Got none: "
            + ("run it." if commit is None else "name a revision whose pipeline ran.")
        )
    status = _read_table(files, f"{folder}/fixes.parquet", FIX_STATUS, ("id", "status"))
    found = [_read_table(files, LAYOUT[place], FINDINGS) for place in FINDERS]
    report = _read_json(files, LAYOUT["validation"])
    return Version(
        name,
        commit,
        Dataset(images, annotations, tuple(facts.get("classes", ()))),
        split=_read_table(files, f"{LAYOUT['split']}/split.parquet", SPLIT),
        findings=concat([table for table in found if table is not None]) if found[0] is not None else None,
        records=records,
        agreement=report.get("agreement") if isinstance(report, dict) else None,
        applied=frozenset() if status is None else frozenset(status.loc[status["status"] == "applied", "id"].tolist()),
        stale=stale,
        data=facts.get("version"),
    )


def _read_table(files: _Files, path: str, table: Table, columns: Sequence[str] = ()) -> pd.DataFrame | None:
    """The table in these columns, all if none are named; those it got since then are null. Its rows are sorted by key."""
    data = files.read(path)
    if data is None:
        return None
    wanted = list(columns or table.columns)
    try:
        return _read_columns(data, wanted).astype({name: table.columns[name] for name in wanted})
    except (OSError, ValueError, TypeError) as error:
        raise _foreign(path, f"the table {table.name} as Parquet", error) from error


def _read_columns(data: bytes, wanted: Sequence[str]) -> pd.DataFrame:
    try:
        return pd.read_parquet(io.BytesIO(data), columns=list(wanted))
    except ValueError:  # the version is older than one of the columns
        return pd.read_parquet(io.BytesIO(data)).reindex(columns=list(wanted))


def _read_json(files: _Files, path: str) -> Any:
    data = files.read(path)
    try:
        return None if data is None else json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _foreign(path, "JSON", error) from error


def _foreign(path: str, expected: str, error: Exception) -> DatatoolsError:
    return DatatoolsError(f"{path}: expected {expected}. Got: {error}. Run `dvc repro`.")
