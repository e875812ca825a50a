from __future__ import annotations

import json

import pytest

from datatools.checks.duplicate_box import find_duplicate_boxes
from datatools.findings import Mark, Offer
from datatools.params import ValidateParams
from datatools.schema import ANNOTATIONS
from tests.small_data import SQUARE, box_row, boxes, mask_row


def found(rows, iou=0.9):
    table = ANNOTATIONS.conform(list(rows)) if isinstance(rows, list) else rows
    return list(find_duplicate_boxes(table, ValidateParams(duplicate_iou=iou)))


def ids(rows, iou=0.9):
    return [finding.annotation_id for finding in found(rows, iou)]


@pytest.mark.parametrize(
    ("second", "iou", "twice"),
    [
        ((0, 0, 10, 10), 0.9, True),
        ((10, 10, 0, 0), 0.9, True),  # corners are put in order first
        ((0, 0, 10, 9), 0.9, True),  # exactly at the bar
        ((0, 0, 10, 8.9), 0.9, False),
        ((0, 0, 10, 8.9), 0.8, True),
        ((1, 0, 11, 10), 0.81, True),  # 90 / 110
        ((1, 0, 11, 10), 0.82, False),
        ((20, 0, 30, 10), 0.0, False),  # nothing in common is no object twice
        ((0, 0, 10, 0), 0.0, False),  # no area: BOX003
    ],
)
def test_the_bar_is_an_iou(second, iou, twice):
    assert ids(boxes((0, 0, 10, 10), second), iou) == ["box/1"] * twice


@pytest.mark.parametrize(
    "change",
    [
        {"path": "b.png"},
        {"label": "star"},
        {"label": None},
        {"annotator": "anna"},  # another opinion
        {"attributes": '{"iscrowd":1}'},
        {"x0_px": None},
    ],
)
def test_boxes_that_are_not_compared(change):
    first, second = box_row("a", (0, 0, 10, 10)), box_row("b", (0, 0, 10, 10))
    assert ids([first, second]) == ["b"]
    assert ids([first, {**second, **change}]) == []


def test_opinions_of_one_annotator_and_boxes_without_a_class_are_compared():
    both = {"annotator": "anna", "label": None}
    assert ids([{**box_row(name, (0, 0, 10, 10)), **both} for name in "ab"]) == ["b"]


def test_a_mask_and_a_box_of_one_object_are_no_duplicates():
    assert ids([box_row("a", (10, 10, 30, 30)), mask_row("b", SQUARE), mask_row("c", SQUARE)]) == []


def test_the_later_one_goes_and_only_once():
    rows = [box_row(name, (0, 0, 10, 10)) for name in ("a#10", "a#9", "a#2")]
    assert sorted(ids(rows)) == ["a#10", "a#9"]


def test_a_chain_keeps_what_is_like_nothing_kept():
    chain = boxes((0, 0, 10, 10), (0.5, 0, 10.5, 10), (1, 0, 11, 10))
    assert ids(chain, 0.9) == ["box/1"]  # the third is like the second, which goes


def test_message_marks_and_offer():
    same, near = found(boxes((0, 0, 10, 10), (0, 0, 10, 10), (0, 0, 10, 9.5)))
    assert same.message == "is the same box as box/0"
    assert (same.score, same.path) == (0.0, "a.png")
    assert near.message == "has IoU 0.950 with box/0"
    assert near.score == pytest.approx(0.05)
    assert near.marks == (Mark("box", (0.0, 0.0, 10.0, 9.5)), Mark("box", (0.0, 0.0, 10.0, 10.0)))
    assert near.offer == Offer("delete")
    assert json.dumps(near.marks[0].xy) == "[0.0, 0.0, 10.0, 9.5]"


def file_of(name, n, n_more=0):
    rows = [box_row(f"{name}/{number}", (number, 0, number + 9, 9), f"{number}.png") for number in range(n)]
    rows += [box_row(f"{name}/more{number}", (30, 0, 39, 9), f"{number}.png") for number in range(n_more)]
    return [{**row, "source": f"{name}.json"} for row in rows]


def test_a_file_that_repeats_another_one_is_one_finding():
    (finding,) = found([*file_of("instances", 12, 9), *file_of("keypoints", 12)])
    assert finding.message == "instances.json and keypoints.json have 12 boxes in common, of 12 in the smaller file"
    assert (finding.path, finding.annotation_id, finding.offer) == (None, None, None)
    assert finding.subject == "instances.json, keypoints.json"


def test_a_few_boxes_or_a_small_part_of_a_file_are_named_one_by_one():
    assert len(found([*file_of("instances", 9), *file_of("keypoints", 9)])) == 9
    apart = [{**row, "label": "star"} for row in file_of("keypoints", 30)[12:]]
    assert len(found([*file_of("instances", 30), *file_of("keypoints", 12), *apart])) == 12


def test_boxes_that_come_from_no_file_are_named_one_by_one_beside_files_that_repeat():
    rows = [box_row(f"new/{number}", (5, 5, 9, 9), "new.png") for number in range(2)]
    unknown = [{**row, "source": None} for row in rows]
    one_known = [{**row, "path": "other.png", "annotation_id": row["annotation_id"] + "b"} for row in rows]
    one_known[0]["source"] = None
    by_file, *others = found([*file_of("instances", 12), *file_of("keypoints", 12), *unknown, *one_known])
    assert by_file.subject == "instances.json, keypoints.json"
    assert [finding.annotation_id for finding in others] == ["new/1", "new/1b"]


def test_duplicates_within_one_file_are_named_one_by_one():
    rows = file_of("instances", 40)
    assert len(found([*rows, *({**row, "annotation_id": row["annotation_id"] + "b"} for row in rows)])) == 40
