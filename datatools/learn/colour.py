"""What an augmentation policy does to the values of pixels, a batch at a time on its device.

Every function takes `images`, float32 (n, 3, h, w) in grey levels from 0 to 255, and its arguments as (n,), one an
image, named and meant as in `datatools.policy.augmenters`. It returns new images; values stay within 0 and 255.
"""

from __future__ import annotations

import torch
from torch import Tensor

from datatools.learn.fields import draw_normal

WHITE, MIDDLE = 255.0, 127.0
LUMA = (0.299, 0.587, 0.114)  # of red, green, blue in grey: ITU-R BT.601


def brightness(images: Tensor, factor: Tensor) -> Tensor:
    """Multiply all pixels."""
    return (images * spread(factor)).clamp_(0, WHITE)


def contrast(images: Tensor, factor: Tensor) -> Tensor:
    """Multiply the distance from middle grey."""
    factor = spread(factor)
    return torch.addcmul(MIDDLE * (1 - factor), images, factor).clamp_(0, WHITE)


def gamma(images: Tensor, gamma: Tensor) -> Tensor:
    """Raise pixels, as shares of 255, to a power."""
    return (images / WHITE).clamp_(min=0).pow_(spread(gamma)).mul_(WHITE)  # -1e-6 of a filter before has no root


def saturation(images: Tensor, factor: Tensor) -> Tensor:
    """Multiply the saturation of HSV, at most to 1; hue and value stay."""
    value, low = images.amax(1, keepdim=True), images.amin(1, keepdim=True)
    most = value / (value - low).clamp_(min=1e-6)  # 1 / saturation
    return torch.addcmul(value, images - value, torch.minimum(spread(factor), most)).clamp_(min=0)


def hue(images: Tensor, degrees: Tensor) -> Tensor:
    """Turn the hue of HSV; saturation and value stay."""
    red, green, blue = images.unbind(1)
    value, low = images.amax(1), images.amin(1)
    chroma = value - low
    part = chroma.clamp(min=1e-6)
    sixth = torch.where(value == green, (blue - red) / part + 2, (red - green) / part + 4)
    sixth = torch.where(value == red, (green - blue) / part, sixth)
    sixth = sixth.add_(degrees.view(-1, 1, 1) / 60).remainder_(6)  # 0 red, 2 green, 4 blue
    shares = (
        (sixth - 3).abs_().sub_(1),
        (sixth - 2).abs_().neg_().add_(2),
        (sixth - 4).abs_().neg_().add_(2),
    )
    return torch.stack([torch.addcmul(low, chroma, share.clamp_(0, 1)) for share in shares], dim=1)


def grayscale(images: Tensor, share: Tensor) -> Tensor:
    """Mix with the grey version."""
    red, green, blue = images.unbind(1)
    grey = (LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue).unsqueeze(1)
    return torch.lerp(images, grey.expand_as(images), spread(share))


def noise(images: Tensor, std: Tensor, seed: Tensor) -> Tensor:
    """Add Gaussian noise, one value a pixel for all colours; `seed` int32 (n, 2)."""
    height, width = images.shape[2:]
    field = draw_normal(seed, height * width).view(-1, 1, height, width)
    return torch.addcmul(images, field, spread(std)).clamp_(0, WHITE)


def spread(values: Tensor) -> Tensor:
    """One value an image (n,) in a shape that works on images: (n, 1, 1, 1)."""
    return values.view(-1, 1, 1, 1)
