from __future__ import annotations

import json

import numpy as np
import pytest

from datatools.checks.missed_object import find_missed_objects
from datatools.findings import Mark, to_table
from datatools.masks import from_array
from datatools.params import ValidateParams
from datatools.schema import ANNOTATIONS
from tests.small_data import box_row, image_row, make_images, mask_row

PATHS = tuple(f"{number}.png" for number in range(40))
LEFT, RIGHT = (0, 0, 10, 10), (30, 0, 40, 10)


def box(who, xyxy=LEFT, label="car", path="0.png"):
    return {**box_row(f"{path}/{who}/{xyxy[0]:g}", xyxy, path, label), "annotator": who}


def find(rows, images=PATHS, **options):
    return list(find_missed_objects(ANNOTATIONS.conform(rows), make_images(images), ValidateParams(**options)))


def test_who_did_not_draw_it():
    (finding,) = find([box("anna"), box("ben"), box("anna", RIGHT)])
    assert finding.message == "anna drew the box 'car'; ben did not"
    assert (finding.path, finding.annotation_id, finding.subject) == ("0.png", "0.png/anna/30", "missed")
    assert finding.score == 0.5
    assert finding.marks == (Mark("box", (30.0, 0.0, 40.0, 10.0)),)
    assert finding.offer is None


def test_an_object_that_several_drew_is_named_once():
    rows = [box(who) for who in ("anna", "ben", "chloe", "dora")] + [box(who, RIGHT) for who in ("chloe", "ben")]
    (finding,) = find(rows)
    assert finding.message == "ben and chloe drew the box 'car'; anna and dora did not"
    assert finding.annotation_id == "0.png/ben/30"
    assert finding.score == 0.5
    assert len(finding.marks) == 2


def test_what_overlaps_too_little_is_shown_beside_it():
    """0..10 and 6..16 share 4 of 16: IoU 0.25, two objects."""
    first, second = find([box("anna"), box("ben", (6, 0, 16, 10), "bus")])
    assert first.message == "anna drew the box 'car'; ben did not (nearest box 'bus' of ben: IoU 0.25)"
    assert second.message == "ben drew the box 'bus'; anna did not (nearest box 'car' of anna: IoU 0.25)"
    assert first.marks == (Mark("box", (0, 0, 10, 10)), Mark("box", (6, 0, 16, 10)))
    assert set(second.marks) == set(first.marks)
    assert find([box("anna"), box("ben", (6, 0, 16, 10), "car")], iou_min=0.25) == []


def test_an_image_that_he_did_not_see():
    assert find([box("anna"), box("ben"), box("anna", path="1.png")]) == []
    stated = image_row("1.png", attributes=json.dumps({"annotators": ["anna", "ben"]}))
    (finding,) = find([box("anna"), box("ben"), box("anna", path="1.png")], ["0.png", stated])
    assert (finding.path, finding.message) == ("1.png", "anna drew the box 'car'; ben did not")


def test_other_classes():
    rows = [box("anna"), box("ben", label="bus"), box("chloe")]
    (finding,) = find(rows)
    assert finding.message == "annotators name it differently: anna 'car', ben 'bus', chloe 'car'"
    assert (finding.annotation_id, finding.subject, finding.score) == ("0.png/ben/0", "class", pytest.approx(1 / 3))
    assert len(finding.marks) == 3
    two = find(rows[:2])  # neither has the majority
    assert [(item.annotation_id, item.score) for item in two] == [("0.png/anna/0", 0.5), ("0.png/ben/0", 0.5)]
    assert "without a class" in find([box("anna"), box("ben", label=None)])[0].message


def pairs(n=39, by=1):
    """`n` images on which two annotators draw a box of 100 px a little differently: IoU 99/101 and the like."""
    rows = []
    for number in range(1, n + 1):
        shift = by * (number % 3)
        rows += [
            box("anna", (0, 0, 100, 100), path=f"{number}.png"),
            box("ben", (shift, 0, 100 + shift, 100), path=f"{number}.png"),
        ]
    return rows


def test_an_overlap_far_below_the_usual():
    """30 px off: IoU 70/130 = 0.54, where the others are off by 0 to 2 px."""
    rows = [*pairs(), box("anna", (0, 0, 100, 100)), box("ben", (30, 0, 130, 100))]
    (finding,) = find(rows)
    assert finding.message == "anna and ben draw the box 'car' differently: IoU 0.54, usual is 0.98"
    assert (finding.annotation_id, finding.subject) == ("0.png/anna/0", "overlap with ben")
    assert finding.score == pytest.approx(70 / 130)
    assert len(finding.marks) == 2
    assert find(rows[-30:]) == [], "fewer than 20 matches show no habit"


@pytest.mark.parametrize(
    ("one", "other", "why"),
    [
        ((0, 0, 5, 5), (1, 0, 6, 5), "IoU 0.67, but 1 px off: it is small"),
        ((0, 0, 100, 100), (8, 0, 108, 100), "IoU 0.85: good enough however exact the others are"),
        ((0, 0, 2000, 100), (60, 0, 2060, 100), "60 px off, but IoU 0.94: it is large"),
    ],
)
def test_no_overlap_far_below_the_usual(one, other, why):
    assert find([*pairs(), box("anna", one), box("ben", other)]) == [], why


def test_people_who_are_never_exact_are_usual():
    assert find([*pairs(by=12), box("anna", (0, 0, 100, 100)), box("ben", (28, 0, 128, 100))]) == []


def test_classes_that_one_never_draws_are_not_listed_one_by_one():
    signs = [box("anna", (20 * n, 20, 20 * n + 10, 30), "sign") for n in range(5)]
    rows = [box("anna"), box("ben"), *signs]
    assert find(rows) == []
    assert len(find(rows[:-1])) == 4
    assert len(find([*rows, box("ben", label="sign", path="9.png")])) == 5


def test_masks_show_the_outlines_of_both():
    square, triangle = [[0, 0], [10, 0], [10, 10], [0, 10]], [[0, 0], [10, 0], [0, 10]]
    rows = [{**mask_row("a", square, path="0.png"), "annotator": "anna"}]
    rows += [{**mask_row("b", triangle, path="0.png", label="star"), "annotator": "ben"}]
    finding = find(rows)[0]
    assert finding.marks == (
        Mark("polygon", (0, 0, 10, 0, 10, 10, 0, 10)), Mark("polygon", (0, 0, 10, 0, 0, 10)),
    )  # fmt: skip
    pixels = np.zeros((48, 64), bool)
    pixels[0:10, 0:10] = True
    runs = {
        **mask_row("c", square, path="0.png", label="star"),
        "mask": from_array(pixels).to_json(),
        "annotator": "chloe",
    }
    (mark, _) = find([rows[0], runs])[0].marks
    assert mark.shape == "polygon"
    assert find([rows[0], {**runs, "label": "circle"}]) == []


def test_objects_without_area_take_no_part():
    assert find([box("anna"), box("ben"), box("ben", (5, 5, 5, 5))]) == []


def test_findings_are_named_apart():
    rng = np.random.default_rng(0)
    rows = [
        {**box_row(f"{who}/{n}/{path}", (x, 0, x + 12, 12), path, rng.choice(["car", "bus"])), "annotator": who}
        for path in PATHS for who in ("anna", "ben", "chloe") for n, x in enumerate(rng.integers(0, 60, 5).tolist())
    ]  # fmt: skip
    table = to_table(find(rows, iou_min=0.3), "AGR005", 1, "info")
    assert len(table) > 100
    assert not table.duplicated(["path", "annotation_id", "subject"]).any()
