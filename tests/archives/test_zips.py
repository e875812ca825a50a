from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from datatools.tree import open_tree
from tests.hostile import FILES, check_case, hostile_zips, pack, read_all

CASES = hostile_zips()


@pytest.mark.parametrize("name", CASES)
def test_every_member_gets_its_verdict(tmp_path: Path, name: str):
    check_case(tmp_path, ".zip", CASES[name])


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_both_ways_of_a_zip_to_hold_content(tmp_path: Path, compression: int):
    assert read_all(open_tree(pack(tmp_path / "x.zip", FILES, compression=compression))) == FILES


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_ways_are_told(tmp_path: Path, compression: int):
    tree = open_tree(pack(tmp_path / "x.zip", {"a": b"1"}, compression=compression))
    (row,) = tree.refused
    assert row["message"] == f"it is packed by method {compression}: only stored (0) and deflated (8) ones are read"


def test_a_zip_that_was_written_to_a_pipe_is_read(tmp_path: Path):
    """Sizes then stand behind the content."""

    class Pipe(io.RawIOBase):
        def __init__(self, file):
            self.file = file

        def writable(self):
            return True

        def write(self, data):
            return self.file.write(data)

    with (tmp_path / "x.zip").open("wb") as file, zipfile.ZipFile(Pipe(file), "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in FILES.items():
            archive.writestr(name, data)
    assert read_all(open_tree(tmp_path / "x.zip")) == FILES


def test_a_zip64_of_zipfile_is_read(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 1)
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 10)
    pack(tmp_path / "x.zip", FILES)
    assert b"PK\6\6" in (tmp_path / "x.zip").read_bytes()
    assert read_all(open_tree(tmp_path / "x.zip")) == FILES
