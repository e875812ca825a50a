from __future__ import annotations

import json

import pytest

from datatools.checks.label_range import find_labels_out_of_range
from datatools.schema import ANNOTATIONS, REJECTED
from tests.small_data import CLASSES, box_row, label_rows


def said(rows, classes=CLASSES, rejected=()):
    findings = find_labels_out_of_range(ANNOTATIONS.conform(rows), classes, REJECTED.conform(list(rejected)))
    return [(finding.annotation_id, finding.message) for finding in findings]


def test_a_class_id_that_the_file_does_not_define():
    row = {**box_row("coco/7", (0, 0, 9, 9), label=None), "attributes": json.dumps({"category_id": 12})}
    assert said([row]) == [("coco/7", "class id 12 is not one of the 3 classes")]


def test_a_box_with_a_foreign_label():
    assert said([box_row("coco/7", (0, 0, 9, 9), label="moon")]) == [
        ("coco/7", "label 'moon' is not one of the 3 classes")
    ]


def test_what_everybody_says_is_said_once_of_the_vote():
    rows = label_rows("a.png", {"anna": "moon", "ben": "moon"}, "moon")
    assert said(rows) == [("label/a.png", "label 'moon' is not one of the 3 classes")]


def test_who_stands_alone_is_named():
    rows = label_rows("a.png", {"anna": "moon", "ben": "star"}, "star")
    assert said(rows) == [("label/a.png@anna", "label 'moon' is not one of the 3 classes (by anna)")]


def test_each_image_is_judged_by_its_own_vote():
    rows = label_rows("a.png", {"anna": "moon"}, "moon") + label_rows("b.png", {"anna": "moon"}, "star")
    assert [name for name, _ in said(rows)] == ["label/a.png", "label/b.png@anna"]


def test_a_vote_without_annotators_and_no_rows_at_all():
    assert said(label_rows("a.png", {}, "sun")) == [("label/a.png", "label 'sun' is not one of the 3 classes")]
    assert said([]) == []


def test_without_classes_every_label_is_out_of_range():
    assert len(said(label_rows("a.png", {"anna": "star"}, "star"), classes=())) == 1


@pytest.mark.parametrize(("name", "value"), [("category_id", 12), ("class_id", -1), ("class_index", 255), ("label", 5)])
def test_each_reader_keeps_the_id_under_its_own_name(name, value):
    row = {**box_row("x/7", (0, 0, 9, 9), label=None), "attributes": json.dumps({name: value})}
    assert said([row]) == [("x/7", f"class id {value} is not one of the 3 classes")]


def test_an_object_without_label_among_others():
    rows = [box_row("x/1", (0, 0, 9, 9)), box_row("x/2", (0, 0, 9, 9), label=None)]
    assert said(rows) == [("x/2", "the object has no label")]


def test_objects_without_classes_are_said_once():
    rows = [box_row(f"x/{number}", (0, 0, 9, 9), label=None) for number in range(3)]
    assert said(rows) == [(None, "none of the 3 objects has a label")]


def test_of_several_names_each_is_looked_for():
    row = {**label_rows("a.png", {"anna": "star"})[0], "label": None}
    assert said([{**row, "attributes": json.dumps({"choices": ["star", "circle"]})}]) == []
    bad = {**row, "attributes": json.dumps({"choices": ["star", "moon"]})}
    assert said([bad]) == [("label/a.png@anna", "label 'moon' is not one of the 3 classes (by anna)")]


def test_a_caption_is_no_class():
    row = {**label_rows("a.png", {"given": "x"})[0], "label": None}
    assert said([{**row, "attributes": json.dumps({"caption": "a cat", "category_id": 0})}]) == []


def test_what_is_made_of_the_objects_repeats_them():
    derived = {**label_rows("a.png", {}, "moon")[0], "source": "objects"}
    rows = [box_row("x/1", (0, 0, 9, 9), label="moon"), derived]
    assert [name for name, _ in said(rows)] == ["x/1"]


def test_a_class_that_was_no_number():
    row = {
        "source": "a.txt",
        "row": 2,
        "path": "a.png",
        "reason": "LBL001",
        "message": "the class must be a whole number",
    }
    assert said([], rejected=[row]) == [(None, "the class must be a whole number (left out: a.txt, row 2)")]
