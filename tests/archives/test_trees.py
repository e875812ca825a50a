from __future__ import annotations

import gzip
import multiprocessing
import os
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datatools.archives import trees
from datatools.archives.trees import is_archive
from datatools.errors import DatatoolsError
from datatools.file_names import printable
from datatools.tree import Limits, Tree, UnreadableFileError, open_tree
from tests.builders import lay_out
from tests.hostile import FILES, PNG, ZipEntry, make_tar, make_zip, pack, pax, read_all, tar_member

KINDS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")


@pytest.mark.parametrize("suffix", KINDS)
def test_files_are_read_as_they_were_packed(tmp_path: Path, suffix: str):
    tree = open_tree(pack(tmp_path / f"x{suffix}", FILES))
    assert read_all(tree) == FILES
    assert list(tree.sizes) == sorted(FILES)
    assert tree.refused == ()


def test_an_archive_in_an_archive_is_a_file_like_any_other(tmp_path: Path):
    inner = make_zip(ZipEntry("../evil.png"))
    tree = open_tree(pack(tmp_path / "x.tar.gz", {"inner.zip": inner}))
    assert read_all(tree) == {"inner.zip": inner}


def test_a_hidden_folder_is_one_row(tmp_path: Path):
    tree = open_tree(pack(tmp_path / "x.zip", {f".git/{n}": b"" for n in range(50)} | {"a/.b/c": b"", "a/d": b"1"}))
    assert [(row["path"], row["reason"]) for row in tree.refused] == [(".git", "hidden"), ("a/.b", "hidden")]
    assert list(tree.sizes) == ["a/d"]


@pytest.mark.parametrize("name", ["x.ZIP", "x.Tar.Gz", "a.b.tgz"])
def test_the_name_tells_what_is_an_archive(tmp_path: Path, name: str):
    assert is_archive(Path(name))
    for other in ("x.gz", "x.rar", "zip", "x.7z", "x.zip.part"):
        assert not is_archive(Path(other))


def test_a_folder_that_is_called_like_an_archive_is_a_folder(tmp_path: Path):
    tree = open_tree(lay_out(tmp_path / "x.zip", {"a.png": PNG}))
    assert read_all(tree) == {"a.png": PNG}


def test_a_link_to_an_archive_is_opened(tmp_path: Path):
    pack(tmp_path / "x.zip", FILES)
    (tmp_path / "y.zip").symlink_to("x.zip")
    assert read_all(open_tree(tmp_path / "y.zip")) == FILES


@pytest.mark.parametrize("suffix", KINDS)
def test_an_archive_that_changed_after_listing_is_not_read(tmp_path: Path, suffix: str):
    tree = open_tree(pack(tmp_path / f"x{suffix}", {"a": b"1"}))
    pack(tmp_path / f"y{suffix}", {"a": b"2", "b": b"3"})
    (tmp_path / f"y{suffix}").replace(tmp_path / f"x{suffix}")
    with pytest.raises(UnreadableFileError, match=r"^the archive has changed since it was listed$"):
        tree.read("a")


@pytest.mark.parametrize("suffix", KINDS)
def test_an_archive_that_is_gone_is_not_read(tmp_path: Path, suffix: str):
    tree = open_tree(pack(tmp_path / f"x{suffix}", {"a": b"1"}))
    (tmp_path / f"x{suffix}").unlink()
    with pytest.raises(UnreadableFileError, match="No such file"):
        tree.read("a")
    with pytest.raises(UnreadableFileError, match=r"^not a file of this tree$"):
        tree.read("b")


def test_a_tar_cut_after_listing_with_its_time_set_back_is_not_read(tmp_path: Path, monkeypatch):
    tree = open_tree(pack(tmp_path / "x.tar", {"a": b"1" * 5000}))
    os.truncate(tmp_path / "x.tar", 1000)
    monkeypatch.setattr(trees, "_stamp", lambda handle: tree.stamp)
    with pytest.raises(UnreadableFileError, match=r"^the archive stops in the middle of it$"):
        tree.read("a")


def test_an_archive_that_cannot_be_opened_is_a_wrong_call(tmp_path: Path, monkeypatch):
    pack(tmp_path / "x.zip", FILES)

    def closed(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(trees.os, "open", closed)
    with pytest.raises(
        DatatoolsError, match=r"x\.zip: expected an archive that can be read\. Got: Permission denied\."
    ):
        open_tree(tmp_path / "x.zip")


def _check(job: tuple[Tree, int]) -> int:
    tree, seed = job
    paths = sorted(tree.sizes, key=lambda path: hash((path, seed)))
    return sum(tree.read(path) == path.encode() * 1000 for path in paths * 5)


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz"])
@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_several_processes_read_at_the_same_time(tmp_path: Path, suffix: str, start: str):
    files = {f"{n}.png": f"{n}.png".encode() * 1000 for n in range(60)}
    tree = open_tree(pack(tmp_path / f"x{suffix}", files))
    assert len(pickle.dumps(tree)) < 1000
    with multiprocessing.get_context(start).Pool(3) as pool:
        assert pool.map(_check, [(tree, seed) for seed in range(6)]) == [300] * 6


def test_no_handle_stays_open(tmp_path: Path):
    zipped, packed = pack(tmp_path / "x.zip", FILES), pack(tmp_path / "x.tar", FILES)
    broken = tmp_path / "y.zip"
    broken.write_bytes(b"x")
    before = len(os.listdir("/proc/self/fd"))
    for file in (zipped, packed, broken):
        read_all(open_tree(file))
    assert len(os.listdir("/proc/self/fd")) == before


def strip(name: str) -> str:
    while name.startswith("./"):
        name = name[2:]
    return name


NAMES = st.text("abAB./\\é\u0301 \n-0", min_size=1, max_size=9)


@given(files=st.dictionaries(NAMES, st.binary(max_size=600), max_size=6), kind=st.sampled_from([".zip", ".tar"]))
def test_whatever_was_packed_is_read_as_it_was_or_refused(tmp_path_factory: pytest.TempPathFactory, files, kind):
    tree = open_tree(pack(tmp_path_factory.mktemp("any") / f"x{kind}", files))
    packed = {strip(name): data for name, data in files.items()}
    assert all(packed[path] == data for path, data in read_all(tree).items())
    rows = [row["path"] for row in tree.refused]
    for name in {printable(strip(name)) for name in files if not name.endswith("/")} - set(tree.sizes):
        assert any(name == row or name.startswith(f"{row}/") for row in rows)


DAMAGED = {
    ".zip": make_zip(ZipEntry("good.png", PNG, method=8), ZipEntry("a/b.png", b"2" * 99), ZipEntry("c", b"3")),
    ".tar": make_tar(
        pax(path="good.png") + tar_member("x", PNG), tar_member("a/b.png", b"2" * 99), tar_member("c", b"3")
    ),
}
DAMAGED[".tgz"] = gzip.compress(DAMAGED[".tar"])


@given(
    kind=st.sampled_from(sorted(DAMAGED)),
    changes=st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), min_size=1, max_size=6),
    cut=st.none() | st.integers(0, 1 << 16),
)
def test_any_damage_is_a_verdict(tmp_path_factory: pytest.TempPathFactory, kind, changes, cut):
    data = bytearray(DAMAGED[kind])
    for place, value in changes:
        data[place % len(data)] = value
    file = tmp_path_factory.mktemp("damage") / f"x{kind}"
    file.write_bytes(data[: cut % len(data)] if cut is not None else data)
    tree = open_tree(file, Limits(file_bytes=1 << 20, members=1000))
    for path in tree.sizes:
        try:
            content = tree.read(path)
        except UnreadableFileError as error:
            assert str(error)
        else:
            assert kind != ".zip" or content in (PNG, b"2" * 99, b"3", b""), "a zip has checksums"
            assert len(content) == tree.sizes[path]
