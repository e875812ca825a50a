"""Online augmentation: every epoch shows other variants of the training images, made on the device a batch at a time.

The policy is that of the offline stage (`augment.mode` in params.yaml says which of the two is at work), its steps run
in the same order with the same arguments. What a step does to an image is a function of the image's seed and
the number of the epoch alone: other images, their order and the size of the batches play no part.

Where it differs from copies made offline: it works on the images as the network sees them, squares of
`train.image_size_px`, so the pixels of `blur` and `motion_blur`, the grain of `noise` and the blocks of `jpeg` are of that
size; it computes in float32 and rounds nothing between steps; and geometric steps in a row become one look-up
(learn/warps.py), so what one of them moves out of the image the next can bring back.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from datatools.learn import colour, filters
from datatools.learn.elastic import bend
from datatools.learn.jpeg import jpeg
from datatools.learn.warps import EXACT, PROJECTIVE, Drawn, find_matrices, look_up
from datatools.policy.augmenters import AUGMENTERS
from datatools.policy.draws import Seeds, draw_values, mix
from datatools.policy.steps import Step

OPERATIONS: Mapping[str, Callable[..., Tensor]] = {
    "brightness": colour.brightness,
    "contrast": colour.contrast,
    "gamma": colour.gamma,
    "hue": colour.hue,
    "saturation": colour.saturation,
    "grayscale": colour.grayscale,
    "noise": colour.noise,
    "blur": filters.blur,
    "motion_blur": filters.motion_blur,
    "sharpen": filters.sharpen,
    "jpeg": jpeg,
    "cutout": filters.cutout,
}
# What a function needs to know beforehand, from the limit of an argument: from the policy, so that no batch has to be measured.
LIMITS: Mapping[str, tuple[str, str, Callable[[float], int]]] = {
    "blur": ("reach", "sigma_px", lambda sigma: math.ceil(filters.CUT * sigma)),
    "motion_blur": ("reach", "length_px", lambda length: int(length) // 2),
    "cutout": ("most", "count", int),
}


@dataclass(frozen=True)
class OnlinePolicy:
    """What happens to the training images in each epoch.

    `steps` of a policy; `seeds` uint64 (n,), one an image, in their order; the alphas of `mixup` and `cutmix`, 0: off.
    """

    steps: tuple[Step, ...]
    seeds: Seeds
    mixup: float = 0.0
    cutmix: float = 0.0


@dataclass(frozen=True)
class _Change:
    """One pass over a batch: `function(images, **values)` for the images that it `applies` to (n,)."""

    function: Callable[..., Tensor]
    applies: NDArray[np.bool_]
    values: Mapping[str, Tensor]

    def run(self, images: Tensor, rows: Tensor, numbers: Tensor) -> Tensor:
        """Change those of the images that it applies to. `rows` are their numbers, on the CPU; `numbers` on the device."""
        chosen = self.applies[rows.numpy()]
        if chosen.all():
            return self._call(images, numbers)
        if not chosen.any():
            return images
        places = torch.from_numpy(np.flatnonzero(chosen)).to(images.device)
        return images.index_copy(0, places, self._call(images[places], numbers[places]))

    def _call(self, images: Tensor, numbers: Tensor) -> Tensor:
        return self.function(images, **{name: values[numbers] for name, values in self.values.items()})


class OnlineAugmenter:
    """The changes of one epoch after the other, drawn for all images at its start.

    `device` is torch's name of it. Call it with a batch, float32 (b, 3, side, side) from 0 to 255, and the numbers of its
    images, int64 (b,) on the CPU: it returns new images.
    """

    def __init__(self, policy: OnlinePolicy, device: str) -> None:
        self._policy, self._device = policy, device
        self._changes: list[_Change] = []
        self.start_epoch(0)

    def start_epoch(self, number: int) -> None:
        """Draw what happens to every image in the epoch `number`."""
        drawn = draw_values(self._policy.steps, mix(self._policy.seeds, number))
        self._changes = list(_plan(self._policy.steps, drawn, self._device))

    def __call__(self, images: Tensor, rows: Tensor) -> Tensor:
        """Change a batch."""
        numbers = rows.to(images.device)
        with torch.no_grad():
            for change in self._changes:
                images = change.run(images, rows, numbers)
        return images


def _plan(steps: Sequence[Step], drawn: Sequence[Drawn], device: str) -> Iterator[_Change]:
    """A change for each step that leaves pixels where they are, and one for each run of geometric ones.

    A run ends after `elastic`: what bends a warped image cannot be part of a matrix.
    """
    run: list[tuple[str, Drawn]] = []
    for step, values in zip(steps, drawn, strict=True):
        is_geometric = AUGMENTERS[step.name].is_geometric
        if is_geometric:
            run.append((step.name, values))
        if run and (step.name == "elastic" or not is_geometric):
            yield _plan_warp(run, device)
            run = []
        if not is_geometric:
            yield _plan_operation(step, values, device)
    if run:
        yield _plan_warp(run, device)


def _plan_operation(step: Step, values: Drawn, device: str) -> _Change:
    spec, function = AUGMENTERS[step.name], OPERATIONS[step.name]
    if step.name in LIMITS:
        keyword, argument, find_limit = LIMITS[step.name]
        function = functools.partial(function, **{keyword: find_limit(step.ranges[argument][1])})
    wanted = [*spec.arguments, *spec.chances, *(["seed"] if step.name == "noise" else [])]
    return _Change(function, values["applies"], {name: _to_tensor(values[name], device) for name in wanted})


def _plan_warp(run: Sequence[tuple[str, Drawn]], device: str) -> _Change:
    names = {name for name, _ in run}
    applies = np.logical_or.reduce([values["applies"] for _, values in run])
    matrices = np.tile(np.eye(3), (len(applies), 1, 1))
    for name, values in run:
        if name != "elastic":
            matrices = matrices @ find_matrices(name, values)
    if not names & PROJECTIVE:
        matrices = matrices[:, :2]
    moved = {"matrices": _to_tensor(matrices, device)}
    if "elastic" not in names:
        return _Change(functools.partial(look_up, exact=names <= EXACT), applies, moved)
    bent = {**run[-1][1], "strength": run[-1][1]["strength"] * run[-1][1]["applies"]}
    return _Change(
        bend, applies, moved | {key: _to_tensor(bent[key], device) for key in ("strength", "smoothness", "seed")}
    )


def _to_tensor(values: NDArray[Any], device: str) -> Tensor:
    """float32, or int32 (n, 2) for uint64 seeds, which torch's devices hardly know."""
    if values.dtype == np.uint64:
        return torch.tensor(values.view(np.int32).reshape(-1, 2), device=device)
    return torch.tensor(values, dtype=torch.float32, device=device)
