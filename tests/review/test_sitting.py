"""Decisions by key: on the disk at once, each once, taken back, disputed, and resumed from the records alone."""

from __future__ import annotations

import dataclasses

import pytest

from datatools.errors import DatatoolsError
from datatools.fixes.records import FixRecord, append_records, load_records
from datatools.review.cards import Card, Deck, load_deck, save_deck
from datatools.review.sitting import Sitting, measure_progress

CLASSES = ("bird", "cat", "dog")
BOX = "box/1"


def make_card(number, **changes):
    path = f"images/{number}.png"
    values = {"annotation_id": f"label/{path}", "label": "cat", "suggested": "dog", "score": 0.1 * number}
    values |= {"codes": "LBL003", "queue": ("label",), "reason": "the model says dog"}
    return Card(sample=f"s{number}", path=path, rank=number, **{**values, **changes})


@pytest.fixture
def deck():
    cards = [make_card(1, objects={BOX: "cat", "box/2": "bird"}), make_card(2), make_card(3, suggested=None)]
    cards += [make_card(4, annotation_id=None, label=None, queue=("rare",)), make_card(5, suggested="cat")]
    return Deck("abc123", CLASSES, tuple(cards))


@pytest.fixture
def fixes(tmp_path):
    return tmp_path / "fixes"


@pytest.fixture
def ann(deck, fixes):
    return Sitting(deck, fixes, "Ann")


def on_disk(fixes):
    records, broken = load_records(fixes)
    assert broken == []
    return records


def test_an_accepted_suggestion_is_on_the_disk_with_its_evidence_when_the_call_returns(ann, fixes, deck):
    made = ann.decide(["s1"], "accept")
    assert sorted(made, key=lambda r: r.id) == sorted(on_disk(fixes), key=lambda r: r.id)
    assert [(r.op, r.annotation_id, r.before, r.after) for r in made] == [
        ("relabel", BOX, "cat", "dog"),
        ("relabel", "label/images/1.png", "cat", "dog"),
    ]
    record = made[-1]
    assert (record.who, record.path, record.base) == ("Ann", "images/1.png", "abc123")
    assert record.why == "accepted the suggestion; the queue said: the model says dog"
    evidence = {"sample": "s1", "rank": 1, "score": 0.1, "suggested": "dog", "codes": "LBL003", "queue": ["label"]}
    assert record.evidence == {**evidence, "action": "accept"}


@pytest.mark.parametrize(
    ("action", "op", "name"),
    [("keep", "confirm", "label/images/2.png"), ("exclude", "exclude", None), ("ask", "ask", None)],
)
def test_each_key_writes_its_operation_once_however_often_it_is_pressed(ann, fixes, action, op, name):
    (record,) = ann.decide(["s2"], action, why=" blurred ")
    assert (record.op, record.annotation_id, record.why, record.evidence["action"]) == (op, name, "blurred", action)
    assert ann.decide(["s2"], action) == [] and len(on_disk(fixes)) == 1


def test_several_images_are_one_decision_with_one_time_and_one_undo(ann, fixes):
    made = ann.decide(["s1", "s2", "s3"], "relabel", "bird")
    assert {record.when for record in made} == {made[0].when} and len(made) == 4
    assert {record.reverts for record in ann.undo()} == {record.id for record in made}
    assert not any(standing.is_decided for standing in ann.standings().values())


def test_a_suggestion_that_is_the_label_is_confirmed(ann):
    assert [record.op for record in ann.decide(["s5"], "accept")] == ["confirm"]


@pytest.mark.parametrize(
    ("samples", "action", "label", "message"),
    [
        ([], "keep", None, "open an image or select some first"),
        (["s1", "s3"], "accept", None, r"images/3\.png has no suggestion to accept"),
        (["s1", "s4"], "keep", None, r"images/4\.png has no label to decide on"),
        (["s1"], "relabel", "horse", "label must be one of bird, cat, dog. Got 'horse'"),
        (["s1", "gone"], "exclude", None, "not in this review any more: reload the page"),
    ],
)
def test_what_cannot_be_recorded_is_said_and_nothing_is_written(ann, fixes, samples, action, label, message):
    with pytest.raises(DatatoolsError, match=message):
        ann.decide(samples, action, label)
    assert not fixes.exists()


def test_without_a_name_nothing_is_written(deck, fixes):
    with pytest.raises(DatatoolsError, match=r"set git config user\.name or pass --who"):
        Sitting(deck, fixes, " ").decide(["s1"], "keep")
    assert not fixes.exists()


def test_a_second_thought_starts_where_the_first_ended(ann):
    ann.decide(["s1"], "accept")
    made = ann.decide(["s1"], "relabel", "bird")
    assert {(r.annotation_id, r.before, r.after) for r in made} == {
        (BOX, "dog", "bird"),
        ("label/images/1.png", "dog", "bird"),
    }
    assert ann.standings()["s1"].label == "bird"
    ann.undo()
    assert ann.standings()["s1"].label == "dog"
    ann.undo()
    assert ann.standings()["s1"].label == "cat" and not ann.standings()["s1"].is_decided
    with pytest.raises(DatatoolsError, match="no decision of yours"):
        ann.undo()


def test_keeping_what_was_excluded_brings_it_back_and_undo_excludes_it_again(ann, fixes):
    (gone,) = ann.decide(["s2"], "exclude")
    back, confirm = ann.decide(["s2"], "keep")
    assert (back.op, back.reverts, confirm.op) == ("revert", gone.id, "confirm")
    ann.undo()
    assert ann.standings()["s2"].words == "Ann: exclude"


def test_undo_goes_on_after_a_restart_and_leaves_what_others_decided(ann, deck, fixes):
    ann.decide(["s1"], "accept")
    bob = Sitting(deck, fixes, "Bob")
    bob.decide(["s2"], "keep")
    again = Sitting(deck, fixes, "Ann")
    assert {record.path for record in again.undo()} == {"images/1.png"}
    with pytest.raises(DatatoolsError, match="no decision of yours"):
        again.undo()
    assert bob.standings()["s2"].words == "Bob: confirm cat"


def test_two_who_disagree_are_disputed_and_two_who_agree_are_not(ann, deck, fixes):
    bob = Sitting(deck, fixes, "Bob")
    ann.decide(["s1", "s2"], "accept")
    bob.decide(["s1"], "accept")
    bob.decide(["s2"], "keep")
    for sitting in (ann, bob):
        found = sitting.standings()
        assert (found["s1"].is_disputed, found["s2"].is_disputed) == (False, True)
        assert found["s2"].people == ("Ann", "Bob") and found["s2"].words == "Ann: cat -> dog; Bob: confirm cat"
    assert (ann.standings()["s2"].label, bob.standings()["s2"].label) == ("dog", "cat")


def test_a_dispute_that_a_third_settled_is_over(ann, deck, fixes):
    bob = Sitting(deck, fixes, "Bob")
    said = [*ann.decide(["s2"], "accept"), *bob.decide(["s2"], "keep")]
    settle = FixRecord(
        "relabel", "Cy", "2999-01-01T00:00:00.000000Z", "a bird", "images/2.png", "label/images/2.png", "cat", "bird",
        settles=tuple(record.id for record in said),
    )  # fmt: skip
    append_records(fixes / "cy.jsonl", [settle])
    assert ann.standings()["s2"].words == "Cy: cat -> bird" and not ann.standings()["s2"].is_disputed


def test_the_next_image_is_the_next_without_a_decision_and_then_from_the_start(ann):
    ann.decide(["s2"], "keep")
    ann.decide(["s3"], "ask")
    standings = ann.standings()
    assert ann.find_next("s1", standings) == "s4"
    assert ann.find_next("s5", standings) == "s1"
    assert ann.find_next("s1", standings, among=["s5", "s1", "s2"]) == "s5"
    assert ann.find_next(None, standings) == "s1"
    assert ann.find_next("s1", standings, among=["s1", "s2"]) is None


def test_progress_counts_decisions_questions_and_what_is_left(ann, deck):
    ann.decide(["s2"], "keep")
    ann.decide(["s3"], "ask")
    found = measure_progress(deck, ann.standings())
    assert (found.n, found.n_decided, found.n_asked, found.n_disputed) == (5, 1, 1, 0)
    assert found.n_open == {"label": 2, "rare": 1}


def test_records_that_the_last_run_applied_do_not_count_again(deck, fixes):
    (question,) = Sitting(deck, fixes, "Ann").decide(["s2"], "ask")
    after = Sitting(dataclasses.replace(deck, applied=frozenset([question.id])), fixes, "Ann")
    assert not after.standings()["s2"].is_asked


def test_records_of_another_person_show_up_and_a_torn_line_is_passed_over(ann, fixes):
    assert not ann.standings()["s1"].is_decided
    append_records(
        fixes / "b.jsonl", [FixRecord("exclude", "Bob", "2026-01-01T00:00:00.000000Z", "bad", "images/1.png")]
    )
    assert ann.standings()["s1"].words == "Bob: exclude"
    with (fixes / "b.jsonl").open("ab") as file:
        file.write(b'{"op": "exc')
    assert ann.standings()["s1"].words == "Bob: exclude"
    append_records(
        fixes / "b.jsonl", [FixRecord("exclude", "Bob", "2026-01-01T00:00:00.000000Z", "bad", "images/2.png")]
    )
    assert ann.standings()["s2"].words == "Bob: exclude"
    (fixes / "b.jsonl").write_bytes(b"")
    assert ann.standings()["s1"].words == ""


def test_a_deck_comes_back_as_it_was_and_a_foreign_file_is_named(deck, tmp_path):
    save_deck(tmp_path, deck)
    assert load_deck(tmp_path) == deck
    save_deck(tmp_path, dataclasses.replace(deck, applied=frozenset("ba")))
    assert load_deck(tmp_path).applied == {"a", "b"}
    (tmp_path / ".datatools" / "review" / "cards.json").write_text("[]")
    with pytest.raises(DatatoolsError, match=r"cards\.json: expected the cards of a review"):
        load_deck(tmp_path)
