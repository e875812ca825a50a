"""What became of each label that people decided on."""

from __future__ import annotations

import pytest

from datatools.dataset import label_id
from datatools.fixes.history import Decided
from datatools.fixes.outcomes import Outcome, find_outcomes
from tests.builders import make_record

BOX = "coco/1"


def applied(op: str, second: int, status: str = "applied", **fields) -> Decided:
    before = {"before": "cat"} if op in ("relabel", "confirm") else {}
    return Decided(make_record(op, second, **{"id": f"r{second:02d}{op}", **before, **fields}), status)


def the_one(*items: Decided) -> Outcome:
    (outcome,) = find_outcomes(items)
    return outcome


def test_the_last_word_is_the_last_in_time_whoever_spoke_first():
    """Ann, Bob, Ann: Bob is the later name among the two, Ann's is the later word."""
    items = [
        applied("confirm", 1, who="ann"),
        applied("confirm", 2, who="bob"),
        applied("relabel", 3, who="ann", after="dog"),
    ]
    for order in (items, items[::-1], [items[1], items[2], items[0]]):
        outcome = the_one(*order)
        assert (outcome.last.record.who, outcome.last.record.op, outcome.after) == ("ann", "relabel", "dog")


def test_a_label_that_was_changed_twice_counts_from_first_to_last():
    outcome = the_one(applied("relabel", 1, after="dog"), applied("relabel", 2, before="dog", after="bird"))
    assert (outcome.before, outcome.after, outcome.is_changed) == ("cat", "bird", True)
    back = the_one(applied("relabel", 1, after="dog"), applied("relabel", 2, before="dog", after="cat"))
    assert not back.is_changed
    assert the_one(applied("relabel", 1, after="dog"), applied("confirm", 2, before="dog")).is_changed


@pytest.mark.parametrize("status", ["conflict", "disputed", "reverted", "settled"])
def test_records_that_do_not_hold_do_not_count(status: str):
    assert find_outcomes([applied("relabel", 1, status, after="dog")]) == []
    assert the_one(applied("relabel", 1, "pending", after="dog")).after == "dog"


def test_an_image_that_was_brought_back_is_as_if_it_had_never_been_out():
    out, back = applied("exclude", 2), applied("include", 3)
    assert the_one(applied("confirm", 1), out).after is None
    assert the_one(applied("confirm", 1), out, back).after == "cat"
    assert find_outcomes([out, back]) == []


def test_objects_relabelled_with_their_image_are_part_of_it_and_others_are_not():
    image = applied("relabel", 1, after="dog")
    along = applied("relabel", 1, id="along", annotation_id=BOX, after="dog")
    alone = applied("relabel", 2, annotation_id=BOX, after="dog")
    assert the_one(image, along).annotation_id is None
    assert [outcome.annotation_id for outcome in find_outcomes([image, alone])] == [None, BOX]


@pytest.mark.parametrize("op", ["ask", "set_split", "set_metadata", "move_box", "edit_mask", "add", "revert"])
def test_what_says_nothing_of_a_label_is_passed_over(op: str):
    assert find_outcomes([applied(op, 1, annotation_id=label_id("a.png"))]) == []


@pytest.mark.parametrize(("kinds", "queue"), [("label", ("label",)), (["a", "label"], ("a", "label")), (None, ())])
def test_what_the_queue_showed_it_for(kinds, queue):
    evidence = {"queue": kinds} if kinds else {}
    assert the_one(applied("confirm", 1, evidence=evidence)).queue == queue
