from __future__ import annotations

import json

from datatools.checks.label_range import find_labels_out_of_range
from datatools.schema import ANNOTATIONS
from tests.small_data import CLASSES, box_row, label_rows


def said(rows, classes=CLASSES):
    findings = find_labels_out_of_range(ANNOTATIONS.conform(rows), classes)
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
