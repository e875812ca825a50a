"""Image bytes in tar files (WebDataset convention), so that DVC moves tens of objects and not tens of thousands.

`write_shards` cuts by content: whether a shard ends after a member depends on that member's bytes, so that an image
added, changed or removed in the middle moves one cut and not all that follow. Where the members are small, a tar would
be mostly headers and padding; then each shard is a `.tar.gz` made of independent gzip members of about a mebibyte, which
any tar or gzip reader takes for one stream and `ShardReader` reads from the middle.
"""

from __future__ import annotations

import functools
import hashlib
import io
import os
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from datatools.file_reading import MOST_BYTES, UnreadableFileError
from datatools.store import save_bytes

SMALL = 16 << 10  # bytes; with members of this size, header and padding are more than 4 % of a tar
TARGET = 32 << 20  # bytes in a shard, on average: above every remote's fixed cost a file, and quick to resume
LEAST, MOST = TARGET // 4, TARGET * 4
BLOCK = 1 << 20  # bytes of tar in one gzip member
RECORD = 512  # tar's unit
_PADDING = bytes(RECORD)
LARGEST = 1 << 50  # bytes; no file system holds such a shard


class Member(NamedTuple):
    """Where the bytes of one file are: `offset` counts from the start of the tar, or of the gzip member at `block`."""

    name: str
    sha256: str
    n_bytes: int
    shard: str
    block: int
    offset: int


def write_shards(folder: Path, files: Iterable[tuple[str, bytes]], compress: bool) -> list[Member]:
    """Write (name, bytes) pairs, in the given order, to `images-0000.tar[.gz]` and on below `folder`.

    Times, owners and modes are fixed: equal files give equal bytes. Memory is one block. Files are synced, not renamed:
    the caller makes `folder` appear when all is written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    members: list[Member] = []
    shard: _Shard | None = None
    n_shards = 0
    try:
        for name, data in files:
            if shard is None:
                shard = _Shard(folder / f"images-{n_shards:04d}.tar{'.gz' if compress else ''}", compress)
                n_shards += 1
            digest = hashlib.sha256(data)
            members.append(shard.add(name, data, digest.hexdigest()))
            if _ends_here(shard.n_bytes, len(data), digest.digest()):
                shard.close()
                shard = None
    finally:
        if shard is not None:
            shard.close()
    return members


def _ends_here(shard_bytes: int, n_bytes: int, digest: bytes) -> bool:
    """A cut after a member: the chance is its share of TARGET, the die is its own digest."""
    if shard_bytes < LEAST:
        return False
    return shard_bytes >= MOST or int.from_bytes(digest[:8]) < (n_bytes / TARGET) * 2**64


class _Shard:
    def __init__(self, path: Path, compress: bool) -> None:
        self.name = path.name
        self.n_bytes = 0
        self._file = path.open("xb")
        self._compress = compress
        self._start = 0  # in the file, of the block that is being filled
        self._block = bytearray()

    def add(self, name: str, data: bytes, sha256: str) -> Member:
        """Append a file and return where it is."""
        block = self._block
        block += tar_header(name, len(data))
        offset = len(block) + (0 if self._compress else self._start)
        block += data
        block += _PADDING[: -len(data) % RECORD]
        member = Member(name, sha256, len(data), self.name, self._start if self._compress else 0, offset)
        self.n_bytes += len(data)
        if len(block) >= BLOCK:
            self._flush()
        return member

    def close(self) -> None:
        """Write what is left; the shard is on the disk when this returns."""
        self._block += bytes(2 * RECORD)
        self._flush()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def _flush(self) -> None:
        data: bytes | bytearray = self._block
        if self._compress:
            packer = zlib.compressobj(level=1, wbits=31)
            data = packer.compress(self._block) + packer.flush()
        self._file.write(data)
        self._start += len(data)
        self._block = bytearray()


def tar_header(name: str, n_bytes: int) -> bytes:
    """tarfile's own header; for plain names its template with name, size and checksum filled in (six times faster)."""
    raw = name.encode()
    if len(raw) > 100 or not name.isascii() or n_bytes >= 8**11:
        info = tarfile.TarInfo(name)
        info.size = n_bytes
        return info.tobuf(tarfile.PAX_FORMAT)
    head, middle, tail, base = _template()
    size = b"%011o" % n_bytes
    checksum = base + sum(raw) + sum(size)
    return b"".join((raw.ljust(100, b"\0"), head, size, middle, b"%06o\0 " % checksum, tail))


@functools.cache
def _template() -> tuple[bytes, bytes, bytes, int]:
    """The parts of an empty member's header around name (0-100), size (124-135) and checksum (148-156), and their sum."""
    header = tarfile.TarInfo("").tobuf(tarfile.USTAR_FORMAT)
    parts = header[100:124], header[135:148], header[156:]
    return *parts, sum(map(sum, parts)) + 8 * ord(" ")


def is_place(n_bytes: int, block: int, offset: int) -> bool:
    """Whether a file of `n_bytes` can lie there in some shard."""
    return 0 <= n_bytes <= MOST_BYTES and 0 <= block <= LARGEST and 0 <= offset <= LARGEST


class ShardReader:
    """Reads members of the shards below `folder`; safe in forked processes (no shared file position)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, member: Member) -> bytes:
        """Return the bytes of `member`, checked against its SHA-256. Raises UnreadableFileError."""
        if not is_place(member.n_bytes, member.block, member.offset):
            raise UnreadableFileError(f"{member.shard}: there is no such place in a shard")
        path = str(self.folder / member.shard)
        try:
            data = (_read_from_block if path.endswith(".gz") else _read_range)(path, member)
        except OSError as error:
            raise UnreadableFileError(f"{member.shard}: {error.strerror}") from error
        except zlib.error as error:
            raise UnreadableFileError(f"{member.shard} is damaged: {error}") from error
        if hashlib.sha256(data).hexdigest() != member.sha256:
            raise UnreadableFileError(f"{member.shard} is damaged: its bytes are not those that were imported")
        return data


def _read_range(path: str, member: Member) -> bytes:
    with open(path, "rb", buffering=0, opener=_open_at_once) as file:
        return os.pread(file.fileno(), member.n_bytes, member.offset)


def _read_from_block(path: str, member: Member) -> bytes:
    if member.offset > 2 * BLOCK:
        raise UnreadableFileError(f"{member.shard}: there is no such place in a shard")
    end = member.offset + member.n_bytes
    most = (
        -(-end // (2 * BLOCK)) * 2 * BLOCK
    )  # all of a usual block, which is kept; never more than this member explains
    return _read_block(path, member.block, most)[member.offset : end]


@functools.lru_cache(maxsize=4)
def _read_block(path: str, start: int, most: int) -> bytes:
    """What the gzip member at `start` unpacks to, at most `most` bytes of it."""
    unpacker = zlib.decompressobj(wbits=31)
    block = bytearray()
    with open(path, "rb", buffering=0, opener=_open_at_once) as file:
        while not unpacker.eof and len(block) < most and (chunk := os.pread(file.fileno(), BLOCK, start)):
            start += len(chunk)
            block += unpacker.decompress(chunk, most - len(block))
    return bytes(block)


def _open_at_once(path: str, flags: int) -> int:
    """Without waiting for a writer where a pipe lies in the shard's place."""
    return os.open(path, flags | os.O_NONBLOCK)


def save_shard(path: Path, files: Iterable[tuple[str, bytes]]) -> list[Member]:
    """Write (name, bytes) pairs as one tar file, in the given order, and return where each one is.

    Times, owners and modes are fixed: equal files give equal bytes. The tar appears whole or not at all.
    """
    buffer = io.BytesIO()
    members = []
    for name, data in files:
        buffer.write(tar_header(name, len(data)))
        members.append(Member(name, hashlib.sha256(data).hexdigest(), len(data), path.name, 0, buffer.tell()))
        buffer.write(data + bytes(-len(data) % RECORD))
    buffer.write(bytes(2 * RECORD))
    save_bytes(path, buffer.getvalue())
    return members


def iter_shard(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield (name, bytes) of every member, in the order of the file."""
    with tarfile.open(path, mode="r:*") as tar:
        for info in tar:
            file = tar.extractfile(info)
            if file is not None:
                yield info.name, file.read()
