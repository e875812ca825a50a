"""A version of the data as `datatools diff` compares it: a Git revision, or the workspace. Nothing is checked out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from datatools.dataset import Dataset
from datatools.errors import DatatoolsError
from datatools.findings import concat
from datatools.fixes.committed import load_committed_records
from datatools.fixes.records import FixRecord, load_records
from datatools.project import LAYOUT, Project
from datatools.schema import ANNOTATIONS, FINDINGS, FIX_STATUS, IMAGES, SPLIT
from datatools.version_files import VersionFiles, open_files

HEAD = "HEAD"
FINDERS = ("findings", "model_findings")  # places of Project
# What is compared; the columns that an image was measured to have follow from its content.
IMAGE_COLUMNS = (
    *("path", "sha256", "n_bytes", "width_px", "height_px", "format"),
    *("group", "subset", "metadata", "attributes"),
)
STALE_STAGES = ("ingest", "split", "validate", "curate")


@dataclass(frozen=True)
class Version:
    """What is known of a version. Tables that no stage wrote in it are None.

    `dataset.images` has only IMAGE_COLUMNS. `applied` are the ids of the fix records that are in the data; `records` are
    all that lie in data/fixes. `agreement` and `checks`, the checks that ran, are those of reports/validate.json.
    `model_codes` are the codes of what models found, None where none looked.
    """

    name: str
    commit: str | None  # None: the workspace
    dataset: Dataset
    split: pd.DataFrame | None = None
    findings: pd.DataFrame | None = None
    model_codes: frozenset[str] | None = None
    records: Sequence[FixRecord] = ()
    checks: Sequence[Mapping[str, Any]] | None = None
    agreement: Mapping[str, Any] | None = None
    applied: frozenset[str] = frozenset()
    stale: str = ""
    data: str | None = None  # the version that dataset.json names


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
    return read_version(project, open_files(project.root, name))


def read_version(project: Project, files: VersionFiles) -> Version:
    """The version of the project that these are the files of; raises DatatoolsError as `load_version`."""
    folder = LAYOUT["dataset"]
    facts = files.load_json(f"{folder}/dataset.json")
    images = files.load_table(f"{folder}/images.parquet", IMAGES, IMAGE_COLUMNS)
    annotations = files.load_table(f"{folder}/annotations.parquet", ANNOTATIONS)
    if facts is None or images is None or annotations is None:
        raise DatatoolsError(
            f"{files.name}: expected the data set that `dvc repro` writes to {folder}. Got none: "
            + ("run it." if files.commit is None else "name a revision whose pipeline ran.")
        )
    status = files.load_table(f"{folder}/fixes.parquet", FIX_STATUS, ("id", "status"))
    found = [files.load_table(LAYOUT[place], FINDINGS) for place in FINDERS]
    report = files.load_json(LAYOUT["validation"])
    report = report if isinstance(report, dict) else {}
    return Version(
        files.name,
        files.commit,
        Dataset(images, annotations, tuple(facts.get("classes", ()))),
        split=files.load_table(f"{LAYOUT['split']}/split.parquet", SPLIT),
        findings=concat([table for table in found if table is not None]) if found[0] is not None else None,
        checks=report.get("checks"),
        model_codes=None if found[1] is None else frozenset(found[1]["code"]),
        records=_load_records(project, files.commit),
        agreement=report.get("agreement"),
        applied=frozenset() if status is None else frozenset(status.loc[status["status"] == "applied", "id"].tolist()),
        stale=files.find_stale(*STALE_STAGES),
        data=facts.get("version"),
    )


def _load_records(project: Project, commit: str | None) -> list[FixRecord]:
    return load_records(project.fixes)[0] if commit is None else load_committed_records(project.root, commit)
