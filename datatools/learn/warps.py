"""Where the pixels of a warped image come from: one matrix an image for all geometric steps in a row.

Coordinates run from -1 to 1 across the image, x to the right, y down: (0, 0) is the middle, and images are square. Every
matrix is float64 (n, 3, 3) and says for a place in the warped image which place in the image before it shows there,
so steps applied one after the other multiply from left to right: before = first @ second @ after. One look-up then does
all of them: faster than one each, and less blurred. Beyond its edge an image repeats its edge.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

Matrices = NDArray[np.float64]
Drawn = Mapping[str, NDArray[Any]]


def find_matrices(name: str, values: Drawn) -> Matrices:
    """The matrices of one step of a policy, (n, 3, 3); the identity for images that it does not apply to.

    `values` as `datatools.policy.draws.draw_values` gives them for that step.
    """
    matrices = WARPS[name](values)
    matrices[~values["applies"]] = np.eye(3)
    return matrices


def look_up(images: Tensor, matrices: Tensor, shift: Tensor | None = None, exact: bool = False) -> Tensor:
    """The warped images, in the shape of `images` (n, c, side, side).

    `matrices` is (n, 2, 3), or (n, 3, 3) where one of them is no affine map. `shift` (n, side, side, 2) moves the places
    of the warped image first. `exact` takes the nearest pixel: for matrices that only mirror and turn by quarters.
    """
    shape = list(images.shape)
    is_affine = matrices.shape[1] == 2 and shift is None
    grid = F.affine_grid(matrices, shape, align_corners=False) if is_affine else _project(matrices, shape, shift)
    mode = "nearest" if exact else "bilinear"
    return F.grid_sample(images, grid, mode=mode, padding_mode="border", align_corners=False)


def _project(matrices: Tensor, shape: list[int], shift: Tensor | None) -> Tensor:
    still = torch.eye(2, 3, device=matrices.device).expand(len(matrices), 2, 3)
    places = F.affine_grid(still, shape, align_corners=False)
    places = (places if shift is None else places + shift).flatten(1, 2)
    moved = places @ matrices[:, :, :2].transpose(1, 2) + matrices[:, :, 2].unsqueeze(1)
    if matrices.shape[1] == 3:
        moved = moved[..., :2] / moved[..., 2:]
    return moved.view(shape[0], *shape[2:], 2)


def _affine(values: Drawn) -> Matrices:
    """Undo the shift, the turn, the shear and the zoom, in this order: the step does them the other way round."""
    turn = _rotate(values["rotate_deg"])
    back = _stack(len(turn))
    back[:, 0, 2], back[:, 1, 2] = -2 * values["translate"].T
    slant, zoom = _stack(len(turn)), _stack(len(turn))
    slant[:, 0, 1] = -np.tan(np.deg2rad(values["shear_deg"]))
    zoom[:, 0, 0] = zoom[:, 1, 1] = 1 / values["scale"]
    return zoom @ slant @ turn @ back


def _rotate(degrees: NDArray[np.float64]) -> Matrices:
    """What is seen after a clockwise turn was so many degrees back before it."""
    matrices = _stack(len(degrees))
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    matrices[:, 0, 0], matrices[:, 0, 1] = cos, sin
    matrices[:, 1, 0], matrices[:, 1, 1] = -sin, cos
    return matrices


def _quarter_turns(turns: NDArray[np.float64]) -> Matrices:
    return np.round(_rotate(turns * 90))


def _mirror(n: int, axis: int) -> Matrices:
    matrices = _stack(n)
    matrices[:, axis, axis] = -1
    return matrices


def _crop(share: NDArray[np.float64]) -> Matrices:
    """`share` (n, 4): cut off at top, right, bottom, left; what is left fills the image."""
    top, right, bottom, left = share.T
    matrices = _stack(len(share))
    matrices[:, 0, 0], matrices[:, 0, 2] = 1 - left - right, left - right
    matrices[:, 1, 1], matrices[:, 1, 2] = 1 - top - bottom, top - bottom
    return matrices


def _perspective(scale: NDArray[np.float64]) -> Matrices:
    """`scale` (n, 8): how far the corners move in, x and y of top left, top right, bottom right, bottom left."""
    inwards = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]])
    corners = -inwards + 2 * inwards * scale.reshape(-1, 4, 2)
    to_square = _stack(len(scale))  # from -1 .. 1 to 0 .. 1
    to_square[:, :2] = [[0.5, 0, 0.5], [0, 0.5, 0.5]]
    return _square_to_quad(corners) @ to_square


def _square_to_quad(corners: NDArray[np.float64]) -> Matrices:
    """Matrices that take (0, 0), (1, 0), (1, 1), (0, 1) to four corners (n, 4, 2): Heckbert 1989, section 2.2.3."""
    first, second, third, fourth = corners.transpose(1, 2, 0)  # each (2, n): x and y
    one, other, rest = second - third, fourth - third, first - second + third - fourth
    area = one[0] * other[1] - one[1] * other[0]
    matrices = _stack(len(corners))
    matrices[:, 2, 0] = across = (rest[0] * other[1] - rest[1] * other[0]) / area
    matrices[:, 2, 1] = down = (one[0] * rest[1] - one[1] * rest[0]) / area
    matrices[:, :2, 0] = (second - first + across * second).T
    matrices[:, :2, 1] = (fourth - first + down * fourth).T
    matrices[:, :2, 2] = first.T
    return matrices


def _stack(n: int) -> Matrices:
    return np.tile(np.eye(3), (n, 1, 1))


WARPS: Mapping[str, Callable[[Drawn], Matrices]] = {
    "flip_horizontal": lambda values: _mirror(len(values["applies"]), 0),
    "flip_vertical": lambda values: _mirror(len(values["applies"]), 1),
    "quarter_turns": lambda values: _quarter_turns(values["turns"]),
    "rotate": lambda values: _rotate(values["degrees"]),
    "affine": _affine,
    "crop": lambda values: _crop(values["share"]),
    "perspective": lambda values: _perspective(values["scale"]),
}
EXACT = frozenset({"flip_horizontal", "flip_vertical", "quarter_turns"})  # pixels stay pixels
PROJECTIVE = frozenset({"perspective"})
