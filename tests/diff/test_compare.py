"""Single facts: how annotations are known, what is one change and what none, who is behind it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from datatools.dataset import Dataset
from datatools.diff.changes import Change, Diff
from datatools.diff.compare import compare_versions
from datatools.diff.selecting import select
from datatools.diff.versions import Version
from datatools.errors import DatatoolsError
from datatools.findings import Finding
from datatools.fixes.records import FixRecord
from datatools.masks import from_array
from datatools.schema import ANNOTATIONS, SPLIT
from tests.builders import make_record
from tests.finished_runs import found
from tests.small_data import box_row, image_row, label_rows, make_images, mask_row

Row = dict[str, Any]
BOXES = [(0, 0, 10, 10), (20, 0, 30, 10), (40, 0, 50, 10)]


def version(rows: Sequence[Row] = (), images: Sequence[Row | str] = ("a.png",), **fields: Any) -> Version:
    dataset = Dataset(make_images(images), ANNOTATIONS.conform(list(rows)), ("circle", "square"))
    return Version("some", None, dataset, **fields)


def diff(before: Sequence[Row], after: Sequence[Row]) -> tuple[Change, ...]:
    return compare_versions(version(before), version(after)).changes


def told(changes: Sequence[Change]) -> list[tuple[str, str | None]]:
    return [(change.kind, change.annotation_id) for change in changes]


def test_a_file_written_anew_in_another_order_is_no_change() -> None:
    before = [box_row(f"#{n}", box) for n, box in enumerate(BOXES)]
    assert diff(before, [box_row(f"#{n}", box) for n, box in enumerate(BOXES[1:] + BOXES[:1])]) == ()


def test_a_row_that_went_from_the_middle_is_one_removal() -> None:
    before = [box_row(f"#{n}", box) for n, box in enumerate(BOXES)]
    (change,) = diff(before, [box_row(f"#{n}", box) for n, box in enumerate([BOXES[0], BOXES[2]])])
    assert (change.kind, change.annotation_id, change.box) == ("annotation removed", "#1", (20, 0, 30, 10))


def test_ids_have_the_word_where_nothing_says_that_they_are_new() -> None:
    before = [box_row("one", BOXES[0]), box_row("two", BOXES[1])]
    changes = diff(before, [box_row("one", (60, 0, 70, 10)), box_row("two", BOXES[1])])
    assert told(changes) == [("moved", "one")]
    assert changes[0].iou == 0.0


def test_a_box_under_another_id_is_the_one_it_overlaps() -> None:
    (change,) = diff([box_row("old", BOXES[0], label="circle")], [box_row("new", (0, 0, 10, 8), label="circle")])
    assert (change.kind, change.annotation_id, change.iou) == ("moved", "new", pytest.approx(0.8))
    assert change.before == (0, 0, 10, 10) and change.after == (0, 0, 10, 8)
    changes = diff([box_row("old", BOXES[0])], [box_row("new", (6, 0, 16, 10))])
    assert told(changes) == [("annotation added", "new"), ("annotation removed", "old")]


def test_objects_of_one_annotator_belong_together_first() -> None:
    before = [{**box_row(f"{who}", box), "annotator": who} for who, box in (("anna", BOXES[0]), ("ben", (0, 0, 10, 9)))]
    after = [{**row, "annotation_id": f"again/{row['annotation_id']}", "x1_px": 9.0} for row in reversed(before)]
    changes = diff(before, after)
    assert told(changes) == [("moved", "again/anna"), ("moved", "again/ben")]
    assert [change.annotator for change in changes] == ["anna", "ben"]


def test_the_last_bit_of_a_coordinate_counts() -> None:
    (change,) = diff([box_row("one", (0, 0, 10, 10))], [box_row("one", (0, 0, np.nextafter(10.0, 11), 10))])
    assert change.kind == "moved" and change.iou == pytest.approx(1.0)


def test_relabelled_and_moved_are_two_changes_of_one_annotation() -> None:
    changes = diff([box_row("one", BOXES[0], label="circle")], [box_row("one", BOXES[1], label="square")])
    assert told(changes) == [("relabelled", "one"), ("moved", "one")]
    assert {change.labels for change in changes} == {("circle", "square")}


def test_a_mask_written_in_another_way_is_the_same_mask() -> None:
    rle = from_array(np.eye(4))
    row = {**box_row("one", (0, 0, 4, 4)), "kind": "mask", "mask": rle.to_json()}
    spelled = {"size": list(rle.size_hw), "counts": list(rle.counts)}
    assert diff([row], [{**row, "mask": json.dumps(spelled)}]) == ()
    changes = diff([row], [{**row, "mask": from_array(np.eye(4) * [1, 1, 0, 0]).to_json()}])
    assert told(changes) == [("reshaped", "one")] and changes[0].iou == pytest.approx(0.5)


def test_a_box_that_became_a_mask_is_reshaped() -> None:
    ring = [[0, 0], [10, 0], [10, 5], [0, 5]]
    (change,) = diff([box_row("one", (0, 0, 10, 10))], [mask_row("one", ring, box=(0, 0, 10, 5))])
    assert (change.kind, change.before, change.after) == ("reshaped", (0, 0, 10, 10), json.dumps([ring]))
    assert change.iou == pytest.approx(0.5)


def test_what_cannot_be_measured_has_no_iou() -> None:
    broken = {**mask_row("one", [[0, 0], [1, 1]]), "mask": "no mask"}
    (change,) = diff([mask_row("one", [[0, 0], [9, 0], [9, 9]], box=(0, 0, 1, 1))], [broken])
    assert change.kind == "reshaped" and change.iou is None
    (change,) = diff([box_row("one", (0, 0, 10, 10))], [{**box_row("one", (0, 0, 10, 10)), "x0_px": np.nan}])
    assert change.after == (None, 0.0, 10.0, 10.0) and change.iou is None


def test_the_vote_of_the_only_annotator_is_not_told_twice() -> None:
    def labels(label: str, *more: str) -> list[Row]:
        return label_rows("a.png", {"anna": label, **dict.fromkeys(more, label)}, label)

    assert told(diff(labels("circle"), labels("square"))) == [("relabelled", "label/a.png@anna")]
    assert told(diff([], labels("circle"))) == [("annotation added", "label/a.png@anna")]
    both = told(diff(labels("circle", "ben"), labels("square", "ben")))
    assert both == [("relabelled", f"label/a.png{who}") for who in ("", "@anna", "@ben")]


def test_a_label_that_follows_from_objects_is_not_told() -> None:
    def rows(label: str) -> list[Row]:
        (vote,) = label_rows("a.png", {}, label)
        return [box_row("one", BOXES[0], label=label), {**vote, "source": "objects"}]

    assert told(diff(rows("circle"), rows("square"))) == [("relabelled", "one")]


def test_a_renamed_image_keeps_its_annotations_whatever_their_ids() -> None:
    def rows(path: str) -> list[Row]:
        return [box_row(f"{path}#1", BOXES[0], path), *label_rows(path, {"anna": "circle"}, "circle")]

    after = [{**row, "label": "square"} if row["annotation_id"].endswith("#1") else row for row in rows("b.png")]
    one = version(rows("a.png"), [image_row("a.png", sha256="x")])
    two = version(after, [image_row("b.png", sha256="x")])
    changes = compare_versions(one, two).changes
    assert told(changes) == [("image renamed", None), ("relabelled", "b.png#1")]
    assert {change.path for change in changes} == {"b.png"} and changes[0].before == "a.png"


def test_metadata_names_only_the_columns_that_differ() -> None:
    one = version(images=[image_row("a.png", metadata='{"lab": "x", "n": "1"}', subset="train")])
    two = version(images=[image_row("a.png", metadata='{"lab": "y", "n": "1"}')])
    found = compare_versions(one, two)
    (change,) = found.changes
    assert (change.kind, change.before, change.after) == (
        "metadata changed",
        {"lab": "x", "subset": "train"},
        {"lab": "y"},
    )
    assert [(row.group, row.name, row.before, row.after) for row in found.slices] == [
        ("lab", "x", 1, 0),
        ("lab", "y", 0, 1),
    ]


def test_findings_follow_a_renamed_image() -> None:
    def said(path: str, *more: Finding) -> pd.DataFrame:
        return found("BOX001", Finding("swapped", path, f"{path}#1"), *more)

    one = version(images=[image_row("a.png", sha256="x")], findings=said("a.png", Finding("old", "gone.png")))
    two = version(images=[image_row("b.png", sha256="x")], findings=said("b.png"))
    result = compare_versions(one, two)
    assert [(row.code, row.before, row.after, row.new, row.gone) for row in result.findings] == [("BOX001", 2, 1, 0, 1)]
    assert result.gone_findings is not None and result.gone_findings["path"].tolist() == ["gone.png"]


# who is behind a change


def decided(
    before: Sequence[FixRecord], after: Sequence[FixRecord], rows: Sequence[Sequence[Row]], **fields: Any
) -> tuple[Diff, list[tuple[str, ...]]]:
    """The difference of two versions with these records, and the records behind each change."""
    applied = [frozenset(record.id for record in records if record.why != "conflict") for records in (before, after)]
    reverted = {record.reverts for record in after}
    sides = [
        version(part, records=records, applied=ids - reverted if records is after else ids, **fields)
        for part, records, ids in zip(rows, (before, after), applied, strict=True)
    ]
    result = compare_versions(*sides)
    return result, [change.fixes for change in result.changes]


def test_a_record_in_force_explains_its_change_and_no_other() -> None:
    record = make_record("relabel", annotation_id="one", before="circle", after="square")
    rows = [[box_row("one", BOXES[0]), box_row("two", BOXES[1])], [{**box_row("one", BOXES[0]), "label": "square"}]]
    result, fixes = decided([], [record], rows)
    assert told(result.changes) == [("relabelled", "one"), ("annotation removed", "two")]
    assert fixes == [(record.id,), ()]
    assert result.records == (record,) and result.n_from_source == 1
    assert decided([record], [record], rows)[1] == [(), ()], "it was in force before"
    other = dataclasses.replace(record, after="star")
    assert decided([], [other], rows)[1] == [(), ()], "another value came of it"


def test_a_record_that_was_taken_back_names_the_revert() -> None:
    record = make_record("relabel", annotation_id="one", before="circle", after="square")
    revert = make_record("revert", 1, reverts=record.id)
    rows = [[box_row("one", BOXES[0], label="square")], [box_row("one", BOXES[0], label="circle")]]
    result, fixes = decided([record], [record, revert], rows)
    assert fixes == [(revert.id,)] and result.records == (revert,)
    assert decided([record], [], rows)[1] == [(record.id,)], "it went from data/fixes"


@pytest.mark.parametrize("op", ["exclude", "include"])
def test_an_image_goes_and_comes_with_its_annotations(op: str) -> None:
    record = make_record(op)
    one, two = version([box_row("one", BOXES[0])]), version(images=[])
    one, two = (one, two) if op == "exclude" else (two, one)
    two = dataclasses.replace(two, records=[record], applied=frozenset({record.id}))
    assert [change.fixes for change in compare_versions(one, two).changes] == [(record.id,)] * 2


def test_moved_masks_sides_and_metadata_have_their_records() -> None:
    ring, other = [[0, 0], [9, 0], [9, 9]], [[0, 0], [9, 0], [9, 5]]
    records = [
        make_record("move_box", annotation_id="one", after="[1, 0, 10, 10]", id="1"),
        make_record("edit_mask", 1, annotation_id="two", after=json.dumps([other]), id="2"),
        make_record("set_metadata", 2, column="lab", after="y", id="3"),
        make_record("set_split", 3, after="test", id="4"),
    ]
    sides = [SPLIT.conform([{"path": "a.png", "split": side, "group": "a.png"}]) for side in ("train", "test")]
    before = version([box_row("one", BOXES[0]), mask_row("two", ring)], split=sides[0])
    after = version(
        [box_row("one", (1, 0, 10, 10)), mask_row("two", other, box=(0, 0, 9, 9))],
        [image_row("a.png", metadata='{"lab": "y"}')],
        split=sides[1], records=records, applied=frozenset("1234"),
    )  # fmt: skip
    by_kind = {change.kind: change.fixes for change in compare_versions(before, after).changes}
    assert by_kind == {"moved": ("1",), "reshaped": ("2",), "metadata changed": ("3",), "split moved": ("4",)}


# what was asked for


def test_a_selection_is_of_classes_and_paths() -> None:
    one = version([box_row("one", BOXES[0], label="circle")])
    two = version(
        [box_row("one", BOXES[0], label="square"), box_row("two", BOXES[1], "b.png", "circle")], ["a.png", "b.png"]
    )
    whole = compare_versions(one, two)
    assert told(select(whole, ["square"]).changes) == [("relabelled", "one")]
    assert [row.label for row in select(whole, ["square"]).classes] == ["square"]
    assert told(select(whole, path="b.*").changes) == [("image added", None), ("annotation added", "two")]
    assert select(whole, ["square"], "b.*").is_empty
    assert select(whole) is whole
    with pytest.raises(
        DatatoolsError, match=r"^--class: expected a class of either version \(circle, square\)\. Got 'cat'"
    ):
        select(whole, ["cat"])
