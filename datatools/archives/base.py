"""What the readers of archives share: members, and what is wrong with an archive."""

from __future__ import annotations

import os
from dataclasses import dataclass


class ArchiveError(Exception):
    """An archive of which nothing can be taken in; `reason` is that of its row of REJECTED."""

    def __init__(self, message: str, reason: str = "broken_archive") -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Member:
    """One header of an archive; sizes and offsets in bytes.

    `number` is its position from 1, `size` that of its content, which lies at `offset` of a tar; in a zip the local
    header is there, and `packed` bytes later the content ends, before `end`. `fault` is (reason, message) where it cannot
    be taken in.
    """

    number: int
    name: str  # as it is written; bytes that are not UTF-8 are surrogates, as in os.fsdecode
    size: int
    offset: int
    is_folder: bool = False
    fault: tuple[str, str] | None = None
    packed: int = 0
    end: int = 0
    crc: int = 0
    is_deflated: bool = False


@dataclass(frozen=True)
class Listing:
    """The members in their order, and messages about the archive where not all of it can be trusted."""

    members: list[Member]
    notes: tuple[str, ...] = ()


def read_at(handle: int, n_bytes: int, offset: int) -> bytes:
    """Up to `n_bytes` from `offset` of an open file, fewer only at its end. The file's position is not touched, so that
    processes can share the handle. Raises OSError."""
    parts = [os.pread(handle, n_bytes, offset)]
    n_read = len(parts[0])
    while parts[-1] and n_read < n_bytes:
        parts.append(os.pread(handle, n_bytes - n_read, offset + n_read))
        n_read += len(parts[-1])
    return b"".join(parts)
