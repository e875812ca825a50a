"""Paths for images in layouts that move them: safe for every file system, and no two alike."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from pathlib import PurePosixPath

from datatools.images import SUFFIXES

SAFE_PART = re.compile(r"[^\s/\\\x00-\x1f\x7f.#](?:[^/\\\x00-\x1f\x7f\u0085\u2028\u2029]*[^\s/\\\x00-\x1f\x7f])?")
MAX_BYTES = 200  # of a name; file systems take 255, and suffixes are added


def is_safe_name(name: str) -> bool:
    """Whether `name` can be a file or folder and a line of a list: not hidden, no control characters, no outer blanks."""
    return bool(SAFE_PART.fullmatch(name)) and len(name.encode()) <= MAX_BYTES


def safe_path(path: str, avoid: Iterable[str] = ()) -> str:
    """`path` if all of its parts are safe and none is in `avoid`, else a name made of its SHA-256."""
    parts = path.split("/")
    if all(map(is_safe_name, parts)) and not set(avoid) & set(parts):
        return path
    suffix = PurePosixPath(path).suffix.lower()
    return f"image-{sha256(path.encode()).hexdigest()[:16]}{suffix if suffix in SUFFIXES else ''}"


def without_suffix(path: str) -> str:
    """`a/b.c.png` -> `a/b.c`."""
    dot = path.rfind(".")  # as pathlib has it: .png and a. have no suffix
    return path[:dot] if path.rfind("/") + 1 < dot < len(path) - 1 else path


def number_name(path: str, number: int) -> str:
    """`a/b.png` -> `a/b-2.png`."""
    pure = PurePosixPath(path)
    return str(pure.with_name(f"{pure.stem}-{number}{pure.suffix}"))


def place(
    paths: Sequence[str],
    target: Callable[[str], str],
    key: Callable[[str], str],
    numbered: Callable[[str, int], str] = number_name,
) -> dict[str, str]:
    """`target(path)` for each path, those that stay where they are first; `numbered` where two share a `key`.

    Raises ValueError where `numbered` does not change the key.
    """
    targets: dict[str, str] = {}
    used: set[str] = set()
    for path in sorted(paths, key=lambda path: (target(path) != path, path)):
        wanted = target(path)
        numbers = range(2, len(paths) + 2)  # with so many keys one is free
        places = itertools.chain([wanted], (numbered(wanted, number) for number in numbers))
        new = next((place for place in places if key(place) not in used), None)
        if new is None:
            raise ValueError(f"a number does not change the key {key(wanted)!r} of {wanted}")
        used.add(key(new))
        targets[path] = new
    return dict(sorted(targets.items()))
