"""Reading images that were imported: which shard of which batch holds the bytes of a path."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datatools.errors import DatatoolsError
from datatools.schema import PACKED
from datatools.shards import Member, ShardReader, is_place
from datatools.store import load_json, load_table

FOLDER = "batches"
VERSION = 1
NAME = re.compile(r"\d{4,}-[\w.-]+")
SHARD = re.compile(r"images-[0-9]{4,}\.tar(\.gz)?")
SHA256 = re.compile(r"[0-9a-f]{64}")
INSIDE = re.compile(r"(?:(?!\.{0,2}(?:/|$))[^/\\\x00-\x1f]+(?:/(?=.)|$))+", re.DOTALL)  # a path below a folder, POSIX


class PackedImages:
    """Reads image bytes of merged batches by path. Never follows a name out of the batch folders."""

    def __init__(self, root: Path, images: pd.DataFrame) -> None:
        self._readers = {batch: ShardReader(root / FOLDER / batch) for batch in images["batch"].unique()}
        names = ("path", "batch", "sha256", "n_bytes", "shard", "block", "offset")
        columns = (images[name].tolist() for name in names)  # a list: pandas is slow at giving texts one by one
        self._members = {
            path: (batch, Member(path, sha256, n_bytes, shard, block, offset))
            for path, batch, sha256, n_bytes, shard, block, offset in zip(*columns, strict=True)
        }

    def __contains__(self, path: object) -> bool:
        """Whether an image of that path was imported."""
        return path in self._members

    def __iter__(self) -> Iterator[str]:
        """The paths, sorted."""
        return iter(self._members)

    def sha256(self, path: str) -> str:
        """SHA-256 of the image, as it was imported."""
        return self._members[path][1].sha256

    def read(self, path: str) -> bytes:
        """The image's bytes. Raises UnreadableFileError for a damaged or missing shard."""
        batch, member = self._members[path]
        return self._readers[batch].read(member)


def among(column: pd.Series, names: Collection[Any]) -> NDArray[np.bool_]:
    """Which values of `column` are in the set or mapping `names`: `isin`, which needs 4 us for each text (pandas 3.1)."""
    return np.fromiter((value in names for value in column.tolist()), np.bool_, len(column))


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
    images = load_table(file, PACKED) if file.exists() else PACKED.empty()
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
        for value in images[name].unique().tolist():
            if not isinstance(value, str) or not form.fullmatch(value):
                raise DatatoolsError(f"{file}: expected {name}s of a batch. Got {value!r}: pull again.")
    for place in zip(*(images[name].tolist() for name in ("n_bytes", "block", "offset")), strict=True):
        if not is_place(*place):
            raise DatatoolsError(f"{file}: expected places in shards. Got {place}: pull again.")
    if (twice := images["path"].duplicated()).any():
        raise DatatoolsError(
            f"{file}: expected each path once. Got {images.loc[twice, 'path'].iloc[0]!r} again: pull again."
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
        gone = set(images["path"].tolist()).union(removed)
        tables = [table[~among(table["path"], gone)] for table in tables] if gone else tables
        tables.append(images.assign(source=pd.Series(source, index=images.index, dtype="string")))
    full = [table for table in tables if len(table)]
    if not full:
        return PACKED.empty().assign(batch=pd.Series(dtype="string"), source=pd.Series(dtype="string"))
    return pd.concat(full, ignore_index=True).sort_values("path", ignore_index=True)
