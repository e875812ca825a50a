"""Ordinary image files of what was imported: `data/images/`, made on demand, safe to delete."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from datatools.errors import DatatoolsError
from datatools.file_reading import UnreadableFileError
from datatools.packed import list_batches
from datatools.raw import RawImages, open_raw
from datatools.store import only_one


def unpack_images(
    root: Path, paths: Iterable[str], target: Path, tick: Callable[[int], None] | None = None
) -> list[tuple[str, str]]:
    """Put the images `paths` of the data root below `target`; a file that is there with the right bytes stays.

    Returns (path, why) of those that cannot be read. A file appears whole or not at all.
    """
    raw = open_raw(root)
    unread: list[tuple[str, str]] = []
    target.mkdir(parents=True, exist_ok=True)
    with only_one(target / ".lock"):
        for path in paths:
            try:
                _place(raw, path, target)
            except UnreadableFileError as error:
                unread.append((path, str(error)))
            except (FileExistsError, IsADirectoryError, NotADirectoryError) as error:
                unread.append((path, f"another image has the name of its folder: {error.strerror}"))
            if tick:
                tick(1)
    return unread


def check_there(root: Path) -> None:
    """Raise DatatoolsError where the data root is not on this machine."""
    if root.is_dir():
        return
    advice = "run `dvc pull`" if root.with_name(f"{root.name}.dvc").exists() else "run `datatools import` first"
    raise DatatoolsError(f"{root}: expected the folder of the images. Got no such folder: {advice}.")


def place_files(root: Path, paths: Iterable[str], target: Path) -> Path:
    """The folder in which every one of `paths` is an ordinary file: the data root itself, or `target` after unpacking."""
    if not list_batches(root):
        return root
    unpack_images(root, paths, target)
    return target


def _place(raw: RawImages, path: str, target: Path) -> None:
    file, sha256 = target / path, raw.sha256(path)
    if sha256 is not None and file.is_file() and hashlib.sha256(file.read_bytes()).hexdigest() == sha256:
        return
    data = raw.read(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    part = target / ".part"  # there is one process at a time
    try:
        part.write_bytes(data)
        os.replace(part, file)
    finally:
        part.unlink(missing_ok=True)
