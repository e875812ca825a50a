from __future__ import annotations

import pickle
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from datatools.engine import FEW, map_ordered
from datatools.images import UnreadableImageError, decode_image
from datatools.raw import RawImages, open_raw
from datatools.tree import UnreadableFileError
from tests.builders import lay_out, make_png
from tests.test_packed import bring

PACKED, LOOSE = {f"in/{n}.png": make_png(n) for n in range(3)}, {"own/9.png": make_png(9)}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    bring(tmp_path, "one", PACKED)
    return lay_out(tmp_path, LOOSE)


def test_packed_and_loose_images_are_read_alike(root: Path):
    raw = open_raw(root)
    for path, data in {**PACKED, **LOOSE}.items():
        assert raw.read(path) == data
        np.testing.assert_array_equal(raw.decode(path), decode_image(data))
    assert raw.packed_paths() == sorted(PACKED)
    assert [raw.is_packed(path) for path in (*PACKED, *LOOSE)] == [True, True, True, False]
    assert raw.sha256("own/9.png") is None
    assert len(raw.sha256("in/0.png") or "") == 64


def test_a_folder_without_batches_has_loose_images_only(tmp_path: Path):
    raw = open_raw(lay_out(tmp_path, LOOSE))
    assert (raw.packed_paths(), raw.is_packed("own/9.png"), raw.sha256("own/9.png")) == ([], False, None)
    assert raw.read("own/9.png") == LOOSE["own/9.png"]


def test_an_image_that_is_not_there_is_bad_data(root: Path):
    with pytest.raises(UnreadableFileError, match="No such file or directory"):
        open_raw(root).read("own/8.png")
    with pytest.raises(UnreadableImageError, match="No such file or directory"):
        open_raw(root).decode("own/8.png")


def test_a_damaged_shard_is_an_image_that_cannot_be_decoded(root: Path):
    [shard] = (root / "batches").glob("*/images-0000.tar.gz")
    shard.write_bytes(shard.read_bytes()[:60])
    with pytest.raises(UnreadableImageError, match=r"images-0000\.tar\.gz is damaged"):
        open_raw(root).decode("in/0.png")


def test_a_packed_file_that_is_no_image_says_so(tmp_path: Path):
    bring(tmp_path, "one", {"a.png": b"text"})
    with pytest.raises(UnreadableImageError, match="not one of"):
        open_raw(tmp_path).decode("a.png")


def test_a_new_batch_is_seen_by_the_next_reader(root: Path):
    open_raw(root)
    bring(root, "two", {"in/new.png": b"new"})
    assert open_raw(root).read("in/new.png") == b"new"


def test_a_reader_goes_to_other_processes_as_a_few_bytes(tmp_path: Path):
    files = {f"{n:04d}.png": bytes([n % 256]) for n in range(FEW + 50)}
    bring(tmp_path, "one", files)
    raw = open_raw(tmp_path)
    assert len(pickle.dumps(raw)) < 500
    copy = pickle.loads(pickle.dumps(raw))
    assert isinstance(copy, RawImages)
    assert [copy.read(path) for path in files] == list(files.values())
    assert list(map_ordered(partial(RawImages.read, raw), list(files), workers=2)) == list(files.values())
