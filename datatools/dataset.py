"""The data model: a frozen Dataset of two tidy tables and a class list."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from datatools.errors import DatatoolsError
from datatools.schema import ANNOTATIONS, BY_OBJECTS, CONSENSUS, IMAGES
from datatools.store import iter_csv, load_json, load_table, save_json, save_table


@dataclass(frozen=True)
class Dataset:
    """Images, what is said of them, and the classes.

    `images` has one row a file (key `path`), `annotations` one row a label, box or mask (key `annotation_id`).
    `facts` is what dataset.json says beside that: counts and how the tables came about.
    """

    images: pd.DataFrame
    annotations: pd.DataFrame
    classes: tuple[str, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def labels(self) -> pd.Series:
        """The one label of each image, index `path`, sorted; images without a label in the class list are left out."""
        rows = self.annotations
        rows = rows[(rows["kind"] == "label") & (rows["annotator"] == CONSENSUS) & rows["label"].isin(self.classes)]
        return rows.set_index("path")["label"].sort_index()

    @property
    def labeled_by_objects(self) -> set[str]:
        """The images whose label says what their objects are: nobody labelled the whole image."""
        rows = self.annotations
        return set(rows.loc[(rows["kind"] == "label") & (rows["source"] == BY_OBJECTS), "path"])

    @property
    def ratings(self) -> pd.DataFrame:
        """Who gave which image which label: index `path`, a column an annotator, null where nobody rated."""
        rows = self.annotations
        return pivot_ratings(rows[(rows["kind"] == "label") & (rows["annotator"] != CONSENSUS)])

    @property
    def objects(self) -> pd.DataFrame:
        """The rows with a box or a mask."""
        return self.annotations[self.annotations["kind"] != "label"]

    @property
    def metadata(self) -> pd.DataFrame:
        """The columns of metadata.csv, index `path`, every value a string or null."""
        records = [json.loads(text) for text in self.images["metadata"].fillna("{}")]
        return pd.DataFrame.from_records(records, index=self.images["path"]).astype("string")

    def sha256(self, paths: Sequence[str]) -> list[str]:
        """SHA-256 of the images `paths`, in their order."""
        return list(self.images.set_index("path")["sha256"].loc[list(paths)])

    @functools.cached_property
    def version(self) -> str:
        """Twelve hex digits that name this content: equal tables and classes, equal version."""
        total = hashlib.sha256("\n".join(self.classes).encode())
        for frame in (self.images, self.annotations):
            for part in iter_csv(frame):
                total.update(part)
        return total.hexdigest()[:12]


def pivot_ratings(labels: pd.DataFrame) -> pd.DataFrame:
    """Label rows as a table: index `path`, a column an annotator. Of several labels by one annotator the first id counts."""
    once = labels.drop_duplicates(["path", "annotator"])
    return once.pivot(index="path", columns="annotator", values="label").sort_index()


def label_id(path: str, annotator: str = CONSENSUS) -> str:
    """The annotation id of an image's label: stable across runs and machines."""
    return f"label/{path}" if annotator == CONSENSUS else f"label/{path}@{annotator}"


def save_dataset(folder: Path, dataset: Dataset) -> None:
    """Write images.parquet, annotations.parquet and, last, dataset.json under `folder`."""
    save_table(folder / "images.parquet", dataset.images, IMAGES)
    save_table(folder / "annotations.parquet", dataset.annotations, ANNOTATIONS)
    files = _hash_files(folder, dataset.version, dataset.classes)
    facts = {"version": dataset.version, "files": files, "classes": list(dataset.classes), **dataset.facts}
    save_json(folder / "dataset.json", facts)


def load_dataset(folder: Path) -> Dataset:
    """Read what save_dataset wrote. Raises DatatoolsError for a missing or foreign file."""
    facts = load_json(folder / "dataset.json")
    if not isinstance(facts, dict) or "classes" not in facts:
        raise DatatoolsError(
            f"{folder / 'dataset.json'}: expected an object with 'classes'. Got another document: run `dvc repro`."
        )
    dataset = Dataset(
        images=load_table(folder / "images.parquet", IMAGES),
        annotations=load_table(folder / "annotations.parquet", ANNOTATIONS),
        classes=tuple(facts["classes"]),
        facts={key: value for key, value in facts.items() if key not in ("version", "files", "classes")},
    )
    version = str(facts.get("version"))
    if facts.get("files") == _hash_files(folder, version, dataset.classes):
        vars(dataset)["version"] = version  # of these very files: their content need not be hashed
    return dataset


def _hash_files(folder: Path, version: str, classes: Sequence[str]) -> str:
    """SHA-256 of version, class list and the bytes of both tables: much cheaper than the version, which names content."""
    total = hashlib.sha256("\n".join([version, *classes]).encode())
    for name in ("images.parquet", "annotations.parquet"):
        with (folder / name).open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()
