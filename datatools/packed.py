"""Reading images that were imported: which shard of which batch holds the bytes of a path."""

from __future__ import annotations

import bisect
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from datatools.errors import DatatoolsError
from datatools.schema import PACKED, has_repeats
from datatools.shards import Member, ShardReader, is_place
from datatools.store import load_if_there, load_json, to_arrow

FOLDER = "batches"
VERSION = 1
NAME = re.compile(r"\d{4,}-[\w.-]+")
SHARD = re.compile(r"images-[0-9]{4,}\.tar(\.gz)?")
SHA256 = re.compile(r"[0-9a-f]{64}")
_NAME = r"(?:[^./\\\x00-\x1f]|\.[^./\\\x00-\x1f]|\.\.[^/\\\x00-\x1f])[^/\\\x00-\x1f]*"  # neither empty nor . nor ..
INSIDE = re.compile(rf"{_NAME}(?:/{_NAME})*")  # a path below a folder, POSIX


class PackedImages:
    """Reads image bytes of merged batches by path. Never follows a name out of the batch folders."""

    def __init__(self, root: Path, images: pd.DataFrame) -> None:
        self._root = root
        self._paths: list[str] = images["path"].tolist()  # sorted; the other columns stay as they are, which is small
        self._sha256 = to_arrow(images["sha256"])
        self._places = images[["n_bytes", "block", "offset"]].to_numpy(np.int64)
        self._shards = [pd.factorize(images[name]) for name in ("batch", "shard")]

    def __contains__(self, path: object) -> bool:
        """Whether an image of that path was imported."""
        return self._find(path) is not None

    def __iter__(self) -> Iterator[str]:
        """The paths, sorted."""
        return iter(self._paths)

    @property
    def paths(self) -> list[str]:
        """The paths, sorted: not a copy."""
        return self._paths

    def sha256(self, path: str) -> str | None:
        """SHA-256 of the image, as it was imported; None for a path that was not."""
        row = self._find(path)
        return None if row is None else self._sha256[row].as_py()

    def sha256_of(self, paths: Sequence[str]) -> pa.Array:
        """SHA-256 of each of the images; null for a path that was not imported."""
        rows = pc.index_in(pa.array(paths, pa.large_string()), value_set=pa.array(self._paths, pa.large_string()))
        return self._sha256.take(rows)

    def read(self, path: str) -> bytes:
        """The image's bytes. Raises UnreadableFileError for a damaged or missing shard."""
        row = self._find(path)
        if row is None:
            raise KeyError(path)
        batch, shard = (names[codes[row]] for codes, names in self._shards)
        n_bytes, block, offset = self._places[row].tolist()
        member = Member(path, self._sha256[row].as_py(), n_bytes, shard, block, offset)
        return ShardReader(self._root / FOLDER / batch).read(member)

    def _find(self, path: object) -> int | None:
        """The row of a path; a search in a sorted list, as a mapping would need as much memory as the table."""
        row = bisect.bisect_left(self._paths, path) if isinstance(path, str) else len(self._paths)
        return row if row < len(self._paths) and self._paths[row] == path else None


def among(column: pd.Series, names: Collection[Any]) -> NDArray[np.bool_]:
    """Which values of `column` are in the column, set or mapping `names`: `isin`, which needs 4 us a text (pandas 3.1)."""
    if not len(column) or not len(names):
        return np.zeros(len(column), np.bool_)
    try:
        values = pa.array(names if isinstance(names, pd.Series) else list(names), pa.large_string())
        return pc.is_in(pa.array(column, pa.large_string()), value_set=values).to_numpy(zero_copy_only=False)
    except (pa.ArrowException, UnicodeEncodeError):  # not only texts, or half a character, which JSON can hold
        known = frozenset(names)
        return np.fromiter((value in known for value in column.tolist()), np.bool_, len(column))


def without(rows: pd.DataFrame, key: str, *names: Collection[Any]) -> pd.DataFrame:
    """The rows whose value in the column `key` is in none of `names`; no copy where these are all."""
    gone = np.logical_or.reduce([among(rows[key], some) for some in names])
    return rows[~gone] if gone.any() else rows


def list_batches(root: Path) -> list[Path]:
    """The batch folders below the data root `root`, in order."""
    folder = root / FOLDER
    found = [path for path in folder.iterdir() if NAME.fullmatch(path.name)] if folder.is_dir() else []
    return sorted(found, key=lambda path: (number_of(path), path.name))


def number_of(folder: Path) -> int:
    """Which batch it is, from 1."""
    return int(folder.name.split("-")[0])


def load_facts(folder: Path) -> dict[str, Any]:
    """batch.json of a batch; raises DatatoolsError for a missing or foreign one."""
    facts = load_json(folder / "batch.json")
    if not isinstance(facts, dict) or facts.get("version") != VERSION:
        raise DatatoolsError(
            f"{folder / 'batch.json'}: expected a batch of version {VERSION}. Got another: update datatools."
        )
    if not _is_whole(facts):
        raise DatatoolsError(
            f"{folder / 'batch.json'}: expected source, format, classes, removed and extras. Got another document: pull again."
        )
    return facts


def load_packed(folder: Path) -> pd.DataFrame:
    """The images of one batch (PACKED, and `batch`: the folder's name); raises DatatoolsError for a foreign table."""
    file = folder / "images.parquet"
    images = load_if_there(file, PACKED)
    _check(file, images)
    return images.assign(batch=pd.Series(folder.name, index=images.index, dtype="string"))


def _is_whole(facts: dict[str, Any]) -> bool:
    removed = facts.get("removed")
    texts = (
        (facts.get("classes"), *(removed.get(name) for name in ("paths", "records", "ids")))
        if isinstance(removed, dict)
        else ()
    )
    return (
        bool(texts)
        and all(isinstance(names, list) and all(isinstance(name, str) for name in names) for names in texts)
        and all(isinstance(facts.get(name), str) for name in ("source", "format"))
        and isinstance(facts.get("extras"), dict)
    )


def _check(file: Path, images: pd.DataFrame) -> None:
    """Raise DatatoolsError unless each row names a file below a data root once, and a place in a shard of its folder."""
    for name, form in {"shard": SHARD, "sha256": SHA256, "path": INSIDE}.items():
        fits = pc.match_substring_regex(pa.array(images[name]), rf"\A(?:{form.pattern})\z")
        if not (fits := fits.fill_null(False).to_numpy(zero_copy_only=False)).all():
            raise DatatoolsError(
                f"{file}: expected {name}s of a batch. Got {images[name][~fits].iloc[0]!r}: pull again."
            )
    places = images[["n_bytes", "block", "offset"]].to_numpy(np.int64)
    if len(places) and not (is_place(*places.min(axis=0)) and is_place(*places.max(axis=0))):
        bad = next(place for place in places.tolist() if not is_place(*place))
        raise DatatoolsError(f"{file}: expected places in shards. Got {tuple(bad)}: pull again.")
    if (twice := has_repeats(images["path"])).any():
        raise DatatoolsError(
            f"{file}: expected each path once. Got {images['path'][1:][twice].iloc[0]!r} again: pull again."
        )


def merge_packed(root: Path) -> pd.DataFrame:
    """The images of all batches below `root`, sorted by path: PACKED, `batch` and `source`."""
    folders = list_batches(root)
    facts = [load_facts(folder) for folder in folders]
    return join_packed(
        (f["source"], load_packed(folder), f["removed"]["paths"]) for f, folder in zip(facts, folders, strict=True)
    )


def join_packed(batches: Iterable[tuple[str, pd.DataFrame, Collection[str]]]) -> pd.DataFrame:
    """Source, images and removed paths of each batch as one table, as merge_packed gives it. A later batch has the word."""
    tables: list[pd.DataFrame] = []
    for source, images, removed in batches:
        tables = [without(table, "path", images["path"], removed) for table in tables]
        tables.append(images.assign(source=pd.Series(source, index=images.index, dtype="string")))
    full = [table for table in tables if len(table)]
    if not full:
        return PACKED.empty().assign(batch=pd.Series(dtype="string"), source=pd.Series(dtype="string"))
    if len(full) == 1:
        return full[0].reset_index(drop=True)  # it is sorted
    return pd.concat(full, ignore_index=True).sort_values("path", ignore_index=True)
