from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datatools.errors import DatatoolsError
from datatools.schema import (
    ANNOTATIONS,
    AUGMENTED,
    FINDINGS,
    FIX_STATUS,
    IMAGES,
    QUEUE,
    REJECTED,
    SPLIT,
    Table,
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


def test_conform_leaves_its_input_alone():
    frame = pd.DataFrame({"path": ["b", "a"], "split": ["val", "train"]})
    before = frame.copy(deep=True)
    SPLIT.conform(frame)
    pd.testing.assert_frame_equal(frame, before)


def test_an_unknown_column_is_an_error_that_lists_the_known_ones():
    with pytest.raises(DatatoolsError) as caught:
        SPLIT.conform([{"path": "a", "side": "val"}])
    assert str(caught.value) == "split: columns are path, split, group, fold. Got 'side' instead."
