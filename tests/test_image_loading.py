from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from datatools.errors import DatatoolsError
from datatools.image_loading import load_pixels, load_shard_pixels
from datatools.images import decode_image, resize_image
from datatools.shards import save_shard
from tests.builders import lay_out, make_png

PICTURES = {f"images/{n}.png": make_png(n) for n in range(3)}
ORDER = ["images/2.png", "images/0.png"]
EXPECTED = np.stack([resize_image(decode_image(PICTURES[path]), 8) for path in ORDER])


def test_pixels_come_in_the_order_asked_for(tmp_path: Path):
    ticks: list[int] = []
    found = load_pixels(lay_out(tmp_path, PICTURES), ORDER, 8, ticks.append)
    np.testing.assert_array_equal(found, EXPECTED)
    assert ticks == [1, 1]


def test_shard_pixels_come_in_the_order_asked_for(tmp_path: Path):
    save_shard(tmp_path / "x.tar", PICTURES.items())
    np.testing.assert_array_equal(load_shard_pixels(tmp_path / "x.tar", ORDER, 8), EXPECTED)


def test_no_paths_are_no_pixels(tmp_path: Path):
    save_shard(tmp_path / "x.tar", PICTURES.items())
    assert load_pixels(tmp_path, [], 8).shape == (0, 8, 8, 3)
    assert load_shard_pixels(tmp_path / "x.tar", [], 8).shape == (0, 8, 8, 3)


def test_a_shard_without_an_image_is_an_error_and_no_random_pixels(tmp_path: Path):
    save_shard(tmp_path / "x.tar", PICTURES.items())
    with pytest.raises(DatatoolsError) as caught:
        load_shard_pixels(tmp_path / "x.tar", [*ORDER, "images/9.png"], 8)
    assert str(caught.value) == (
        f"{tmp_path / 'x.tar'}: expected the image images/9.png. Got none of that name: run `dvc repro`."
    )


@pytest.mark.parametrize(
    ("content", "why"), [(None, "No such file or directory"), (b"text", "not one of BMP, JPEG, PNG, TIFF, WEBP")]
)
def test_a_file_that_changed_since_ingest_is_named(tmp_path: Path, content: bytes | None, why: str):
    lay_out(tmp_path, PICTURES)
    changed = tmp_path / ORDER[1]
    changed.unlink()
    if content is not None:
        changed.write_bytes(content)
    with pytest.raises(DatatoolsError) as caught:
        load_pixels(tmp_path, ORDER, 8)
    assert str(caught.value) == f"{changed}: expected the image that ingest read. Got: {why}. Run `dvc repro`."
