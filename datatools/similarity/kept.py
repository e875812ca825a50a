"""Embeddings and thumbnails of images, kept by content: what was computed once is never computed again."""

from __future__ import annotations

import fcntl
import os
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

DIGEST, CHECKSUM = 32, 4  # bytes of a SHA-256 and of a CRC-32


class KeptEmbeddings:
    """One append-only file of records of one size: SHA-256 of the image, embedding, thumbnail, CRC-32 of the three.

    A record counts if its checksum does. A torn one at the end, as kill -9 leaves it, is written over by the next; another
    anywhere costs the work for its image again. Several runs may add at once.
    """

    def __init__(self, folder: Path, key: str, n_columns: int, side_px: int) -> None:
        """`key` names all that a record depends on besides its image: another key is another file."""
        self._file = folder / f"embeddings-{key}.rows"
        self._split = n_columns * 4
        self._shape = (side_px, side_px)
        self._size = DIGEST + self._split + side_px * side_px + CHECKSUM
        self._rows: NDArray[np.uint8] = np.zeros((0, self._size), dtype=np.uint8)
        self._numbers: dict[bytes, int] = {}
        self._read()

    def find(self, sha256: str) -> tuple[NDArray[np.float32], NDArray[np.uint8]] | None:
        """The embedding `(n_columns,)` and the thumbnail `(side_px, side_px)` of an image; None where there are none."""
        number = self._numbers.get(bytes.fromhex(sha256))
        if number is None:
            return None
        record = self._rows[number].tobytes()
        if zlib.crc32(record[:-CHECKSUM]).to_bytes(CHECKSUM) != record[-CHECKSUM:]:
            return None
        start = DIGEST + self._split
        embedding = np.frombuffer(record[DIGEST:start], dtype="<f4").astype(np.float32)
        return embedding, np.frombuffer(record[start:-CHECKSUM], dtype=np.uint8).reshape(self._shape)

    def add(self, sha256: Sequence[str], embeddings: NDArray[np.float32], thumbs: NDArray[np.uint8]) -> None:
        """Keep `embeddings` (n, n_columns) and `thumbs` (n, side_px, side_px) of these images; on disk when it returns."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        records = [_record(*one) for one in zip(sha256, embeddings, thumbs, strict=True)]
        with self._file.open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            whole = lock.tell() // self._size * self._size
            lock.truncate(whole)
            lock.writelines(records)
            lock.flush()
            os.fsync(lock.fileno())
        self._read()

    def _read(self) -> None:
        """Take in the records that are there now."""
        n_rows = self._file.stat().st_size // self._size if self._file.exists() else 0
        known = len(self._rows)
        if n_rows <= known:
            return
        self._rows = np.memmap(self._file, np.uint8, "r", shape=(n_rows, self._size))
        digests = self._rows[known:, :DIGEST].tobytes()
        for number in range(n_rows - known):
            self._numbers[digests[number * DIGEST : (number + 1) * DIGEST]] = known + number


def _record(sha256: str, embedding: NDArray[np.float32], thumb: NDArray[np.uint8]) -> bytes:
    content = bytes.fromhex(sha256) + embedding.astype("<f4").tobytes() + thumb.tobytes()
    return content + zlib.crc32(content).to_bytes(CHECKSUM)
