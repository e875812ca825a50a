"""Which paths a checkout may write: below the project, through real folders, under names that every system takes."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path

from datatools.file_names import judge_name

DEPTH = 100  # folders; a path of 4,095 bytes could have 2,000
DRIVE = re.compile(r"[A-Za-z]:")
# learn.microsoft.com, "Naming Files, Paths, and Namespaces": reserved with any extension, in any case
DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[1-9\u00b9\u00b2\u00b3])[ .]*(\..*)?", re.IGNORECASE)
# git (utf8.c, next_hfs_char) passes over these in a name, as the file system of macOS does
UNSEEN = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")
OWN = frozenset({".git", "git~1", ".dvc", "dvc~1"})


def judge_path(path: str) -> str:
    """Why a checkout must not write `path`, which is relative to the project; empty where it may."""
    if not path or path.startswith("/"):
        return "is absolute" if path else "is empty"
    found = judge_name(path, DEPTH)
    if found is not None:
        return found[1].partition(": ")[0].removeprefix("its name ").removeprefix("it ")
    if DRIVE.match(path):
        return "has a drive letter"
    return next((why for part in path.split("/") if (why := _judge_part(part))), "")


def find_symlinks(root: Path, paths: Iterable[str]) -> dict[str, str]:
    """The folders above `paths`, and the paths themselves, that are symbolic links in `root`: link -> one path behind it.

    A link at the very place of a file is none of them: a checkout replaces the link and leaves what it points to alone.
    """
    known: dict[str, bool] = {}
    found: dict[str, str] = {}
    for path in paths:
        parts = path.split("/")
        for n in range(1, len(parts)):
            folder = "/".join(parts[:n])
            if folder not in known:
                known[folder] = _is_link(root / folder)
            if known[folder]:
                found.setdefault(folder, path)
                break
    return found


def _judge_part(part: str) -> str:
    if part in ("", ".", ".."):
        return f"has the part {part!r}"
    plain = UNSEEN.sub("", part).rstrip(". ").lower()
    if plain in OWN:
        return f"is in {part!r}, which Git or DVC owns"
    if DEVICE.fullmatch(part):
        return f"has the part {part!r}, a device on Windows"
    return ""


def _is_link(path: Path) -> bool:
    try:
        return stat.S_ISLNK(os.lstat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
