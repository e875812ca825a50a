"""What every annotation format is read into and written from: Content, and what a format cannot hold: Loss."""

from __future__ import annotations

import functools
import json
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from datatools.schema import ANNOTATIONS, RECORDS, REJECTED, Table
from datatools.tree import Tree

Row = dict[str, Any]
_ENCODE = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode
FEW, PLAIN = 8, frozenset({str, int, bool})  # attributes of which texts are kept
LARGE = 1e15  # pixels; JSON also writes integers that no float holds


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
        annotations: Iterable[Row] = (),
        classes: Sequence[str] = (),
        rejected: Iterable[Row] = (),
        files: Iterable[str] = (),
        extras: Mapping[str, Any] | None = None,
    ) -> Content:
        """Build from rows in any order; a row of an annotation id that is already there goes to `rejected`."""
        kept, repeated = _first_of_each_id(list(annotations))
        return cls(
            _to_table(records, RECORDS),
            _to_table(kept, ANNOTATIONS),
            tuple(classes),
            _to_table([*rejected, *repeated], REJECTED),
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


def _to_table(rows: Iterable[Row], table: Table) -> pd.DataFrame:
    """What `table.conform` makes of the rows, several times faster where each has a key of its own."""
    rows = list(rows)
    keys = {row.get(table.key[0]) for row in rows}
    if len(keys) < len(rows) or set(map(type, keys)) - {str} or not table.columns.keys() >= set().union(*rows):
        return table.conform(rows)
    rows.sort(key=operator.itemgetter(table.key[0]))
    return pd.DataFrame(
        {name: pd.array([row.get(name) for row in rows], dtype) for name, dtype in table.columns.items()}
    )


def _first_of_each_id(rows: list[Row]) -> tuple[list[Row], list[Row]]:
    if len({row["annotation_id"] for row in rows}) == len(rows):
        return rows, []
    kept: dict[str, Row] = {}
    repeated: list[Row] = []
    for row in rows:
        key = row["annotation_id"]
        if key in kept:
            repeated.append(
                {
                    "source": row.get("source"),
                    "path": row.get("path"),
                    "annotation_id": key,
                    "reason": "repeated_id",
                    "message": f"the annotation id {key} is used twice; the first one stays",
                }
            )
        else:
            kept[key] = row
    return list(kept.values()), repeated


def write_new(file: Path, data: bytes) -> None:
    """Write a file that is not there yet, with its folders; FileExistsError where it is. Not synced: see convert."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("xb") as opened:
        opened.write(data)
