from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest

from datatools.tree import open_tree
from tests.builders import lay_out
from tests.hostile import FILES, PNG, check_case, hostile_tars, make_tar, pack, pax, read_all, tar_member

CASES = hostile_tars()


@pytest.mark.parametrize("name", CASES)
def test_every_member_gets_its_verdict(tmp_path: Path, name: str):
    check_case(tmp_path, ".tar", CASES[name])


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_the_three_ways_of_a_tar_to_hold_long_names(tmp_path: Path, format: int):
    assert read_all(open_tree(pack(tmp_path / "x.tar", FILES, format=format))) == FILES


def test_folders_links_and_modes_as_tarfile_packs_a_real_folder(tmp_path: Path):
    lay_out(tmp_path / "root", {"sub/a.png": PNG, "b.png": b"2", ".hidden": "x", "CON.png": "x"})
    (tmp_path / "root/link.png").symlink_to("/etc/passwd")
    (tmp_path / "root/sub/empty").mkdir()
    os.link(tmp_path / "root/b.png", tmp_path / "root/hard.png")
    os.mkfifo(tmp_path / "root/pipe")
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        archive.add(tmp_path / "root", ".")
    tree = open_tree(tmp_path / "x.tar")
    hard = {"b.png", "hard.png"} & {row["path"] for row in tree.refused}
    assert {row["path"]: row["reason"] for row in tree.refused} == {
        ".hidden": "hidden", "link.png": "link", "pipe": "not_a_file", **dict.fromkeys(hard, "link")
    }  # fmt: skip
    assert len(hard) == 1
    assert set(tree.sizes) == {"sub/a.png", "CON.png"} | ({"b.png", "hard.png"} - hard)


def test_numbers_to_the_base_of_256_are_read(tmp_path: Path):
    data = make_tar(tar_member("a", b"12345", size=b"\x80" + (5).to_bytes(11)))
    (tmp_path / "x.tar").write_bytes(data)
    assert read_all(open_tree(tmp_path / "x.tar")) == {"a": b"12345"}


def test_a_pax_size_stands_above_that_of_the_header(tmp_path: Path):
    data = make_tar(pax(size="5", path="b") + tar_member("a", b"12345", size=0), tar_member("c", b"6"))
    (tmp_path / "x.tar").write_bytes(data)
    assert read_all(open_tree(tmp_path / "x.tar")) == {"b": b"12345", "c": b"6"}


def test_pax_headers_hold_for_one_member(tmp_path: Path):
    data = make_tar(pax(path="b", comment="x") + tar_member("a", b"1"), tar_member("c", b"2"))
    (tmp_path / "x.tar").write_bytes(data)
    assert read_all(open_tree(tmp_path / "x.tar")) == {"b": b"1", "c": b"2"}
