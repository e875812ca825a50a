"""Zip: the central directory is the list of members, and the rest of the file must agree with it.

After PKWARE's APPNOTE 6.3.10. Stored and deflated members, Zip64. A file with bytes before its start or behind its end
is refused: which list holds would depend on the reader.
"""

from __future__ import annotations

import stat
import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace

from datatools.archives.base import ArchiveError, Listing, Member, read_at
from datatools.tree import Limits, UnreadableFileError

_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")
_ENTRY = struct.Struct("<4s2B5H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_ENCRYPTED = 1 | 1 << 6 | 1 << 13  # flags
_STORED, _DEFLATED = 0, 8
_IN_ZIP64 = 0xFFFFFFFF  # the number is elsewhere


def list_members(handle: int, n_bytes: int, limits: Limits) -> Listing:
    """The members of the zip with `n_bytes` bytes; raises ArchiveError, and OSError where the disk does."""
    count, size, start = _find_directory(handle, n_bytes)
    if count > limits.members:
        raise ArchiveError(f"{count} members are more than {limits.members}", "too_large")
    if size > limits.file_bytes:
        raise ArchiveError(f"a list of {size} bytes is more than {limits.file_bytes}", "too_large")
    entries = list(_parse_directory(read_at(handle, size, start), count, limits))
    return Listing(list(_each_in_its_place(entries, start)))


def read_member(handle: int, member: Member) -> bytes:
    """The content of a member, checked against its local header, size and checksum. Raises UnreadableFileError."""
    header = read_at(handle, _LOCAL.size, member.offset)
    if len(header) < _LOCAL.size or not header.startswith(b"PK\3\4"):
        raise UnreadableFileError("there is no member where the archive's list says")
    _, _, flags, method, _, _, _, _, _, n_name, n_extra = _LOCAL.unpack(header)
    name = read_at(handle, n_name, member.offset + _LOCAL.size)
    start = member.offset + _LOCAL.size + n_name + n_extra
    if _decode(name) != member.name or flags & _ENCRYPTED or method != (_DEFLATED if member.is_deflated else _STORED):
        raise UnreadableFileError("its own header and the archive's list differ")
    if start + member.packed > member.end:
        raise UnreadableFileError("it overlaps with the next member")
    data = read_at(handle, member.packed, start)
    if member.is_deflated:
        data = _inflate(data, member.size)
    if len(data) != member.size:
        raise UnreadableFileError(f"it does not have the {member.size} bytes it declares")
    if zlib.crc32(data) != member.crc:
        raise UnreadableFileError("its checksum is wrong: the archive is damaged")
    return data


def _inflate(data: bytes, size: int) -> bytes:
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        unpacked = unpacker.decompress(data, size + 1)
    except zlib.error as error:
        raise UnreadableFileError(f"it cannot be unpacked: {error}") from error
    if not unpacker.eof and len(unpacked) <= size:
        raise UnreadableFileError("it cannot be unpacked: it stops in the middle")
    return unpacked


def _find_directory(handle: int, n_bytes: int) -> tuple[int, int, int]:
    """Number of members, bytes and start of the central directory."""
    tail_start = max(0, n_bytes - _END.size - 0xFFFF)
    tail = read_at(handle, n_bytes - tail_start, tail_start)
    ends = [place for place in _find_all(tail, b"PK\5\6") if _reaches_the_end(tail, place)]
    if len(ends) != 1:
        found = "more than one list" if ends else "no list"
        raise ArchiveError(f"it has {found} of its members at its end: truncated, changed or no zip; fetch it again")
    _, disk, first_disk, here, count, size, start, _ = _END.unpack_from(tail, ends[0])
    place = tail_start + ends[0]
    locator = read_at(handle, _LOCATOR.size, place - _LOCATOR.size) if place >= _LOCATOR.size else b""
    if locator.startswith(b"PK\6\7"):
        short = (here, count, size, start)
        place, disk, first_disk, here, count, size, start = _read_end64(handle, place - _LOCATOR.size, locator)
        if any(small not in (large, 0xFFFF, 0xFFFFFFFF) for small, large in zip(short, (here, count, size, start))):
            raise ArchiveError("its two lists of members differ: it is damaged or changed")
    if disk or first_disk or here != count:
        raise ArchiveError("it is one part of several: join them first")
    if start + size != place:
        raise ArchiveError(
            "its list of members is not where it says: there are bytes before the start, or it is damaged"
        )
    return count, size, start


def _find_all(data: bytes, mark: bytes) -> Iterator[int]:
    place = data.find(mark)
    while place >= 0:
        yield place
        place = data.find(mark, place + 1)


def _reaches_the_end(tail: bytes, place: int) -> bool:
    return len(tail) - place >= _END.size and place + _END.size + _END.unpack_from(tail, place)[-1] == len(tail)


def _read_end64(handle: int, locator_place: int, locator: bytes) -> tuple[int, int, int, int, int, int, int]:
    _, _, place, n_disks = _LOCATOR.unpack(locator)
    record = read_at(handle, _END64.size, place) if place < locator_place else b""
    if len(record) < _END64.size or not record.startswith(b"PK\6\6") or n_disks != 1:
        raise ArchiveError("its Zip64 record is not where it says: there are bytes before the start, or it is damaged")
    _, n_record, _, _, disk, first_disk, here, count, size, start = _END64.unpack(record)
    if place + 12 + n_record != locator_place:
        raise ArchiveError("its Zip64 record is damaged")
    return place, disk, first_disk, here, count, size, start


def _parse_directory(data: bytes, count: int, limits: Limits) -> Iterator[Member]:
    place = 0
    for number in range(1, count + 1):
        if not data.startswith(b"PK\1\2", place) or len(data) - place < _ENTRY.size:
            raise ArchiveError(f"its list of members is damaged at number {number}")
        entry = _ENTRY.unpack_from(data, place)
        n_name, n_extra, n_comment = entry[11:14]
        place += _ENTRY.size
        name = data[place : place + n_name]
        yield _to_member(number, entry, name, data[place + n_name : place + n_name + n_extra], limits)
        place += n_name + n_extra + n_comment
    if place != len(data):
        raise ArchiveError("its list of members is damaged: it has another length than it says")


def _to_member(number: int, entry: tuple, name: bytes, extra: bytes, limits: Limits) -> Member:
    flags, method, crc, packed, size, disk, mode, offset = (entry[n] for n in (4, 5, 8, 9, 10, 14, 16, 17))
    text = _decode(name)
    if _IN_ZIP64 in (size, packed, offset):
        size, packed, offset = _read_zip64(extra, size, packed, offset)
    fault = _find_fault(flags, method, mode >> 16, disk) or _judge_sizes(size, packed, method, limits)
    is_folder = text.endswith("/")
    if is_folder and size and fault is None:
        fault = "bad_member", "a folder with content"
    end = offset + _LOCAL.size + len(name) + packed
    return Member(number, text, size, offset, is_folder, fault, packed, end, crc, method == _DEFLATED)


def _find_fault(flags: int, method: int, mode: int, disk: int) -> tuple[str, str] | None:
    kind = stat.S_IFMT(mode)  # 0 where the system that packed it has no such thing
    if kind == stat.S_IFLNK:
        return "link", "a symbolic link: pack the file itself"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "not_a_file", "a pipe, socket or device"
    if flags & _ENCRYPTED:
        return "encrypted", "it is encrypted: pack it without a password"
    if method not in (_STORED, _DEFLATED):
        return "bad_member", f"it is packed by method {method}: only stored (0) and deflated (8) ones are read"
    if disk:
        return "bad_member", "it lies in another part of the archive"
    return None


def _judge_sizes(size: int, packed: int, method: int, limits: Limits) -> tuple[str, str] | None:
    if method == _STORED and size != packed:
        return "bad_member", f"it is stored as it is, but declares {size} bytes in {packed}"
    if size > limits.ratio_bytes and size > limits.ratio * packed:
        return "bomb", f"{packed} bytes that unpack to {size} are more than {limits.ratio} to one"
    return None


def _read_zip64(extra: bytes, size: int, packed: int, offset: int) -> tuple[int, int, int]:
    """The three numbers, where they are too large for their fields, from the extra field 1."""
    values = iter(_find_extra(extra))
    return tuple(next(values, number) if number == _IN_ZIP64 else number for number in (size, packed, offset))  # type: ignore[return-value]


def _find_extra(extra: bytes) -> list[int]:
    place = 0
    while place + 4 <= len(extra):
        kind, n_bytes = struct.unpack_from("<HH", extra, place)
        if kind == 1:
            body = extra[place + 4 : place + 4 + n_bytes][:24]
            return list(struct.unpack(f"<{len(body) // 8}Q", body[: len(body) // 8 * 8]))
        place += 4 + n_bytes
    return []


def _each_in_its_place(members: list[Member], stop: int) -> Iterator[Member]:
    """The members, those faulted that share bytes with another one or reach beyond `stop`; `end` is how far each may go."""
    ordered = sorted(members, key=lambda member: member.offset)
    shared: set[int] = set()
    ends: dict[int, int] = {}
    last, last_end = 0, 0
    for member, after in zip(ordered, [*ordered, None][1:], strict=True):
        if member.offset < last_end:
            shared |= {last, member.number}
        if member.end > last_end:
            last, last_end = member.number, member.end
        ends[member.number] = min(stop, after.offset) if after else stop
    for member in members:
        fault = member.fault
        if member.end > stop:
            fault = fault or ("bad_member", "it reaches beyond the members: the archive is damaged")
        elif member.number in shared:
            fault = fault or ("bad_member", "it shares bytes with another member")
        yield replace(member, end=ends[member.number], fault=fault)


def _decode(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
