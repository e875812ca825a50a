from __future__ import annotations

import os
from pathlib import Path

import pytest

from datatools.raw import RawImages, open_raw
from datatools.unpack import place_files, unpack_images
from tests.builders import lay_out
from tests.command_line import Run
from tests.test_packed import bring

FILES = {"a.png": b"first", "b/c/ä.png": b"second", "x" * 251 + ".png": b"third"}


def files_below(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    bring(tmp_path / "raw", "one", FILES)
    return tmp_path / "raw"


def test_images_become_ordinary_files(root: Path, tmp_path: Path):
    ticks: list[int] = []
    assert unpack_images(root, FILES, tmp_path / "images", ticks.append) == []
    assert files_below(tmp_path / "images") == FILES
    assert ticks == [1, 1, 1]


def test_only_what_was_asked_for_is_unpacked(root: Path, tmp_path: Path):
    unpack_images(root, ["a.png"], tmp_path / "images")
    assert files_below(tmp_path / "images") == {"a.png": b"first"}


def test_what_is_there_with_the_right_bytes_is_not_read_again(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    unpack_images(root, FILES, tmp_path / "images")
    (tmp_path / "images" / "a.png").write_bytes(b"spoilt")
    before = (tmp_path / "images" / "b/c/ä.png").stat().st_mtime_ns
    read: list[str] = []
    real = RawImages.read
    monkeypatch.setattr(RawImages, "read", lambda self, path: read.append(path) or real(self, path))
    unpack_images(root, FILES, tmp_path / "images")
    assert read == ["a.png"]
    assert files_below(tmp_path / "images") == FILES
    assert (tmp_path / "images" / "b/c/ä.png").stat().st_mtime_ns == before


def test_loose_images_are_copied_with_them(root: Path, tmp_path: Path):
    lay_out(root, {"own.png": b"loose"})
    unpack_images(root, ["own.png", "a.png"], tmp_path / "images")
    lay_out(root, {"own.png": b"changed"})
    unpack_images(root, ["own.png", "a.png"], tmp_path / "images")
    assert files_below(tmp_path / "images") == {"own.png": b"changed", "a.png": b"first"}


def test_what_cannot_be_read_is_told_and_the_rest_unpacked(root: Path, tmp_path: Path):
    unread = unpack_images(root, ["gone.png", "a.png"], tmp_path / "images")
    assert unread == [("gone.png", "No such file or directory")]
    assert files_below(tmp_path / "images") == {"a.png": b"first"}


def test_an_image_with_the_name_of_anothers_folder_is_told(root: Path, tmp_path: Path):
    bring(root, "two", {"a.png/inner.png": b"inner", "b/c": b"file"})
    unread = dict(unpack_images(root, ["a.png", "a.png/inner.png", "b/c/ä.png", "b/c"], tmp_path / "images"))
    assert sorted(unread) == ["a.png/inner.png", "b/c"]
    for message in unread.values():
        assert message.startswith("another image has the name of its folder: ")
    assert files_below(tmp_path / "images") == {"a.png": b"first", "b/c/ä.png": b"second"}


def test_a_crash_between_two_files_leaves_whole_files_and_a_rerun_finishes(root: Path, tmp_path: Path):
    target = tmp_path / "images"
    pid = os.fork()
    if pid == 0:
        real = os.replace
        n_done = 0

        def stop(*args: Path) -> None:
            nonlocal n_done
            n_done += 1
            if n_done == 2:
                os._exit(9)
            real(*args)

        os.replace = stop
        unpack_images(root, FILES, target)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9
    names = {path.name for path in target.rglob("*.png")}
    assert len(names) == 1
    unpack_images(root, FILES, target)
    assert files_below(target) == FILES


def test_files_lie_in_the_data_root_where_nothing_was_imported(tmp_path: Path):
    root = lay_out(tmp_path / "raw", {"a.png": b"1"})
    assert place_files(root, ["a.png"], tmp_path / "images") == root
    assert not (tmp_path / "images").exists()


def test_files_lie_in_the_target_after_an_import(root: Path, tmp_path: Path):
    assert place_files(root, open_raw(root).packed_paths(), tmp_path / "images") == tmp_path / "images"
    assert files_below(tmp_path / "images") == FILES


@pytest.mark.parametrize(("pointer", "advice"), [("data/raw.dvc", "dvc pull"), ("data/other.dvc", "datatools import")])
@pytest.mark.parametrize("words", [(), ("a.png",)])
def test_without_data_the_command_says_what_brings_it(
    tmp_path: Path, run_in: Run, words: tuple[str, ...], pointer: str, advice: str
):
    lay_out(tmp_path, {"dvc.yaml": "", "params.yaml": "", pointer: "outs: []\n"})
    code, out, err = run_in(tmp_path, "unpack", *words)
    assert (code, out) == (2, "")
    assert f"data/raw: expected the folder of the images. Got no such folder: run `{advice}`" in err
    assert not (tmp_path / "data" / "images").exists()
