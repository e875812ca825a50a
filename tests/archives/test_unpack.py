from __future__ import annotations

import io
import tempfile
from pathlib import Path

import pytest

from datatools.archives import trees, unpack
from datatools.errors import DatatoolsError
from datatools.tree import UnreadableFileError, open_tree
from tests.hostile import FILES, check_case, hostile_compressed, pack, read_all

CASES = hostile_compressed()


@pytest.mark.parametrize("name", CASES)
def test_every_member_gets_its_verdict(tmp_path: Path, name: str):
    check_case(tmp_path, *CASES[name])


def test_a_compressed_tar_is_unpacked_once_and_leaves_nothing(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    calls = []
    unpack = trees.unpack
    monkeypatch.setattr(trees, "unpack", lambda *job: calls.append(1) or unpack(*job))
    tree = open_tree(pack(tmp_path / "x.tgz", FILES))
    assert read_all(tree) == FILES
    assert calls == [1]
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_compressed_tar_that_no_longer_unpacks_fails_to_be_read(tmp_path: Path, monkeypatch):
    tree = open_tree(pack(tmp_path / "x.tgz", {"a": b"1"}))
    trees._unpack_once.cache_clear()
    with (tmp_path / "x.tgz").open("r+b") as file:
        file.seek(40)
        file.write(bytes(20))
    monkeypatch.setattr(trees, "_stamp", lambda handle: tree.stamp)
    with pytest.raises(UnreadableFileError, match=r"^the archive cannot be read: it cannot be unpacked: "):
        tree.read("a")


@pytest.mark.parametrize("suffix", [".tgz", ".tar.bz2", ".tar.xz"])
def test_many_blocks_and_streams_come_out_whole(tmp_path: Path, suffix: str, monkeypatch):
    files = {f"{n}": bytes([n]) * (n * 40_000) for n in range(40)}
    pack(tmp_path / f"x{suffix}", files)
    monkeypatch.setattr(unpack, "_INPUT", 100)
    monkeypatch.setattr(unpack, "_CHUNK", 1000)
    assert read_all(open_tree(tmp_path / f"x{suffix}")) == files


def test_a_disk_without_room_is_told_before_it_is_full(tmp_path: Path, monkeypatch):
    pack(tmp_path / "x.tgz", FILES)
    monkeypatch.setattr(unpack, "_SPARE", 1 << 60)
    with pytest.raises(
        DatatoolsError, match=r"room to unpack a compressed tar\. Got a full disk: set TMPDIR, or unpack it"
    ):
        open_tree(tmp_path / "x.tgz")


def test_a_disk_that_fills_up_meanwhile_is_no_fault_of_the_archive(tmp_path: Path, monkeypatch):
    class Full(io.BytesIO):
        def write(self, _):
            raise OSError(28, "No space left on device")

    pack(tmp_path / "x.tgz", FILES)
    monkeypatch.setattr(unpack.tempfile, "TemporaryFile", Full)
    with pytest.raises(DatatoolsError, match=r"expected a disk that works\. Got: \[Errno 28\] No space left"):
        open_tree(tmp_path / "x.tgz")
