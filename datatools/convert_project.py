"""The data of a project in another format: as the last `dvc repro` left it, with the fixes and the sides of the split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from datatools.convert import Converted, write_source
from datatools.dataset import Dataset, label_id, load_dataset
from datatools.formats.base import Content
from datatools.project import Project
from datatools.provenance import describe_fixes
from datatools.raw import RawImages, open_raw
from datatools.schema import ANNOTATIONS, FIX_STATUS, QUARANTINE, RECORDS, SPLIT
from datatools.source import Source
from datatools.split.verification import check_current
from datatools.store import load_table
from datatools.tree import Tree, refuse

FOLDERS = "image_folder"  # has a place for labels alone
ANNOTATOR = "given"  # of the one label of an image, as class folders have it


@dataclass(frozen=True)
class ProjectTree(Tree):
    """The images of a project, wherever they lie."""

    raw: RawImages = field(kw_only=True)

    def _read_file(self, path: str) -> bytes:
        return self.raw.read(path)


def convert_project(project: Project, target: Path, to: str, tick: Callable[[int], None] | None = None) -> Converted:
    """Write the images of all sides with their objects and labels to the new folder `target`, in the format `to`.

    Subsets are the sides. An image has the one label that training sees, unless that says what its objects are and the
    format has a place for these. Images in quarantine are left out and listed. Raises DatatoolsError as `convert`, and where
    the split is not that of the data.
    """
    check_current(project)
    dataset = load_dataset(project.dataset)
    fixes = load_table(project.dataset / "fixes.parquet", FIX_STATUS)
    origin = {"data_version": dataset.version, "fixes": describe_fixes(fixes)}
    return write_source(_read_source(project, dataset, to == FOLDERS), target, to, tick, origin)


def _read_source(project: Project, dataset: Dataset, by_objects: bool) -> Source:
    sides = load_table(project.split / "split.parquet", SPLIT).set_index("path")["split"]
    images = dataset.images.assign(subset=dataset.images["path"].map(sides))
    is_out = images["subset"] == QUARANTINE
    left = [
        refuse(path, QUARANTINE, "on no side of the split: it would link two") for path in images.loc[is_out, "path"]
    ]
    images = images[~is_out]
    rows = pd.concat([dataset.objects, _to_labels(dataset, by_objects)], ignore_index=True)
    content = Content(
        RECORDS.conform(images[list(RECORDS.columns)]),
        ANNOTATIONS.conform(rows[rows["path"].isin(images["path"])]),
        dataset.classes,
    )
    paths = images["path"].tolist()
    sizes = dict(zip(paths, images["n_bytes"].tolist(), strict=True))
    tree = ProjectTree(project.root, sizes, raw=open_raw(project.raw))
    return Source(tree, tuple(paths), content, tuple(left), {f"data {dataset.version}": 1})


def _to_labels(dataset: Dataset, by_objects: bool) -> pd.DataFrame:
    """A row of ANNOTATIONS for each image with a label; with `by_objects` also where it only says what the objects are."""
    labels = dataset.labels
    if not by_objects:
        labels = labels.drop(list(dataset.labeled_by_objects), errors="ignore")
    rows = pd.DataFrame({"path": labels.index, "label": labels.to_numpy()})
    ids = [label_id(path, ANNOTATOR) for path in rows["path"]]
    return ANNOTATIONS.conform(
        rows.assign(annotation_id=ids, kind="label", annotator=ANNOTATOR, source="project", attributes="{}")
    )
