"""What JPEG does to an image, on its device: the lossy part of the codec (ITU-T T.81) without its entropy coding.

Colours to YCbCr, chroma halved both ways, blocks of 8 x 8 through the cosine transform, coefficients rounded to multiples of
the quantisation tables, and all of it back. Entropy coding changes no pixel, so it is left out; what is left
differs from libjpeg only where that rounds its integer arithmetic otherwise.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from datatools.learn.colour import WHITE

BLOCK, UNIT = 8, 16  # a unit has four blocks of luma and one of each chroma
# Example tables of the standard (T.81, K.1 and K.2), which libjpeg scales by quality.
LUMA_TABLE = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80,
    62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98,
    112, 100, 103, 99,
)  # fmt: skip
CHROMA_TABLE = (
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66, *[99] * 38,
)  # fmt: skip
# ITU-T T.871 (JFIF)
TO_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136, -0.714136), (1.0, 1.772, 0.0))


def jpeg(images: Tensor, quality: Tensor) -> Tensor:
    """Save each image, float32 (n, 3, h, w) from 0 to 255, with its quality (n,), 1 to 100, and read it again."""
    height, width = images.shape[2:]
    padded = F.pad(images.round(), (0, -width % UNIT, 0, -height % UNIT), mode="replicate")
    ycc = _recolour(padded, TO_YCC).round_()  # chroma about 0; luma is shifted below
    luma = _quantise(ycc[:, :1] - 128, _scale_table(LUMA_TABLE, quality)) + 128
    chroma = _quantise(_halve(ycc[:, 1:]), _scale_table(CHROMA_TABLE, quality))
    chroma = F.interpolate(chroma.clamp_(-128, 127), scale_factor=2.0, mode="bilinear", align_corners=False)
    rgb = _recolour(torch.cat([luma.clamp_(0, WHITE), chroma], dim=1), TO_RGB)
    return rgb.round_().clamp_(0, WHITE)[:, :, :height, :width]


def _recolour(images: Tensor, rows: tuple[tuple[float, ...], ...]) -> Tensor:
    return torch.einsum("kc,nchw->nkhw", torch.tensor(rows, device=images.device), images)


def _halve(planes: Tensor) -> Tensor:
    """Means of 2 x 2 pixels, rounded as libjpeg does: by turns .5 up and .25 down, then .5 and .75 up."""
    up = torch.arange(planes.shape[3] // 2, device=planes.device) % 2 / 4 + 0.25
    return (F.avg_pool2d(planes, 2) + up).floor_()


def _scale_table(table: tuple[int, ...], quality: Tensor) -> Tensor:
    """Quantisation steps (n, 1, 1, 1, 8, 8), as libjpeg scales them by quality."""
    percent = torch.where(quality < 50, (5000 / quality).floor(), 200 - 2 * quality)
    base = torch.tensor(table, dtype=torch.float32, device=quality.device)
    steps = ((base * percent.view(-1, 1) + 50) / 100).floor().clamp_(1, WHITE)
    return steps.view(-1, 1, 1, 1, BLOCK, BLOCK)


def _quantise(planes: Tensor, steps: Tensor) -> Tensor:
    """Round the cosine coefficients of each block of (n, c, h, w) to multiples of `steps`."""
    n, channels, height, width = planes.shape
    blocks = planes.view(n, channels, height // BLOCK, BLOCK, width // BLOCK, BLOCK).transpose(3, 4)
    cosine = _cosine_matrix(planes.device)
    coefficients = ((cosine @ blocks @ cosine.T) / steps).round_().mul_(steps)
    return (cosine.T @ coefficients @ cosine).round_().transpose(3, 4).reshape(planes.shape)


def _cosine_matrix(device: torch.device) -> Tensor:
    """The orthonormal DCT-II of 8 values."""
    place = torch.arange(BLOCK, dtype=torch.float64)
    matrix = torch.cos(math.pi / BLOCK * (place + 0.5) * place.view(-1, 1)) / 2
    matrix[0] /= math.sqrt(2)
    return matrix.float().to(device)
