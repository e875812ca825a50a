from __future__ import annotations

import copy
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

pytest.importorskip("imgaug", reason="augmentation needs the extra 'augment'")

from imgaug import augmenters
from imgaug.augmentables.kps import KeypointsOnImage

from datatools.augment.imgaug_steps import _RUNNERS, Pipeline, Sample
from datatools.policy.draws import draw_values
from datatools.policy.steps import AUGMENTERS, parse_policy
from tests.augment.builders import STRONG
from tests.strategies import policies

SIZES = [(20, 31), (16, 16), (33, 18), (24, 24), (17, 40)]


def make_samples(n: int, with_masks: bool = True) -> list[Sample]:
    """Soft random pictures of several sizes, with points, and masks on two of three."""
    random = np.random.default_rng(0)
    samples = []
    for number in range(n):
        height, width = SIZES[number % len(SIZES)]
        coarse = random.integers(0, 256, size=(5, 5, 3), dtype=np.uint8)
        image = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)).copy()
        masks = np.zeros((height, width, 1 + number % 2), dtype=np.int32)
        masks[4:12, 3:14] = 7
        points = random.uniform(0, 16, size=(number % 4, 2))
        samples.append(Sample(image, points, masks if with_masks and number % 3 else None))
    return samples


def seeds_of(n: int) -> Any:
    return np.arange(n, dtype=np.uint64) * np.uint64(977) + np.uint64(5)


def run(samples: Sequence[Sample], policy: list[Any], batch: int, order: Sequence[int] | None = None) -> list[Sample]:
    """Copies of `samples` after the policy, in their own order, whatever batches and order they went in."""
    done, seeds = copy.deepcopy(list(samples)), seeds_of(len(samples))
    pipeline = Pipeline(parse_policy(policy))
    order = list(range(len(done)) if order is None else order)
    for start in range(0, len(order), batch):
        rows = order[start : start + batch]
        pipeline.run([done[row] for row in rows], seeds[rows])
    return done


def bytes_of(samples: Sequence[Sample]) -> list[tuple[Any, ...]]:
    return [
        (s.image.shape, s.image.tobytes(), s.points.tobytes(), None if s.masks is None else s.masks.tobytes())
        for s in samples
    ]


def any_policy(name: str, **more: Any) -> list[Any]:
    return [{name: {**({"rotate_deg": [-20, 20], "scale": [0.8, 1.2]} if name == "affine" else {}), **more}}]


@pytest.mark.parametrize("name", AUGMENTERS)
@pytest.mark.parametrize("p", [0.6, 1.0])
def test_batches_and_order_leave_no_trace(name: str, p: float):
    samples = make_samples(20)
    alone = run(samples, any_policy(name, p=p), batch=1)
    for batch in (3, 16, 20):
        assert bytes_of(run(samples, any_policy(name, p=p), batch)) == bytes_of(alone)
    order = np.random.default_rng(1).permutation(20).tolist()
    assert bytes_of(run(samples, any_policy(name, p=p), 7, order)) == bytes_of(alone)
    assert any(one != other for one, other in zip(bytes_of(samples), bytes_of(alone), strict=True))


@settings(deadline=None, max_examples=40)
@given(policies(), st.integers(1, 8), st.permutations(range(8)))
def test_any_policy_gives_the_same_in_any_batches_and_order(policy: list[Any], batch: int, order: list[int]):
    samples = make_samples(8)
    done = run(samples, policy, batch, order)
    assert bytes_of(done) == bytes_of(run(samples, policy, 1))
    assert all(sample.image.dtype == np.uint8 and sample.image.shape[2] == 3 for sample in done)
    assert all(sample.masks is None or sample.masks.shape[:2] == sample.image.shape[:2] for sample in done)


@pytest.mark.parametrize("name", [name for name, spec in AUGMENTERS.items() if spec.is_geometric])
def test_points_and_masks_are_replaced_and_not_changed(name: str):
    samples = make_samples(6)
    kept, before = [(s.points, s.masks) for s in samples], bytes_of(samples)
    Pipeline(parse_policy(any_policy(name, p=1))).run(samples, seeds_of(6))
    for (points, masks), (_, _, points_bytes, masks_bytes) in zip(kept, before, strict=True):
        assert points.tobytes() == points_bytes
        assert masks is None or masks.tobytes() == masks_bytes


def test_every_augmenter_has_one_of_imgaug():
    assert list(_RUNNERS) == list(AUGMENTERS)


@pytest.mark.parametrize("name", AUGMENTERS)
def test_with_a_chance_of_0_nothing_happens(name: str):
    samples = make_samples(6)
    assert bytes_of(run(samples, any_policy(name, p=0), 6)) == bytes_of(samples)


@pytest.mark.parametrize("name", [name for name, spec in AUGMENTERS.items() if not spec.is_geometric])
def test_what_is_not_geometric_moves_nothing(name: str):
    samples = make_samples(6)
    for before, after in zip(samples, run(samples, any_policy(name), 6), strict=True):
        np.testing.assert_array_equal(before.points, after.points)
        assert (before.masks is None and after.masks is None) or (before.masks == after.masks).all()


# ---- what each step does to pixels, against its definition


def values_of(policy: list[Any], n: int, name: str) -> Any:
    (values,) = draw_values(parse_policy(policy), seeds_of(n))
    return values[name]


DEFINED = {
    "brightness": lambda image, factor: image * factor,
    "contrast": lambda image, factor: 127 + factor * (image - 127.0),
    "gamma": lambda image, gamma: 255 * (image / 255) ** gamma,
}


@pytest.mark.parametrize("name", DEFINED)
def test_values_of_pixels_change_as_defined(name: str):
    samples = make_samples(6)
    (argument,) = AUGMENTERS[name].arguments
    drawn = values_of([name], 6, argument)
    for before, after, value in zip(samples, run(samples, [name], 6), drawn, strict=True):
        expected = np.clip(DEFINED[name](before.image.astype(float), value), 0, 255)
        assert np.abs(after.image - expected).max() <= 1.01, "imgaug cuts off decimals"


@pytest.mark.parametrize(("policy", "drawn"), [({"saturation": {"factor": 0}}, 0), ({"grayscale": {"share": 1}}, 1)])
def test_grey_is_grey(policy: dict[str, Any], drawn: int):
    for sample in run(make_samples(5), [policy], 5):
        assert np.ptp(sample.image.astype(int), axis=2).max() <= 1


def test_hue_turns_by_degrees():
    red = np.full((4, 4, 3), [200, 40, 40], dtype=np.uint8)
    for degrees, expected in ((120, [40, 200, 40]), (-120, [40, 40, 200]), (180, [40, 200, 200]), (0, [200, 40, 40])):
        (sample,) = run([Sample(red, np.zeros((0, 2)))], [{"hue": {"degrees": degrees}}], 1)
        assert np.abs(sample.image[0, 0].astype(int) - expected).max() <= 8, "imgaug knows 2 degrees at best"


def test_noise_has_its_standard_deviation_and_one_value_for_all_colours():
    grey = [Sample(np.full((64, 64, 3), 128, dtype=np.uint8), np.zeros((0, 2))) for _ in range(3)]
    done = run(grey, [{"noise": {"std": 10}}], 3)
    for sample in done:
        assert sample.image.std() == pytest.approx(10, rel=0.05)
        assert (sample.image == sample.image[..., :1]).all()
    assert not np.array_equal(done[0].image, done[1].image)


def test_jpeg_is_the_quality_that_was_asked_for():
    sample = make_samples(1)[0]
    for quality in (10, 50, 90):
        buffer = io.BytesIO()
        Image.fromarray(sample.image).save(buffer, format="jpeg", quality=quality)
        expected = np.asarray(Image.open(buffer)).astype(int)
        (done,) = run([sample], [{"jpeg": {"quality": quality}}], 1)
        assert np.abs(done.image.astype(int) - expected).mean() < 1.5


def test_cutouts_are_as_many_and_as_large_as_drawn():
    black = [Sample(np.zeros((100, 100, 3), dtype=np.uint8), np.zeros((0, 2))) for _ in range(30)]
    policy = [{"cutout": {"count": [0, 3], "size": 0.2}}]
    for sample, count, center in zip(
        run(black, policy, 30), values_of(policy, 30, "count"), values_of(policy, 30, "center"), strict=True
    ):
        covered = (sample.image == 128).all(axis=2)
        expected = np.zeros((100, 100), dtype=bool)
        for x, y in center.reshape(-1, 2)[: int(count)] * 100:
            expected[max(int(y - 10), 0) : max(int(y + 10), 0), max(int(x - 10), 0) : max(int(x + 10), 0)] = True
        assert (covered == expected).mean() > 0.985


@pytest.mark.parametrize("name", ["blur", "motion_blur"])
def test_blur_lessens_and_sharpen_raises_differences(name: str):
    samples = make_samples(5)
    strong = {"blur": {"sigma_px": 2}, "motion_blur": {"length_px": 7}}
    for before, after in zip(samples, run(samples, [{name: strong[name]}], 5), strict=True):
        assert (
            np.abs(np.diff(after.image.astype(int), axis=1)).mean()
            < np.abs(np.diff(before.image.astype(int), axis=1)).mean()
        )
    for before, after in zip(samples, run(samples, [{"sharpen": {"share": 0.5}}], 5), strict=True):
        assert (
            np.abs(np.diff(after.image.astype(int), axis=1)).mean()
            > np.abs(np.diff(before.image.astype(int), axis=1)).mean()
        )


# ---- geometry, against imgaug's own


@pytest.mark.parametrize(
    ("policy", "own"),
    [
        ({"rotate": {"degrees": 25}}, augmenters.Affine(rotate=25, mode="edge")),
        ({"affine": {"scale": 1.3}}, augmenters.Affine(scale=1.3, mode="edge")),
        ({"affine": {"translate": 0.2}}, augmenters.Affine(translate_percent=0.2, mode="edge")),
        (
            {"affine": {"rotate_deg": -30, "scale": 0.8, "translate": -0.1}},
            augmenters.Affine(rotate=-30, scale=0.8, translate_percent=-0.1, mode="edge"),
        ),
        ({"flip_horizontal": {"p": 1}}, augmenters.Fliplr(1.0)),
        ({"flip_vertical": {"p": 1}}, augmenters.Flipud(1.0)),
        ({"quarter_turns": {"turns": 1}}, augmenters.Rot90(1, keep_size=False)),
        ({"quarter_turns": {"turns": 3}}, augmenters.Rot90(3, keep_size=False)),
    ],
    ids=str,
)
def test_pixels_and_points_go_where_imgaug_takes_them(policy: dict[str, Any], own: Any):
    for sample in make_samples(5):
        points = KeypointsOnImage.from_xy_array(sample.points, shape=sample.image.shape)
        image, moved = own(image=sample.image.copy(), keypoints=points)
        (done,) = run([sample], [policy], 1)
        assert done.image.shape == image.shape
        assert np.abs(done.image.astype(int) - image).max() <= 3
        np.testing.assert_allclose(done.points, moved.to_xy_array().reshape(-1, 2), atol=0.01)


@pytest.mark.parametrize("name", STRONG)
def test_a_bright_spot_is_where_its_point_says(name: str):
    for seed in range(12):
        image = np.zeros((61, 81, 3), dtype=np.uint8)
        image[27:34, 37:44] = 255  # around the middle of pixel (40, 30)
        sample = Sample(image, np.array([[40.5, 30.5]]))
        Pipeline(parse_policy([{name: STRONG[name]}])).run([sample], np.array([seed], dtype=np.uint64))
        weights = sample.image[..., 0].astype(float)
        rows, columns = np.indices(weights.shape)
        seen = (weights * (columns + 0.5)).sum() / weights.sum(), (weights * (rows + 0.5)).sum() / weights.sum()
        assert np.abs(sample.points[0] - seen).max() < 0.6
