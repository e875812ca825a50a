"""Facts of all images, as columns: what is known is not decoded again, and what is new is kept."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datatools.cache import PART, KeptValues
from datatools.engine import map_ordered
from datatools.images import ImageFacts, UnreadableImageError, compute_facts_of
from datatools.provenance import decoder_version
from datatools.raw import RawImages
from datatools.tree import UnreadableFileError

TOGETHER = 64  # images that a worker measures together, where there are many
SHARES = 64  # of the work, at least: a hundred large photos keep all cores busy, too
TYPES = {str: pa.large_string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
COLUMNS = pa.schema([(name, TYPES[kind]) for name, kind in get_type_hints(ImageFacts).items()])
Fault = dict[str, str]  # reason and message: why there are no facts
Value = list[Any] | Fault  # facts are in the order of COLUMNS


@dataclass(frozen=True)
class Facts:
    """Facts of images: `table` (COLUMNS) has a row for each of `paths`; `faults` says why the others have none."""

    paths: Sequence[str]
    table: pa.Table
    faults: Mapping[str, Fault]  # by path


def collect_facts(
    raw: RawImages,
    paths: Sequence[str],
    workers: int | None = None,
    tick: Callable[[int], None] | None = None,
    cache: Path | None = None,
) -> Facts:
    """Facts of the images `paths`, in their order; the folder `cache` keeps them by the images' SHA-256.

    What is kept is not decoded; where the SHA-256 is known without reading the image, it is not read either.
    """
    found = _Found(KeptValues(cache / "images.sqlite", f"facts by {decoder_version()}") if cache else None)
    sha256s, unread = raw.sha256_of(paths), dict[str, Fault]()
    is_new = pc.invert(pc.is_in(sha256s, value_set=found.sha256s()))
    rest = np.flatnonzero(is_new.to_numpy(zero_copy_only=False)).tolist()
    if rest:
        new = [paths[number] for number in rest]
        read: list[str] = []
        for path, (sha256, value) in zip(new, _read_all(raw, new, found, workers, tick), strict=True):
            read.append(sha256)
            if not sha256:
                unread[path] = value
            elif value is not None:
                found.add(sha256, value)
        sha256s = pc.replace_with_mask(sha256s, is_new, pa.array(read, pa.large_string()))
    return _line_up(paths, sha256s, found, unread)


class _Found:
    """Facts by SHA-256: those that were kept on the disk, then the new ones, which go there a few thousand at a time.

    They become columns at once: as rows of Python objects they would take several times the memory.
    """

    def __init__(self, kept: KeptValues | None) -> None:
        self.faults: dict[str, Fault] = {}  # by SHA-256
        self._kept = kept
        self._parts: list[pa.RecordBatch] = []
        for keys, values in kept.iter_parts() if kept else ():
            self._pack(dict(zip(keys, values, strict=True)))
        self._new: dict[str, Value] = {}

    def sha256s(self) -> pa.Array:
        """SHA-256 of all images whose facts are known, or are known not to be there."""
        faulty = pa.array(list(self.faults), pa.large_string())
        return pa.concat_arrays([*(part.column("sha256") for part in self._parts), faulty])

    def add(self, sha256: str, value: Value) -> None:
        """Take in what was measured."""
        self._new[sha256] = value
        if len(self._new) >= PART:
            self._keep()

    def to_table(self) -> pa.Table:
        """The facts (COLUMNS) of all images, each once or more."""
        self._keep()
        return pa.Table.from_batches(self._parts, COLUMNS)

    def _keep(self) -> None:
        if self._kept:
            self._kept.add(self._new)
        self._pack(self._new)
        self._new = {}

    def _pack(self, values: Mapping[str, Value]) -> None:
        self.faults.update((sha256, value) for sha256, value in values.items() if isinstance(value, dict))
        rows = [value for value in values.values() if isinstance(value, list)]
        if rows:
            columns = zip(zip(*rows, strict=True), COLUMNS.types, strict=True)
            self._parts.append(pa.record_batch([pa.array(*column) for column in columns], COLUMNS))


def _line_up(paths: Sequence[str], sha256s: pa.Array, found: _Found, unread: Mapping[str, Fault]) -> Facts:
    """The facts in the order of the images."""
    table = found.to_table()
    rows = pc.index_in(sha256s, value_set=table["sha256"])
    if not rows.null_count:
        is_in_order = rows.equals(pa.array(np.arange(len(table)), rows.type))
        return Facts(paths, table if is_in_order else table.take(rows), {})
    is_bad = rows.is_null().to_pylist()
    faults = {
        path: unread[path] if path in unread else found.faults[sha256.as_py()]
        for path, sha256, bad in zip(paths, sha256s, is_bad, strict=True)
        if bad
    }
    return Facts([path for path in paths if path not in faults], table.take(rows.drop_null()), faults)


def _read_all(
    raw: RawImages, paths: Sequence[str], found: _Found, workers: int | None, tick: Callable[[int], None] | None
) -> Iterator[tuple[str, Any]]:
    """What _read_facts says of each image."""
    size = max(1, min(TOGETHER, len(paths) // SHARES))
    chunks = [paths[start : start + size] for start in range(0, len(paths), size)]
    work = functools.partial(_read_facts, raw, frozenset(found.sha256s().to_pylist()))
    for results in map_ordered(work, chunks, workers):
        yield from results
        if tick:
            tick(len(results))


def _read_facts(raw: RawImages, known: frozenset[str], paths: Sequence[str]) -> list[tuple[str, Any]]:
    """For each image its SHA-256 (empty where the bytes cannot be had), and its facts, why there are none, or None for a known one."""
    read: list[tuple[str, Any]] = []

    def unknown_bytes() -> Iterator[bytes]:
        """The bytes of the images whose facts are not known."""
        for path in paths:
            try:
                data = raw.read(path)
            except UnreadableFileError as error:
                read.append(("", {"reason": UnreadableImageError.code, "message": str(error)}))
                continue
            sha256 = hashlib.sha256(data).hexdigest()
            read.append((sha256, None if sha256 in known else ...))
            if sha256 not in known:
                yield data

    facts = iter(compute_facts_of(unknown_bytes()))
    return [(sha256, _to_value(next(facts)) if value is ... else value) for sha256, value in read]


def _to_value(facts: ImageFacts | UnreadableImageError) -> Value:
    if isinstance(facts, UnreadableImageError):
        return {"reason": facts.code, "message": str(facts)}
    return list(facts)
