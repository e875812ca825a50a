"""Images on their way into the network: kept as bytes on the device, changed and normalised a batch at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from datatools.errors import DatatoolsError
from datatools.learn.device import Device

# What training does to a batch, float32 (b, 3, h, w) from 0 to 255, of images with these numbers (b,), on the CPU.
Change = Callable[[Tensor, Tensor], Tensor]
# Small enough to keep every digit, sign and scratch what it is; chosen on the sample (docs/benchmarks).
TURN_RAD, STRETCH, SHIFT = 0.2, 0.12, 0.06
BATCH_PIXELS = 2**21  # pixels a forward pass without gradients takes at once


@dataclass(frozen=True)
class Examples:
    """Labelled images: `images` uint8 (n, h, w, 3) RGB, `labels` int64 (n,), index into the class list.

    Raises DatatoolsError when shapes or types are others.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __post_init__(self) -> None:
        check_images(self.images)
        if self.labels.shape != (len(self.images),) or self.labels.dtype != np.int64:
            raise DatatoolsError(
                f"learn: labels must be int64 of shape ({len(self.images)},), one an image. "
                f"Got {self.labels.dtype} {self.labels.shape} instead."
            )

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class Scale:
    """Mean and standard deviation of each channel, in grey levels (0 to 255)."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


def check_images(images: NDArray[np.uint8], side_px: int | None = None) -> None:
    """Raise DatatoolsError unless `images` is uint8 of shape (n, h, w, 3), with h = w = `side_px` if that is given."""
    side = side_px if side_px is not None else "side"
    square = side_px is None or images.shape[1:3] == (side_px, side_px)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3 or not square:
        raise DatatoolsError(
            f"learn: images must be uint8 of shape (n, {side}, {side}, 3), side = train.image_size_px. "
            f"Got {images.dtype} {images.shape} instead: resize them."
        )


def compute_scale(images: NDArray[np.uint8]) -> Scale:
    """Exact mean and standard deviation per channel of uint8 (n, h, w, 3), n > 0, from histograms; std >= 1."""
    levels = np.arange(256.0)
    mean, std = [], []
    for channel in range(3):
        counts = sum(np.bincount(image[..., channel].ravel(), minlength=256) for image in images)
        share = counts / np.sum(counts)
        mean.append(float(share @ levels))
        std.append(max(1.0, float(np.sqrt(share @ (levels - mean[-1]) ** 2))))
    return Scale(tuple(mean), tuple(std))


class Pixels:
    """All images of a set on the device, as bytes: a batch costs one gather and no copy from the host."""

    def __init__(self, images: NDArray[np.uint8], scale: Scale, device: Device) -> None:
        self.scale, self.device = scale, device
        self._images = torch.tensor(images, device=device.name)
        self._mean = torch.tensor(scale.mean, device=device.name).view(1, 3, 1, 1)
        self._std = torch.tensor(scale.std, device=device.name).view(1, 3, 1, 1)

    def __len__(self) -> int:
        return len(self._images)

    @property
    def side_px(self) -> int:
        """Height of the images."""
        return int(self._images.shape[1])

    def take(self, index: Tensor, change: Change | None = None) -> Tensor:
        """Return the images at `index` (on the CPU), normalised, (b, 3, h, w) channels-last, bf16 where chosen.

        `change` gets them before that, float32 from 0 to 255, with `index`, and returns what is to be learnt from.
        """
        batch = self._images[index.to(self.device.name)].permute(0, 3, 1, 2).float()
        if change is not None:
            batch = change(batch.contiguous(), index)
        batch = (batch - self._mean) / self._std
        dtype = torch.bfloat16 if self.device.bf16 else torch.float32
        return batch.to(dtype=dtype, memory_format=torch.channels_last)

    def batches(self, index: Tensor) -> tuple[Tensor, ...]:
        """Cut `index` into pieces that fit a forward pass without gradients."""
        height, width = self._images.shape[1:3]
        return index.split(max(1, BATCH_PIXELS // (height * width)))


class Jitter:
    """A `Change` that turns, stretches and shifts each image a little; what comes in from outside repeats the edge.

    It draws from `generator`, on the CPU.
    """

    def __init__(self, generator: torch.Generator) -> None:
        self._generator = generator

    def __call__(self, images: Tensor, index: Tensor) -> Tensor:
        """Warp each image by its own small affine map."""
        angle, wide, high, right, down = torch.rand(5, len(images), generator=self._generator) * 2 - 1
        cos, sin = (angle * TURN_RAD).cos(), (angle * TURN_RAD).sin()
        wide, high = 1 + wide * STRETCH, 1 + high * STRETCH
        rows = (cos * wide, -sin * wide, right * 2 * SHIFT, sin * high, cos * high, down * 2 * SHIFT)
        theta = torch.stack(rows, dim=1).view(-1, 2, 3).to(images.device)
        grid = F.affine_grid(theta, list(images.shape), align_corners=False)
        return F.grid_sample(images, grid, padding_mode="border", align_corners=False)
