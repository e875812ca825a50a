from __future__ import annotations

import numpy as np
import pytest
import torch

from datatools.learn.pixels import Examples
from datatools.params import TrainParams

SIDE = 16


def make_examples(n: int, n_classes: int = 3, seed: int = 0) -> Examples:
    """Noise with a bright bar whose place tells the class: learnt in seconds."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n, dtype=np.int64) % n_classes
    images = rng.integers(0, 60, size=(n, SIDE, SIDE, 3)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[2 + 4 * label : 5 + 4 * label] += 150
    return Examples(images, labels)


@pytest.fixture(autouse=True)
def one_thread():
    """Tiny tensors: threads would only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def params() -> TrainParams:
    return TrainParams(
        model="resnet8", image_size_px=SIDE, epochs=4, batch_size=16, learning_rate=0.05, device="cpu", precision="fp32"
    )
