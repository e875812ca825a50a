from __future__ import annotations

import json

import pytest

from datatools.checks.several_labels import find_several_labels
from datatools.params import ValidateParams
from datatools.schema import ANNOTATIONS, REJECTED
from tests.small_data import label_rows

CLEAN = [row for number in range(20) for row in label_rows(f"{number:02d}.png", {"anna": "cat"}, "cat")]


def second(path, label="dog", who="anna"):
    return {**label_rows(path, {who: label})[0], "annotation_id": f"coco/{path}{label}"}


def said(rows, rejected=(), mode="auto"):
    params = ValidateParams(labels_per_image=mode)
    found = find_several_labels(ANNOTATIONS.conform([*CLEAN, *rows]), REJECTED.conform(list(rejected)), params)
    return [(finding.path, finding.message) for finding in found]


def test_two_labels_of_one_annotator():
    assert said([second("03.png")]) == [("03.png", "anna gives the labels 'cat', 'dog'")]
    assert said([second("03.png", "cat")]) == []
    assert said([second("03.png", who="ben")]) == []


def test_choices_flags_and_tags():
    row = {**second("x.png"), "label": None, "attributes": json.dumps({"choices": ["dog", "cat"]})}
    assert said([row]) == [("x.png", "anna gives the labels 'cat', 'dog'")]
    assert said([{**row, "attributes": json.dumps({"choices": [["a", ["cat"]]]})}]) == []


def test_a_second_row_of_a_table():
    row = {"source": "anna.csv", "row": 9, "path": "03.png", "reason": "LBL006", "message": "anna labels this twice"}
    assert said([], [row]) == [("03.png", "anna labels this twice (left out: anna.csv, row 9)")]
    assert said([], [{**row, "reason": "repeated_row"}]) == []


@pytest.mark.parametrize(("mode", "n"), [("auto", 0), ("one", 3), ("many", 0)])
def test_a_data_set_of_several_labels_is_left_alone(mode, n):
    assert len(said([second(f"{number:02d}.png") for number in range(3)], mode=mode)) == n
