from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datatools.shards import iter_shard, save_shard

NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=12).filter(
    lambda name: name not in (".", "..")
)


@given(st.dictionaries(NAMES, st.binary(max_size=700), max_size=4))
def test_a_shard_comes_back_as_it_went(tmp_path_factory: pytest.TempPathFactory, members: dict[str, bytes]):
    path = tmp_path_factory.getbasetemp() / "round.tar"
    assert save_shard(path, members.items()) == len(members)
    assert list(iter_shard(path)) == list(members.items())


def test_equal_members_give_equal_bytes_and_the_order_is_kept(tmp_path: Path):
    members = [("b.png", b"1"), ("a.png", b"")]
    for name in ("1.tar", "2.tar"):
        save_shard(tmp_path / name, iter(members))
    assert (tmp_path / "1.tar").read_bytes() == (tmp_path / "2.tar").read_bytes()
    assert list(iter_shard(tmp_path / "1.tar")) == members
    with tarfile.open(tmp_path / "1.tar") as tar:
        assert {(info.mtime, info.uid, info.uname) for info in tar} == {(0, 0, "")}


def test_names_may_be_longer_than_the_old_tar_header(tmp_path: Path):
    name = "images/" + "x" * 200 + ".png"
    save_shard(tmp_path / "x.tar", [(name, b"1")])
    assert list(iter_shard(tmp_path / "x.tar")) == [(name, b"1")]


def test_a_member_that_fails_leaves_the_old_shard(tmp_path: Path):
    def members():
        yield "a.png", b"new"
        raise RuntimeError

    path = tmp_path / "x.tar"
    save_shard(path, [("a.png", b"old")])
    with pytest.raises(RuntimeError):
        save_shard(path, members())
    assert list(iter_shard(path)) == [("a.png", b"old")]
    assert [file.name for file in tmp_path.iterdir()] == ["x.tar"]
