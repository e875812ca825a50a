"""Archives as trees: which members are taken in, and reading them where they lie."""

from __future__ import annotations

import functools
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from datatools.archives import tars, zips
from datatools.archives.base import ArchiveError, Listing, Member, read_at
from datatools.archives.unpack import Unpacked, find_unpacker, unpack
from datatools.errors import DatatoolsError
from datatools.file_names import find_collisions, judge_hidden, judge_name
from datatools.tree import Limits, Row, Tree, UnreadableFileError, refuse

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_DRIVE = re.compile("[A-Za-z]:")
Verdict = tuple[str, str]


class Stamp(NamedTuple):
    """What shows that an archive is still the one that was listed."""

    device: int
    inode: int
    n_bytes: int
    mtime_ns: int


@dataclass(frozen=True)
class ArchiveTree(Tree):
    """The members of an archive that are regular files; reading opens the archive again, so that processes share nothing."""

    members: Mapping[str, Member] = field(default_factory=dict, compare=False, repr=False)
    stamp: Stamp = Stamp(0, 0, 0, 0)

    __reduce__ = Tree.__reduce__

    def _read_file(self, path: str) -> bytes:
        member = self.members.get(path)
        if member is None:
            raise UnreadableFileError("not a file of this tree")
        try:
            return self._read(member)
        except OSError as error:
            raise UnreadableFileError(error.strerror or type(error).__name__) from error

    def _read(self, member: Member) -> bytes:
        raise NotImplementedError


class ZipTree(ArchiveTree):
    """The members of a zip."""

    def _read(self, member: Member) -> bytes:
        with _opened_again(self.root, self.stamp) as handle:
            return zips.read_member(handle, member)


class TarTree(ArchiveTree):
    """The members of a tar. A compressed one is unpacked into a temporary file, once for a process and its forks."""

    def _read(self, member: Member) -> bytes:
        with _opened_again(self.root, self.stamp) as handle:
            unpacked = self._unpacked(handle)
            data = read_at(unpacked.file.fileno() if unpacked else handle, member.size, member.offset)
        if len(data) < member.size:
            raise UnreadableFileError("the archive stops in the middle of it")
        return data

    def _unpacked(self, handle: int) -> Unpacked | None:
        try:
            return _unpack_once(self.root, self.stamp, self.limits) if find_unpacker(handle) else None
        except ArchiveError as error:
            raise UnreadableFileError(f"the archive cannot be read: {error}") from error


def is_archive(path: Path) -> bool:
    """Whether the name is that of an archive that is read."""
    return path.name.lower().endswith(SUFFIXES)


def open_archive(root: Path, limits: Limits) -> Tree:
    """List the members of the archive `root`; whatever is wrong with it is a row of `refused`.

    Raises DatatoolsError for a file that cannot be opened, and where the disk has no room to unpack a compressed tar.
    """
    kind = ZipTree if root.name.lower().endswith(".zip") else TarTree
    try:
        with _opened(root) as handle:
            stamp = _stamp(handle)
            listing = _list_members(root, kind, handle, stamp, limits)
        _check_total(listing.members, limits)
    except (ArchiveError, UnreadableFileError) as error:
        reason = error.reason if isinstance(error, ArchiveError) else "broken_archive"
        return kind(root, {}, (refuse(root.name, reason, str(error)),), limits)
    except OSError as error:
        raise DatatoolsError(f"{root}: expected an archive that can be read. Got: {error.strerror}.") from error
    members, refused = _take_in(listing.members, limits)
    sizes = {path: member.size for path, member in members.items()}
    notes = [refuse(root.name, "broken_archive", note) for note in listing.notes]
    return kind(root, sizes, (*notes, *refused), limits, members, stamp)


def _list_members(root: Path, kind: type[ArchiveTree], handle: int, stamp: Stamp, limits: Limits) -> Listing:
    if kind is ZipTree:
        return zips.list_members(handle, stamp.n_bytes, limits)
    if find_unpacker(handle) is None:
        return tars.list_members(handle, stamp.n_bytes, limits)
    unpacked = _unpack_once(root, stamp, limits)
    listing = tars.list_members(unpacked.file.fileno(), unpacked.n_bytes, limits)
    return Listing(listing.members, unpacked.notes + listing.notes)


@functools.lru_cache(maxsize=2)
def _unpack_once(root: Path, stamp: Stamp, limits: Limits) -> Unpacked:
    with _opened_again(root, stamp) as handle:
        make = find_unpacker(handle)
        assert make is not None, "callers have looked"
        return unpack(handle, make, limits)


@contextmanager
def _opened(root: Path) -> Iterator[int]:
    handle = os.open(root, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        yield handle
    finally:
        os.close(handle)


@contextmanager
def _opened_again(root: Path, stamp: Stamp) -> Iterator[int]:
    with _opened(root) as handle:
        if _stamp(handle) != stamp:
            raise UnreadableFileError("the archive has changed since it was listed")
        yield handle


def _stamp(handle: int) -> Stamp:
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(0, "no regular file")
    return Stamp(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def _check_total(members: Iterable[Member], limits: Limits) -> None:
    total = sum(member.size for member in members)
    if total > limits.total_bytes:
        raise ArchiveError(f"it unpacks to {total} bytes, more than {limits.total_bytes}", "too_large")


def _take_in(members: Iterable[Member], limits: Limits) -> tuple[dict[str, Member], list[Row]]:
    """The members that are files of the tree by path, sorted, and rows for the others."""
    named: dict[str, list[Member]] = {}
    folders: set[str] = set()
    refused: list[Row] = []
    for member in members:
        path = _path_of(member)
        if not member.is_folder:
            named.setdefault(path, []).append(member)
        elif fault := (path and _judge_path(path, limits)) or member.fault:
            refused.append(refuse(path, *fault))
        else:
            folders.add(path)
    kept = _keep_the_sound(named, limits, refused)
    collisions = find_collisions(kept, folders)
    refused += [refuse(path, "name_collision", message) for path, message in collisions.items()]
    return {path: kept[path] for path in sorted(kept.keys() - collisions.keys())}, refused


def _keep_the_sound(named: Mapping[str, list[Member]], limits: Limits, refused: list[Row]) -> dict[str, Member]:
    kept: dict[str, Member] = {}
    passed_over: dict[str, str] = {}
    for path, group in named.items():
        if hidden := _find_hidden(path):
            passed_over.setdefault(*hidden)
        elif len(group) > 1:
            message = f"the archive has it {len(group)} times, here as member {{}}: which one holds is not clear"
            refused += [refuse(path, "repeated_member", message.format(member.number)) for member in group]
        elif fault := _judge_path(path, limits) or group[0].fault or _judge_size(group[0].size, limits):
            refused.append(refuse(path, *fault))
        else:
            kept[path] = group[0]
    refused += [refuse(path, "hidden", message) for path, message in passed_over.items()]
    return kept


def _path_of(member: Member) -> str:
    """Its name without the `./` that tar writes; empty for the top folder."""
    path = member.name
    while path.startswith("./"):
        path = path[2:]
    path = path.rstrip("/") if member.is_folder and path != "/" else path
    return "" if member.is_folder and path == "." else path


def _judge_path(path: str, limits: Limits) -> Verdict | None:
    if path.startswith("/") or _DRIVE.match(path):
        return "bad_name", "its name is absolute: pack it with names from the top folder on"
    if not {"", ".", ".."}.isdisjoint(path.split("/")):
        return "bad_name", "its name has an empty part, `.` or `..`: pack it with plain names"
    return judge_name(path, limits.depth)


def _judge_size(size: int, limits: Limits) -> Verdict | None:
    return ("too_large", f"{size} bytes are more than {limits.file_bytes}") if size > limits.file_bytes else None


def _find_hidden(path: str) -> Verdict | None:
    """The first hidden folder on the way to `path`, or `path` itself, and why it is passed over."""
    parts = path.split("/")
    if ".." in parts or "." in parts:
        return None
    for n, part in enumerate(parts, start=1):
        if message := judge_hidden(part):
            return "/".join(parts[:n]), message
    return None
