"""Which file names are taken in: those that every program can print, find again and unpack on another system."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

MAX_NAME_BYTES, MAX_PATH_BYTES = 255, 4095  # Linux: NAME_MAX, and PATH_MAX without its closing zero
# What file managers, network drives and disk checks put beside the data, in lower case.
LEFT_BEHIND = frozenset(
    {
        "$recycle.bin",
        "@eadir",
        "__macosx",
        "desktop.ini",
        "ehthumbs.db",
        "lost+found",
        "system volume information",
        "thumbs.db",
    }
)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")  # a byte that is not UTF-8 is half a pair
_BAD = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\\\\]")
_IGNORED_ENDS = re.compile(r"[. ]+(?=/|$)")  # Windows drops them


def judge_name(path: str, depth: int) -> tuple[str, str] | None:
    """(reason, message) where the relative name `path` cannot be taken in, at most `depth` folders deep; else None."""
    found = _BAD.search(path)
    if found is not None:
        return "bad_name", f"its name {_fault(found[0])}: rename it"
    if len(path) > MAX_NAME_BYTES // 4:
        encoded = path.encode()
        if len(encoded) > MAX_PATH_BYTES:
            return "bad_name", f"its name with all folders has more than {MAX_PATH_BYTES} bytes: rename it"
        if max(map(len, encoded.split(b"/"))) > MAX_NAME_BYTES:
            return "bad_name", f"its name has more than {MAX_NAME_BYTES} bytes: rename it"
    if path.count("/") > depth:
        return "too_deep", f"it is more than {depth} folders deep"
    return None


def judge_hidden(name: str) -> str | None:
    """Why a file or folder with this name, without folders, is passed over; None where it is not."""
    if name.startswith("."):
        return "a hidden file or folder"
    return "left behind by the system, not part of the data" if name.lower() in LEFT_BEHIND else None


def find_collisions(paths: Iterable[str], folders: Iterable[str] = ()) -> dict[str, str]:
    """Which of `paths` other systems take for another of `paths` or for a folder: path -> message.

    They do not tell upper from lower case (Windows, macOS), composed from decomposed accents (macOS), or a name from
    the same name with dots or spaces at its end (Windows). The first in byte order is not named. `folders` are further
    ones, beside those that `paths` are in.
    """
    ordered = sorted(paths)
    above = {_fold(folder): folder for folder in {*folders, *_folders_of(ordered)}}
    first: dict[str, str] = {}
    messages: dict[str, str] = {}
    for path in ordered:
        key = _fold(path)
        twin = first.setdefault(key, path)
        if twin != path:
            messages[path] = f"other systems take it for the same file as {twin}: rename one of the two"
        if key in above:
            messages[path] = f"it has the name of the folder {above[key]}/: rename one of the two"
    return messages


def printable(name: str) -> str:
    """`name` with control characters written as `\\u2028` or `\\x0a`, and bytes that are not UTF-8 as `\\xff`."""
    return _CONTROL.sub(lambda found: _escape(ord(found[0])), name)


def _fault(character: str) -> str:
    if "\ud800" <= character <= "\udfff":
        return "is not UTF-8"
    return "has a backslash" if character == "\\" else "has a control character"


def _escape(code: int) -> str:
    return f"\\x{code & 0xFF:02x}" if code <= 0xFF or 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"


def _folders_of(paths: Iterable[str]) -> set[str]:
    seen: set[str] = set()
    for path in paths:
        folder = path.rpartition("/")[0]
        while folder and folder not in seen:
            seen.add(folder)
            folder = folder.rpartition("/")[0]
    return seen


def _fold(path: str) -> str:
    """The same for names that some system takes for one. Letters that fold into several, as sharp s, stay apart."""
    if path.isascii():
        path = path.lower()
    else:
        letters = unicodedata.normalize("NFD", path)
        path = "".join(one if len(one := letter.casefold()) == 1 else letter for letter in letters)
    return _IGNORED_ENDS.sub("", path) if path.endswith((".", " ")) or "./" in path or " /" in path else path
