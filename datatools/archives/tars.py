"""Tar: one header after the other. POSIX ustar and pax, GNU long names, and the first tar.

After POSIX.1-2017 (pax, "ustar Interchange Format" and "pax Header Block") and the GNU tar manual ("Basic Tar Format").
A header that contradicts itself ends the reading: what follows could be anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from datatools.archives.base import ArchiveError, Listing, Member, read_at
from datatools.tree import Limits

BLOCK = 512
_MAX_EXTENDED = 1 << 20  # bytes; names and numbers need less
_OCTAL = re.compile(rb" *([0-7]*)[ \0]*")
_CHUNK = 1 << 20
_FAULTS = {
    b"1": ("link", "a hard link: pack the file itself"),
    b"2": ("link", "a symbolic link: pack the file itself"),
    b"3": ("not_a_file", "a pipe, socket or device"),
    b"4": ("not_a_file", "a pipe, socket or device"),
    b"6": ("not_a_file", "a pipe, socket or device"),
}
_SPARSE = ("bad_member", "a file with holes: pack it without --sparse")
_DIFFER = {"path", "size", "linkpath"}  # records that make a member another one


class _DamageError(Exception):
    """A header that cannot be believed; the message starts with what it says."""


@dataclass
class _Extended:
    """What the headers before a member say of it."""

    name: bytes | None = None
    size: int | None = None
    is_sparse: bool = False


@dataclass
class _Reader:
    handle: int
    n_bytes: int
    limits: Limits
    place: int = 0
    number: int = 0
    notes: list[str] = field(default_factory=list)

    def members(self) -> Iterator[Member]:
        """Each member; where the archive is damaged, a note and the end."""
        extended = _Extended()
        try:
            while header := self._next_header():
                kind = header[156:157]
                size = _parse_number(header[124:136])
                if kind in (b"x", b"g", b"X", b"L", b"K"):
                    self._extend(extended, kind, self._content(size))
                else:
                    yield self._to_member(header, kind, size, extended)
                    extended = _Extended()
        except _DamageError as error:
            self.notes.append(f"{error}, at byte {self.place}: nothing behind it is read")

    def _next_header(self) -> bytes:
        header = read_at(self.handle, BLOCK, self.place)
        if not header or not header.strip(b"\0"):
            self._look_behind_the_end()
            return b""
        if len(header) < BLOCK:
            raise _DamageError("it stops in the middle of a header")
        total = sum(header) - sum(header[148:156]) + 8 * 32
        if total != _parse_number(header[148:156]):
            raise _DamageError("a header has a wrong checksum")
        self.place += BLOCK
        return header

    def _look_behind_the_end(self) -> None:
        for place in range(self.place, self.n_bytes, _CHUNK):
            if read_at(self.handle, _CHUNK, place).strip(b"\0"):
                self.notes.append("there is more behind its end, which is not read: is it two archives in one?")
                return

    def _content(self, size: int) -> bytes:
        if size > _MAX_EXTENDED:
            raise _DamageError(f"an extended header of {size} bytes")
        content = read_at(self.handle, size, self.place)
        self._skip(size)
        return content

    def _skip(self, size: int) -> None:
        if self.place + size > self.n_bytes:
            raise _DamageError("it stops in the middle of a member")
        self.place += size + -size % BLOCK

    def _extend(self, extended: _Extended, kind: bytes, content: bytes) -> None:
        if kind == b"L":
            extended.name = content.split(b"\0", 1)[0]
        if kind in (b"L", b"K"):
            return
        records = dict(_parse_records(content))
        if kind == b"g":
            if any(key in _DIFFER or key.startswith("GNU.sparse") for key in records):
                raise _DamageError("a global header that renames or resizes all members")
            return
        extended.name = records.get("path", extended.name)
        extended.is_sparse |= any(key.startswith("GNU.sparse") for key in records)
        if "size" in records:
            extended.size = _parse_decimal(records["size"])

    def _to_member(self, header: bytes, kind: bytes, size: int, extended: _Extended) -> Member:
        self.number += 1
        if self.number > self.limits.members:
            raise ArchiveError(f"it has more than {self.limits.members} members", "too_large")
        name = (extended.name if extended.name is not None else _name_of(header)).decode("utf-8", "surrogateescape")
        size = size if extended.size is None else extended.size
        is_folder = kind == b"5" or (kind in (b"0", b"\0") and name.endswith("/"))
        fault = _FAULTS.get(kind)
        if kind == b"S":
            self._skip_map(header)
        if kind == b"S" or extended.is_sparse:
            fault = _SPARSE
        elif not fault and kind not in (b"0", b"\0", b"5", b"7"):
            fault = "bad_member", f"its type {kind.decode('latin-1')!r} is not known"
        offset = self.place
        if kind not in (b"1", b"2", b"3", b"4", b"5", b"6"):  # these have no content, whatever size they state
            self._skip(size)
        return Member(self.number, name, size, offset, is_folder, fault)

    def _skip_map(self, header: bytes) -> None:
        """Old GNU sparse files have their map in further blocks."""
        more = header[482]
        while more:
            block = read_at(self.handle, BLOCK, self.place)
            if len(block) < BLOCK:
                raise _DamageError("it stops in the middle of a header")
            self.place += BLOCK
            more = block[504]


def list_members(handle: int, n_bytes: int, limits: Limits) -> Listing:
    """The members of the tar with `n_bytes` bytes; raises ArchiveError, and OSError where the disk does."""
    reader = _Reader(handle, n_bytes, limits)
    members = list(reader.members())
    if reader.notes and reader.place == 0:
        raise ArchiveError("it does not start as a tar: damaged, or something else")
    if reader.notes and not members:
        raise ArchiveError(reader.notes[0])
    return Listing(members, tuple(reader.notes))


def _name_of(header: bytes) -> bytes:
    name = header[:100].split(b"\0", 1)[0]
    prefix = header[345:500].split(b"\0", 1)[0] if header[257:263] == b"ustar\0" else b""
    return prefix + b"/" + name if prefix else name


def _parse_number(field: bytes) -> int:
    """Octal digits, or GNU's 256-based numbers."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:])
    found = _OCTAL.fullmatch(field)
    if found is None:
        raise _DamageError("a header has a number that is none")
    return int(found[1] or b"0", 8)


def _parse_decimal(text: bytes) -> int:
    if not text.isdigit() or len(text) > 19:
        raise _DamageError("an extended header has a size that is none")
    return int(text)


def _parse_records(content: bytes) -> Iterator[tuple[str, bytes]]:
    """`length key=value\\n`, one after the other; the length counts itself."""
    place = 0
    while place < len(content):
        space = content.find(b" ", place, place + 20)
        length = content[place:space] if space > place else b""
        stop = place + int(length) if length.isdigit() else 0
        key, equals, value = content[space + 1 : stop - 1].partition(b"=")
        if not place < space < stop <= len(content) or not equals or content[stop - 1 : stop] != b"\n":
            raise _DamageError("an extended header is damaged")
        yield key.decode("utf-8", "replace"), value
        place = stop
