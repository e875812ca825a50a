"""Columns of a table: their texts as numbers, and whether they are still the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from datatools.checks.pairs import Bools, Index, Ints

SOME = 1000  # rows that tell how long runs are
Codes = tuple[Ints, NDArray[np.object_]]  # a number for each row, -1 for a null, and what the numbers mean


@dataclass(frozen=True)
class Texts:
    """A column of texts that are looked up one by one, which pandas is slow at; None for a null."""

    values: pa.Array

    @classmethod
    def of(cls, column: pd.Series) -> Texts:
        """The texts of a column."""
        values = pa.array(column, from_pandas=True)
        values = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
        return cls(values.cast(pa.string()) if pa.types.is_null(values.type) else values)

    def __getitem__(self, position: Index) -> str | None:
        """The text of one row."""
        text: str | None = self.values[int(position)].as_py()
        return text

    def take(self, positions: Ints) -> list[str | None]:
        """The texts of several rows."""
        return list(self.pick(positions).to_pylist())

    def pick(self, positions: Ints) -> pa.Array:
        """The same as Arrow has them."""
        return self.values.take(pa.array(positions))


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


def find_texts(texts: pa.Array, column: pd.Series) -> Ints:
    """The first row of `column` that has each of these texts; -1 where none has it."""
    values = Texts.of(column).values
    return np.asarray(pc.index_in(texts.cast(values.type), value_set=values).fill_null(-1), np.int64)


def number(column: pd.Series) -> Codes:
    """A number for each text of a column, in the order in which they come up."""
    codes, texts = encode(column)
    return codes, np.asarray(texts.to_numpy(zero_copy_only=False), object)


def encode(column: pd.Series) -> tuple[Ints, pa.Array]:
    """The same with the texts as Arrow has them. The numbers are not for writing: those of one text take no memory."""
    values = Texts.of(column).values
    heads = _heads(values)
    texts = (values if heads is None else values.take(pa.array(heads))).dictionary_encode()
    codes = np.asarray(texts.indices.fill_null(-1) if texts.null_count else texts.indices, np.int64)
    if len(codes) == 1:
        codes = np.broadcast_to(codes, len(values))
    elif heads is not None:
        codes = np.repeat(codes, np.diff(heads, append=len(values)))
    return codes, texts.dictionary


def _heads(values: pa.Array) -> Ints | None:
    """Where runs of one text begin; None where they are short, as looking at each text is sooner then."""
    if len(values) and values.null_count == len(values):
        return np.zeros(1, np.int64)
    few = values[:SOME]
    if values.null_count or 4 * pc.not_equal(few[1:], few[:-1]).true_count > len(few):
        return None
    is_new = pc.not_equal(values[1:], values[:-1])
    if len(values) and not is_new.true_count:
        return np.zeros(1, np.int64)
    return np.flatnonzero(np.concatenate([np.ones(min(len(values), 1), bool), np.asarray(is_new)]))


def is_among(codes: Codes, *names: str) -> Bools:
    """Which rows have one of these names; a null has none."""
    numbers, texts = codes
    found = np.isin(texts, names)
    if len(numbers) and numbers.strides == (0,):  # one text, see `encode`
        return np.full(len(numbers), bool(found.any()))
    return np.append(found, False)[numbers] if found.any() else np.zeros(len(numbers), bool)
