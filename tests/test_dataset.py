from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from datatools.dataset import Dataset, label_id, load_dataset, save_dataset
from datatools.errors import DatatoolsError
from datatools.ingest import Ingested
from datatools.schema import ANNOTATIONS, IMAGES
from datatools.store import save_json


def image(path: str, **fields: Any) -> dict[str, Any]:
    sizes = {"n_bytes": 1, "width_px": 2, "height_px": 3, "channels": 3, "n_frames": 1}
    return {"path": path, "sha256": "0", **sizes, **fields}


def label(path: str, annotator: str, value: str | None) -> dict[str, Any]:
    return {
        "annotation_id": label_id(path, annotator),
        "path": path,
        "kind": "label",
        "annotator": annotator,
        "label": value,
    }


@pytest.fixture
def dataset() -> Dataset:
    images = [image("b.png", metadata='{"writer": "w1"}'), image("a.png"), image("c.png", metadata='{"site": "x"}')]
    rows = [label("b.png", "consensus", "dog"), label("a.png", "consensus", "cat"), label("c.png", "consensus", "cow")]
    rows += [label("a.png", "anna", "cat"), label("b.png", "anna", "dog"), label("a.png", "ben", "dog")]
    rows += [{"annotation_id": "coco/1", "path": "a.png", "kind": "box", "label": "cat"}]
    return Dataset(IMAGES.conform(images), ANNOTATIONS.conform(rows), ("cat", "dog"), {"counts": {"images": 3}})


def test_labels_are_the_votes_on_known_classes(dataset: Dataset):
    assert dataset.labels.to_dict() == {"a.png": "cat", "b.png": "dog"}
    assert list(dataset.labels.index) == ["a.png", "b.png"]


def test_ratings_have_a_column_an_annotator(dataset: Dataset):
    ratings = dataset.ratings
    assert list(ratings.columns) == ["anna", "ben"]
    assert ratings.loc["a.png"].to_dict() == {"anna": "cat", "ben": "dog"}
    assert pd.isna(ratings.loc["b.png", "ben"])


def test_objects_are_boxes_and_masks(dataset: Dataset):
    assert list(dataset.objects["annotation_id"]) == ["coco/1"]


def test_metadata_has_the_columns_of_all_images(dataset: Dataset):
    metadata = dataset.metadata
    assert list(metadata.index) == ["a.png", "b.png", "c.png"]
    assert metadata.loc["b.png", "writer"] == "w1"
    assert metadata.loc["a.png"].isna().all()
    assert set(metadata.columns) == {"writer", "site"}


def test_label_id_names_the_annotator_but_for_the_vote():
    assert label_id("a/b.png") == "label/a/b.png"
    assert label_id("a/b.png", "anna") == "label/a/b.png@anna"


def test_a_dataset_comes_back_as_it_went_twice(tmp_path: Path, ingested: Ingested):
    first = ingested.dataset
    for folder in (tmp_path / "1", tmp_path / "2"):
        save_dataset(folder, first)
        again = load_dataset(folder)
        pd.testing.assert_frame_equal(again.images, ingested.dataset.images)
        pd.testing.assert_frame_equal(again.annotations, ingested.dataset.annotations)
        assert (again.classes, again.facts) == (ingested.dataset.classes, ingested.dataset.facts)
        assert again.version == ingested.dataset.version
        first = again
    for name in ("images.parquet", "annotations.parquet", "dataset.json"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_the_version_follows_the_content_and_only_the_content(dataset: Dataset):
    changed_label = dataset.annotations.assign(label=dataset.annotations["label"].replace("cow", "dog"))
    others = [
        dataclasses.replace(dataset, classes=("dog", "cat")),
        dataclasses.replace(dataset, annotations=changed_label),
        dataclasses.replace(dataset, images=dataset.images.assign(sha256="1")),
        dataclasses.replace(dataset, annotations=dataset.annotations.iloc[:-1]),
    ]
    assert len({dataset.version, *(other.version for other in others)}) == 5
    assert dataclasses.replace(dataset, facts={}).version == dataset.version
    assert re.fullmatch("[0-9a-f]{12}", dataset.version)


def test_the_version_of_unchanged_files_is_not_computed_again(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    save_dataset(tmp_path, dataset)
    right = dataset.version
    monkeypatch.setattr("datatools.dataset.iter_csv", None)
    again = load_dataset(tmp_path)
    assert again.version == right
    with pytest.raises(TypeError):
        assert dataclasses.replace(again, images=again.images.iloc[1:]).version


@pytest.mark.parametrize("changed", ["images", "annotations", "classes", "version"])
def test_files_that_somebody_changed_have_the_version_of_their_content(dataset: Dataset, tmp_path: Path, changed: str):
    save_dataset(tmp_path, dataset)
    document = json.loads((tmp_path / "dataset.json").read_text())
    if changed in ("images", "annotations"):
        file = tmp_path / f"{changed}.parquet"
        pd.read_parquet(file).iloc[1:].to_parquet(file)
    elif changed == "classes":
        (tmp_path / "dataset.json").write_text(json.dumps({**document, "classes": ["other"]}))
    else:
        (tmp_path / "dataset.json").write_text(json.dumps({**document, "version": "0" * 12}))
    again = load_dataset(tmp_path)
    assert again.version == dataclasses.replace(again).version
    assert (again.version == dataset.version) == (changed == "version")


@pytest.mark.parametrize("document", [[], {"version": "x"}, None, "classes"])
def test_load_dataset_refuses_another_document(tmp_path: Path, document: Any):
    save_json(tmp_path / "dataset.json", document)
    with pytest.raises(DatatoolsError) as caught:
        load_dataset(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path / 'dataset.json'}: expected an object with 'classes'. Got another document: run `dvc repro`."
    )


@pytest.mark.parametrize("name", ["dataset.json", "images.parquet", "annotations.parquet"])
def test_load_dataset_names_the_file_that_is_missing(tmp_path: Path, dataset: Dataset, name: str):
    save_dataset(tmp_path, dataset)
    (tmp_path / name).unlink()
    with pytest.raises(DatatoolsError, match=re.escape(f"{tmp_path / name}: expected")):
        load_dataset(tmp_path)
