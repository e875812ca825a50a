"""Making records: what a decision on an image means for its annotations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from datatools.dataset import Dataset, label_id
from datatools.errors import DatatoolsError
from datatools.fixes.records import FixRecord


def relabel_image(
    dataset: Dataset, path: str, label: str, *, who: str, when: str, why: str, evidence: Mapping[str, Any] | None = None
) -> list[FixRecord]:
    """Records that give the image `path` another label.

    The image's label changes, and so does every box or mask in it that carried the same label: one record each.
    Raises DatatoolsError for an unknown image or class, or when the image has that label already.
    """
    rows = _rows_of(dataset, path)
    if label not in dataset.classes:
        raise DatatoolsError(f"label must be one of {', '.join(dataset.classes)}. Got {label!r} instead.")
    before = _label_of(rows, path)
    if before == label:
        raise DatatoolsError(f"{path} has the label {label!r} already. To put that on record, use --confirm.")
    common: dict[str, Any] = {"op": "relabel", "path": path, "after": label, "who": who, "when": when, "why": why}
    common |= {"base": dataset.version, "evidence": dict(evidence or {})}
    ids = [label_id(path), *_objects_with(rows, before)]
    return [FixRecord(annotation_id=annotation_id, before=before, **common) for annotation_id in ids]


def confirm_image(
    dataset: Dataset, path: str, *, who: str, when: str, why: str, evidence: Mapping[str, Any] | None = None
) -> list[FixRecord]:
    """The record that says: a person looked, the label is right. Raises DatatoolsError for an unknown image."""
    before = _label_of(_rows_of(dataset, path), path)
    return [
        FixRecord("confirm", who, when, why, path, label_id(path), before, base=dataset.version, evidence=dict(evidence or {}))
    ]


def exclude_image(
    dataset: Dataset, path: str, *, who: str, when: str, why: str, evidence: Mapping[str, Any] | None = None
) -> list[FixRecord]:
    """The record that takes an image out of the data set. Raises DatatoolsError for an unknown image."""
    _rows_of(dataset, path)
    return [FixRecord("exclude", who, when, why, path, base=dataset.version, evidence=dict(evidence or {}))]


def find_image(dataset: Dataset, name: str) -> str:
    """The path that `name` means: a path, or a file name that only one image has. Raises DatatoolsError."""
    paths = dataset.images["path"]
    matches = paths[(paths == name) | paths.str.endswith("/" + name)]
    if len(matches) != 1:
        found = "no such image" if matches.empty else f"{len(matches)} images: {', '.join(matches[:3])}"
        raise DatatoolsError(f"image: expected a path of the data set, such as {paths.iloc[0]}. Got {name!r}, {found}.")
    return str(matches.iloc[0])


def _rows_of(dataset: Dataset, path: str) -> pd.DataFrame:
    if path not in set(dataset.images["path"]):
        raise DatatoolsError(f"image: expected a path of the data set. Got {path!r}: see data/dataset/rejected.parquet.")
    return dataset.annotations[dataset.annotations["path"] == path]


def _label_of(rows: pd.DataFrame, path: str) -> str:
    found = rows.loc[rows["annotation_id"] == label_id(path), "label"]
    if found.empty:
        raise DatatoolsError(f"{path}: expected an image label. Got none: add a row to a table in data/raw/labels.")
    return str(found.iloc[0])


def _objects_with(rows: pd.DataFrame, label: str) -> list[str]:
    chosen = (rows["kind"] != "label") & (rows["label"] == label)
    return [str(value) for value in rows.loc[chosen, "annotation_id"]]
