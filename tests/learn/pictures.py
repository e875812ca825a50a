"""Photo-like pictures for the tests of augmentation: smooth colours and one rectangle with hard edges."""

from __future__ import annotations

import numpy as np
import torch

SIDE_PX = 48


def make_pictures(n: int, side: int = SIDE_PX) -> np.ndarray:
    """uint8 (n, side, side, 3), each of its own waves."""
    down, right = np.mgrid[:side, :side] / side
    pictures = []
    for number in range(n):
        rng = np.random.default_rng(number)
        waves = [np.sin(2 * np.pi * (a * right + b * down) + c) for a, b, c in rng.uniform(-3, 3, (9, 3))]
        picture = np.array(waves).reshape(3, 3, side, side).sum(axis=1).transpose(1, 2, 0)
        picture = (picture - picture.min()) / np.ptp(picture) * 220 + 15
        picture[side // 6 : side // 2, side // 3 : side // 2] = rng.integers(0, 256, 3)
        pictures.append(picture.astype(np.uint8))
    return np.stack(pictures)


def to_batch(images: np.ndarray) -> torch.Tensor:
    """Images as the augmenter takes them: float32 (n, 3, h, w)."""
    return torch.tensor(images).permute(0, 3, 1, 2).float().contiguous()


def from_batch(batch: torch.Tensor) -> np.ndarray:
    """float64 (n, h, w, 3)."""
    return batch.permute(0, 2, 3, 1).double().numpy()
