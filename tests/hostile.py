"""Folders and archives made to do harm, and what is to become of each file in them."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import socket
import struct
import tarfile
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from datatools.file_names import printable
from datatools.tree import Limits, Tree, UnreadableFileError, open_tree
from tests.builders import lay_out, make_png

SECRET = b"-----BEGIN SECRET KEY-----"
PNG = make_png()
MiB = 1 << 20
LIMITS = Limits()
Verdict = tuple[str, str, str]  # path, reason, what the message has


@dataclass(frozen=True)
class Case:
    """An archive: its bytes, the files that are taken in, the rows there must be, and files that fail when read."""

    data: bytes
    kept: dict[str, bytes] = field(default_factory=dict)
    refused: tuple[Verdict, ...] = ()
    unreadable: dict[str, str] = field(default_factory=dict)
    limits: Limits = LIMITS


# ---- folders ----


def lay_out_hostile(root: Path, outside: Path) -> tuple[set[str], set[tuple[str, str]]]:
    """A folder with a file of every kind beside links to `outside`; returns the files to keep and (path, reason)."""
    lay_out(outside, {"secret.png": SECRET, "folder/secret.png": SECRET})
    kept = {"a.png", "naïve 猫.png", "deep/" * 5 + "a.png", "n" * 251 + ".png", "CON.png", "12:30.png", "empty.png"}
    lay_out(root, dict.fromkeys(kept, PNG) | {"empty.png": b""})
    bad_names = {
        "new\nline.png": "new\\x0aline.png",
        "back\\slash.png": "back\\slash.png",
        "es\x1bc.png": "es\\x1bc.png",
    }
    lay_out(root, dict.fromkeys(bad_names, PNG) | {"fold\ner/a.png": PNG})
    hidden = [".DS_Store", ".gitignore", "Thumbs.db", "sub/desktop.ini", ".git/config", "__MACOSX/sub/._a.png"]
    lay_out(root, dict.fromkeys(hidden, b"x"))
    with open(os.fsencode(root) + b"/latin-\xe9.png", "wb") as file:
        file.write(PNG)
    twins = {"A.png": "a.png", "Twin/b.png": "twin/b.png", "cafe\u0301.png": "caf\u00e9.png", "x.png.": "x.png"}
    lay_out(root, {name: PNG for pair in twins.items() for name in pair})
    kept |= {min(pair) for pair in twins.items()}
    kept.discard("a.png")
    lay_out(root, {"/".join(["d"] * 101) + "/a.png": PNG})
    make_links(root, outside)
    os.mkfifo(root / "pipe.png")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.fspath(root / "s.png")) if len(os.fspath(root)) < 100 else os.mkfifo(root / "s.png")
    with (root / "huge.png").open("wb") as file:
        file.truncate(2 << 30)
    refused = {(shown, "bad_name") for shown in bad_names.values()}
    refused |= {("fold\\x0aer", "bad_name"), ("latin-\\xe9.png", "bad_name"), ("/".join(["d"] * 101), "too_deep")}
    refused |= {(name, "hidden") for name in (*hidden[:4], ".git", "__MACOSX")}
    refused |= {(max(pair), "name_collision") for pair in twins.items()}
    refused |= {(name, "link") for name in ("link.png", "loop", "outside", "absolute.png", "nowhere.png")}
    refused |= {("pipe.png", "not_a_file"), ("s.png", "not_a_file"), ("huge.png", "too_large")}
    return kept, refused


def make_links(root: Path, outside: Path) -> None:
    """Links out of `root`, to itself and to nothing."""
    (root / "link.png").symlink_to(os.path.relpath(outside / "secret.png", root))
    (root / "absolute.png").symlink_to((outside / "secret.png").absolute())
    (root / "outside").symlink_to(outside.absolute())
    (root / "loop").symlink_to(".")
    (root / "nowhere.png").symlink_to("no such file")


def nest_folders(root: Path, n: int) -> None:
    """`n` folders `d`, one in the other: deeper than a path can name."""
    handle = os.open(root, os.O_RDONLY)
    for _ in range(n):
        os.mkdir("d", dir_fd=handle)
        inner = os.open("d", os.O_RDONLY, dir_fd=handle)
        os.close(handle)
        handle = inner
    os.close(handle)


def remove_nested(root: Path, n: int) -> None:
    """Take away what nest_folders made: shutil.rmtree recurses."""
    handles = [os.open(root, os.O_RDONLY)]
    for _ in range(n - 1):
        handles.append(os.open("d", os.O_RDONLY, dir_fd=handles[-1]))
    for handle in reversed(handles):
        os.rmdir("d", dir_fd=handle)
        os.close(handle)


# ---- zip ----


@dataclass(frozen=True)
class ZipEntry:
    """One member: what the central directory says of it, and its local header where that differs."""

    name: str | bytes
    data: bytes = b"x"
    method: int = 0
    mode: int = 0o100644
    flags: int = 0x800  # the name is UTF-8
    size: int | None = None
    crc: int | None = None
    packed: bytes | None = None
    at: int | None = None  # another offset than its own
    disk: int = 0
    in_zip64: bool = False  # its numbers are in the extra field
    local_name: bytes | None = None
    local_extra: int = 0  # bytes said to stand between name and content

    def local(self) -> bytes:
        """Local header and content."""
        name = self.raw_name if self.local_name is None else self.local_name
        sizes = (self.checksum, len(self.content), self.n_bytes, len(name), self.local_extra)
        header = struct.pack("<4s5H3L2H", b"PK\3\4", 20, self.flags, self.method, 0, 0, *sizes)
        return header + name + self.content

    def central(self, offset: int) -> bytes:
        """Its part of the central directory."""
        at = offset if self.at is None else self.at
        packed, size, extra = len(self.content), self.n_bytes, b""
        if self.in_zip64:
            extra = struct.pack("<HHBHHQQQ", 9, 1, 0, 1, 24, size, packed, at)
            packed = size = at = 0xFFFFFFFF
        fixed = (b"PK\1\2", 20, 3, 20, self.flags, self.method, 0, 0, self.checksum, packed, size)
        rest = (len(self.raw_name), len(extra), 0, self.disk, 0, self.mode << 16, at)
        return struct.pack("<4s2B5H3L5H2L", *fixed, *rest) + self.raw_name + extra

    @property
    def raw_name(self) -> bytes:
        """The name as bytes."""
        return self.name.encode() if isinstance(self.name, str) else self.name

    @property
    def content(self) -> bytes:
        """The data, packed."""
        if self.packed is not None:
            return self.packed
        return deflate(self.data) if self.method == 8 else self.data

    @property
    def checksum(self) -> int:
        """The declared one."""
        return zlib.crc32(self.data) if self.crc is None else self.crc

    @property
    def n_bytes(self) -> int:
        """The declared size."""
        return len(self.data) if self.size is None else self.size


def make_zip(*entries: ZipEntry, before: bytes = b"", count: int | None = None, comment: bytes = b"") -> bytes:
    """A zip of these entries, `before` put in front without correcting the offsets, the count another one if given."""
    body, directory = b"", b""
    for entry in entries:
        directory += entry.central(len(body))
        body += entry.local()
    n = len(entries) if count is None else count
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, n, n, len(directory), len(body), len(comment))
    return before + body + directory + end + comment


def make_zip64(*entries: ZipEntry, count: int | None = None, shift: int = 0, small: int = 0xFFFF) -> bytes:
    """A zip with the end of Zip64: its record said to be `shift` bytes away from where it is, `small` the old count."""
    plain = make_zip(*entries)
    _, _, _, _, n, size, start, _ = struct.unpack("<4s4H2LH", plain[-22:])
    n = n if count is None else count
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, n, n, size, start)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, start + size + shift, 1)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, small, small, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return plain[:-22] + record + locator + end


def deflate(data: bytes) -> bytes:
    """Raw deflate, as a zip has it."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def hostile_zips() -> dict[str, Case]:
    """Every way in which a zip can lie."""
    return {**_bad_zip_names(), **_bad_zip_members(), **_lying_zip_members(), **_broken_zips()}


GOOD = ZipEntry("good.png", PNG, method=8)
FINE = {"good.png": PNG}


def _zip_case(*entries: ZipEntry, refused: tuple[Verdict, ...], kept: str = "", limits: Limits = LIMITS) -> Case:
    """The good entry and these, of which `kept` is taken in too."""
    also = {str(entry.name): entry.data for entry in entries if kept and entry.name == kept}
    return Case(make_zip(GOOD, *entries), FINE | also, refused, limits=limits)


def _bad_zip_names() -> dict[str, Case]:
    names: dict[str | bytes, tuple[str, str]] = {
        "/etc/passwd": ("bad_name", "its name is absolute: pack it with names from the top folder on"),
        "C:/x.png": ("bad_name", "absolute"),
        "c:x.png": ("bad_name", "absolute"),
        "../x.png": ("bad_name", "its name has an empty part, `.` or `..`: pack it with plain names"),
        "a/../../x.png": ("bad_name", "`..`"),
        "..": ("bad_name", "`..`"),
        "a/./x.png": ("bad_name", "`..`"),
        "a//x.png": ("bad_name", "empty part"),
        "": ("bad_name", "empty part"),
        "../f/": ("bad_name", "`..`"),
        "x\\..\\y.png": ("bad_name", "its name has a backslash: rename it"),
        "a.png\0.txt": ("bad_name", "its name has a control character: rename it"),
        "a\nb.png": ("bad_name", "control"),
        "a\u2028b.png": ("bad_name", "control"),
        b"caf\xe9.png": ("bad_name", "its name is not UTF-8: rename it"),
        "n" * 256: ("bad_name", "its name has more than 255 bytes: rename it"),
        "\u732b" * 86: ("bad_name", "255 bytes"),
        "n/" * 2048 + "x": ("bad_name", "its name with all folders has more than 4095 bytes: rename it"),
        "n/" * 101 + "x": ("too_deep", "it is more than 100 folders deep"),
        "Thumbs.db": ("hidden", "left behind by the system, not part of the data"),
        ".a.png": ("hidden", "a hidden file or folder"),
    }
    cases = {}
    for name, (reason, message) in names.items():
        shown = printable(os.fsdecode(name)).rstrip("/") if name else ""
        cases[f"name {shown[:20]!r}"] = _zip_case(ZipEntry(name, b""), refused=((shown, reason, message),))
    return cases


def _bad_zip_members() -> dict[str, Case]:
    bomb = ZipEntry("b", bytes(MiB), 8)
    repeated = tuple(
        ("x.png", "repeated_member", f"the archive has it 2 times, here as member {n}: which one holds is not clear")
        for n in (2, 3)
    )
    in_folder = (("x", "name_collision", "it has the name of the folder x/: rename one of the two"),)
    shared = (("good.png", "bad_member", "it shares bytes with another member"), ("b", "bad_member", "shares bytes"))
    return {
        "hidden folders": _zip_case(
            ZipEntry("__MACOSX/._a"), ZipEntry("__MACOSX/sub/b"), ZipEntry("x/.git/y"),
            refused=(("__MACOSX", "hidden", "left behind"), ("x/.git", "hidden", "a hidden")),
        ),
        "link": _zip_case(
            ZipEntry("l", b"/etc/passwd", mode=0o120777), refused=(("l", "link", "a symbolic link: pack the file itself"),)
        ),
        "link, then a file through it": _zip_case(
            ZipEntry("l", b"/etc", mode=0o120777), ZipEntry("l/x.png", PNG),
            refused=(("l", "link", "a symbolic link"),), kept="l/x.png",
        ),
        "pipe": _zip_case(ZipEntry("p", mode=0o010644), refused=(("p", "not_a_file", "a pipe, socket or device"),)),
        "repeated": _zip_case(ZipEntry("x.png", b"1"), ZipEntry("x.png", b"2"), refused=repeated),
        "repeated in disguise": _zip_case(ZipEntry("x.png", b"1"), ZipEntry("./x.png", b"2"), refused=repeated),
        "file and folder": _zip_case(ZipEntry("x"), ZipEntry("x/y.png", PNG), refused=in_folder, kept="x/y.png"),
        "file and empty folder": _zip_case(ZipEntry("x"), ZipEntry("x/", b"", mode=0o40755), refused=in_folder),
        "folder with content": _zip_case(ZipEntry("f/"), refused=(("f", "bad_member", "a folder with content"),)),
        "case twins": _zip_case(
            ZipEntry("GOOD.PNG2", PNG), ZipEntry("good.png2", PNG), kept="GOOD.PNG2",
            refused=(("good.png2", "name_collision", "same file as GOOD.PNG2: rename one of the two"),),
        ),
        "encrypted": _zip_case(
            ZipEntry("e", flags=0x801), refused=(("e", "encrypted", "it is encrypted: pack it without a password"),)
        ),
        "strongly encrypted": _zip_case(ZipEntry("e", flags=0x840), refused=(("e", "encrypted", ""),)),
        "unknown method": _zip_case(
            ZipEntry("m", method=93),
            refused=(("m", "bad_member", "it is packed by method 93: only stored (0) and deflated (8) ones are read"),),
        ),
        "another disk": _zip_case(
            ZipEntry("d", disk=7), refused=(("d", "bad_member", "it lies in another part of the archive"),)
        ),
        "stored in another size": _zip_case(
            ZipEntry("s", size=9), refused=(("s", "bad_member", "it is stored as it is, but declares 9 bytes in 1"),)
        ),
        "bomb": _zip_case(
            bomb, refused=(("b", "bomb", f"{len(bomb.content)} bytes that unpack to 1048576 are more than 200 to one"),),
            limits=Limits(ratio_bytes=1000),
        ),
        "large member": _zip_case(
            ZipEntry("b", bytes(3000), 8), refused=(("b", "too_large", "3000 bytes are more than 2000"),),
            limits=Limits(file_bytes=2000),
        ),
        "beyond the end": _zip_case(
            ZipEntry("b", at=1 << 20),
            refused=(("b", "bad_member", "it reaches beyond the members: the archive is damaged"),),
        ),
        "one content for two": Case(make_zip(GOOD, ZipEntry("b", PNG, 8, at=0)), {}, shared),
        "content inside content": Case(make_zip(GOOD, ZipEntry("b", PNG, 8, at=9)), {}, shared),
    }  # fmt: skip


def _lying_zip_members() -> dict[str, Case]:
    """What shows only when the member is read."""
    digits = deflate(b"0123456789")
    liars = {
        "another local name": (ZipEntry("b", local_name=b"c"), "its own header and the archive's list differ"),
        "no local header": (
            ZipEntry("b", local_name=b"b" * 20, at=2),
            "there is no member where the archive's list says",
        ),
        "declared too small": (
            ZipEntry("b", b"", 8, size=5, packed=digits),
            "it does not have the 5 bytes it declares",
        ),
        "declared too large": (ZipEntry("b", b"", 8, size=50, packed=digits), "it does not have the 50 bytes"),
        "wrong checksum": (ZipEntry("b", crc=1), "its checksum is wrong: the archive is damaged"),
        "not deflated": (ZipEntry("b", b"", 8, size=5, packed=b"\xff\xff"), "it cannot be unpacked: "),
        "cut": (ZipEntry("b", b"", 8, size=10, packed=digits[:-4]), "it cannot be unpacked: it stops in the middle"),
        "reaches into the next": (ZipEntry("b", local_extra=5), "it overlaps with the next member"),
    }
    return {
        name: Case(make_zip(entry, GOOD), FINE, unreadable={"b": message}) for name, (entry, message) in liars.items()
    }


def _broken_zips() -> dict[str, Case]:
    whole, no_list = make_zip(GOOD), "it has no list of its members at its end: truncated, changed or no zip"
    damaged_end = "there are bytes before the start, or it is damaged"
    broken = {
        "truncated": (whole[:-30], no_list),
        "prepended": (make_zip(GOOD, before=b"MZ" * 50), f"its list of members is not where it says: {damaged_end}"),
        "appended": (whole + b"more", no_list),
        "two ends": (make_zip(GOOD, comment=make_zip()), "it has more than one list of its members"),
        "empty file": (b"", no_list),
        "no zip": (b"GIF89a" * 100, no_list),
        "count too high": (make_zip(GOOD, count=2), "its list of members is damaged at number 2"),
        "count too low": (make_zip(GOOD, GOOD, count=1), "it has another length than it says"),
        "one of several": (whole[:-18] + b"\1\0" + whole[-16:], "it is one part of several: join them first"),
        "Zip64 elsewhere": (make_zip64(GOOD, shift=1), f"its Zip64 record is not where it says: {damaged_end}"),
        "Zip64 far away": (make_zip64(GOOD, shift=1 << 63), "its Zip64 record is not where it says"),
        "Zip64 with a gap": (make_zip64(GOOD, ZipEntry("a", PNG), small=1), "its two lists of members differ"),
    }
    cases = {name: Case(data, {}, (("case.zip", "broken_archive", text),)) for name, (data, text) in broken.items()}
    many = (("case.zip", "too_large", "1099511627776 members are more than 2000000"),)
    few = (("case.zip", "too_large", "2 members are more than 1"),)
    total = (("case.zip", "too_large", f"it unpacks to {2 * len(PNG)} bytes, more than {len(PNG)}"),)
    listed = (("case.zip", "too_large", "a list of 105 bytes is more than 100"),)
    two = make_zip(GOOD, ZipEntry("a.png", PNG))
    return {
        **cases,
        "Zip64 with endless members": Case(make_zip64(GOOD, count=1 << 40), {}, many),
        "too many members": Case(two, {}, few, limits=Limits(members=1)),
        "too much in all": Case(two, {}, total, limits=Limits(total_bytes=len(PNG))),
        "too long a list": Case(two, {}, listed, limits=Limits(file_bytes=100)),
        "empty": Case(make_zip()),
        "Zip64": Case(make_zip64(ZipEntry("good.png", PNG, 8, in_zip64=True)), FINE),
        "with a comment": Case(make_zip(GOOD, comment=b"made by hand"), FINE),
    }


# ---- tar ----


def tar_member(
    name: str | bytes, data: bytes = b"", kind: bytes = b"0", size: int | bytes | None = None,
    magic: bytes = b"ustar\x0000", prefix: bytes = b"", checksum: int | None = None, rest: bytes = b"",
) -> bytes:  # fmt: skip
    """A header with any lie in it, and its content in whole blocks."""
    name = name.encode() if isinstance(name, str) else name
    size = len(data) if size is None else size
    number = size if isinstance(size, bytes) else b"%011o\0" % size
    start = name.ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + number + b"00000000000\0"
    end = kind + bytes(100) + magic + bytes(80) + prefix.ljust(155, b"\0") + bytes(12)
    end = end[: 482 - 156] + (rest or end[482 - 156 :])
    total = sum(start) + sum(end) + 8 * 32 if checksum is None else checksum
    return start + b"%06o\0 " % total + end + data + bytes(-len(data) % 512)


def pax(**records: str | bytes) -> bytes:
    """A pax header for the next member."""
    return tar_member("pax", b"".join(pax_record(key, value) for key, value in records.items()), b"x")


def pax_record(key: str, value: str | bytes) -> bytes:
    """`length key=value`, the length counting itself."""
    body = b" " + key.encode() + b"=" + (value.encode() if isinstance(value, str) else value) + b"\n"
    n = len(body)
    while len(b"%d" % n) + len(body) != n:
        n = len(b"%d" % n) + len(body)
    return b"%d" % n + body


def make_tar(*members: bytes) -> bytes:
    """These members and the end."""
    return b"".join(members) + bytes(1024)


def hostile_tars() -> dict[str, Case]:
    """Every way in which a tar can lie."""
    return {**_bad_tar_members(), **_damaged_tars()}


TAR_GOOD = tar_member("good.png", PNG)


def _bad_tar_members() -> dict[str, Case]:
    verdicts: dict[str, tuple[bytes, tuple[Verdict, ...]]] = {
        "absolute": (tar_member("/etc/passwd", b"x"), (("/etc/passwd", "bad_name", "its name is absolute"),)),
        "parent": (tar_member("../x", b"x"), (("../x", "bad_name", "`..`"),)),
        "parent behind a dot": (tar_member("./../x", b"x"), (("../x", "bad_name", "`..`"),)),
        "absolute by prefix": (tar_member("x", b"x", prefix=b"/etc"), (("/etc/x", "bad_name", "absolute"),)),
        "not UTF-8": (tar_member(b"caf\xe9", b"x"), (("caf\\xe9", "bad_name", "not UTF-8"),)),
        "symbolic link": (tar_member("l", kind=b"2"), (("l", "link", "a symbolic link: pack the file itself"),)),
        "hard link": (tar_member("l", kind=b"1"), (("l", "link", "a hard link: pack the file itself"),)),
        "device": (tar_member("d", kind=b"3"), (("d", "not_a_file", "a pipe, socket or device"),)),
        "block device": (tar_member("d", kind=b"4"), (("d", "not_a_file", "a pipe, socket or device"),)),
        "pipe": (tar_member("d", kind=b"6"), (("d", "not_a_file", "a pipe, socket or device"),)),
        "sparse": (
            tar_member("s", b"x", b"S"), (("s", "bad_member", "a file with holes: pack it without --sparse"),)
        ),
        "sparse with a long map": (
            tar_member("s", b"", b"S", rest=b"\1" + bytes(29)) + b"\1" * 512 + bytes(512),
            (("s", "bad_member", "a file with holes"),),
        ),
        "sparse by pax": (pax(**{"GNU.sparse.major": "1"}) + tar_member("s", b"x"), (("s", "bad_member", "holes"),)),
        "unknown type": (tar_member("v", kind=b"V"), (("v", "bad_member", "its type 'V' is not known"),)),
        "repeated": (
            tar_member("good.png", b"1") , (("good.png", "repeated_member", "here as member 1"),
                                          ("good.png", "repeated_member", "here as member 2")),
        ),
        "pax path": (pax(path="../" * 50 + "etc/x") + tar_member("x", b"x"), (("../" * 50 + "etc/x", "bad_name", "`..`"),)),
        "pax path not UTF-8": (pax(path=b"\xff") + tar_member("x", b"x"), (("\\xff", "bad_name", "not UTF-8"),)),
        "pax path of control characters": (pax(path="a\0b") + tar_member("x", b"x"), (("a\\x00b", "bad_name", "control"),)),
        "GNU long name": (
            tar_member("L", b"../" + b"n" * 200 + b"\0", b"L") + tar_member("x", b"x"),
            (("../" + "n" * 200, "bad_name", "`..`"),),
        ),
        "folder above": (tar_member("../f", kind=b"5"), (("../f", "bad_name", "`..`"),)),
    }  # fmt: skip
    cases = {
        name: Case(make_tar(TAR_GOOD, member), {} if name == "repeated" else FINE, rows)
        for name, (member, rows) in verdicts.items()
    }
    cases["large member"] = Case(
        make_tar(TAR_GOOD, tar_member("b", bytes(3000))), FINE, (("b", "too_large", "3000 bytes are more than 2000"),),
        limits=Limits(file_bytes=2000),
    )  # fmt: skip
    return cases


def _damaged_tars() -> dict[str, Case]:
    """Damage behind the good member: it stays, and the rest is told about."""
    at = len(TAR_GOOD)
    tails = {
        "cut in a header": (TAR_GOOD[:200], f"it stops in the middle of a header, at byte {at}"),
        "cut in a member": (
            tar_member("b", bytes(2000))[:-600],
            f"it stops in the middle of a member, at byte {at + 512}",
        ),
        "endless member": (tar_member("b", size=b"\x80" + b"\x7f" * 11), "it stops in the middle of a member"),
        "negative size": (tar_member("b", size=b"\xff" * 12), "a header has a number that is none"),
        "size in words": (tar_member("b", size=b"0x7f_000000\0"), "a header has a number that is none"),
        "wrong checksum": (tar_member("b", checksum=1), "a header has a wrong checksum"),
        "pax size negative": (pax(size="-512") + tar_member("b"), "an extended header has a size that is none"),
        "pax size endless": (pax(size="9" * 30) + tar_member("b"), "an extended header has a size that is none"),
        "pax size too large": (pax(size="9" * 18) + tar_member("b"), "it stops in the middle of a member"),
        "pax length of nothing": (tar_member("p", b"0 a=b\n", b"x"), "an extended header is damaged"),
        "pax length beyond": (tar_member("p", b"99 a=b\n", b"x"), "an extended header is damaged"),
        "pax length negative": (tar_member("p", b"-9 a=b\n", b"x"), "an extended header is damaged"),
        "pax of digits": (tar_member("p", b"1" * 100_000, b"x"), "an extended header is damaged"),
        "pax without a value": (tar_member("p", b"5 ab\n", b"x"), "an extended header is damaged"),
        "huge pax": (tar_member("p", bytes((1 << 20) + 1), b"x"), "an extended header of 1048577 bytes"),
        "global path": (
            tar_member("g", pax_record("path", "evil"), b"g"),
            "a global header that renames or resizes all members",
        ),
        "cut map": (tar_member("s", b"", b"S", rest=b"\1" + bytes(29)), "it stops in the middle of a header"),
    }
    cases = {
        name: Case(TAR_GOOD + tail, FINE, (("case.tar", "broken_archive", message),))
        for name, (tail, message) in tails.items()
    }
    behind = "there is more behind its end, which is not read: is it two archives in one?"
    only = (("case.tar", "broken_archive", "it does not start as a tar: damaged, or something else"),)
    many = (("case.tar", "too_large", "it has more than 1 members"),)
    return {
        **cases,
        "two in one": Case(make_tar(TAR_GOOD) * 2, FINE, (("case.tar", "broken_archive", behind),)),
        "no tar": Case(b"GIF89a" * 1000, {}, only),
        "too many members": Case(make_tar(TAR_GOOD, tar_member("b")), {}, many, limits=Limits(members=1)),
        "empty file": Case(b""),
        "without an end": Case(TAR_GOOD, FINE),
        "the first tar": Case(make_tar(tar_member("good.png", PNG, b"\0", magic=bytes(8))), FINE),
        "with a top folder": Case(make_tar(tar_member("./", kind=b"5"), tar_member("./good.png", PNG)), FINE),
        "comment for all": Case(make_tar(tar_member("g", pax_record("comment", "c"), b"g"), TAR_GOOD), FINE),
    }


def hostile_compressed() -> dict[str, tuple[str, Case]]:
    """Compressed tars: suffix and case."""
    good = make_tar(TAR_GOOD)
    packers = {".tar.gz": gzip.compress, ".tgz": gzip.compress, ".tar.bz2": bz2.compress, ".tar.xz": lzma.compress}
    cases: dict[str, tuple[str, Case]] = {}
    for suffix, pack in packers.items():
        name, packed = f"case{suffix}", pack(good)
        garbage = "there is more behind its compressed data, which is not read"
        cases[f"whole {suffix}"] = suffix, Case(packed, FINE)
        cases[f"in parts {suffix}"] = suffix, Case(pack(good[:700]) + pack(good[700:]) + bytes(512), FINE)
        cases[f"garbage {suffix}"] = suffix, Case(packed + b"garbage", FINE, ((name, "broken_archive", garbage),))
        cut = ((name, "broken_archive", "it is cut off: fetch it again"),)
        cases[f"cut {suffix}"] = suffix, Case(packed[:-20], {}, cut)
        damaged = packed[: len(packed) // 2] + bytes(16) + packed[len(packed) // 2 + 16 :]
        cases[f"damaged {suffix}"] = suffix, Case(damaged, {}, ((name, "broken_archive", "it cannot be unpacked: "),))
        bomb = pack(make_tar(tar_member("b", bytes(MiB))))
        row = ((name, "bomb", "it unpacks to more than 200 times its size"),)
        cases[f"bomb {suffix}"] = suffix, Case(bomb, {}, row, limits=Limits(ratio_bytes=1000))
        total = ((name, "too_large", "it unpacks to more than 1000 bytes"),)
        cases[f"too much {suffix}"] = suffix, Case(packed, {}, total, limits=Limits(total_bytes=1000))
        hostile = pack(make_tar(TAR_GOOD, tar_member("../x", b"x"), tar_member("l", kind=b"2")))
        rows = (("../x", "bad_name", "`..`"), ("l", "link", "symbolic"))
        cases[f"members {suffix}"] = suffix, Case(hostile, FINE, rows)
    memory = ask_for_memory(lzma.compress(good))
    refused = (("case.tar.xz", "broken_archive", "it cannot be unpacked: Memory usage limit"),)
    cases["hungry .tar.xz"] = ".tar.xz", Case(memory, {}, refused)
    streams = (("case.tar.gz", "too_large", "it has more than 9 compressed streams"),)
    many = gzip.compress(b"") * 10 + gzip.compress(good)
    cases["empty streams .tar.gz"] = ".tar.gz", Case(many, {}, streams, limits=Limits(members=9))
    return cases


def ask_for_memory(xz: bytes) -> bytes:
    """The same xz, its first block said to need a dictionary of 1 GiB."""
    end = 12 + (xz[12] + 1) * 4  # of the header of the block, which follows that of the stream
    header = xz[12:16] + bytes([36]) + xz[17 : end - 4]
    return xz[:12] + header + struct.pack("<L", zlib.crc32(header)) + xz[end:]


# ---- any archive ----

FILES = {
    "top/a.png": PNG,
    "top/sub/b.txt": b"2" * 100_000,
    "empty": b"",
    "naïve 猫.png": b"3",
    "long/" * 30 + "x": b"4",
}


def pack(file: Path, files: dict[str, bytes], **options: Any) -> Path:
    """An archive as Python's own modules write it."""
    if file.suffix == ".zip":
        with zipfile.ZipFile(file, "w", **options) as archive:
            for name, data in files.items():
                archive.writestr(name, data)
        return file
    mode = {"gz": "w:gz", "z2": "w:bz2", "xz": "w:xz", "ar": "w"}[file.name[-2:]]
    with tarfile.open(file, mode if file.suffix != ".tgz" else "w:gz", **options) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file


def read_all(tree: Tree) -> dict[str, bytes]:
    """Every file of a tree."""
    return {path: tree.read(path) for path in tree.sizes}


def open_case(folder: Path, suffix: str, case: Case) -> Tree:
    """The archive of a case, written into `folder` and opened."""
    file = folder / f"case{suffix}"
    file.write_bytes(case.data)
    return open_tree(file, case.limits)


def check_case(folder: Path, suffix: str, case: Case) -> None:
    """Assert that each member of the archive gets the verdict it should, and that nothing is unpacked."""
    tree = open_case(folder, suffix, case)
    found = sorted((row["path"], row["reason"], row["message"]) for row in tree.refused)
    assert [row[:2] for row in found] == [row[:2] for row in sorted(case.refused)]
    for (_, _, message), (_, _, wanted) in zip(found, sorted(case.refused), strict=True):
        assert wanted in message
        assert "\n" not in message
    assert set(tree.sizes) == set(case.kept) | set(case.unreadable)
    for path, data in case.kept.items():
        assert (tree.read(path), tree.sizes[path]) == (data, len(data))
    for path, wanted in case.unreadable.items():
        with pytest.raises(UnreadableFileError) as error:
            tree.read(path)
        assert wanted in str(error.value)
    assert list(folder.iterdir()) == [folder / f"case{suffix}"]
