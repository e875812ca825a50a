"""Columns of a table: their texts as numbers, and whether they are still the same."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datatools.checks.pairs import Bools, Ints

Codes = tuple[Ints, NDArray[np.object_]]  # a number for each row, -1 for a null, and what the numbers mean


def is_unchanged(kept: pd.DataFrame, table: pd.DataFrame) -> bool:
    """Whether the columns of `kept` are those of `table`; what lies in the same memory needs no second look."""
    return len(kept) == len(table) and all(_is_same(kept[name], table[name]) for name in kept.columns)


def _is_same(one: pd.Series, other: pd.Series) -> bool:
    return place(one) == place(other) or one.equals(other)


def place(column: pd.Series) -> object:
    """Where the values of a column lie, as long as it lives; equal to nothing else where that is not known."""
    if isinstance(column.dtype, np.dtype):
        values = column.to_numpy()
        return values.__array_interface__["data"], values.strides, values.dtype
    if isinstance(column.dtype, pd.StringDtype) and column.dtype.storage == "pyarrow":
        return id(column.array.__arrow_array__())
    return object()


def number(column: pd.Series) -> Codes:
    """A number for each text of a column."""
    codes, names = pd.factorize(column)
    return codes, np.asarray(names, object)


def is_among(codes: Codes, *names: str) -> Bools:
    """Which rows have one of these names; a null has none."""
    return np.append(np.isin(codes[1], names), False)[codes[0]]
