from __future__ import annotations

import pytest

from datatools.checks.object_disagreement import find_object_disagreement
from datatools.params import ValidateParams
from datatools.schema import ANNOTATIONS
from tests.small_data import box_row, label_rows, make_images, mask_row

PATHS = tuple(f"{number}.png" for number in range(12))


def draw(who, places, label="car", path="0.png", size=10):
    """Boxes of 10 px at x = 20, 40, ... for each place."""
    return [
        {**box_row(f"{path}/{who}/{place}", (20 * place, 0, 20 * place + size, 10), path, label), "annotator": who}
        for place in places
    ]


def find(rows, **options):
    return list(find_object_disagreement(ANNOTATIONS.conform(rows), make_images(PATHS), ValidateParams(**options)))


def test_the_numbers_by_hand():
    """Ben has 6 of Anna's 10 and none of his own: F1 2 * 6 / 16 = 0.75. One of the six he calls a bus.

    alpha of the classes: 12 values, car 11, bus 1: observed 2; expected (144 - 121 - 1) / 11 = 2: 0.
    """
    rows = [*draw("anna", range(10)), *draw("ben", range(5)), *draw("ben", [5], "bus")]
    (finding,) = find(rows)
    assert finding.message == (
        "anna and ben agree too little on boxes (1 image, 16 boxes, bar 0.8): "
        "F1 0.750, 6 objects in common of 10 and 6; alpha of their classes 0.000; mean IoU 1.00"
    )
    assert (finding.path, finding.annotation_id, finding.subject) == (None, None, "anna and ben: boxes")
    assert finding.score == 0.0
    assert find(rows[:-1])[0].score == pytest.approx(2 * 5 / 15)


@pytest.mark.parametrize(
    ("n_common", "found"),
    [(3, False), (2, False), (1, True)],  # 6/7, 4/5 and 2/3
)
def test_the_bar_on_objects(n_common, found):
    rows = [*draw("anna", range(n_common + 1)), *draw("ben", range(n_common))]
    assert bool(find(rows)) is found
    f1 = 2 * n_common / (2 * n_common + 1)
    assert find(rows, kappa_min=f1) == []
    assert find(rows, kappa_min=f1 + 1e-9) != []


def test_the_bar_on_classes():
    """All objects in common; two of twenty classes exchanged: 40 values, half and half, observed 4 of 780/39 = 20.5: 0.805."""
    rows = [*draw("anna", range(10)), *draw("anna", range(10, 20), "bus")]
    rows += [*draw("ben", [*range(9), 10]), *draw("ben", [9, *range(11, 20)], "bus")]
    alpha = 1 - 4 / (800 / 39)
    assert find(rows) == []
    assert find(rows, kappa_min=alpha + 1e-9)[0].score == pytest.approx(alpha)


def test_one_missed_object_of_a_single_class_is_no_alarm():
    """Alpha with a missing object as one more label is 0 here; F1 is 38/39."""
    assert find([*draw("anna", range(20)), *draw("ben", range(19))]) == []


def test_the_overlap_that_counts_is_an_option():
    rows = [*draw("anna", [0], size=10), *draw("ben", [0], size=6)]  # IoU 0.6
    assert find(rows, iou_min=0.6) == []
    assert find(rows, iou_min=0.61) != []


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([], "nothing"),
        (draw("anna", range(4)), "one annotator"),
        ([*draw("anna", range(4)), *draw("ben", range(4), path="1.png")], "no common image"),
        ([*draw("anna", range(4)), *label_rows("0.png", {"ben": "car"})], "labels are another task"),
        ([*draw("anna", range(4)), *draw("model:v1", range(9))], "a model is no annotator"),
        ([*draw("anna", [0], size=0), *draw("ben", [0], size=0)], "no area: nothing to disagree on"),
        ([*draw("anna", range(4), None), *draw("ben", range(4), None)], "no classes"),
    ],
)
def test_silent(rows, why):
    assert find(rows) == [], why


def test_each_pair_and_each_kind_is_a_subject_of_its_own():
    ring = [[0, 20], [10, 20], [10, 30], [0, 30]]
    rows = [*draw("anna", range(2)), *draw("ben", [2, 3]), *draw("chloe", range(2))]
    rows += [
        {**mask_row(f"m/{who}", [[x + at, y] for x, y in ring], path="0.png", label="car"), "annotator": who}
        for who, at in {"anna": 0, "ben": 20}.items()
    ]
    assert sorted(finding.subject for finding in find(rows)) == [
        "anna and ben: boxes", "anna and ben: masks", "ben and chloe: boxes",
    ]  # fmt: skip


def test_a_class_that_one_never_draws():
    rows = [*draw("anna", range(40)), *draw("ben", range(40)), *draw("anna", range(40, 45), "sign")]
    (finding,) = find(rows)
    assert finding.message == "ben never draws boxes 'sign'; others drew 5 on images that ben saw"
    assert finding.subject == "ben: boxes 'sign'"
    assert find(rows[:-1]) == [], "four are no habit"
    elsewhere = draw("ben", [0], "sign", "1.png")
    assert find([*rows, *elsewhere]) == [], "he knows the class"
    unnamed = [*draw("anna", range(40)), *draw("ben", range(40)), *draw("anna", range(40, 45), None)]
    assert find(unnamed)[0].subject == "ben: boxes without a class"
