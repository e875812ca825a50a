import pytest

from datatools.fixes.targets import Target, describe, find_disputes, outcome_of, target_of
from tests.builders import make_record

BOX = "[0, 0, 9, 9]"


@pytest.mark.parametrize(
    ("record", "target", "outcome"),
    [
        (make_record("relabel", before="cat", after="dog"), Target("label", "label/a.png"), "dog"),
        (make_record("confirm", before="cat"), Target("label", "label/a.png"), "cat"),
        (make_record("delete", annotation_id="x", before="cat"), Target("label", "x"), "deleted"),
        (make_record("move_box", annotation_id="x", after=BOX), Target("box", "x"), BOX),
        (make_record("exclude"), Target("image", "a.png"), "excluded"),
        (make_record("include"), Target("image", "a.png"), "included"),
        (make_record("set_metadata", column="writer", after="w"), Target("metadata", "a.png\nwriter"), "w"),
        (make_record("revert", reverts="r1"), None, None),
    ],
)
def test_what_a_record_is_about_and_says(record, target, outcome):
    assert (target_of(record), outcome_of(record)) == (target, outcome)


def test_boxes_that_are_written_differently_are_one_box():
    one = make_record("move_box", 1, annotation_id="x", after=BOX)
    other = make_record("move_box", 2, who="bob", annotation_id="x", after="[0.0,0,9,9.0]")
    assert find_disputes([one, other]) == {}


def test_different_questions_are_no_dispute():
    records = [
        make_record("exclude", 1),
        make_record("relabel", 2, who="bob", before="cat", after="dog"),
        make_record("set_metadata", 3, who="eve", column="writer", after="w1"),
        make_record("set_metadata", 4, column="room", after="lab"),
    ]
    assert find_disputes(records) == {}


def test_the_records_of_one_decision_are_disputed_together():
    label, shape = (
        make_record("relabel", 1, annotation_id=name, before="cat", after="dog") for name in ("label/a.png", "coco/1")
    )
    other = make_record("confirm", 2, who="bob", before="cat")
    assert find_disputes([label, shape, other]) == {target_of(label): [label, other], target_of(shape): [shape]}
    later = make_record("relabel", 3, annotation_id="coco/2", before="cat", after="dog")
    assert target_of(later) not in find_disputes([label, shape, other, later])


def test_a_dispute_has_all_that_was_said_and_the_last_words():
    records = [
        make_record("relabel", 1, before="cat", after="dog"),
        make_record("relabel", 2, before="dog", after="cow"),
        make_record("confirm", 3, who="bob", before="cat"),
    ]
    assert list(find_disputes(records).values()) == [records]
    assert describe(records) == "ann: cow; bob: cat"


def test_two_people_on_one_side_or_two():
    one = make_record("set_split", 1, after="test")
    assert (target_of(one), outcome_of(one)) == (Target("split", "a.png"), "test")
    assert find_disputes([one, make_record("set_split", 2, who="bob", after="test")]) == {}
    assert len(find_disputes([one, make_record("set_split", 2, who="bob", after="train")])) == 1
