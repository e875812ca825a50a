"""What an augmentation policy does to the neighbourhood of pixels: blur, sharpen, cover; a batch at a time on its device.

Images and arguments as in `datatools.learn.colour`. Beyond its edge an image is its own mirror image; the pixel at the edge
comes once (OpenCV's default).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from datatools.learn.colour import WHITE, spread

COVER = 128.0  # grey of a covered square
CUT = 3  # sigmas


def blur(images: Tensor, sigma_px: Tensor, reach: int) -> Tensor:
    """Gaussian blur, its weights cut off at three sigma, or at `reach` pixels if that is nearer."""
    reach = min(reach, images.shape[2] - 1, images.shape[3] - 1)
    place = torch.arange(-reach, reach + 1, device=images.device)
    sigma = sigma_px.view(-1, 1).clamp(min=1e-3)
    weights = torch.exp(-0.5 * (place / sigma).square()) * (place.abs() <= (CUT * sigma).ceil())
    weights = weights / weights.sum(dim=1, keepdim=True)
    return _convolve(_convolve(images, weights, reach, 3), weights, reach, 2)


def _convolve(images: Tensor, weights: Tensor, reach: int, axis: int) -> Tensor:
    """Weigh the pixels along one axis with symmetric `weights` (n, 2 reach + 1), those of one image with its own."""
    n = images.shape[axis]
    padded = F.pad(images, (reach, reach, 0, 0) if axis == 3 else (0, 0, reach, reach), mode="reflect")
    total = padded.narrow(axis, reach, n) * spread(weights[:, reach])
    for step in range(1, reach + 1):
        pair = padded.narrow(axis, reach - step, n) + padded.narrow(axis, reach + step, n)
        total.addcmul_(pair, spread(weights[:, reach + step]))
    return total


def motion_blur(images: Tensor, length_px: Tensor, direction: Tensor, reach: int) -> Tensor:
    """Mean along a line of `length_px`, `direction` (0 to 1) of a turn clockwise from upright; `reach`: half the longest.

    Even lengths count one more, so that a line has a middle.
    """
    reach = min(reach, images.shape[2] - 1, images.shape[3] - 1)
    kernels = _draw_lines(length_px, direction * (2 * math.pi), reach)
    planes = F.pad(images, (reach,) * 4, mode="reflect").flatten(0, 1).unsqueeze(0)
    kernels = kernels.repeat_interleave(images.shape[1], dim=0).unsqueeze(1)
    return F.conv2d(planes, kernels, groups=len(kernels)).view(images.shape)


def _draw_lines(length_px: Tensor, angle: Tensor, reach: int) -> Tensor:
    """Lines one pixel wide through the middle of (n, 2 reach + 1, 2 reach + 1), their weights adding up to 1."""
    place = torch.arange(-reach, reach + 1, device=angle.device, dtype=torch.float32)
    right, down = place.view(1, 1, -1), place.view(1, -1, 1)
    sin, cos = angle.sin().view(-1, 1, 1), angle.cos().view(-1, 1, 1)
    along, aside = cos * down - sin * right, cos * right + sin * down
    half = length_px.view(-1, 1, 1).div(2, rounding_mode="floor") + 1
    lines = (1 - aside.abs()).clamp_(0, 1) * (half - along.abs()).clamp_(0, 1)
    return lines / lines.sum(dim=(1, 2), keepdim=True)


def sharpen(images: Tensor, share: Tensor) -> Tensor:
    """Mix with the image minus its eight neighbours (weights 9 and -1)."""
    thirds = torch.full((len(images), 3), 1 / 3, device=images.device)
    mean = _convolve(_convolve(images, thirds, 1, 3), thirds, 1, 2)
    return torch.addcmul(images, images - mean, 9 * spread(share)).clamp_(0, WHITE)


def cutout(images: Tensor, count: Tensor, size: Tensor, center: Tensor, most: int) -> Tensor:
    """Cover the first `count` squares, at `most` so many, about `center` (n, 2 k: x and y as shares of the sides) with grey."""
    height, width = images.shape[2:]
    across = (torch.arange(width, device=images.device) + 0.5) / width
    down = (torch.arange(height, device=images.device) + 0.5) / height
    number = torch.arange(most, device=images.device)
    half = torch.where(number < count.view(-1, 1), size.view(-1, 1) / 2, -1.0).unsqueeze(2)
    wide = (across - center[:, 0 : 2 * most : 2].unsqueeze(2)).abs() < half  # (n, k, w)
    high = (down - center[:, 1 : 2 * most : 2].unsqueeze(2)).abs() < half
    covered = (high.unsqueeze(3) & wide.unsqueeze(2)).any(dim=1, keepdim=True)
    return images.masked_fill(covered, COVER)
