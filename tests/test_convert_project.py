from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from datatools import convert_project as module
from datatools.convert_project import convert_project
from datatools.dataset import load_dataset, save_dataset
from datatools.errors import DatatoolsError
from datatools.ingest import ingest
from datatools.params import IngestParams
from datatools.project import Project
from datatools.provenance import EXPORT
from datatools.schema import FIX_STATUS, SPLIT
from datatools.source import read_source
from datatools.store import load_table, save_table
from datatools.tree import open_tree
from tests.builders import coco_text, lay_out, make_object, make_png
from tests.command_line import Run
from tests.project import copy_project

SIDES = {"a.png": "train", "b.png": "test", "c.png": "quarantine"}


@pytest.fixture
def objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Three images with a box each, on a side each; the label of an image says what its box is."""
    monkeypatch.setattr(module, "check_current", lambda project: None)
    project = Project(tmp_path / "project")
    names = list(SIDES)
    boxes = [make_object(id=number, image_id=number) for number in (1, 2, 3)]
    images = [{"id": number, "file_name": name} for number, name in enumerate(names, start=1)]
    pictures = {name: make_png(number) for number, name in enumerate(names)}
    lay_out(project.raw, {**pictures, "instances.json": coco_text(*boxes, images=images)})
    found = ingest(project.raw, IngestParams())
    save_dataset(project.dataset, found.dataset)
    save_table(project.dataset / "fixes.parquet", FIX_STATUS.empty(), FIX_STATUS)
    rows = pd.DataFrame({"path": names, "split": list(SIDES.values()), "group": names})
    project.split.mkdir(parents=True)
    save_table(project.split / "split.parquet", SPLIT.conform(rows), SPLIT)
    return project


def test_labels_sides_and_images_of_a_project_are_written(finished: Path, tmp_path: Path, run_in: Run):
    code, out, _ = run_in(finished, "convert", ".", str(tmp_path / "new"), "--to", "image_folder")
    project = Project(finished)
    dataset = load_dataset(project.dataset)
    assert code == 0 and out.startswith(f"data {dataset.version} -> ")
    back = read_source(open_tree(tmp_path / "new"))
    sides = load_table(project.split / "split.parquet", SPLIT)["split"]
    wanted = sides[sides != "quarantine"].value_counts().to_dict()
    assert back.content.records["subset"].value_counts().to_dict() == wanted
    assert back.content.annotations["label"].value_counts().to_dict() == dataset.labels.value_counts().to_dict()
    note = json.loads((tmp_path / "new" / EXPORT).read_text())
    assert (note["data_version"], note["fixes"]["n"]) == (dataset.version, 0)


def test_data_that_is_out_of_date_is_refused(finished: Path, tmp_path: Path):
    project = Project(copy_project(finished, tmp_path / "project"))
    file = project.params
    file.write_text(file.read_text().replace("group_column: writer", "group_column: ''"))
    with pytest.raises(DatatoolsError, match=r"Got ingest in params\.yaml changed since the stage ingest ran"):
        convert_project(project, tmp_path / "new", "coco")
    assert not (tmp_path / "new").exists()


def test_objects_are_written_and_no_label_that_only_names_them(objects: Project, tmp_path: Path):
    done = convert_project(objects, tmp_path / "new", "coco")
    back = read_source(open_tree(tmp_path / "new")).content
    assert (done.n_images, len(back.annotations)) == (2, 2)
    assert set(back.annotations["kind"]) == {"box"}
    assert back.records.set_index("path")["subset"].tolist() == ["train", "test"]


def test_class_folders_have_no_place_for_objects_and_take_the_label_of_the_image(objects: Project, tmp_path: Path):
    convert_project(objects, tmp_path / "new", "image_folder")
    assert sorted(path.relative_to(tmp_path / "new").as_posix() for path in (tmp_path / "new").rglob("*.png")) == [
        "test/cat/b.png",
        "train/cat/a.png",
    ]


def test_an_image_in_quarantine_is_left_out_and_listed(objects: Project, tmp_path: Path):
    done = convert_project(objects, tmp_path / "new", "yolo")
    assert done.rejected[["path", "reason"]].to_numpy().tolist() == [["c.png", "quarantine"]]
    assert "c.png" in (tmp_path / "new" / "losses.csv").read_text()
    assert sorted(path.name for path in (tmp_path / "new").rglob("*.png")) == ["a.png", "b.png"]


def test_a_target_that_is_there_is_refused(objects: Project, tmp_path: Path):
    with pytest.raises(DatatoolsError, match="expected a folder that is not there yet"):
        convert_project(objects, tmp_path, "coco")
