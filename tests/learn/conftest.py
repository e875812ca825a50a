from __future__ import annotations

import numpy as np
import pytest

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
def quick(one_thread):
    """Every test here trains on tiny tensors."""


@pytest.fixture
def params() -> TrainParams:
    return TrainParams(
        model="resnet8", image_size_px=SIDE, epochs=4, batch_size=16, learning_rate=0.05, device="cpu", precision="fp32"
    )
