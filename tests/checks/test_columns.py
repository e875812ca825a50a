import numpy as np
import pandas as pd
import pytest

from datatools.checks.columns import Texts, find_texts, is_text

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
    assert find_texts(np.array(["a", "b", "c"], object), COLUMNS[0]).tolist() == [2, 0, -1]
    assert find_texts(np.array([], object), COLUMNS[0]).tolist() == []


def test_a_null_is_no_text():
    assert is_text(COLUMNS[0], "b").tolist() == [True, False, False, True]
