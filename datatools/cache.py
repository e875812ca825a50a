"""What was computed, kept by what it depends on, in a folder that DVC does not delete."""

from __future__ import annotations

import hashlib
import io
import json
import sqlite3
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datatools.store import save_bytes

PART = 4096  # values that are read at a time


def load_or_compute(
    folder: Path, depends_on: tuple[Any, ...], compute: Callable[[], Mapping[str, NDArray[Any]]]
) -> dict[str, NDArray[Any]]:
    """Return the arrays by name kept for `depends_on`, or compute and keep them. A damaged file counts as none.

    `depends_on` is hashed by its `repr`: strings, numbers and containers of them.
    """
    path = folder / f"{hashlib.sha256(repr(depends_on).encode()).hexdigest()}.npz"
    try:
        with np.load(path, allow_pickle=False) as kept:
            return dict(kept)
    except (OSError, ValueError, EOFError, TypeError, zipfile.BadZipFile, zlib.error):
        values = dict(compute())
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **values)
    save_bytes(path, buffer.getvalue())
    return values


class KeptValues:
    """JSON values by key, in one SQLite file: `kind` says what they are and by which version of the code.

    A damaged file counts as an empty one and is made anew: everything in it can be computed again. Each row carries its
    CRC-32, as SQLite itself does not notice other bytes in a value.
    """

    def __init__(self, file: Path, kind: str) -> None:
        self._file = file
        self._kind = kind

    def load(self) -> dict[str, Any]:
        """All values of this kind, by key."""
        return {key: value for keys, values in self.iter_parts() for key, value in zip(keys, values, strict=True)}

    def iter_parts(self) -> Iterator[tuple[list[str], list[Any]]]:
        """Keys and values of this kind, a few thousand at a time. Ends where the file is damaged, and removes it."""
        if not self._file.exists():
            return
        try:
            with closing(self._open()) as connection:
                rows = connection.execute("select key, value, crc from kept where kind = ?", (self._kind,))
                while part := rows.fetchmany(PART):
                    texts = [_checked(*row) for row in part]
                    yield [row[0] for row in part], json.loads(f"[{','.join(texts)}]")  # half the time of one by one
        except (sqlite3.DatabaseError, ValueError):
            self._drop()

    def add(self, values: Mapping[str, Any]) -> None:
        """Keep `values`; all of them or, after a crash, none."""
        if not values:
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._insert(values)
        except sqlite3.DatabaseError:
            self._drop()
            self._insert(values)

    def _insert(self, values: Mapping[str, Any]) -> None:
        texts = {key: json.dumps(value) for key, value in values.items()}
        rows = [(self._kind, key, text, _crc(key, text)) for key, text in texts.items()]
        with closing(self._open()) as connection, connection:
            connection.executemany("insert or replace into kept values (?, ?, ?, ?)", rows)

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._file, timeout=60)
        try:
            connection.execute(
                "create table if not exists kept (kind text, key text, value text, crc integer, primary key (kind, key))"
                " without rowid"
            )
        except sqlite3.DatabaseError:
            connection.close()
            raise
        return connection

    def _drop(self) -> None:
        """Away with the file, and with what SQLite would take for its unfinished changes."""
        for ending in ("", "-journal", "-wal", "-shm"):
            self._file.with_name(self._file.name + ending).unlink(missing_ok=True)


def _crc(key: str, text: str) -> int:
    return zlib.crc32(f"{key}={text}".encode())


def _checked(key: Any, text: Any, crc: Any) -> str:
    if not isinstance(key, str) or not isinstance(text, str) or _crc(key, text) != crc:
        raise ValueError("another value than the one that was kept")
    return text
