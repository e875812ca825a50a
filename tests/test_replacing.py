from __future__ import annotations

import os
from pathlib import Path

import pytest

from datatools.replacing import replacing


def test_what_was_written_takes_the_place_of_the_file_when_the_block_ends(tmp_path: Path):
    path = tmp_path / "new" / "x.bin"
    for n in (1, 2):
        before = path.read_bytes() if path.exists() else None
        with replacing(path) as file:
            file.write(b"a" * n)
            file.write(b"b")
            assert (path.read_bytes() if path.exists() else None) == before
        assert path.read_bytes() == b"a" * n + b"b"
    assert os.stat(path).st_mode & 0o777 == 0o644
    assert list(path.parent.iterdir()) == [path]


def test_a_reader_keeps_the_file_that_it_has_open(tmp_path: Path):
    (tmp_path / "x.bin").write_bytes(b"old")
    with (tmp_path / "x.bin").open("rb") as reader:
        with replacing(tmp_path / "x.bin") as file:
            file.write(b"new")
        assert reader.read() == b"old"


@pytest.mark.parametrize("error", [ValueError("in the middle"), KeyboardInterrupt()])
def test_after_an_error_the_old_file_stays_and_no_other(tmp_path: Path, error: BaseException):
    (tmp_path / "x.bin").write_bytes(b"old")
    with pytest.raises(type(error)), replacing(tmp_path / "x.bin") as file:
        file.write(b"half")
        raise error
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"x.bin": b"old"}
