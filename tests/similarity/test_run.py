"""The whole of the neighbors stage on real files: what is found, what is computed again, and what stays the same."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("efficientnet_lite_pytorch", reason="embeddings need the extra 'train'")
pytest.importorskip("faiss", reason="neighbours need the extra 'train'")

from datatools.images import compute_facts, encode_jpeg, encode_png
from datatools.learn.embedding import Embedder
from datatools.params import NeighborsParams
from datatools.similarity import run as similar_images
from datatools.similarity.graph import find_neighbors
from datatools.similarity.run import relate_images
from tests.builders import lay_out
from tests.similarity.test_verification import brighten, crop, draw, mirror
from tests.small_data import image_row, make_images

PICTURES = {f"{number:02}.png": draw(number) for number in range(40)}
CHANGED = {
    "copy.png": PICTURES["00.png"],
    "crop.png": crop(PICTURES["01.png"]),
    "flip.png": mirror(PICTURES["02.png"]),
    "light.png": brighten(PICTURES["03.png"]),
}
FILES = {name: encode_png(image) for name, image in {**PICTURES, **CHANGED}.items()} | {
    "small.jpg": encode_jpeg(PICTURES["04.png"], 50)
}
FOUND = {
    ("00.png", "copy.png", "identical", None),
    ("01.png", "crop.png", "embedding", "cropped"),
    ("02.png", "flip.png", "embedding", "mirrored"),
    ("03.png", "light.png", "both", "same"),
    ("04.png", "small.jpg", "both", "same"),
}
PARAMS = NeighborsParams(image_size_px=32, k=5, device="cpu")


def table(files):
    facts = {name: compute_facts(data) for name, data in files.items()}
    return make_images([image_row(name, sha256=fact.sha256, phash=fact.phash) for name, fact in facts.items()])


def relate(tmp_path: Path, files=FILES, params=PARAMS, cache="cache"):
    root = lay_out(tmp_path / hashlib.sha256(repr(sorted(files)).encode()).hexdigest(), files)
    return relate_images(table(files), root, params, tmp_path / cache)


def same(one, other):
    pd.testing.assert_frame_equal(one.pairs, other.pairs)
    assert one.facts == other.facts
    assert one.neighbors.paths == other.neighbors.paths
    for name in ("embeddings", "indices", "similarities"):
        np.testing.assert_array_equal(getattr(one.neighbors, name), getattr(other.neighbors, name))


class Counter:
    """Counts the images that are embedded."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.n = 0
        embed = Embedder.embed

        def count(embedder, images):
            self.n += len(images)
            return embed(embedder, images)

        monkeypatch.setattr(Embedder, "embed", count)

    def since(self) -> int:
        n, self.n = self.n, 0
        return n


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch) -> Counter:
    return Counter(monkeypatch)


def test_copies_of_all_kinds_are_found_and_nothing_else(tmp_path: Path):
    found = relate(tmp_path)
    pairs = {
        (row.path, row.other, row.how, None if pd.isna(row.view) else row.view) for row in found.pairs.itertuples()
    }
    assert pairs == FOUND
    assert found.facts["images"] == len(FILES)
    assert found.facts["contents"] == len(FILES) - 1
    assert found.facts["pairs"] == {"identical": 1, "hash": 0, "embedding": 2, "both": 2}


def test_the_graph_is_the_exact_one_of_all_images_in_the_order_of_their_paths(tmp_path: Path):
    neighbors = relate(tmp_path).neighbors
    assert neighbors.paths == tuple(sorted(FILES))
    indices, similarities = find_neighbors(neighbors.embeddings, PARAMS.k)
    np.testing.assert_array_equal(neighbors.indices, indices)
    np.testing.assert_array_equal(neighbors.similarities, similarities)
    first, copy = neighbors.paths.index("00.png"), neighbors.paths.index("copy.png")
    assert neighbors.indices[first, 0] == copy


def test_a_second_run_embeds_nothing_and_new_images_alone_are_embedded(tmp_path: Path, counter: Counter):
    cold = relate(tmp_path)
    assert counter.since() == len(FILES) - 1
    same(relate(tmp_path), cold)
    assert counter.since() == 0
    more = {**FILES, "new.png": encode_png(draw(99)), "again.png": FILES["05.png"]}
    warm = relate(tmp_path, more)
    assert counter.since() == 1
    same(warm, relate(tmp_path, more, cache="other"))


def test_how_many_images_are_kept_at_a_time_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    cold = relate(tmp_path)
    monkeypatch.setattr(similar_images, "TOGETHER", 3)
    same(relate(tmp_path, cache="other"), cold)


def test_a_run_that_ended_in_the_middle_is_taken_up(tmp_path: Path, counter: Counter, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(similar_images, "TOGETHER", 10)
    cold = relate(tmp_path, cache="other")
    counter.since()
    (tmp_path / "cache").mkdir()
    (whole,) = (tmp_path / "other").iterdir()
    data = whole.read_bytes()
    (tmp_path / "cache" / whole.name).write_bytes(data[: len(data) // 2])
    same(relate(tmp_path), cold)
    assert counter.since() == len(FILES) - 1 - (len(FILES) - 1) // 2


def test_without_a_model_there_are_hashes_and_no_graph(tmp_path: Path, counter: Counter):
    found = relate(tmp_path, params=NeighborsParams(model="none"))
    assert counter.since() == 0
    assert {(row.path, row.other, row.how) for row in found.pairs.itertuples()} == {
        ("00.png", "copy.png", "identical"),
        ("03.png", "light.png", "hash"),
        ("04.png", "small.jpg", "hash"),
    }
    assert found.neighbors.embeddings.shape == found.neighbors.indices.shape == (len(FILES), 0)
    assert found.facts["model"] == "none"


@pytest.mark.parametrize("model", ["none", "efficientnet_lite0"])
@pytest.mark.parametrize("n", [0, 1])
def test_hardly_any_images(tmp_path: Path, model: str, n: int):
    files = dict(list(FILES.items())[:n])
    found = relate(tmp_path, files, NeighborsParams(model=model, image_size_px=32))
    assert found.pairs.empty
    assert found.neighbors.indices.shape == (n, 0)
    assert found.facts["images"] == n


def test_progress_counts_every_content(tmp_path: Path):
    root = lay_out(tmp_path / "raw", FILES)
    for _ in range(2):
        ticks: list[int] = []
        relate_images(table(FILES), root, PARAMS, tmp_path / "cache", ticks.append)
        assert sum(ticks) == len(FILES) - 1
