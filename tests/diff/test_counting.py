"""What is counted in both versions: classes, sides, slices, annotators, findings by code."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from datatools.dataset import Dataset
from datatools.diff.counting import (
    SLICES_MAX,
    count_annotators,
    count_classes,
    count_findings,
    count_sides,
    count_slices,
    leave_out_unmatched,
)
from datatools.diff.versions import Version
from datatools.findings import Finding, concat
from datatools.schema import ANNOTATIONS, SPLIT
from tests.finished_runs import found
from tests.small_data import box_row, image_row, label_rows, make_images


def version(
    rows: Sequence[Mapping[str, Any]] = (),
    classes: Sequence[str] = (),
    metadata: Sequence[dict[str, Any]] = (),
    **fields: Any,
) -> Version:
    images = make_images(image_row(f"{n}.png", metadata=json.dumps(said)) for n, said in enumerate(metadata))
    return Version("some", None, Dataset(images, ANNOTATIONS.conform(list(rows)), tuple(classes)), **fields)


def test_classes_count_images_by_their_final_label_and_objects_by_their_own() -> None:
    rated = label_rows("a.png", {"anna": "cat", "ben": "dog"}, "cat")
    before = version([*rated, box_row("one", (0, 0, 9, 9), label="dog")], ["dog", "cat", "old"])
    after = version([*rated, box_row("one", (0, 0, 9, 9), label="new")], ["cat", "dog"])
    rows = [
        (row.label, row.images_before, row.images_after, row.objects_before, row.objects_after)
        for row in count_classes(before, after)
    ]
    assert rows == [("cat", 1, 1, 0, 0), ("dog", 0, 0, 1, 0), ("old", 0, 0, 0, 0), ("new", 0, 0, 0, 1)]


def test_sides_are_counted_where_both_versions_have_a_split() -> None:
    splits = [
        SPLIT.conform([{"path": f"{n}.png", "split": side, "group": "g"} for n, side in enumerate(sides)])
        for sides in (("train", "train", "test"), ("train", "quarantine", "test"))
    ]
    one, two = (version(split=split) for split in splits)
    counted = [(row.name, row.before, row.after) for row in count_sides(one, two)]
    assert counted == [("train", 2, 1), ("test", 1, 1), ("quarantine", 0, 1)]
    assert count_sides(one, version()) == ()


def test_annotators_are_people() -> None:
    before = version(label_rows("a.png", {"anna": "cat", "ben": "dog"}, "cat"))
    after = version(label_rows("a.png", {"anna": "cat", "zoe": "dog"}, "cat"))
    counted = [(row.name, row.before, row.after) for row in count_annotators(before, after)]
    assert counted == [("anna", 1, 1), ("ben", 1, 0), ("zoe", 0, 1)]


def test_slices_that_differ_are_named_by_column_and_value() -> None:
    before = version(metadata=[{"lab": "x", "year": 1}, {"lab": "x"}, {}])
    after = version(metadata=[{"lab": "x", "year": 1}, {"lab": "y"}, {"eye": "left"}])
    counted = [(row.group, row.name, row.before, row.after) for row in count_slices(before, after)]
    assert counted == [("eye", "left", 0, 1), ("lab", "x", 2, 1), ("lab", "y", 0, 1)]


@pytest.mark.parametrize(("n", "is_slice"), [(SLICES_MAX, True), (SLICES_MAX + 1, False)])
def test_a_column_of_many_values_is_no_slice(n: int, is_slice: bool) -> None:
    after = version(metadata=[{"url": str(number)} for number in range(n)])
    assert bool(count_slices(version(), after)) == is_slice


def test_findings_of_models_that_looked_at_one_version_are_left_out() -> None:
    image, doubt = found("IMG003", Finding("x", "a.png")), found("SPL001", Finding("y", "a.png"))
    judged = version(findings=concat([image, doubt]), model_codes=frozenset({"SPL001"}))
    for pair in ((judged, version(findings=image)), (version(findings=image), judged)):
        assert [list(item.findings["code"]) for item in leave_out_unmatched(*pair)] == [["IMG003"], ["IMG003"]]
    nothing = version(findings=image, model_codes=frozenset())  # they looked, and found nothing
    assert leave_out_unmatched(judged, nothing) == (judged, nothing)


def test_findings_by_code_the_worst_first() -> None:
    info, error = found("IMG003", Finding("x", "a.png")), found("BOX002", Finding("y", "a.png"), Finding("z", "b.png"))
    one, two = version(findings=info), version(findings=concat([info, error]))
    rows = count_findings(one, two, error, info[:0])
    assert [(row.code, row.severity, row.before, row.after, row.new, row.gone) for row in rows] == [
        ("BOX002", "error", 0, 2, 2, 0),
        ("IMG003", "info", 1, 1, 0, 0),
    ]
