"""What people decided, and what it did to the classes."""

from __future__ import annotations

from typing import Any

import pytest

from datatools.report.decisions import compare_classes, count_fixes, join_records
from datatools.schema import FIX_STATUS, SPLIT
from tests.report.builders import make_dataset, make_fix


def test_label_and_boxes_of_one_moment_are_one_decision() -> None:
    rows = [make_fix(1), make_fix(1, id="b", annotation_id="box/images/2.png"), make_fix(2, path="images/3.png")]
    decisions = join_records(FIX_STATUS.conform(rows))
    assert [(row["path"], row["records"]) for row in decisions] == [("images/3.png", 1), ("images/2.png", 2)]


@pytest.mark.parametrize("change", [{"who": "Ben"}, {"why": "other"}, {"after": "bird"}, {"status": "conflict"}])
def test_another_person_reason_or_outcome_is_another_decision(change: dict[str, Any]) -> None:
    rows = [make_fix(1), make_fix(1, id="b", **change)]
    assert len(join_records(FIX_STATUS.conform(rows))) == 2


def test_broken_lines_stay_apart() -> None:
    broken = {"op": None, "path": None, "before": None, "after": None, "who": None, "why": None, "when": ""}
    rows = [make_fix(number, **broken, status="conflict", message="not a record") for number in (1, 2)]
    fixes = count_fixes(make_dataset(), FIX_STATUS.conform(rows))
    assert len(fixes["conflicts"]) == 2


def test_conflicts_are_kept_apart_and_counted() -> None:
    rows = [
        make_fix(1),
        make_fix(2, op="confirm", after=None, path="images/0.png"),
        make_fix(3, status="reverted", path="images/3.png"),
        make_fix(4, status="conflict", path="images/4.png", message="label is 'cat'"),
    ]
    fixes = count_fixes(make_dataset(), FIX_STATUS.conform(rows))
    assert fixes["by_status"] == {"applied": 2, "reverted": 1, "conflict": 1, "disputed": 0, "settled": 0}
    assert fixes["applied_by_op"] == {"confirm": 1, "relabel": 1}
    assert [row["path"] for row in fixes["conflicts"]] == ["images/4.png"]
    assert [row["id"] for row in fixes["decisions"]] == ["fix0003", "fix0002", "fix0001"]


def test_class_counts_before_and_after() -> None:
    rows = [make_fix(1), make_fix(1, id="b", annotation_id="box/images/2.png")]
    assert compare_classes(make_dataset(), FIX_STATUS.conform(rows)) == [
        {"class": "cat", "before": 2, "after": 3, "delta": 1},
        {"class": "dog", "before": 2, "after": 1, "delta": -1},
    ]


def test_a_label_moved_twice_counts_from_first_to_last() -> None:
    rows = [make_fix(1, before="bird", after="dog"), make_fix(2, before="dog", after="cat")]
    deltas = {row["class"]: row["delta"] for row in compare_classes(make_dataset(), FIX_STATUS.conform(rows))}
    assert deltas == {"bird": -1, "cat": 1, "dog": 0}


@pytest.mark.parametrize(
    "change",
    [
        {"status": "reverted"},
        {"status": "conflict"},
        {"op": "confirm"},
        {"annotation_id": "box/images/2.png"},
        {"path": "images/gone.png", "annotation_id": "label/images/gone.png"},
    ],
)
def test_what_moves_no_count(change: dict[str, Any]) -> None:
    assert compare_classes(make_dataset(), FIX_STATUS.conform([make_fix(1, **change)])) == []


def test_a_class_that_left_the_list_and_a_label_that_was_none() -> None:
    rows = [
        make_fix(1, before="wolf"),
        make_fix(2, before=None, path="images/3.png", annotation_id="label/images/3.png"),
    ]
    assert [
        (row["class"], row["before"], row["after"]) for row in compare_classes(make_dataset(), FIX_STATUS.conform(rows))
    ] == [
        ("cat", 1, 3),
        ("wolf", 1, 0),
    ]


def test_no_records() -> None:
    fixes = count_fixes(make_dataset(), FIX_STATUS.empty())
    assert (fixes["n"], fixes["conflicts"], fixes["decisions"], fixes["class_counts"]) == (0, [], [], [])


def test_the_aim_of_the_queue_sides_and_annotators_are_told() -> None:
    rows = [
        make_fix(1, queue="label,duplicate"),
        make_fix(
            2,
            op="confirm",
            before="bird",
            after=None,
            path="images/0.png",
            annotation_id="label/images/0.png",
            queue="label",
        ),
    ]
    split = SPLIT.conform([{"path": "images/2.png", "split": "test"}, {"path": "images/0.png", "split": "train"}])
    fixes = count_fixes(
        make_dataset(), FIX_STATUS.conform(rows), split, {"n": 50, "rate": 0.1, "low": 0.0, "high": 0.2}
    )
    assert fixes["aim"][0].startswith("The queue's doubts: 1 of 2 were wrong labels, 50%")
    assert fixes["aim"][1].startswith("Estimated wrong labels left: 5 (0 to 10)")
    assert fixes["by_side"] == [{"side": "test", "relabel": 1}, {"side": "train", "confirm": 1}]
    assert all(row["changed"] <= row["reviewed"] for row in fixes["by_annotator"])
    learnt, measured = fixes["lanes"]
    assert (learnt["lane"], learnt["by_op"]) == ("train and val", {"confirm": 1})
    assert (measured["lane"], measured["by_op"]) == ("test", {"relabel": 1})
    assert measured["by_class"] == [
        {"class": "cat", "reviewed": 0, "changed": 0, "became": 1},
        {"class": "dog", "reviewed": 1, "changed": 1, "became": 0},
    ]
    assert measured["precision"]["wrong"] == 1 and measured["aim"].startswith("The queue's doubts: 1 of 1")
    assert fixes["errors_left"] == {"rate": 5.0, "low": 0.0, "high": 10.0}


def test_without_decisions_nothing_is_told_of_the_queue() -> None:
    assert count_fixes(make_dataset(), FIX_STATUS.empty())["aim"] == []
