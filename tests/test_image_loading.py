from __future__ import annotations

import hashlib
import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from datatools import image_loading
from datatools.errors import DatatoolsError
from datatools.image_loading import KeptPixels, load_pixels, load_shard_pixels
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


@pytest.mark.parametrize(
    "spoil", [lambda data: data[:700], lambda data: b"junk" * 200, None], ids=["torn", "junk", "gone"]
)
def test_a_tar_that_cannot_be_read_is_a_wrong_call(tmp_path: Path, spoil):
    save_shard(tmp_path / "x.tar", PICTURES.items())
    data = (tmp_path / "x.tar").read_bytes()
    (tmp_path / "x.tar").unlink() if spoil is None else (tmp_path / "x.tar").write_bytes(spoil(data))
    with pytest.raises(DatatoolsError) as caught:
        load_shard_pixels(tmp_path / "x.tar", ORDER, 8)
    assert str(caught.value).startswith(f"{tmp_path / 'x.tar'}: expected a tar file of images. Got: ")


# ---- what was decoded is kept

MANY = {f"images/{n}.png": make_png(n % 7) for n in range(12)}  # five of them are copies of others
PATHS = sorted(MANY, reverse=True)
DIGESTS = [hashlib.sha256(MANY[path]).hexdigest() for path in PATHS]


class Decoder:
    """decode_image that counts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.n_calls = 0
        monkeypatch.setattr(image_loading, "decode_image", self)

    def __call__(self, data: bytes):
        self.n_calls += 1
        return decode_image(data)

    def since(self) -> int:
        n_calls, self.n_calls = self.n_calls, 0
        return n_calls


@pytest.fixture
def decoder(monkeypatch: pytest.MonkeyPatch) -> Decoder:
    return Decoder(monkeypatch)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return lay_out(tmp_path / "raw", MANY)


def load(root: Path, paths: list[str] = PATHS) -> np.ndarray:
    """Through the cache beside `root`."""
    digests = [hashlib.sha256(MANY[path]).hexdigest() for path in paths]
    return load_pixels(root, paths, 8, sha256=digests, cache=root.parent / "cache")


def test_warm_pixels_equal_cold_ones_and_nothing_is_decoded_again(root: Path, decoder: Decoder):
    cold = load_pixels(root, PATHS, 8)
    assert decoder.since() == len(PATHS)
    first = load(root)
    decoder.since()
    np.testing.assert_array_equal(first, cold)
    np.testing.assert_array_equal(load(root), cold)
    np.testing.assert_array_equal(load(root, PATHS[3:5]), cold[3:5])
    assert decoder.since() == 0


def test_only_new_images_are_decoded_and_a_copy_of_a_known_one_is_none(root: Path, decoder: Decoder):
    load(root, ["images/0.png", "images/1.png"])
    decoder.since()
    load(root, ["images/0.png", "images/2.png", "images/7.png", "images/8.png"])
    assert decoder.since() == 1
    load(root, [f"images/{number}.png" for number in (0, 1, 2, 3, 7, 8, 9)])
    assert decoder.since() == 1


def test_another_size_is_kept_apart(root: Path, decoder: Decoder):
    load(root)
    decoder.since()
    small = load_pixels(root, PATHS, 4, sha256=DIGESTS, cache=root.parent / "cache")
    assert decoder.since() == len(PATHS)
    np.testing.assert_array_equal(small, load_pixels(root, PATHS, 4))


def test_another_decoder_is_kept_apart(root: Path, decoder: Decoder, monkeypatch: pytest.MonkeyPatch):
    load(root)
    decoder.since()
    monkeypatch.setattr(image_loading, "decoder_version", lambda: "newer")
    load(root)
    assert decoder.since() == len(PATHS)


def test_without_digests_or_folder_nothing_is_kept(root: Path, tmp_path: Path):
    load_pixels(root, PATHS, 8, cache=tmp_path / "cache")
    load_pixels(root, PATHS, 8, sha256=DIGESTS)
    assert not (tmp_path / "cache").exists()


def test_progress_counts_what_is_decoded(root: Path):
    ticks: list[int] = []
    for _ in range(2):
        load_pixels(root, PATHS, 8, ticks.append, DIGESTS, root.parent / "cache")
    assert sum(ticks) == len(PATHS)


def test_pixels_of_a_tar_are_kept_too(tmp_path: Path, decoder: Decoder):
    save_shard(tmp_path / "x.tar", MANY.items())
    cold = load_shard_pixels(tmp_path / "x.tar", PATHS, 8)
    assert decoder.since() == len(PATHS)
    for expected in (len(PATHS), 0):
        np.testing.assert_array_equal(load_shard_pixels(tmp_path / "x.tar", PATHS, 8, tmp_path / "cache"), cold)
        assert decoder.since() == expected


def test_a_file_that_is_not_what_ingest_read_is_an_error_and_is_not_kept(root: Path):
    lay_out(root, {"images/3.png": make_png(99)})
    with pytest.raises(DatatoolsError) as caught:
        load(root)
    assert str(caught.value) == (
        f"{root / 'images/3.png'}: expected the image that ingest read. Got: other bytes. Run `dvc repro`."
    )
    lay_out(root, MANY)
    np.testing.assert_array_equal(load(root), load_pixels(root, PATHS, 8))


def cache_files(root: Path) -> tuple[Path, Path]:
    """The pixels, and what says which image each row is."""
    entries, pixels = sorted((root.parent / "cache").iterdir())
    return (pixels, entries) if pixels.suffix == ".u8" else (entries, pixels)


@pytest.mark.parametrize("which", [0, 1], ids=["pixels", "entries"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:50],
        lambda data: data[: len(data) - 3],
        lambda data: bytes(len(data)),
        lambda data: data[::-1],
        lambda data: data[:40] + bytes([data[40] ^ 1]) + data[41:],
        lambda data: data + b"torn",
        lambda data: data + bytes(1000),
        None,
    ],
    ids=["empty", "short", "torn", "zeros", "reversed", "flipped", "longer", "much longer", "gone"],
)
def test_damage_costs_only_the_work_again(root: Path, decoder: Decoder, which: int, damage):
    cold = load_pixels(root, PATHS, 8)
    load(root)
    file = cache_files(root)[which]
    data = file.read_bytes()
    file.unlink()
    if damage is not None:
        file.write_bytes(damage(data))
    np.testing.assert_array_equal(load(root), cold)
    decoder.since()
    np.testing.assert_array_equal(load(root), cold)
    assert decoder.since() == 0, "it was not mended"


def test_one_flipped_byte_anywhere_never_gives_other_pixels(root: Path):
    cold = load(root)
    for file in cache_files(root):
        whole = file.read_bytes()
        for place in range(0, len(whole), 17):
            file.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
            pixels = np.zeros_like(cold)
            missing = KeptPixels(root.parent / "cache", 8).fill(pixels, DIGESTS)
            found = [number for number in range(len(PATHS)) if number not in missing]
            np.testing.assert_array_equal(pixels[found], cold[found])
        file.write_bytes(whole)


@pytest.mark.parametrize("n_writes", [0, 1])
def test_a_crash_in_the_middle_leaves_no_wrong_pixels(
    root: Path, decoder: Decoder, monkeypatch: pytest.MonkeyPatch, n_writes: int
):
    """Killed while the pixels are appended, and while the entries are."""
    cold = load_pixels(root, PATHS, 8)
    load(root, PATHS[:2])
    pid = os.fork()
    if pid == 0:
        real, calls = image_loading._append, []

        def torn(file: Path, start: int, pieces) -> None:
            calls.append(file)
            if len(calls) <= n_writes:
                return real(file, start, pieces)
            with file.open("r+b") as opened:
                opened.seek(start)
                opened.write(b"".join(pieces)[:-5])
            os._exit(9)

        image_loading._append = torn
        load(root)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9
    np.testing.assert_array_equal(load(root), cold)
    decoder.since()
    np.testing.assert_array_equal(load(root), cold)
    assert decoder.since() == 0


def _add_some(task: tuple[Path, int]) -> None:
    cache, number = task
    for step in range(6):
        value = 40 * number + step
        pixels = np.full((3, 8, 8, 3), value, np.uint8)
        digests = [f"{value:062x}{place:02x}" for place in range(3)]
        KeptPixels(cache, 8).add(pixels, digests, [0, 1, 2])


def test_processes_that_add_at_the_same_time_mix_no_rows(tmp_path: Path):
    with ProcessPoolExecutor(4, mp_context=get_context("fork")) as pool:
        list(pool.map(_add_some, [(tmp_path, number) for number in range(4)]))
    values = [40 * number + step for number in range(4) for step in range(6)]
    pixels = np.empty((len(values), 8, 8, 3), np.uint8)
    assert KeptPixels(tmp_path, 8).fill(pixels, [f"{value:062x}01" for value in values]) == []
    np.testing.assert_array_equal(pixels[:, 0, 0, 0], values)
    assert (pixels == pixels[:, :1, :1, :1]).all()


def test_copies_of_one_image_take_one_row(root: Path):
    load(root)
    pixels, entries = cache_files(root)
    assert pixels.stat().st_size == 7 * 8 * 8 * 3
    assert entries.stat().st_size == 7 * 36


def test_no_more_is_kept_than_allowed_and_the_rest_is_decoded_every_time(
    root: Path, decoder: Decoder, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(image_loading, "MOST_KEPT", 3 * 8 * 8 * 3 + 100)
    cold = load_pixels(root, PATHS, 8)
    for _ in range(3):
        np.testing.assert_array_equal(load(root), cold)
        assert cache_files(root)[0].stat().st_size == 3 * 8 * 8 * 3
    monkeypatch.setattr(image_loading, "MOST_KEPT", 100)  # it was lowered
    np.testing.assert_array_equal(load(root), cold)
    assert cache_files(root)[0].stat().st_size == 3 * 8 * 8 * 3
