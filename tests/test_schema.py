from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datatools.errors import DatatoolsError
from datatools.schema import (
    ANNOTATIONS,
    AUGMENTED,
    BOX,
    FINDINGS,
    FIX_STATUS,
    IMAGES,
    PAIRS,
    QUEUE,
    REJECTED,
    SPLIT,
    Table,
    has_repeats,
)

TABLES = [IMAGES, ANNOTATIONS, REJECTED, FINDINGS, SPLIT, AUGMENTED, QUEUE, FIX_STATUS]
VALUES = {
    "string": st.none() | st.sampled_from(["", "a", "b", "ü", "10", "9"]),
    "int64": st.integers(-3, 3),
    "Int64": st.none() | st.integers(-3, 3),
    "float64": st.none() | st.floats(-2, 2, allow_nan=False).map(lambda x: x + 0.0),
}


def rows_of(table: Table) -> st.SearchStrategy[list[dict[str, Any]]]:
    row = st.fixed_dictionaries({name: VALUES[dtype] for name, dtype in table.columns.items()})
    return st.lists(row, max_size=6)


@pytest.mark.parametrize("table", TABLES, ids=lambda t: t.name)
def test_the_key_of_a_table_is_among_its_columns(table: Table):
    assert set(table.key) <= set(table.columns)


@pytest.mark.parametrize("table", TABLES, ids=lambda t: t.name)
def test_an_empty_table_has_all_columns_typed(table: Table):
    empty = table.empty()
    assert list(empty.columns) == list(table.columns)
    assert empty.dtypes.astype(str).to_dict() == dict(table.columns)
    assert len(empty) == 0


@pytest.mark.parametrize("table", [REJECTED, FINDINGS, SPLIT, FIX_STATUS], ids=lambda t: t.name)
@given(data=st.data())
def test_the_order_of_rows_does_not_matter_not_even_among_equal_keys(table: Table, data: st.DataObject):
    rows = data.draw(rows_of(table))
    shuffled = data.draw(st.permutations(rows))
    pd.testing.assert_frame_equal(table.conform(rows), table.conform(shuffled))


@given(rows_of(REJECTED))
def test_conform_twice_is_conform_once_and_keeps_every_row(rows: list[dict[str, Any]]):
    once = REJECTED.conform(rows)
    assert len(once) == len(rows)
    pd.testing.assert_frame_equal(once, REJECTED.conform(once))


def test_conform_orders_columns_sorts_by_key_and_fills_what_is_missing():
    frame = SPLIT.conform([{"split": "val", "path": "b"}, {"split": "train", "path": "a"}])
    assert list(frame.columns) == ["path", "split", "group", "fold"]
    assert list(frame["path"]) == ["a", "b"]
    assert frame["group"].isna().all()
    assert list(frame.index) == [0, 1]


@pytest.mark.parametrize("step", [1, -1])
def test_rows_in_order_and_out_of_order_give_the_same_table(step: int):
    frame = pd.DataFrame({"path": ["10", "9", "\u00e9", "\U0001f600"][::step], "hash_bits": [1, 2, None, 4][::step]})
    conformed = PAIRS.conform(frame.set_index(pd.Index([5, 5, 1, 0])))
    assert conformed["path"].tolist() == ["10", "9", "\u00e9", "\U0001f600"]
    assert conformed["hash_bits"].tolist() == [1, 2, pd.NA, 4]
    assert conformed.index.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("paths", [["a", "a"], ["a", None], [None, "a"], ["b", "a"]])
def test_only_different_texts_are_taken_to_be_in_order(paths: list[str | None]):
    rows = [{"path": path, "other": other} for path, other in zip(paths, "ba", strict=True)]
    conformed = PAIRS.conform(rows)
    pd.testing.assert_frame_equal(conformed, PAIRS.conform(rows[::-1]))
    pairs = list(zip(conformed["path"].fillna("~"), conformed["other"], strict=True))
    assert pairs == sorted(pairs)


@pytest.mark.parametrize("ids", ["abc", "bca"])
def test_numbers_that_lie_together_stay_together(ids: str):
    frame = pd.DataFrame({"annotation_id": list(ids), **{name: [1.0, 2.0, 3.0] for name in BOX}})  # as Parquet is read
    conformed = ANNOTATIONS.conform(frame)
    addresses = [conformed[name].to_numpy().__array_interface__["data"][0] for name in BOX]
    assert set(np.diff(addresses)) == {8 * len(frame)}


def test_what_cannot_be_cast_is_an_error_that_names_the_column():
    with pytest.raises(ValueError, match=r"'wide'.*column 'x0_px'"):
        ANNOTATIONS.conform([{"annotation_id": "a", "x0_px": "wide"}])


def test_conform_leaves_its_input_alone():
    frame = pd.DataFrame({"path": ["b", "a"], "split": ["val", "train"]})
    before = frame.copy(deep=True)
    SPLIT.conform(frame)
    pd.testing.assert_frame_equal(frame, before)


def test_an_unknown_column_is_an_error_that_lists_the_known_ones():
    with pytest.raises(DatatoolsError) as caught:
        SPLIT.conform([{"path": "a", "side": "val"}])
    assert str(caught.value) == "split: columns are path, split, group, fold. Got 'side' instead."


TEXT = st.none() | st.sampled_from(["", "a", "b", "ä"])
SAID = st.lists(st.fixed_dictionaries({"annotation_id": TEXT, "path": TEXT, "label": TEXT}), max_size=5)


@given(st.lists(SAID, min_size=1, max_size=3))
def test_joined_tables_are_what_conform_makes_of_all_their_rows(tables: list[list[dict[str, Any]]]):
    frames = [ANNOTATIONS.conform(rows) for rows in tables]
    whole = ANNOTATIONS.conform(pd.concat(frames, ignore_index=True))
    pd.testing.assert_frame_equal(ANNOTATIONS.join(frames), whole)


def test_repeats_are_the_values_that_came_just_before():
    for texts in ([], ["a"], ["a", "a", "b"], ["a", "b", "b", "b"], ["a", None, None]):
        column = pd.Series(texts, dtype="string")
        known = column.duplicated() & column.notna()
        assert has_repeats(column).tolist() == known.tolist()[1:]
