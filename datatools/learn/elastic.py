"""Bending images like rubber: the nodes of a grid move, each its own way, and what is between follows."""

from __future__ import annotations

import torch
from torch import Tensor

from datatools.learn.fields import draw_uniform
from datatools.learn.warps import look_up

NODES = 22  # along a side, at the finest smoothness of a policy (0.05)


def bend(images: Tensor, matrices: Tensor, strength: Tensor, smoothness: Tensor, seed: Tensor) -> Tensor:
    """Warp images (n, c, side, side) by `matrices`, as `look_up` does, and bend what comes of it.

    `strength` and `smoothness` (n,) are shares of the side, `seed` int32 (n, 2).
    """
    return look_up(images, matrices, draw_shift(seed, strength, smoothness, images.shape[2]))


def draw_shift(seed: Tensor, strength: Tensor, smoothness: Tensor, side: int) -> Tensor:
    """How far each pixel looks from its place, (n, side, side, 2): x and y where the image goes from -1 to 1."""
    nodes = draw_uniform(seed, 2 * NODES * NODES).view(-1, 2, NODES, NODES) * (2 * strength.view(-1, 1, 1, 1))
    weights = _weigh_nodes(smoothness, side).unsqueeze(1)
    return (weights @ nodes @ weights.transpose(2, 3)).permute(0, 2, 3, 1)


def _weigh_nodes(smoothness: Tensor, side: int) -> Tensor:
    """(n, side, NODES): what each node counts at each pixel; linear between neighbours."""
    places = (torch.arange(side, device=smoothness.device) + 0.5) / side
    steps = (places / smoothness.view(-1, 1)).unsqueeze(2) - torch.arange(NODES, device=smoothness.device)
    return (1 - steps.abs()).clamp_(min=0)
