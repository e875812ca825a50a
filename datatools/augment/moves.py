"""Where the geometric steps of a policy take the points of an image: matrices, and for `elastic` a bent grid.

Coordinates are pixels, x to the right, y down; pixel (0, 0) reaches from 0 to 1. Everything here is exact and in float64;
`imgaug_steps` has imgaug move the pixels by the same matrices and grids.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Drawn = Mapping[str, NDArray[Any]]
HORIZON = 1e-3  # depth of the furthest place that a perspective sees
ITERATIONS_MAX, CLOSE_PX = 100, 1e-4  # of the fixed point in Bend; most take five


@dataclass(frozen=True)
class Warp:
    """A map by a 3 x 3 matrix in homogeneous pixel coordinates, into an image of `size_wh`."""

    matrix: Floats
    size_wh: tuple[int, int]

    def move(self, points: Floats) -> Floats:
        """Where `points` (n, 2) go; those beyond the horizon of a perspective as far as one can see towards them."""
        if not (self.matrix[2, 0] or self.matrix[2, 1]):
            return points @ self.matrix[:2, :2].T + self.matrix[:2, 2]
        middle = np.array(self.size_wh) / 2
        depth = points @ self.matrix[2, :2] + self.matrix[2, 2]  # 1 in the middle, 0 at the horizon
        way = (1 - HORIZON) / np.maximum(1 - depth, 1 - HORIZON)
        seen = middle + way[:, None] * (points - middle)
        depth = seen @ self.matrix[2, :2] + self.matrix[2, 2]
        return (seen @ self.matrix[:2, :2].T + self.matrix[:2, 2]) / depth[:, None]


@dataclass(frozen=True)
class Bend:
    """A shift of every place, linear between the nodes of a grid: what is seen at q was at q - shift(q) before.

    `nodes` (2, rows, columns) are shifts in pixels along x and y; nodes lie `smoothness` of each side apart, from 0 on.
    """

    nodes: Floats
    smoothness: float
    size_wh: tuple[int, int]

    def move(self, points: Floats) -> Floats:
        """Where `points` (n, 2) are seen: the q with q - shift(q) = point, by iteration.

        Between neighbouring places the shift changes by less than their distance (parse_policy refuses more, for it would
        fold the image), so there is one such q and the iteration comes to it (Banach).
        """
        moved: NDArray[Any] = points
        for _ in range(ITERATIONS_MAX):
            before, moved = moved, points + self.shift(moved)
            if not moved.size or np.abs(moved - before).max() < CLOSE_PX:
                break
        return moved

    def shift(self, places: NDArray[Any]) -> Floats:
        """The shift at each of `places` (n, 2), along x and y."""
        across, down = self._weights(places[:, 0], 0), self._weights(places[:, 1], 1)
        return np.asarray(np.einsum("pr,arc,pc->pa", down, self.nodes, across), dtype=np.float64)

    def shift_maps(self) -> Floats:
        """The shift of every pixel, (2, height, width), along x and y."""
        width, height = self.size_wh
        across, down = self._weights(np.arange(width) + 0.5, 0), self._weights(np.arange(height) + 0.5, 1)
        return down @ self.nodes @ across.T

    def _weights(self, places: NDArray[Any], axis: int) -> Floats:
        """(n, nodes): what each node counts at each place along an axis; outside as at the edge."""
        steps = np.clip(places / self.size_wh[axis], 0, 1) / self.smoothness
        return np.maximum(1 - np.abs(steps[:, None] - np.arange(self.nodes.shape[2 - axis])), 0)


Move = Warp | Bend


def find_moves(name: str, values: Drawn, sizes_wh: Sequence[tuple[int, int]]) -> list[Move]:
    """What the geometric step `name` does to each image. `values` as `draw_values` gives them, one row an image."""
    if name == "elastic":
        return [
            _bend(float(strength), float(smoothness), int(seed), size_wh)
            for strength, smoothness, seed, size_wh in zip(
                values["strength"], values["smoothness"], values["seed"], sizes_wh, strict=True
            )
        ]
    turned = values["turns"] % 2 == 1 if name == "quarter_turns" else np.zeros(len(sizes_wh), dtype=bool)
    matrices = _MATRICES[name](values, np.array(sizes_wh, dtype=np.float64).reshape(-1, 2))
    return [
        Warp(matrix, size_wh[::-1] if turn else size_wh)
        for matrix, size_wh, turn in zip(matrices, sizes_wh, turned, strict=True)
    ]


def _bend(strength: float, smoothness: float, seed: int, size_wh: tuple[int, int]) -> Bend:
    n_nodes = int(1 / smoothness) + 2  # the last at or beyond the edge
    random = np.random.Generator(np.random.Philox(key=seed))
    nodes = random.uniform(-1, 1, size=(2, n_nodes, n_nodes)) * strength * min(size_wh)
    return Bend(nodes, smoothness, size_wh)


def _about_middle(linear: Floats, sizes_wh: Floats, shift: Floats | float = 0.0) -> Floats:
    """(n, 3, 3): the 2 x 2 maps `linear` about the middle of each image, then a shift in pixels."""
    middle = sizes_wh / 2
    matrices = np.tile(np.eye(3), (len(linear), 1, 1))
    matrices[:, :2, :2] = linear
    matrices[:, :2, 2] = middle + shift - np.einsum("nij,nj->ni", linear, middle)
    return matrices


def _diagonal(x: Any, y: Any, n: int) -> Floats:
    linear = np.zeros((n, 2, 2))
    linear[:, 0, 0], linear[:, 1, 1] = x, y
    return linear


def _turn(degrees: Floats) -> Floats:
    """Clockwise on the screen, as y points down."""
    radians = np.deg2rad(degrees)
    cos, sin = np.cos(radians), np.sin(radians)
    return np.stack([np.stack([cos, -sin], axis=1), np.stack([sin, cos], axis=1)], axis=1)


def _flip_horizontal(_: Drawn, sizes_wh: Floats) -> Floats:
    return _about_middle(_diagonal(-1, 1, len(sizes_wh)), sizes_wh)


def _flip_vertical(_: Drawn, sizes_wh: Floats) -> Floats:
    return _about_middle(_diagonal(1, -1, len(sizes_wh)), sizes_wh)


def _quarter_turns(values: Drawn, sizes_wh: Floats) -> Floats:
    """About the middle, which itself goes to the middle of the image lying on its side."""
    turns = values["turns"]
    odd = (turns % 2 == 1)[:, None]
    return _about_middle(np.round(_turn(turns * 90.0)), sizes_wh, np.where(odd, sizes_wh[:, ::-1] - sizes_wh, 0) / 2)


def _rotate(values: Drawn, sizes_wh: Floats) -> Floats:
    return _about_middle(_turn(values["degrees"]), sizes_wh)


def _affine(values: Drawn, sizes_wh: Floats) -> Floats:
    """Zoom, then shear, then turn, then shift."""
    zoom = _diagonal(values["scale"], values["scale"], len(sizes_wh))
    slant = _diagonal(1, 1, len(sizes_wh))
    slant[:, 0, 1] = np.tan(np.deg2rad(values["shear_deg"]))
    return _about_middle(_turn(values["rotate_deg"]) @ slant @ zoom, sizes_wh, values["translate"] * sizes_wh)


def _crop(values: Drawn, sizes_wh: Floats) -> Floats:
    """What is left between the shares cut off at top, right, bottom and left fills the image."""
    top, right, bottom, left = values["share"].T
    x, y = 1 / (1 - left - right), 1 / (1 - top - bottom)
    off = np.stack([(right - left) * x, (bottom - top) * y], axis=1) / 2  # its middle goes to the image's
    return _about_middle(_diagonal(x, y, len(sizes_wh)), sizes_wh, off * sizes_wh)


def _perspective(values: Drawn, sizes_wh: Floats) -> Floats:
    """The matrices that take four inner corners to those of the image: eight equations for eight unknowns.

    Scaled so that the depth (the third coordinate) is 1 in the middle, which lies between any such corners.
    """
    inwards = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]])
    ends = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * sizes_wh[:, None]
    (x, y), (u, v) = (
        ((ends + inwards * values["scale"].reshape(-1, 4, 2) * sizes_wh[:, None]).transpose(2, 0, 1)),
        (ends.transpose(2, 0, 1)),
    )
    one, none = np.ones_like(x), np.zeros_like(x)
    rows_x = np.stack([x, y, one, none, none, none, -x * u, -y * u], axis=2)
    rows_y = np.stack([none, none, none, x, y, one, -x * v, -y * v], axis=2)
    unknown = np.linalg.solve(np.concatenate([rows_x, rows_y], axis=1), np.concatenate([u, v], axis=1)[..., None])
    matrices = np.concatenate([unknown[..., 0], np.ones((len(x), 1))], axis=1).reshape(-1, 3, 3)
    depth = np.einsum("ni,ni->n", matrices[:, 2, :2], sizes_wh / 2) + 1
    return matrices / depth[:, None, None]


_MATRICES: Mapping[str, Callable[[Drawn, Floats], Floats]] = {
    "flip_horizontal": _flip_horizontal,
    "flip_vertical": _flip_vertical,
    "quarter_turns": _quarter_turns,
    "rotate": _rotate,
    "affine": _affine,
    "crop": _crop,
    "perspective": _perspective,
}
