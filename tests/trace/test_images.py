"""The story of an image and of an annotation."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from datatools.dataset import label_id
from datatools.fixes.records import append_records
from datatools.project import Project
from datatools.schema import PREDICTIONS, SPLIT
from datatools.store import load_table, save_table
from datatools.trace.images import tell_annotation, tell_image
from datatools.trace.place import Place
from datatools.trace.run import trace
from tests.builders import make_record
from tests.finished_runs import git
from tests.rounds import FIRST, FIXED, RECORD, finish_round, forget, make_project, relabel_one
from tests.small_data import make_dataset, split_table


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return relabel_one(make_project(tmp_path_factory.mktemp("images") / "p"))


def test_what_is_known_of_an_image(project: Project):
    story = tell_image(Place(project), FIXED)
    assert story["in_data_set"]
    assert story["facts"]["group"] == "w2"
    assert story["metadata"] == {"background": "paper", "writer": "w2"}
    assert [row["annotation_id"] for row in story["annotations"]] == [
        label_id(FIXED), *(label_id(FIXED, who) for who in ("anna", "ben", "chloe")),
    ]  # fmt: skip
    assert story["annotations"][0]["source"] == f"fix/{RECORD.id}"
    assert story["annotations"][0]["x0_px"] is None
    assert [(row["image"], row["how"], row["split"]) for row in story["near_duplicates"]] == [(FIRST, "hash", "train")]
    assert [row["code"] for row in story["findings"]] == ["BOX006"]
    assert story["queue"][0]["rank"] == 1
    assert story["copies"] == [f"{FIXED}.aug0.png"]
    assert story["missing"] == []
    json.dumps(story, allow_nan=False)


def test_the_pair_is_told_from_both_sides(project: Project):
    assert [row["image"] for row in tell_image(Place(project), FIRST)["near_duplicates"]] == [FIXED]


def test_the_side_and_since_when(project: Project):
    split = tell_image(Place(project), FIXED)["split"]
    assert (split["side"], split["group"], split["fold"], split["together"]) == ("train", "w2", None, 4)
    assert split["since"]["subject"] == "First run"


@pytest.mark.parametrize("name", ["images/cat, big.png", 'images/the "cat".png', "images/ katze ü.png"])
def test_a_name_that_csv_quotes_is_found_in_the_ledger(tmp_path: Path, name: str):
    project = make_project(tmp_path / "p")
    dataset = make_dataset()
    images = dataset.images.assign(path=dataset.images["path"].replace(FIXED, name))
    finish_round(project, replace(dataset, images=images), split=split_table(images), commit="Second run")
    assert tell_image(Place(project), name)["split"]["since"]["subject"] == "Second run"


def test_a_side_that_a_person_chose_is_not_in_the_ledger(tmp_path: Path):
    project = make_project(tmp_path / "p")
    rows = load_table(project.split / "split.parquet", SPLIT)
    save_table(project.split / "split.parquet", rows.assign(split="test"), SPLIT)
    assert tell_image(Place(project), FIXED)["split"]["since"] == {}


def test_who_learnt_it_and_with_which_label(project: Project):
    learners = tell_image(Place(project), FIXED)["learnt_by"]
    assert [(row["subject"], row["label"], row["is_current"]) for row in learners] == [
        ("First run", "circle", False),
        ("A label put right", "star", True),
    ]
    assert tell_image(Place(project), "images/00.png")["learnt_by"] == [], "it is on the test side"


def test_who_decided_what(project: Project):
    story = tell_image(Place(project), FIXED)
    assert [(row["id"], row["who"], row["what"], row["why"], row["status"]) for row in story["fixes"]] == [
        (RECORD.id, "Rita", "circle -> star", "five points", "applied")
    ]
    assert tell_image(Place(project), FIRST)["fixes"] == []


def test_a_revert_belongs_to_the_story(tmp_path: Path):
    project = relabel_one(make_project(tmp_path / "p"))
    undo = make_record("revert", reverts=RECORD.id, path=None)
    append_records(project.fixes / "b.jsonl", [undo])
    assert {row["op"]: row["status"] for row in tell_image(Place(project), FIXED)["fixes"]}["relabel"] == "reverted"
    assert {row["op"] for row in tell_annotation(Place(project), label_id(FIXED))["fixes"]} == {"relabel", "revert"}


def test_which_commits_changed_it(project: Project):
    events = tell_image(Place(project), FIXED)["changes"]
    assert [event["subject"] for event in events] == ["First run", "A label put right"]
    assert events[0]["changes"] == [{"kind": "first run"}]
    [change] = events[1]["changes"]
    assert (change["kind"], change["annotation_id"]) == ("relabelled", label_id(FIXED))
    assert (change["before"], change["after"]) == ("circle", "star")
    assert [event["subject"] for event in tell_image(Place(project), FIRST)["changes"]] == ["First run"]


def test_a_change_that_is_not_committed_is_told_as_such(tmp_path: Path):
    project = relabel_one(make_project(tmp_path / "p"), commit="")
    assert [event["subject"] for event in tell_image(Place(project), FIXED)["changes"]] == [
        "First run",
        "not committed yet",
    ]


def test_an_image_that_moved_and_one_that_came_later(tmp_path: Path):
    project = make_project(tmp_path / "p")
    dataset = make_dataset()
    few = dataset.images[dataset.images["path"] != FIRST]
    rows = dataset.annotations[dataset.annotations["path"] != FIRST]
    finish_round(project, type(dataset)(few, rows, dataset.classes), commit="One less")
    moved = split_table(dataset.images)
    moved.loc[moved["path"] == FIXED, "split"] = "val"
    finish_round(project, dataset, split=moved, commit="Back, and one moved")
    changes = tell_image(Place(project), FIXED)["changes"][-1]["changes"]
    assert [(row["kind"], row["before"], row["after"]) for row in changes] == [("split moved", "train", "val")]
    events = tell_image(Place(project), FIRST)["changes"]
    assert [(event["subject"], event["changes"][0]["kind"]) for event in events[1:]] == [
        ("One less", "image removed"),
        ("Back, and one moved", "image added"),
    ]


def test_what_is_cut_off_is_not_called_the_first_run(project: Project):
    events = tell_image(Place(project, n_commits=1), FIXED)["changes"]
    assert [event["changes"] for event in events] == [[{"kind": "there already"}]]
    assert trace(project, FIXED, 1)["looked_at"] == {"versions": 2, "older_left_out": True}


def test_tables_that_are_not_here_are_named(tmp_path: Path):
    project = relabel_one(make_project(tmp_path / "p"))
    forget(project, "data/dataset/annotations.parquet")
    story = tell_image(Place(project), FIXED)
    assert story["changes"] == []
    assert story["missing"] == git(project.root, "log", "--reverse", "--format=%h", "--abbrev=12").split()
    assert [row["label"] for row in story["learnt_by"]] == [None, None]


def test_what_the_model_said(project: Project):
    said = tell_image(Place(project), "images/00.png")["predicted"]
    assert said == {"label": "circle", "predicted": "star", "confidence": 0.75, "right": False}
    assert tell_image(Place(project), FIXED)["predicted"] is None


def test_what_the_model_said_in_a_run_without_predictions(tmp_path: Path):
    project = make_project(tmp_path / "p")
    folder = project.metrics.parent
    (folder / "predictions.parquet").unlink()
    assert tell_image(Place(project), "images/00.png")["predicted"] is None
    (folder / "failures.csv").write_text("path,label,predicted,confidence\nimages/00.png,NA,star,0.5\n")
    assert tell_image(Place(project), "images/00.png")["predicted"] == {
        "label": "NA", "predicted": "star", "confidence": 0.5, "right": False,
    }  # fmt: skip
    save_table(folder / "predictions.parquet", PREDICTIONS.empty(), PREDICTIONS)
    assert tell_image(Place(project), FIXED)["predicted"] is None


def test_an_image_that_is_out(project: Project):
    story = tell_image(Place(project), "images/gone.png")
    assert not story["in_data_set"]
    assert story["facts"] == story["split"] == story["metadata"] == {}
    assert [row["reason"] for row in story["left_out"]] == ["no_image"]
    assert story["changes"] == []


def test_the_story_of_a_label(project: Project):
    story = tell_annotation(Place(project), label_id(FIXED))
    assert story["value"]["label"] == "star"
    assert story["image"] == FIXED
    assert [(row["annotator"], row["label"]) for row in story["votes"]] == [
        (who, "circle") for who in ("anna", "ben", "chloe")
    ]
    assert [row["id"] for row in story["fixes"]] == [RECORD.id]
    assert [event["subject"] for event in story["changes"]] == ["First run", "A label put right"]
    assert [row["label"] for row in story["learnt_by"]] == ["circle", "star"]


def test_the_story_of_another_annotation_of_the_same_image(project: Project):
    story = tell_annotation(Place(project), label_id(FIXED, "anna"))
    assert story["value"]["annotator"] == "anna"
    assert story["votes"] == story["fixes"] == story["queue"] == []
    assert [event["subject"] for event in story["changes"]] == ["First run"]


def test_the_story_of_a_box_and_of_one_that_was_left_out(project: Project):
    story = tell_annotation(Place(project), "coco/box03")
    assert (story["value"]["x1_px"], story["value"]["mask"]) == (40.0, None)
    gone = tell_annotation(Place(project), "coco/gone")
    assert not gone["in_data_set"]
    assert (gone["image"], gone["left_out"][0]["message"]) == ("images/gone.png", "its image was left out")


def test_an_annotation_that_only_a_record_names(tmp_path: Path):
    project = make_project(tmp_path / "p")
    append_records(project.fixes / "b.jsonl", [make_record("delete", annotation_id="coco/old", path=FIXED)])
    story = tell_annotation(Place(project), "coco/old")
    assert (story["image"], story["value"], story["fixes"][0]["status"]) == (FIXED, {}, "pending")
