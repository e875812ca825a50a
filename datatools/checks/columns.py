"""Columns of a table: their texts as numbers, and whether they are still the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from datatools.checks.pairs import Bools, Index, Ints

Codes = tuple[Ints, NDArray[np.object_]]  # a number for each row, -1 for a null, and what the numbers mean


@dataclass(frozen=True)
class Texts:
    """A column of texts that are looked up one by one, which pandas is slow at; None for a null."""

    values: pa.Array

    @classmethod
    def of(cls, column: pd.Series) -> Texts:
        """The texts of a column."""
        values = pa.array(column, from_pandas=True)
        return cls(values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values)

    def __getitem__(self, position: Index) -> str | None:
        """The text of one row."""
        text: str | None = self.values[int(position)].as_py()
        return text

    def take(self, positions: Ints) -> list[str | None]:
        """The texts of several rows."""
        return list(self.values.take(pa.array(positions)).to_pylist())


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


def find_texts(texts: NDArray[np.object_], column: pd.Series) -> Ints:
    """The first row of `column` that has each of these texts; -1 where none has it."""
    found = pc.index_in(pa.array(texts, pa.string()), value_set=Texts.of(column).values)
    return np.asarray(found.fill_null(-1), np.int64)


def is_text(column: pd.Series, text: str) -> Bools:
    """Which rows have this text; a null has not."""
    return np.asarray(pc.equal(Texts.of(column).values, text).fill_null(False), bool)


def number(column: pd.Series) -> Codes:
    """A number for each text of a column."""
    codes, names = pd.factorize(column)
    return codes, np.asarray(names, object)


def is_among(codes: Codes, *names: str) -> Bools:
    """Which rows have one of these names; a null has none."""
    return np.append(np.isin(codes[1], names), False)[codes[0]]
