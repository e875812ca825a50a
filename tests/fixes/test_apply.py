from __future__ import annotations

import dataclasses
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datatools.dataset import label_id
from datatools.fixes.apply import STATUSES, apply_fixes, find_reverted, in_force, refold
from datatools.fixes.records import BrokenLine, FixRecord
from datatools.fixes.targets import find_disputes, find_settled
from datatools.schema import ANNOTATIONS, BOX, FIX_STATUS
from datatools.store import save_table
from tests.builders import make_record

PATHS = ("a.png", "b.png")
LABELS = ("cat", "dog", "cow")
NEW_BOX = '{"kind": "box", "label": "cat", "box": [1, 2, 3, 4]}'


def make_annotations() -> pd.DataFrame:
    rows: list[dict[str, Any]] = [
        {"annotation_id": label_id(path), "path": path, "kind": "label", "label": label, "source": "vote"}
        for path, label in zip(PATHS, LABELS)
    ]
    rows.append(
        {"annotation_id": "coco/1", "path": "a.png", "kind": "box", "label": None, "source": "annotations.json"}
    )
    return ANNOTATIONS.conform(rows)


def labels_of(annotations: pd.DataFrame) -> dict[str, Any]:
    return {
        key: None if pd.isna(label) else label for key, label in annotations.set_index("annotation_id")["label"].items()
    }


def status_of(status: pd.DataFrame) -> dict[str, tuple[str, str]]:
    return {row["id"]: (row["status"], row["message"]) for row in status.to_dict("records")}


@st.composite
def histories(draw: st.DrawFn) -> list[FixRecord]:
    records: list[FixRecord] = []
    for number in range(draw(st.integers(0, 7))):
        op = draw(st.sampled_from(["relabel", "relabel", "confirm", "exclude", "include", "add", "revert"]))
        fields: dict[str, Any] = {"path": draw(st.sampled_from([*PATHS, "gone.png"]))}
        if op == "revert":
            fields = {"reverts": draw(st.sampled_from([*(record.id for record in records), "nowhere"]))}
        elif op == "add":
            fields |= {"annotation_id": draw(st.sampled_from(["fix/1", "fix/2", "coco/1"])), "after": NEW_BOX}
        elif op not in ("exclude", "include"):
            fields["before"] = draw(st.sampled_from(LABELS))
        if op == "relabel":
            fields["after"] = draw(st.sampled_from(LABELS))
        who = draw(st.sampled_from(["ann", "ann", "bob"]))
        settles = tuple(draw(st.lists(st.sampled_from([f"r{old}" for old in range(number + 1)]), max_size=2)))
        records.append(make_record(op, draw(st.integers(0, 3)), id=f"r{number}", who=who, settles=settles, **fields))
    return records


def test_a_relabel_changes_the_label_and_says_whose_it_is():
    before = make_annotations()
    record = make_record("relabel", before="cat", after="dog", id="r1")
    applied = apply_fixes(before, [record])
    row = applied.annotations.set_index("annotation_id").loc[label_id("a.png")]
    assert (row["label"], row["source"]) == ("dog", "fix/r1")
    assert status_of(applied.status) == {"r1": ("applied", "")}
    pd.testing.assert_frame_equal(before, make_annotations())


def test_a_null_label_can_be_given_one():
    record = make_record("relabel", annotation_id="coco/1", before=None, after="dog", id="r1")
    applied = apply_fixes(make_annotations(), [record])
    assert labels_of(applied.annotations)["coco/1"] == "dog"


def test_a_confirmation_changes_nothing_and_is_applied():
    applied = apply_fixes(make_annotations(), [make_record("confirm", before="cat", id="r1")])
    pd.testing.assert_frame_equal(applied.annotations, make_annotations())
    assert status_of(applied.status) == {"r1": ("applied", "")}


def test_an_exclusion_names_person_and_reason():
    applied = apply_fixes(make_annotations(), [make_record("exclude", who="ann", why="blank")])
    assert applied.excluded == {"a.png": "ann: blank"}
    pd.testing.assert_frame_equal(applied.annotations, make_annotations())


def test_an_image_without_annotations_can_be_excluded():
    record = make_record("exclude", path="bare.png", id="r1")
    assert apply_fixes(make_annotations(), [record], unannotated={"bare.png"}).excluded == {"bare.png": "ann: looked"}


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (make_record("relabel", before="cow", after="dog"), "label is 'cat', the record was made on 'cow'"),
        (make_record("confirm", before="dog"), "label is 'cat', the record was made on 'dog'"),
        (make_record("relabel", before=None, after="dog"), "label is 'cat', the record was made on None"),
        (
            make_record("relabel", annotation_id="coco/1", before="cat", after="dog"),
            "label is None, the record was made on 'cat'",
        ),
        (
            make_record("relabel", path="c.png", before="cat", after="dog"),
            "annotation label/c.png is not in the data set",
        ),
        (make_record("exclude", path="c.png"), "image c.png is not in the data set"),
        (make_record("revert", reverts="r9"), "record r9 is not in data/fixes"),
    ],
)
def test_a_record_that_no_longer_fits_is_a_conflict_and_changes_nothing(record: FixRecord, message: str):
    applied = apply_fixes(make_annotations(), [record])
    assert status_of(applied.status) == {record.id: ("conflict", message)}
    assert applied.excluded == {}
    pd.testing.assert_frame_equal(applied.annotations, make_annotations())


ANN = make_record("relabel", 1, who="ann", before="cat", after="dog", id="r1")
BOB = make_record("relabel", 2, who="bob", before="cat", after="cow", id="r2")


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (BOB, "ann: dog; bob: cow"),
        (dataclasses.replace(BOB, before="dog"), "ann: dog; bob: cow"),  # though bob saw what ann had said
        (dataclasses.replace(BOB, op="confirm", after=None), "ann: dog; bob: cat"),
        (dataclasses.replace(BOB, op="delete", after=None), "ann: dog; bob: deleted"),
    ],
)
def test_what_two_people_say_differently_is_disputed_and_changes_nothing(other: FixRecord, said: str):
    applied = apply_fixes(make_annotations(), [other, ANN])
    pd.testing.assert_frame_equal(applied.annotations, make_annotations())
    assert status_of(applied.status) == {"r1": ("disputed", said), "r2": ("disputed", said)}
    assert applied.deleted == {}


def test_two_people_who_say_the_same_do_not_dispute():
    same = dataclasses.replace(BOB, after="dog")
    applied = apply_fixes(make_annotations(), [ANN, same])
    assert labels_of(applied.annotations)[label_id("a.png")] == "dog"
    assert status_of(applied.status) == {"r1": ("applied", ""), "r2": ("applied", "it was so already")}


def test_the_last_word_of_a_person_counts():
    later = make_record("relabel", 3, who=" Bob", before="cow", after="dog", id="r3")
    assert set(apply_fixes(make_annotations(), [ANN, BOB, later]).status["status"]) != {"disputed"}
    assert find_disputes([ANN, BOB, later]) == {}


def test_a_dispute_is_settled_by_a_third_record_until_that_is_reverted():
    settle = make_record("relabel", 3, who="eve", before="cat", after="dog", settles=("r1", "r2"), id="r3")
    applied = apply_fixes(make_annotations(), [settle, BOB, ANN])
    assert labels_of(applied.annotations)[label_id("a.png")] == "dog"
    assert status_of(applied.status) == {
        "r1": ("settled", "overruled by r3"),
        "r2": ("settled", "overruled by r3"),
        "r3": ("applied", ""),
    }
    undone = apply_fixes(make_annotations(), [settle, BOB, ANN, make_record("revert", 4, reverts="r3", id="r4")])
    assert [status_of(undone.status)[name][0] for name in ("r1", "r2", "r3")] == ["disputed", "disputed", "reverted"]


def test_only_an_earlier_record_about_the_same_is_settled():
    early = make_record("confirm", 0, who="eve", before="cat", settles=("r1", "r2", "r0"), id="r0")
    elsewhere = make_record("confirm", 3, path="b.png", who="eve", before="dog", settles=("r1", "r2"), id="r9")
    assert find_settled([early, ANN, BOB, elsewhere]) == {}


def test_a_new_word_after_the_settlement_is_a_new_dispute():
    settle = make_record("confirm", 3, who="eve", before="cat", settles=("r1", "r2"), id="r3")
    again = make_record("relabel", 4, who="bob", before="cat", after="cow", id="r4")
    applied = apply_fixes(make_annotations(), [settle, BOB, ANN, again])
    assert [status_of(applied.status)[name][0] for name in ("r1", "r2", "r3", "r4")] == [
        "settled", "settled", "disputed", "disputed",
    ]  # fmt: skip


def test_an_image_is_included_again_and_two_who_differ_dispute():
    gone, back = make_record("exclude", 1, id="r1"), make_record("include", 2, id="r2")
    assert apply_fixes(make_annotations(), [gone, back]).excluded == {}
    differ = apply_fixes(make_annotations(), [gone, dataclasses.replace(back, who="bob")])
    assert (differ.excluded, set(differ.status["message"])) == ({}, {"ann: excluded; bob: included"})
    assert apply_fixes(make_annotations(), [dataclasses.replace(back, path="no.png")]).status["status"].tolist() == [
        "conflict"
    ]


def add(after: str, annotation_id: str = "fix/new", **fields: Any) -> FixRecord:
    return make_record("add", 1, annotation_id=annotation_id, after=after, id="r1", **fields)


def test_a_missing_box_is_added_changed_and_taken_back():
    relabel = make_record("relabel", 2, annotation_id="fix/new", before="cat", after="dog", id="r2")
    applied = apply_fixes(make_annotations(), [add(NEW_BOX), relabel])
    row = applied.annotations.set_index("annotation_id").loc["fix/new"]
    assert (row["label"], row["kind"], row[BOX].tolist(), row["source"]) == ("dog", "box", [1, 2, 3, 4], "fix/r2")
    assert len(applied.annotations) == len(make_annotations()) + 1
    twice = refold(applied.annotations, applied.status, [add(NEW_BOX), relabel])
    pd.testing.assert_frame_equal(twice, applied.annotations)
    undone = apply_fixes(make_annotations(), [add(NEW_BOX), make_record("revert", 3, reverts="r1", id="r3")])
    pd.testing.assert_frame_equal(undone.annotations, make_annotations())


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (add(NEW_BOX, "coco/1"), "annotation coco/1 is there already"),
        (add(NEW_BOX, path="no.png"), "image no.png is not in the data set"),
        (add("[]"), "an added annotation is an object"),
        (add('{"kind": "mask", "label": "cat", "box": [1, 2, 3, 4]}'), "is a box with a box or a mask with a mask"),
        (add('{"kind": "box", "label": "cat", "box": [1, 2]}'), "is no box"),
        (add('{"kind": "box", "label": "cat", "box": [1, 2, 3, NaN]}'), "is no box"),
        (add('{"kind": "mask", "label": "cat", "mask": "[[1]]"}'), "a mask must be"),
        (add("{"), "Expecting property name"),
    ],
)
def test_what_cannot_be_added_is_a_conflict(record: FixRecord, message: str):
    applied = apply_fixes(make_annotations(), [record])
    assert message in status_of(applied.status)["r1"][1]
    pd.testing.assert_frame_equal(applied.annotations, make_annotations())


def test_metadata_is_set_where_it_is_what_the_person_saw():
    known = {"a.png": {"writer": "w1"}}
    first = make_record("set_metadata", 1, column="writer", before="w1", after="w2", id="r1")
    second = make_record("set_metadata", 2, column="writer", before="w2", after=None, id="r2")
    stale = make_record("set_metadata", 3, column="writer", before="w1", after="w3", id="r3")
    new = make_record("set_metadata", 4, column="room", after="lab", id="r4")
    applied = apply_fixes(make_annotations(), [first, second, stale, new], metadata=known)
    assert applied.metadata == {"a.png": {"writer": None, "room": "lab"}}
    assert status_of(applied.status)["r3"] == ("conflict", "writer is None, the record was made on 'w1'")
    assert known == {"a.png": {"writer": "w1"}}


def test_records_build_on_one_another():
    chain = [
        make_record("relabel", 1, before="cat", after="dog", id="r1"),
        make_record("relabel", 2, before="dog", after="cow", id="r2"),
        make_record("confirm", 3, before="cow", id="r3"),
    ]
    applied = apply_fixes(make_annotations(), chain)
    assert labels_of(applied.annotations)[label_id("a.png")] == "cow"
    assert {status for status, _ in status_of(applied.status).values()} == {"applied"}


def test_what_the_source_corrected_meanwhile_is_no_conflict_and_stays_when_the_record_is_reverted():
    relabel = make_record("relabel", 1, before="cow", after="cat", id="r1")
    applied = apply_fixes(make_annotations(), [relabel])
    assert status_of(applied.status) == {"r1": ("applied", "it was so already")}
    pd.testing.assert_frame_equal(applied.annotations, make_annotations())
    back = make_record("revert", 2, reverts="r1", id="r2")
    assert labels_of(refold(applied.annotations, applied.status, [relabel, back])) == labels_of(make_annotations())


def test_a_revert_takes_back_and_a_revert_of_it_brings_back():
    relabel = make_record("relabel", 1, before="cat", after="dog", id="r1")
    back = make_record("revert", 2, reverts="r1", id="r2")
    again = make_record("revert", 3, reverts="r2", id="r3")
    once = apply_fixes(make_annotations(), [relabel, back])
    pd.testing.assert_frame_equal(once.annotations, make_annotations())
    assert status_of(once.status) == {"r1": ("reverted", ""), "r2": ("applied", "")}
    twice = apply_fixes(make_annotations(), [relabel, back, again])
    pd.testing.assert_frame_equal(twice.annotations, apply_fixes(make_annotations(), [relabel]).annotations)
    assert status_of(twice.status) == {"r1": ("applied", ""), "r2": ("reverted", ""), "r3": ("applied", "")}
    assert find_reverted([relabel, back, again]) == {"r2"}
    assert in_force([relabel, back, again]) == [relabel, again]


def test_reverting_the_first_of_a_chain_makes_the_second_a_conflict():
    chain = [
        make_record("relabel", 1, before="cat", after="dog", id="r1"),
        make_record("relabel", 2, before="dog", after="cow", id="r2"),
        make_record("revert", 3, reverts="r1", id="r3"),
    ]
    applied = apply_fixes(make_annotations(), chain)
    pd.testing.assert_frame_equal(applied.annotations, make_annotations())
    assert status_of(applied.status)["r2"] == ("conflict", "label is 'cat', the record was made on 'dog'")


def test_a_reverted_exclusion_excludes_nothing():
    records = [make_record("exclude", 1, id="r1"), make_record("revert", 2, reverts="r1")]
    assert apply_fixes(make_annotations(), records).excluded == {}


BOX_BEFORE, BOX_AFTER = "[9.0, 2.0, 3.0, 4.0]", "[3.0, 2.0, 9.0, 4.0]"
RING = "[[[1.0,1.0],[9.0,1.0],[9.0,9.0]]]"
CLOSED = "[[[1.0,1.0],[9.0,1.0],[9.0,9.0],[1.0,1.0]]]"


def make_objects() -> pd.DataFrame:
    corners = dict(zip(BOX, (9.0, 2.0, 3.0, 4.0), strict=True))
    objects = [{"annotation_id": "coco/2", "path": "a.png", "kind": "box", "label": "cat", **corners}]
    objects += [{"annotation_id": "coco/3", "path": "b.png", "kind": "mask", "label": "dog", "mask": RING}]
    return ANNOTATIONS.conform([*make_annotations().to_dict("records"), *objects])


def change(op: str, annotation_id: str, before: str | None, after: str | None = None, **fields: Any) -> FixRecord:
    return make_record(op, fields.pop("second", 0), annotation_id=annotation_id, before=before, after=after, **fields)


def test_a_box_is_moved_a_mask_edited_and_an_annotation_deleted():
    records = [
        change("move_box", "coco/2", "[9, 2, 3, 4]", BOX_AFTER, id="r1"),
        change("edit_mask", "coco/3", RING, CLOSED, id="r2"),
        change("delete", "coco/1", None, id="r3", why="twice"),
    ]
    before = make_objects()
    applied = apply_fixes(before, records)
    rows = applied.annotations.set_index("annotation_id")
    assert rows.loc["coco/2", BOX].tolist() == [3.0, 2.0, 9.0, 4.0]
    assert rows.loc["coco/2", "source"] == "fix/r1"
    assert rows.loc["coco/3", "mask"] == CLOSED
    assert "coco/1" not in rows.index
    assert applied.deleted == {"coco/1": "ann: twice"}
    assert set(applied.status["status"]) == {"applied"}
    pd.testing.assert_frame_equal(before, make_objects())


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (change("move_box", "coco/2", BOX_AFTER, BOX_AFTER), f"box is {BOX_BEFORE!r}, the record was made on {BOX_AFTER!r}"),
        (change("move_box", "coco/2", BOX_BEFORE, "[1, 2]"), "'[1, 2]' is no box [x0, y0, x1, y1]"),
        (change("edit_mask", "coco/3", CLOSED, "[]"), f"mask is {RING!r}, the record was made on {CLOSED!r}"),
        (change("edit_mask", "coco/3", RING, "[[1]]"), "a mask must be a list of polygons, each a list of [x, y], or an RLE object"),
        (change("delete", "coco/2", "dog"), "label is 'cat', the record was made on 'dog'"),
        (change("delete", "coco/9", None), "annotation coco/9 is not in the data set"),
    ],
)  # fmt: skip
def test_a_change_of_geometry_that_does_not_fit_is_a_conflict(record: FixRecord, message: str):
    applied = apply_fixes(make_objects(), [record])
    assert status_of(applied.status) == {record.id: ("conflict", message)}
    pd.testing.assert_frame_equal(applied.annotations, make_objects())


def test_the_area_that_a_file_stated_goes_with_the_shape_it_was_of():
    stated = ['{"area":35,"iscrowd":1}', '{"area":"north"}']
    objects = make_objects()
    objects.loc[objects["annotation_id"].isin(["coco/2", "coco/3"]), "attributes"] = stated
    moved, edited = change("move_box", "coco/2", "[9, 2, 3, 4]", BOX_AFTER), change("edit_mask", "coco/3", RING, CLOSED)
    for records, left in (
        ([moved, edited], ['{"iscrowd":1}', stated[1]]),
        ([change("relabel", "coco/2", "cat", "dog")], stated),
    ):
        rows = apply_fixes(objects, records).annotations.set_index("annotation_id")
        assert rows.loc[["coco/2", "coco/3"], "attributes"].tolist() == left


def test_the_area_of_a_mask_stays_where_only_the_box_beside_it_moves():
    objects = make_objects()
    is_mask = objects["annotation_id"] == "coco/3"
    objects.loc[is_mask, [*BOX, "attributes"]] = [9.0, 2.0, 3.0, 4.0, '{"area":35}']
    rows = apply_fixes(objects, [change("move_box", "coco/3", "[9, 2, 3, 4]", BOX_AFTER)]).annotations
    assert rows.loc[is_mask, "attributes"].tolist() == ['{"area":35}']


def test_nothing_can_be_done_to_a_deleted_annotation_until_it_is_brought_back():
    delete = change("delete", "coco/2", "cat", second=1, id="r1")
    move = change("move_box", "coco/2", BOX_BEFORE, BOX_AFTER, second=2, id="r2")
    applied = apply_fixes(make_objects(), [delete, move])
    assert status_of(applied.status)["r2"] == ("conflict", "annotation coco/2 is not in the data set")
    back = make_record("revert", 3, reverts="r1", id="r3")
    assert status_of(apply_fixes(make_objects(), [delete, move, back]).status)["r2"] == ("applied", "")


def test_refold_undoes_boxes_and_masks_too():
    records = [
        change("move_box", "coco/2", BOX_BEFORE, BOX_AFTER, second=1, id="r1"),
        change("edit_mask", "coco/3", RING, CLOSED, second=1, id="r2"),
    ]
    applied = apply_fixes(make_objects(), records)
    again = refold(applied.annotations, applied.status, records)
    pd.testing.assert_frame_equal(again, applied.annotations)
    more = change("move_box", "coco/2", BOX_AFTER, "[0, 0, 1, 1]", second=2)
    later = refold(applied.annotations, applied.status, [*records, more]).set_index("annotation_id")
    assert later.loc["coco/2", BOX].tolist() == [0, 0, 1, 1]


def test_a_broken_line_is_a_conflict_with_its_place():
    applied = apply_fixes(make_annotations(), [], [BrokenLine("x.jsonl", 3, "Expecting value")])
    assert status_of(applied.status) == {"x.jsonl:3": ("conflict", "not a record: Expecting value")}


@settings(max_examples=500)
@given(st.data())
def test_the_order_in_which_records_were_read_does_not_matter(data: st.DataObject):
    history = data.draw(histories())
    one, other = (apply_fixes(make_annotations(), data.draw(st.permutations(history))) for _ in range(2))
    pd.testing.assert_frame_equal(one.annotations, other.annotations)
    pd.testing.assert_frame_equal(one.status, other.status)
    assert one.excluded == other.excluded


@given(histories())
def test_every_record_has_one_outcome_and_only_labels_and_sources_change(history: list[FixRecord]):
    applied = apply_fixes(make_annotations(), history)
    assert sorted(applied.status["id"]) == sorted(record.id for record in history)
    assert set(applied.status["status"]) <= set(STATUSES)
    said = applied.status["status"].isin(["conflict", "disputed", "settled"])
    assert (~applied.status["message"].isin(["", "it was so already"]) == said).all()
    rows = applied.annotations
    old = rows[rows["annotation_id"].isin(make_annotations()["annotation_id"])].reset_index(drop=True)
    changing = ["label", "source"]
    pd.testing.assert_frame_equal(old.drop(columns=changing), make_annotations().drop(columns=changing))
    assert rows.loc[~rows["annotation_id"].isin(old["annotation_id"]), "source"].str.startswith("fix/").all()
    changed = old["source"] != make_annotations()["source"]
    assert old.loc[changed, "source"].str.startswith("fix/").all()


@settings(max_examples=500)
@given(histories())
def test_apply_then_revert_all_gives_identical_bytes(
    tmp_path_factory: pytest.TempPathFactory, history: list[FixRecord]
):
    folder = tmp_path_factory.getbasetemp()
    decisions = [record for record in history if record.op != "revert"]
    reverts = [make_record("revert", 59, reverts=record.id) for record in decisions]
    applied = apply_fixes(make_annotations(), [*decisions, *reverts])
    save_table(folder / "before.parquet", make_annotations(), ANNOTATIONS)
    save_table(folder / "after.parquet", applied.annotations, ANNOTATIONS)
    assert (folder / "before.parquet").read_bytes() == (folder / "after.parquet").read_bytes()
    assert applied.excluded == {}


@given(histories(), st.integers(0, 7))
def test_refold_gives_the_labels_of_the_next_run(history: list[FixRecord], n_old: int):
    ordered = sorted(history, key=lambda record: (record.when, record.id))
    last = apply_fixes(make_annotations(), ordered[:n_old])
    seen = refold(last.annotations, last.status, ordered)
    assert labels_of(seen) == labels_of(apply_fixes(make_annotations(), ordered).annotations)


def test_refold_starts_from_the_label_before_the_first_of_a_chain():
    chain = [
        make_record("relabel", 1, before="cat", after="dog", id="r1"),
        make_record("relabel", 2, before="dog", after="cow", id="r2"),
    ]
    last = apply_fixes(make_annotations(), chain)
    reverts = [make_record("revert", 3, reverts="r1"), make_record("revert", 4, reverts="r2")]
    assert labels_of(refold(last.annotations, last.status, [*chain, *reverts])) == labels_of(make_annotations())


def test_refold_without_a_run_or_records_is_the_identity():
    again = refold(make_annotations(), FIX_STATUS.empty(), [])
    pd.testing.assert_frame_equal(again, make_annotations())


def test_a_side_that_is_none_is_a_conflict():
    records = [
        make_record("set_split", 1, after="exam", id="r1"),
        make_record("set_split", 2, path="no.png", after="val"),
    ]
    assert apply_fixes(make_annotations(), records).status["status"].tolist() == ["conflict", "conflict"]


@settings(max_examples=500)
@given(histories())
def test_only_what_is_applied_changes_anything(history: list[FixRecord]):
    applied = apply_fixes(make_annotations(), history)
    done = {row["id"]: row for row in applied.status.to_dict("records") if row["status"] == "applied"}
    before, sources = labels_of(make_annotations()), applied.annotations.set_index("annotation_id")["source"]
    for name, label in labels_of(applied.annotations).items():
        if name not in before or label != before[name]:
            record = done[sources[name].removeprefix("fix/")]
            assert record["annotation_id"] == name and record["op"] in ("relabel", "add")
    assert set(applied.excluded) <= {row["path"] for row in done.values() if row["op"] == "exclude"}
