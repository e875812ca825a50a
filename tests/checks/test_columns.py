import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datatools.checks.columns import Texts, find_texts, is_among, number

VALUES = ["b", None, "a", "b"]
COLUMNS = [pd.Series(VALUES, dtype="string"), pd.Series(VALUES, dtype=object), pd.Series(VALUES, dtype="string")[:0]]


@pytest.mark.parametrize("column", COLUMNS)
def test_texts_are_those_of_the_column(column):
    texts = Texts.of(column)
    wanted = [None if pd.isna(value) else value for value in column]
    assert [texts[np.int64(row)] for row in range(len(column))] == wanted
    assert texts.take(np.arange(len(column))) == wanted
    assert texts.take(np.arange(len(column))[::-1]) == wanted[::-1]


def test_texts_of_a_column_in_pieces():
    column = pd.concat([COLUMNS[0], COLUMNS[0]], ignore_index=True)
    assert Texts.of(column)[6] == "a"


def test_the_first_row_of_each_text():
    assert find_texts(pa.array(["a", "b", "c"]), COLUMNS[0]).tolist() == [2, 0, -1]
    assert find_texts(pa.array([], pa.string()), COLUMNS[0]).tolist() == []


@given(
    st.lists(st.sampled_from(["a", "b", "", "\u00e9", None])), st.integers(1, 9), st.sampled_from(["string", object])
)
def test_texts_are_numbered_as_pandas_does(values: list[str | None], times: int, dtype: str | type):
    column = pd.Series([value for value in values for _ in range(times)], dtype=dtype)
    codes, names = number(column)
    wanted, texts = pd.factorize(column)
    assert codes.tolist() == wanted.tolist() and codes.dtype == np.int64
    assert names.tolist() == list(texts) and names.dtype == object


def test_runs_are_seen_beyond_the_first_rows():
    column = pd.Series(["a"] * 5000 + ["b"] * 3 + ["a"] * 7 + ["c"], dtype="string")
    codes, names = number(column)
    assert codes.tolist() == [0] * 5000 + [1] * 3 + [0] * 7 + [2] and names.tolist() == ["a", "b", "c"]
    assert number(column[:5000])[0].strides == (0,)  # one text takes no memory


@pytest.mark.parametrize("value", ["a", None])
@pytest.mark.parametrize("names", [(), ("a",), ("b",)])
def test_rows_of_one_text_are_all_among_the_names_or_none(value: str | None, names: tuple[str, ...]):
    among = is_among(number(pd.Series([value] * 5000, dtype="string")), *names)
    assert among.tolist() == [value in names] * 5000 and among.flags.writeable


@pytest.mark.parametrize("names", [(), ("x",), ("a",), ("a", "b")])
def test_a_null_is_among_no_names(names: tuple[str, ...]):
    assert is_among(number(COLUMNS[0]), *names).tolist() == [value in names for value in VALUES]
