"""Compressed tars are unpacked once into a temporary file without a name, which vanishes with the process."""

from __future__ import annotations

import bz2
import contextlib
import lzma
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from datatools.archives.base import ArchiveError, read_at
from datatools.errors import DatatoolsError
from datatools.tree import Limits

_CHUNK = 1 << 20
_INPUT = 1 << 16  # small, as what is left behind a stream is copied for the next
_MAGIC_BYTES = 6
_XZ_MEMORY = 256 << 20  # bytes; `xz -9` needs 65 MiB to unpack
_SPARE = 1 << 30  # bytes that stay free on the disk of the temporary file


class _Unpacker(Protocol):
    """What bz2 and lzma offer: see bz2.BZ2Decompressor."""

    @property
    def eof(self) -> bool:
        """Whether the stream has ended."""

    @property
    def needs_input(self) -> bool:
        """Whether it can go on only with more data."""

    @property
    def unused_data(self) -> bytes:
        """What was found behind the end of the stream."""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """At most so many bytes more."""


class _Inflater:
    """zlib's decompressor with the interface of those of bz2 and lzma."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(16 + zlib.MAX_WBITS)

    @property
    def eof(self) -> bool:
        """Whether the stream has ended."""
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        """Whether it can go on only with more data."""
        return not self._inner.eof and not self._inner.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        """What was found behind the end of the stream."""
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """At most so many bytes more."""
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


_KINDS: dict[bytes, Callable[[], _Unpacker]] = {
    b"\x1f\x8b": _Inflater,
    b"BZh": bz2.BZ2Decompressor,
    b"\xfd7zXZ\0": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, _XZ_MEMORY),
}


@dataclass(frozen=True)
class Unpacked:
    """The unpacked file, its length, and messages about what stood behind the compressed data."""

    file: BinaryIO
    n_bytes: int
    notes: tuple[str, ...]


def find_unpacker(handle: int) -> Callable[[], _Unpacker] | None:
    """What makes a decompressor for the open file, by its first bytes; None where it is not compressed."""
    return _KINDS.get(_magic_of(read_at(handle, _MAGIC_BYTES, 0)))


def unpack(handle: int, make: Callable[[], _Unpacker], limits: Limits) -> Unpacked:
    """Unpack the open file, all streams of it, into a temporary file.

    Raises ArchiveError where it is damaged, cut off or larger than `limits`, DatatoolsError where the disk is too small.
    """
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(tempfile.TemporaryFile())
        streams = _Streams(handle, make, limits.members)
        try:
            n_bytes = _save(streams, file, limits)
            file.flush()  # others read by the handle
        except (zlib.error, lzma.LZMAError, OSError, EOFError) as error:
            if isinstance(error, OSError) and error.errno:  # bz2 raises OSError too, without a number
                raise DatatoolsError(
                    f"unpacking a compressed tar: expected a disk that works. Got: {error}."
                ) from error
            raise ArchiveError(f"it cannot be unpacked: {error}") from error
        stack.pop_all()
        return Unpacked(file, n_bytes, tuple(streams.notes))


def _save(streams: _Streams, file: BinaryIO, limits: Limits) -> int:
    folder = tempfile.gettempdir()
    room = shutil.disk_usage(folder).free - _SPARE
    n_bytes = 0
    for block in streams:
        n_bytes += len(block)
        if n_bytes > limits.total_bytes:
            raise ArchiveError(f"it unpacks to more than {limits.total_bytes} bytes", "too_large")
        if n_bytes > max(limits.ratio_bytes, limits.ratio * streams.place):
            raise ArchiveError(f"it unpacks to more than {limits.ratio} times its size", "bomb")
        if n_bytes > room:
            raise DatatoolsError(
                f"{folder}: expected room to unpack a compressed tar. Got a full disk: set TMPDIR, or unpack it yourself."
            )
        file.write(block)
    return n_bytes


class _Streams:
    """The unpacked blocks of a file of one or more compressed streams; `place` is how far it has been read."""

    def __init__(self, handle: int, make: Callable[[], _Unpacker], most: int) -> None:
        self._handle, self._make, self._most = handle, make, most
        self.place = 0
        self.notes: list[str] = []

    def __iter__(self) -> Iterator[bytes]:
        data: bytes | None = self._read()
        for _ in range(self._most):
            unpacker = self._make()
            yield from self._unpack_one(unpacker, data or b"")
            data = self._find_next(unpacker.unused_data)
            if data is None:
                return
        raise ArchiveError(f"it has more than {self._most} compressed streams", "too_large")

    def _unpack_one(self, unpacker: _Unpacker, data: bytes) -> Iterator[bytes]:
        is_cut_off = False
        while not unpacker.eof:
            if not data and unpacker.needs_input:
                data = self._read()
                is_cut_off = not data
            block = unpacker.decompress(data, _CHUNK)
            if block:
                yield block
            elif is_cut_off and not unpacker.eof:
                raise ArchiveError("it is cut off: fetch it again")
            data = b""

    def _find_next(self, rest: bytes) -> bytes | None:
        """The start of the next stream; None at the end. Tapes and xz fill up with zeros."""
        rest = rest.lstrip(b"\0")
        while len(rest) < _MAGIC_BYTES and (more := self._read()):
            rest = (rest + more).lstrip(b"\0")
        if rest and _KINDS.get(_magic_of(rest)) is not self._make:
            self.notes.append("there is more behind its compressed data, which is not read")
            return None
        return rest or None

    def _read(self) -> bytes:
        data = read_at(self._handle, _INPUT, self.place)
        self.place += len(data)
        return data


def _magic_of(start: bytes) -> bytes:
    return next((magic for magic in _KINDS if start.startswith(magic)), b"")
