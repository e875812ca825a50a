from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datatools.formats.rows import (
    BrokenRowError,
    apply_patch,
    apply_record_patch,
    broken_file,
    broken_row,
    make_patch,
    same_json,
    to_rows,
)
from datatools.schema import ANNOTATIONS, BOX, RECORDS, REJECTED
from tests.formats.contents import json_objects

TEXT = st.none() | st.sampled_from(["", "a", "b"])
NUMBER = st.none() | st.sampled_from([0.0, 1.5, -3.0])
ROWS = st.fixed_dictionaries(
    {
        "annotation_id": st.sampled_from(["x", "y"]),
        "label": TEXT,
        "kind": st.sampled_from(["box", "mask"]),
        **dict.fromkeys(BOX, NUMBER),
        "mask": TEXT,
        "annotator": TEXT,
        "attributes": json_objects(),
    }
)
RECORD_ROWS = st.fixed_dictionaries(
    {"width_px": st.none() | st.integers(0, 9), "subset": TEXT, "metadata": TEXT, "attributes": json_objects()}
)
ROW: dict[str, Any] = {"annotation_id": "x", "label": "cat", "kind": "box", "attributes": {"a": 1}, "x0_px": 1.0}


@given(ROWS, ROWS)
def test_a_patch_turns_what_was_seen_into_what_was_meant(seen: dict[str, Any], meant: dict[str, Any]):
    before = copy.deepcopy((seen, meant))
    patch = json.loads(json.dumps(make_patch(seen, meant)))
    assert same_json(apply_patch(seen, patch), meant)
    assert (seen, meant) == before


@given(RECORD_ROWS, RECORD_ROWS)
def test_records_are_patched_likewise(seen: dict[str, Any], meant: dict[str, Any]):
    assert same_json(apply_record_patch(seen, make_patch(seen, meant)), meant)


@given(ROWS)
def test_nothing_to_say_is_an_empty_patch(row: dict[str, Any]):
    assert make_patch(row, copy.deepcopy(row)) == {}


def test_a_label_edited_since_stays_edited():
    patch = make_patch({**ROW, "label": "?"}, ROW)
    assert patch == {"label": "cat", "name": "?"}
    assert apply_patch({**ROW, "label": "dog"}, patch)["label"] == "dog"


def test_only_the_attributes_that_differ_are_in_a_patch():
    patch = make_patch({**ROW, "attributes": {"a": True, "b": 2, "c": 3}}, {**ROW, "attributes": {"a": 1, "b": 2}})
    assert patch == {"attributes": {"a": 1}, "without": ["c"]}


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        ([], r"its datatools note has \[\] where an object belongs"),
        ({"path": "x"}, "its datatools note has the unknown field 'path'"),
        ({"x0_px": "1"}, "its datatools note has '1' as x0_px"),
        ({"x0_px": float("inf")}, "its datatools note has inf as x0_px"),
        ({"x0_px": True}, "its datatools note has True as x0_px"),
        ({"label": 5}, "its datatools note has 5 as label"),
        ({"annotation_id": None}, "its datatools note has None as annotation_id"),
        ({"kind": "circle"}, "its datatools note has 'circle' as kind"),
        ({"instance": "1"}, "its datatools note has '1' as instance"),
        ({"without": "x"}, "its datatools note needs a list in 'without' and an object in 'attributes'"),
        ({"attributes": [1]}, "its datatools note needs a list in 'without' and an object in 'attributes'"),
    ],
)
def test_a_patch_that_is_not_ours_is_refused(patch: Any, message: str):
    with pytest.raises(BrokenRowError, match=message):
        apply_patch(ROW, patch)


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        (5, "its datatools note has 5 where an object belongs"),
        ({"label": "x"}, "its datatools note has the unknown field 'label'"),
        ({"width_px": 1.5}, "its datatools note has 1.5 as width_px"),
        ({"height_px": True}, "its datatools note has True as height_px"),
        ({"subset": 5}, "its datatools note has 5 as subset"),
        ({"attributes": 5}, "its datatools note needs a list in 'without' and an object in 'attributes'"),
    ],
)
def test_a_patch_of_a_record_that_is_not_ours_is_refused(patch: Any, message: str):
    with pytest.raises(BrokenRowError, match=message):
        apply_record_patch({"attributes": {}}, patch)


@pytest.mark.parametrize(("one", "other"), [(1, 1.0), (1, True), (0, False), ("1", 1), ([1], [1.0]), (None, 0)])
def test_types_are_part_of_a_value(one: Any, other: Any):
    assert not same_json(one, other)
    assert same_json({"a": one, "b": other}, {"b": other, "a": one})


def test_tables_become_rows_without_pandas_nulls():
    frame = ANNOTATIONS.conform([{"annotation_id": "x", "path": "a", "x0_px": 1, "attributes": '{"a":1}'}])
    [row] = to_rows(frame)
    assert (row["label"], row["x0_px"], row["y0_px"], row["attributes"]) == (None, 1.0, None, {"a": 1})
    [row] = to_rows(RECORDS.conform([{"path": "a", "width_px": 3}]))
    assert (row["width_px"], row["height_px"], row["attributes"]) == (3, None, {})


def test_rejected_rows_fit_their_table():
    table = REJECTED.conform([broken_file("a.xml", "torn"), broken_row("b.xml", 3, "b.png", "empty")])
    assert table["reason"].tolist() == ["broken_file", "broken_row"]
    assert table["row"].isna().tolist() == [True, False]
