"""The steps of a policy by imgaug, on batches of images of any sizes. Only this file imports imgaug.

The maintained distribution of the imgaug module is `imaug`. imgaug draws from one generator a batch, so that what happens
to an image depends on its neighbours; here every value is drawn before, by `draw_values`, and handed to imgaug where
it would draw (`Given`, or `_draw_samples` of its augmenters). So batches, their sizes and their order leave no trace.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datatools.augment.moves import Bend, Drawn, Floats, Move, Warp, find_moves
from datatools.errors import MissingExtraError
from datatools.images import RGB
from datatools.policy.augmenters import AUGMENTERS
from datatools.policy.draws import Seeds, draw_values
from datatools.policy.steps import Step

try:
    from imgaug import augmenters, parameters
    from imgaug.augmentables.batches import _BatchInAugmentation
    from imgaug.augmentables.segmaps import SegmentationMapsOnImage
except ImportError as error:
    raise MissingExtraError("augment", "imaug", "augment") from error

COVER = 128  # grey of a cutout


@dataclass
class Sample:
    """One image on its way: RGB `(height, width, 3)`, points `(n, 2)` in pixels, and masks.

    `masks` is int32 `(height, width, channels)`, in each channel the numbers of objects from 1 on; None without masks.
    """

    image: RGB
    points: Floats
    masks: NDArray[np.int32] | None = None

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height of the image in pixels."""
        return self.image.shape[1], self.image.shape[0]


class Pipeline:
    """The steps of a policy, ready to run: imgaug's augmenters are made once."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = tuple(steps)
        self._runners: list[_Runner] = [_RUNNERS[step.name]() for step in steps]

    def run(self, samples: Sequence[Sample], seeds: Seeds) -> None:
        """Augment `samples` in place, each by its seed, uint64 `(n,)`: the same in any batch."""
        for step, runner, values in zip(self._steps, self._runners, draw_values(self._steps, seeds), strict=True):
            rows = np.flatnonzero(values["applies"]).tolist()
            if rows:
                chosen = {name: column[rows] for name, column in values.items()}
                _run_step(step, runner, [samples[row] for row in rows], chosen)


def _run_step(step: Step, runner: _Runner, samples: Sequence[Sample], values: Drawn) -> None:
    moves: list[Move] = []
    if AUGMENTERS[step.name].is_geometric:
        moves = find_moves(step.name, values, [sample.size_wh for sample in samples])
        _run_masks(runner, samples, values, moves)
        for sample, move in zip(samples, moves, strict=True):
            if len(sample.points):
                sample.points = move.move(sample.points)
    batch = runner.run(_BatchInAugmentation(images=[sample.image for sample in samples]), values, moves)
    for sample, image in zip(samples, batch.images, strict=True):
        sample.image = image


def _run_masks(runner: _Runner, samples: Sequence[Sample], values: Drawn, moves: Sequence[Move]) -> None:
    rows = [row for row, sample in enumerate(samples) if sample.masks is not None]
    if not rows:
        return
    maps = [SegmentationMapsOnImage(samples[row].masks, samples[row].image.shape) for row in rows]
    chosen = {name: column[rows] for name, column in values.items()}
    batch = runner.run(_BatchInAugmentation(segmentation_maps=maps), chosen, [moves[row] for row in rows])
    for row, moved in zip(rows, batch.segmentation_maps, strict=True):
        samples[row].masks = moved.arr


class Given(parameters.StochasticParameter):  # type: ignore[misc]
    """Hands out values that were drawn before, one a sample, in their order; the same for all axes beyond the first."""

    def __init__(self) -> None:
        super().__init__()
        self._values: NDArray[Any] = np.zeros(0)
        self._next = 0

    def give(self, values: NDArray[Any]) -> None:
        """The values of the next batch."""
        self._values, self._next = values, 0

    def draw_samples(self, size: Any, random_state: Any = None) -> NDArray[Any]:
        """As imgaug asks for them: `size` is how many, or a shape that starts with how many."""
        shape = (size,) if isinstance(size, int) else tuple(size)
        values = self._values[self._next : self._next + shape[0]]
        self._next += shape[0]
        return np.broadcast_to(values.reshape(-1, *[1] * (len(shape) - 1)), shape)

    _draw_samples = draw_samples


class GivenNoise(parameters.StochasticParameter):  # type: ignore[misc]
    """Gaussian noise of each sample's own seed and standard deviation, a field at a time."""

    def give(self, seeds: NDArray[Any], std: NDArray[Any]) -> None:
        """The seeds and standard deviations of the next batch."""
        self._fields = iter(zip(seeds.tolist(), std.tolist(), strict=True))

    def draw_samples(self, size: Any, random_state: Any = None) -> NDArray[Any]:
        """The field of the next sample, `(height, width, 1)`."""
        seed, std = next(self._fields)
        random = np.random.Generator(np.random.Philox(key=seed))
        return random.standard_normal(size, dtype=np.float32) * np.float32(std)

    _draw_samples = draw_samples


class _GivenAffine(augmenters.Affine):  # type: ignore[misc]
    """imgaug's Affine by given matrices; where nothing comes in, the edge is repeated."""

    def __init__(self) -> None:
        super().__init__(mode="edge")
        self.moves: Sequence[Warp] = ()

    def _draw_samples(self, nb_samples: int, random_state: Any) -> _Matrices:
        return _Matrices([_between_pixels(move.matrix) for move in self.moves])


class _Matrices(SimpleNamespace):
    """What imgaug's Affine asks its samples for."""

    def __init__(self, matrices: Sequence[Floats]) -> None:
        n = len(matrices)
        super().__init__(matrices=matrices, cval=[(0, 0, 0)] * n, mode=["edge"] * n, order=[1] * n)

    def to_matrix(self, index: int, shape: Any, *_: Any) -> tuple[Floats, Any]:
        """The matrix of a sample and the shape of what comes out."""
        return self.matrices[index], shape

    def copy(self) -> _Matrices:
        """Another one of the same matrices, to be changed."""
        return _Matrices(self.matrices)


class _GivenPerspective(augmenters.PerspectiveTransform):  # type: ignore[misc]
    """imgaug's PerspectiveTransform by given matrices, in one look-up and without change of size."""

    def __init__(self) -> None:
        super().__init__(keep_size=False, mode="replicate")
        self.moves: Sequence[Warp] = ()

    def _draw_samples(self, shapes: Any, random_state: Any) -> SimpleNamespace:
        n = len(self.moves)
        return SimpleNamespace(
            matrices=[_between_pixels(move.matrix) for move in self.moves],
            max_heights=[move.size_wh[1] for move in self.moves],
            max_widths=[move.size_wh[0] for move in self.moves],
            cvals=[(0, 0, 0)] * n,
            modes=[self._BORDER_MODE_STR_TO_INT["replicate"]] * n,
        )


class _GivenElastic(augmenters.ElasticTransformation):  # type: ignore[misc]
    """imgaug's ElasticTransformation by given shifts."""

    moves: Sequence[Bend] = ()

    def _augment_batch_(self, batch: Any, random_state: Any, parents: Any, hooks: Any) -> Any:
        for row, move in enumerate(self.moves):
            dx, dy = move.shift_maps().astype(np.float32)
            if batch.images is not None:
                batch.images[row] = self._map_coordinates(batch.images[row], dx, dy, order=1, mode="nearest")
            if batch.segmentation_maps is not None:
                masks = batch.segmentation_maps[row]
                masks.arr = self._map_coordinates(masks.arr, dx, dy, order=0, mode="constant")
        return batch


def _between_pixels(matrix: Floats) -> Floats:
    """The same map where whole numbers are the middles of pixels, as OpenCV has it, and not their corners."""
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    back = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]])
    return back @ matrix @ half


class _Runner:
    """One of imgaug's augmenters with what it is handed before each batch."""

    def __init__(self, augmenter: Any, give: Callable[[Drawn, Sequence[Move]], None]) -> None:
        self._augmenter, self._give = augmenter, give

    def run(self, batch: Any, values: Drawn, moves: Sequence[Move]) -> Any:
        """Augment imgaug's batch in place and return it."""
        self._give(values, moves)
        return self._augmenter.augment_batch_(batch)


def _by_moves(kind: Callable[[], Any]) -> Callable[[], _Runner]:
    """Of an augmenter that takes the moves themselves."""

    def build() -> _Runner:
        augmenter = kind()
        return _Runner(augmenter, lambda _, moves: setattr(augmenter, "moves", moves))

    return build


def _by_values(kind: Callable[..., Any], **columns: Callable[[Drawn], NDArray[Any]]) -> Callable[[], _Runner]:
    """Of an augmenter whose arguments are values of the policy; `columns` says how they come of what was drawn."""

    def build() -> _Runner:
        given = {name: Given() for name in columns}

        def give(values: Drawn, _: Sequence[Move]) -> None:
            for name, column in columns.items():
                given[name].give(column(values))

        return _Runner(kind(**given), give)

    return build


def _noise() -> _Runner:
    noise = GivenNoise()
    return _Runner(augmenters.AddElementwise(noise), lambda values, _: noise.give(values["seed"], values["std"]))


def _cutout() -> _Runner:
    count, x, y, size = Given(), Given(), Given(), Given()

    def give(values: Drawn, _: Sequence[Move]) -> None:
        n = values["count"].astype(int)
        centers = values["center"].reshape(len(n), -1, 2)
        used = np.arange(centers.shape[1]) < n[:, None]
        count.give(n)
        x.give(centers[used][:, 0])
        y.give(centers[used][:, 1])
        size.give(np.repeat(values["size"], n))

    cover = augmenters.Cutout(count, (x, y), size, squared=True, fill_mode="constant", cval=COVER)
    return _Runner(cover, give)


def _flip(kind: Callable[..., Any]) -> Callable[[], _Runner]:
    return lambda: _Runner(kind(1.0), lambda *_: None)


def _hue_of_imgaug(drawn: Drawn) -> NDArray[Any]:
    """imgaug turns by `int(value / 255 * 180)` steps of two degrees: the value nearest to the degrees asked for."""
    steps = np.round(drawn["degrees"] / 2)
    return (np.sign(steps) * np.ceil(np.abs(steps) * 255 / 180)).astype(int)


def _compression_of_imgaug(drawn: Drawn) -> NDArray[Any]:
    """imgaug saves with the quality `round(1 + 99 * (1 - compression / 101))`."""
    return np.round((100 - drawn["quality"]) * 101 / 99)


_RUNNERS: Mapping[str, Callable[[], _Runner]] = {
    "flip_horizontal": _flip(augmenters.Fliplr),
    "flip_vertical": _flip(augmenters.Flipud),
    "quarter_turns": _by_values(partial(augmenters.Rot90, keep_size=False), k=lambda drawn: drawn["turns"].astype(int)),
    "rotate": _by_moves(_GivenAffine),
    "affine": _by_moves(_GivenAffine),
    "crop": _by_moves(_GivenAffine),
    "perspective": _by_moves(_GivenPerspective),
    "elastic": _by_moves(_GivenElastic),
    "brightness": _by_values(augmenters.Multiply, mul=lambda drawn: drawn["factor"]),
    "contrast": _by_values(augmenters.LinearContrast, alpha=lambda drawn: drawn["factor"]),
    "gamma": _by_values(augmenters.GammaContrast, gamma=lambda drawn: drawn["gamma"]),
    "hue": _by_values(augmenters.AddToHue, value=_hue_of_imgaug),
    "saturation": _by_values(augmenters.MultiplySaturation, mul=lambda drawn: drawn["factor"]),
    "grayscale": _by_values(augmenters.Grayscale, alpha=lambda drawn: drawn["share"]),
    "noise": _noise,
    "blur": _by_values(augmenters.GaussianBlur, sigma=lambda drawn: drawn["sigma_px"]),
    "motion_blur": _by_values(
        partial(augmenters.MotionBlur, direction=0.0),
        k=lambda drawn: drawn["length_px"],
        angle=lambda drawn: drawn["direction"] * 360,
    ),
    "sharpen": _by_values(partial(augmenters.Sharpen, lightness=1.0), alpha=lambda drawn: drawn["share"]),
    "jpeg": _by_values(augmenters.JpegCompression, compression=_compression_of_imgaug),
    "cutout": _cutout,
}
