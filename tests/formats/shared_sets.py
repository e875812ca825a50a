"""The real data sets that several format tests read; a test skips where they are absent."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest


def unpack(name: str, folder: Path, below: str = "") -> Path:
    """Unpack the members of `NAME.zip` below `below` into `folder`; returns the folder `below` is in then."""
    shared = Path(os.environ.get("DATATOOLS_SHARED", Path(__file__).parents[3] / "shared"))
    archive = shared / "data" / f"{name}.zip"
    if not archive.is_file():
        pytest.skip(f"{name}.zip is not in {shared / 'data'}: set DATATOOLS_SHARED")
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder, [member for member in opened.namelist() if member.startswith(below)])
    return folder / below
