"""What every annotation format is read into and written from: Content, and what a format cannot hold: Loss."""

from __future__ import annotations

import functools
import json
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from datatools.schema import ANNOTATIONS, RECORDS, REJECTED, Table
from datatools.tree import Tree

Row = dict[str, Any]
_ENCODE = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode
FEW, PLAIN = 8, frozenset({str, int, bool})  # attributes of which texts are kept
LARGE = 1e15  # pixels; JSON also writes integers that no float holds
PART = 4096  # rows that become columns together


class Rows:
    """Rows of a table as they come: every few thousand become columns, as dicts take several times their memory."""

    def __init__(self, table: Table, rows: Iterable[Row] = ()) -> None:
        self._table = table
        self._parts: list[pd.DataFrame] = []
        self._last: list[Row] = []
        for row in rows:
            self.append(row)

    def append(self, row: Row) -> None:
        """Take in one more; DatatoolsError, then or later, for a column that the table does not have."""
        self._last.append(row)
        if len(self._last) == PART:
            self._pack()

    def drop_repeated(self) -> list[Row]:
        """Let go of the rows whose first key column an earlier row has, and return them."""
        self._pack()
        key, kept, repeated = self._table.key[0], list[pd.DataFrame](), list[Row]()
        again = (
            pd.concat([part[key] for part in self._parts]).duplicated().to_numpy() if self._parts else np.zeros(0, bool)
        )
        if not again.any():
            return repeated
        for part in self._parts:
            mine, again = again[: len(part)], again[len(part) :]
            repeated += part[mine].to_dict("records")
            kept.append(part[~mine])
        self._parts = kept
        return repeated

    def to_frame(self) -> pd.DataFrame:
        """What `table.conform` makes of the rows."""
        self._pack()
        return self._table.join(self._parts) if self._parts else self._table.empty()

    def _pack(self) -> None:
        rows, columns = self._last, self._table.columns
        if not columns.keys() >= set().union(*rows):
            self._table.conform(rows)  # says which one
        if rows:
            part = {name: pd.array([row.get(name) for row in rows], dtype) for name, dtype in columns.items()}
            self._parts.append(pd.DataFrame(part, copy=False))
        self._last = []


@dataclass(frozen=True)
class Content:
    """What annotation files say, before it is set against the images.

    `records` (RECORDS) has one row an image that the files speak of, `annotations` (ANNOTATIONS) one row a label, box,
    mask or other shape, `rejected` (REJECTED) one row for each file or row that could not be taken in. `files` are the
    paths that were read as annotations, index masks included: they are no images of the data set. `extras` keeps what
    belongs to the whole document (licences, category trees, label configuration), by format name.
    """

    records: pd.DataFrame = field(default_factory=RECORDS.empty)
    annotations: pd.DataFrame = field(default_factory=ANNOTATIONS.empty)
    classes: tuple[str, ...] = ()
    rejected: pd.DataFrame = field(default_factory=REJECTED.empty)
    files: frozenset[str] = frozenset()
    extras: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_rows(
        cls,
        records: Iterable[Row] = (),
        annotations: Iterable[Row] | Rows = (),
        classes: Sequence[str] = (),
        rejected: Iterable[Row] = (),
        files: Iterable[str] = (),
        extras: Mapping[str, Any] | None = None,
    ) -> Content:
        """Build from rows in any order; a row of an annotation id that is already there goes to `rejected`."""
        kept = annotations if isinstance(annotations, Rows) else Rows(ANNOTATIONS, annotations)
        repeated = map(_reject_repeated, kept.drop_repeated())
        return cls(
            Rows(RECORDS, records).to_frame(),
            kept.to_frame(),
            tuple(classes),
            Rows(REJECTED, [*rejected, *repeated]).to_frame(),
            frozenset(files),
            dict(extras or {}),
        )

    def same_as(self, other: Content) -> bool:
        """Whether both hold the same records, annotations, classes and extras; where they were read from aside."""
        return (
            self.records.drop(columns="source").equals(other.records.drop(columns="source"))
            and self.annotations.drop(columns="source").equals(other.annotations.drop(columns="source"))
            and self.classes == other.classes
            and self.extras == other.extras
        )

    def renamed(self, paths: Mapping[str, str]) -> Content:
        """The same content with the image paths that `paths` has (old -> new) replaced; ids stay."""
        if not paths:
            return self
        return replace(
            self,
            records=RECORDS.conform(self.records.assign(path=self.records["path"].replace(dict(paths)))),
            annotations=ANNOTATIONS.conform(
                self.annotations.assign(path=self.annotations["path"].replace(dict(paths)))
            ),
        )


@dataclass(frozen=True, order=True)
class Loss:
    """Something that the target format cannot hold: which field, of which annotation or image, and what became of it."""

    field: str  # a column (`annotator`), `attributes.NAME`, `kind`, `extras.FORMAT`, `annotation_id`, `path`
    path: str
    annotation_id: str = ""
    message: str = ""


@dataclass(frozen=True)
class Saved:
    """What a writer did: the losses, and the path of each image (old -> new, relative to the folder) that it moves."""

    losses: tuple[Loss, ...] = ()
    moved: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Format:
    """An annotation format: its name, how to recognise, read and write it.

    `find(tree)` returns the annotation files of this format in the tree (empty: not this format); it is cheap, never
    raises for bad data, and claims nothing it is not sure of. `load(tree, files)` reads them. `save(content, folder)`
    writes annotation files below `folder`; image files are copied by the caller, to `Saved.moved.get(path, path)`.
    """

    name: str
    title: str
    find: Callable[[Tree], list[str]]
    load: Callable[[Tree, Sequence[str]], Content]
    save: Callable[[Content, Path], Saved] | None


def dump_attributes(attributes: Mapping[str, Any]) -> str:
    """JSON text for an `attributes` column: keys sorted, no spaces."""
    if not attributes:
        return "{}"
    kinds = tuple(map(type, attributes.values()))
    if len(kinds) <= FEW and PLAIN.issuperset(kinds):
        return _dump_plain(tuple(attributes), tuple(attributes.values()), kinds)
    return _ENCODE(attributes)


@functools.lru_cache(maxsize=4096)  # most objects say the same
def _dump_plain(names: tuple[str, ...], values: tuple[Any, ...], kinds: tuple[type, ...]) -> str:
    """`kinds` tells 1 from True, which are equal."""
    return _ENCODE(dict(zip(names, values, strict=True)))


def load_attributes(text: Any) -> dict[str, Any]:
    """The object of an `attributes` cell; null is an empty one."""
    return {} if text is None or text is pd.NA or text == "" else dict(json.loads(text))


def is_number(value: Any) -> bool:
    """Whether `value` is a finite coordinate: an int or float, no bool, below 1e15."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < LARGE


def from_tuples(rows: list[tuple[Any, ...]], table: Table) -> pd.DataFrame:
    """What `table.conform` makes of rows with a value for each column, the first a text that no other row has.

    `rows` is empty then: what became a column is not held a second time.
    """
    rows.sort(key=operator.itemgetter(0))
    columns = list(zip(*rows, strict=True))[::-1] or [()] * len(table.columns)
    rows.clear()
    return pd.DataFrame({name: pd.array(columns.pop(), dtype) for name, dtype in table.columns.items()}, copy=False)


def _reject_repeated(row: Row) -> Row:
    """The row of REJECTED for an annotation whose id another one has."""
    message = f"the annotation id {row['annotation_id']} is used twice; the first one stays"
    where = {name: row[name] for name in ("source", "path", "annotation_id")}
    return {**where, "reason": "repeated_id", "message": message}


def write_new(file: Path, data: bytes) -> None:
    """Write a file that is not there yet, with its folders; FileExistsError where it is. Not synced: see convert."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("xb") as opened:
        opened.write(data)
