"""Mixup (Zhang et al. 2018) and CutMix (Yun et al. 2019): two images become one, and their labels likewise.

Each image is mixed with the one before it in its batch, whose order is random; share and rectangle are drawn once a
batch, as both papers' own code does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

Box = tuple[int, int, int, int]  # x0, y0, x1, y1, half-open, in pixels


@dataclass(frozen=True)
class Mix:
    """How a batch is mixed: `share` of each image that stays, and for CutMix the `box` that comes from the other."""

    share: float
    box: Box | None = None

    def mix_images(self, images: Tensor) -> Tensor:
        """Mix `images` (n, c, h, w), which are not changed, with their neighbours in the batch."""
        if self.box is None:
            return torch.lerp(images.roll(1, 0), images, self.share)
        x0, y0, x1, y1 = self.box
        mixed = images.clone()
        mixed[:, :, y0:y1, x0:x1] = images.roll(1, 0)[:, :, y0:y1, x0:x1]
        return mixed

    def mix_labels(self, labels: Tensor, n_classes: int) -> Tensor:
        """Soft labels, float32 (n, n_classes), of labels (n,): each row adds up to 1."""
        hard = F.one_hot(labels, n_classes).float()
        return torch.lerp(hard.roll(1, 0), hard, self.share)


def draw_mixes(rng: np.random.Generator, n_batches: int, mixup: float, cutmix: float, side_px: int) -> list[Mix | None]:
    """How each batch of an epoch is mixed: None where both alphas are 0, one of the two at random where neither is.

    `mixup` and `cutmix` are the alphas of Beta(alpha, alpha), from which the share is drawn.
    """
    cuts = rng.random(n_batches) < 0.5 if mixup and cutmix else np.full(n_batches, cutmix > 0)
    alphas = np.where(cuts, cutmix, mixup)
    shares = rng.beta(np.maximum(alphas, 1e-3), np.maximum(alphas, 1e-3))
    centers = rng.random((n_batches, 2))
    mixes: list[Mix | None] = []
    for cut, alpha, share, center in zip(cuts, alphas, shares, centers, strict=True):
        mixes.append(_cut(float(share), center, side_px) if cut else Mix(float(share)) if alpha else None)
    return mixes


def _cut(share: float, center: np.ndarray, side_px: int) -> Mix:
    """A box of about 1 - `share` of the area; the share that stays is then counted from the pixels, as the box is clipped."""
    half = side_px * math.sqrt(1 - share) / 2
    x0, y0 = (max(0, round(float(middle) * side_px - half)) for middle in center)
    x1, y1 = (min(side_px, round(float(middle) * side_px + half)) for middle in center)
    return Mix(1 - (x1 - x0) * (y1 - y0) / side_px**2, (x0, y0, x1, y1))
