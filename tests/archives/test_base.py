from __future__ import annotations

import os
from pathlib import Path

import pytest

from datatools.archives import base
from datatools.archives.base import ArchiveError, read_at


def test_reading_leaves_the_position_alone_and_ends_with_the_file(tmp_path: Path):
    (tmp_path / "a").write_bytes(b"0123456789")
    with (tmp_path / "a").open("rb") as file:
        assert read_at(file.fileno(), 4, 3) == b"3456"
        assert read_at(file.fileno(), 4, 8) == b"89"
        assert read_at(file.fileno(), 4, 99) == b""
        assert file.tell() == 0


def test_short_reads_are_put_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "a").write_bytes(b"0123456789")
    real = os.pread
    monkeypatch.setattr(base.os, "pread", lambda handle, n, offset: real(handle, min(n, 3), offset))
    with (tmp_path / "a").open("rb") as file:
        assert read_at(file.fileno(), 8, 1) == b"12345678"


def test_an_archive_error_has_the_reason_of_its_row():
    assert (ArchiveError("x").reason, ArchiveError("x", "too_large").reason) == ("broken_archive", "too_large")
