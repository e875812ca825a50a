from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("efficientnet_lite_pytorch", reason="embeddings need the extra 'train'")

import torch

from datatools.errors import DatatoolsError, MissingExtraError
from datatools.learn import embedding
from datatools.learn.embedding import TOGETHER, Embedder

N = 2 * TOGETHER + 3


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder(32, "cpu")


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (N, 32, 32, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def rows(embedder: Embedder, images: np.ndarray) -> np.ndarray:
    return embedder.embed(images)


def test_rows_are_unit_and_differ(rows: np.ndarray):
    assert (rows.shape, rows.dtype) == ((N, 256), np.float32)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    assert len(np.unique(rows, axis=0)) == N


@pytest.mark.parametrize("numbers", [range(1), range(5, 40), range(N - 1, -1, -1), [3] * 40])
def test_an_image_has_the_same_bits_in_any_company(embedder, images, rows, numbers):
    np.testing.assert_array_equal(embedder.embed(images[list(numbers)]), rows[list(numbers)])


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_threads_change_no_bit(embedder, images, rows, n_threads):
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        np.testing.assert_array_equal(embedder.embed(images), rows)
    finally:
        torch.set_num_threads(before)


def test_the_projection_keeps_angles(images: np.ndarray):
    network = embedding._load_network()
    with torch.inference_mode():
        features = network((torch.from_numpy(images).permute(0, 3, 1, 2).float() - 127) / 128).double()
    unit = torch.nn.functional.normalize(features, dim=1)
    points = torch.nn.functional.normalize(features @ embedding._projection(), dim=1)
    off = (unit @ unit.T - points @ points.T).abs()
    assert off.max() < 5 / np.sqrt(256)  # Achlioptas 2003: the deviation is about 1 / sqrt(columns)
    assert off.mean() < 1 / np.sqrt(256)


def test_small_changes_move_an_image_less_than_another_image(embedder, images, rows):
    noise = np.random.default_rng(1).integers(-3, 4, images.shape)
    moved = embedder.embed(np.clip(images + noise, 0, 255).astype(np.uint8))
    similarities = moved @ rows.T
    assert (similarities.argmax(axis=1) == np.arange(N)).mean() > 0.95


def test_no_images(embedder):
    assert embedder.embed(np.zeros((0, 32, 32, 3), np.uint8)).shape == (0, 256)


def test_torch_s_generator_is_left_alone(embedder):
    state = torch.get_rng_state()
    embedding._load_network()
    assert torch.equal(torch.get_rng_state(), state)


def test_the_key_names_size_and_code(monkeypatch: pytest.MonkeyPatch):
    keys = {Embedder(32, "cpu").key, Embedder(64, "cpu").key}
    monkeypatch.setattr(embedding, "hash_module", lambda name: "other code")
    keys.add(Embedder(32, "cpu").key)
    monkeypatch.setattr(embedding, "decoder_version", lambda: "other decoder")
    keys.add(Embedder(32, "cpu").key)
    monkeypatch.setattr(embedding, "_name_hardware", lambda device: "other hardware")
    keys.add(Embedder(32, "cpu").key)
    assert len(keys) == 5


def test_a_size_that_the_network_does_not_take():
    with pytest.raises(DatatoolsError) as caught:
        Embedder(100)
    assert str(caught.value) == (
        "params.yaml: neighbors.image_size_px must be a multiple of 32. Got 100 instead: set 96."
    )


def test_other_weights_are_refused(tmp_path: Path):
    (tmp_path / "w.pth").write_bytes(b"weights")
    with pytest.raises(
        DatatoolsError, match=r"w\.pth: expected weights of SHA-256 579344248a93\. Got 9a129038d9a0: pip"
    ):
        embedding._check_weights(tmp_path / "w.pth")
    with pytest.raises(DatatoolsError, match=r"expected the weights\. Got: No such file or directory\. Install"):
        embedding._check_weights(tmp_path / "none.pth")


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    with pytest.raises(MissingExtraError, match="efficientnet"):
        embedding._load_network()
