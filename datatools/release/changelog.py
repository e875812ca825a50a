"""CHANGELOG.data.md and CHANGELOG.model.md: an entry a release, the newest first."""

from __future__ import annotations

import re
from pathlib import Path

from datatools.errors import DatatoolsError
from datatools.file_reading import UnreadableFileError, read_regular
from datatools.store import save_text

TITLES = {"data": "# Releases of the data\n", "model": "# Releases of the model\n"}
NEXT = re.compile(r"^## ", re.MULTILINE)


def changelog_path(root: Path, artifact: str) -> Path:
    """The file of an artifact."""
    return root / f"CHANGELOG.{artifact}.md"


def add_entry(file: Path, artifact: str, entry: str) -> None:
    """Put `entry`, which starts with `## VERSION`, before all others.

    One of the same version, which a release left that was broken off before its tag, is replaced. Raises DatatoolsError.
    """
    text = _read(file) or TITLES[artifact]
    text = _without(text, entry.split("\n", 1)[0].split(" (")[0])
    found = NEXT.search(text)
    head, rest = (text[: found.start()], text[found.start() :]) if found else (text, "")
    save_text(file, f"{head.rstrip()}\n\n{entry.rstrip()}\n" + (f"\n{rest}" if rest else ""))


def _without(text: str, heading: str) -> str:
    """`text` without the entry under `heading`."""
    parts = re.split(r"^(?=## )", text, flags=re.MULTILINE)
    kept = [part for part in parts if part.split("\n", 1)[0].split(" (")[0] != heading]
    return "".join(kept)


def _read(file: Path) -> str:
    try:
        return read_regular(file).decode("utf-8") if file.exists() else ""
    except (UnreadableFileError, UnicodeDecodeError) as error:
        raise DatatoolsError(
            f"{file}: expected a changelog as UTF-8 text. Got: {error}. Restore it from Git."
        ) from error
