from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch._subclasses.fake_tensor import FakeTensorMode

from datatools.learn.online import OPERATIONS, OnlineAugmenter, OnlinePolicy
from datatools.learn.warps import WARPS
from datatools.policy.augmenters import AUGMENTERS
from datatools.policy.draws import mix
from datatools.policy.presets import PRESETS
from datatools.policy.steps import parse_policy

from .pictures import from_batch, make_pictures, to_batch

N = 24
PICTURES = make_pictures(N)
SEEDS = np.arange(N, dtype=np.uint64) * np.uint64(977)
ROWS = torch.arange(N)
RANGES = {"affine": {"rotate_deg": [-15, 15], "scale": [0.85, 1.2], "shear_deg": [-8, 8], "translate": [-0.1, 0.1]}}
EVERYTHING = [{name: {"p": 0.6} | RANGES.get(name, {})} for name in AUGMENTERS]


def make_augmenter(policy, device="cpu"):
    return OnlineAugmenter(OnlinePolicy(parse_policy(policy), SEEDS), device)


def only(name, **ranges):
    return [{name: {"p": 1.0} | RANGES.get(name, {}) | ranges}]


def test_every_augmenter_of_a_policy_is_here():
    assert {*OPERATIONS, *WARPS, "elastic"} == set(AUGMENTERS)
    assert {*WARPS, "elastic"} == {name for name, spec in AUGMENTERS.items() if spec.is_geometric}


@pytest.mark.parametrize("name", AUGMENTERS)
def test_each_changes_images_and_keeps_them_images(name):
    images = to_batch(PICTURES)
    found = make_augmenter(only(name))(images, ROWS)
    assert found.shape == images.shape and found.dtype == torch.float32
    assert float((found - images).abs().mean()) > 0.05
    assert float(found.min()) >= -0.01 and float(found.max()) <= 255.01
    assert torch.equal(images, to_batch(PICTURES)), "the input was changed"


@pytest.mark.parametrize("policy", [EVERYTHING, *PRESETS.values()], ids=["everything", *PRESETS])
def test_neighbours_and_order_do_not_count(policy):
    augmenter = make_augmenter(policy)
    whole = augmenter(to_batch(PICTURES), ROWS)
    order = torch.randperm(N, generator=torch.Generator().manual_seed(1))
    for rows in order.split([1, 5, N - 6]):
        part = augmenter(to_batch(PICTURES[rows.numpy()]), rows)
        torch.testing.assert_close(part, whole[rows], atol=0.02, rtol=0)


def test_the_same_epoch_gives_the_same_bits_and_another_one_others():
    one, other = make_augmenter(EVERYTHING), make_augmenter(EVERYTHING)
    first = one(to_batch(PICTURES), ROWS)
    one.start_epoch(5)
    other.start_epoch(5)
    fifth = one(to_batch(PICTURES), ROWS)
    assert torch.equal(fifth, other(to_batch(PICTURES), ROWS))
    assert float((fifth - first).abs().mean(dim=(1, 2, 3)).min()) > 0.5, "an image stayed"
    one.start_epoch(0)
    assert torch.equal(one(to_batch(PICTURES), ROWS), first)


def test_a_policy_of_nothing_does_nothing():
    images = to_batch(PICTURES)
    assert torch.equal(make_augmenter([])(images, ROWS), images)
    never = [{name: {"p": 0} | RANGES.get(name, {})} for name in AUGMENTERS]
    assert torch.equal(make_augmenter(never)(images, ROWS), images)


def test_chances_are_kept():
    augmenter = make_augmenter([{"flip_horizontal": {"p": 0.3}}])
    flipped = 0
    for epoch in range(40):
        augmenter.start_epoch(epoch)
        found = from_batch(augmenter(to_batch(PICTURES), ROWS))
        same = np.array([np.array_equal(*pair) for pair in zip(found, PICTURES, strict=True)])
        mirrored = np.array([np.array_equal(*pair) for pair in zip(found, np.flip(PICTURES, 2), strict=True)])
        assert (same ^ mirrored).all()
        flipped += int(mirrored.sum())
    assert abs(flipped / (40 * N) - 0.3) < 4 * np.sqrt(0.21 / (40 * N))


def test_steps_run_in_their_order():
    there, back = {"brightness": {"factor": 3}}, {"contrast": {"factor": 0.5}}
    images = to_batch(PICTURES)
    found = make_augmenter([there, back])(images, ROWS)
    torch.testing.assert_close(found, 127 + 0.5 * ((3 * images).clamp(max=255) - 127))
    swapped = make_augmenter([back, there])(images, ROWS)
    torch.testing.assert_close(swapped, (3 * (127 + 0.5 * (images - 127))).clamp(max=255))


def test_geometric_steps_in_a_row_are_one_look_up(monkeypatch):
    calls = []
    plain = torch.nn.functional.grid_sample
    monkeypatch.setattr(
        "datatools.learn.warps.F.grid_sample",
        lambda *args, **options: calls.append(options["mode"]) or plain(*args, **options),
    )
    policy = [
        *only("flip_horizontal"),
        *only("affine"),
        *only("crop"),
        *only("elastic"),
        *only("brightness"),
        *only("flip_vertical"),
    ]
    make_augmenter(policy)(to_batch(PICTURES), ROWS)
    assert calls == ["bilinear", "nearest"]


def test_elastic_after_a_turn_bends_what_was_turned():
    together = make_augmenter([*only("quarter_turns", turns=1), *only("elastic")])
    turned = make_augmenter(only("quarter_turns", turns=1))(to_batch(PICTURES), ROWS)
    apart = make_augmenter([*only("brightness", factor=1), *only("elastic")])(turned, ROWS)
    torch.testing.assert_close(together(to_batch(PICTURES), ROWS), apart, atol=0.05, rtol=0)


# How far torch and imgaug may be apart: the mean over all pixels, in grey levels. Both do the same to the image; imgaug
# rounds to whole grey levels after each step (0.25 on average, OpenCV cuts off: 0.5), OpenCV turns hues by 2 degrees.
APART = {"hue": 2.5, "jpeg": 1.6, "saturation": 1.2, "cutout": 0.8}
LEAST = 0.6


@pytest.mark.parametrize("name", [name for name in AUGMENTERS if name not in ("noise", "elastic")])
def test_imgaug_does_the_same_to_the_same_seeds(name):
    pytest.importorskip("imgaug", reason="comparison with imgaug needs the extra 'augment'")
    found, expected = run_both(only(name))
    assert np.abs(found - expected).mean() < APART.get(name, LEAST)
    assert np.abs(found - expected).mean() < 0.6 * np.abs(expected - PICTURES).mean()


@pytest.mark.parametrize("preset", ["natural", "text", "scratches", "aerial"])
def test_imgaug_does_the_same_by_whole_policies(preset):
    """Away from the edge, where steps one by one repeat edges that the single look-up does not see."""
    pytest.importorskip("imgaug", reason="comparison with imgaug needs the extra 'augment'")
    found, expected = (images[:, 8:-8, 8:-8] for images in run_both(PRESETS[preset]))
    assert np.abs(found - expected).mean() < 3
    assert np.abs(found - expected).mean() < 0.25 * np.abs(expected - PICTURES[:, 8:-8, 8:-8]).mean()


@pytest.mark.parametrize(("name", "argument"), [("noise", "std"), ("elastic", "strength")])
def test_imgaug_does_as_much_where_fields_are_drawn(name, argument):
    """Noise and bends come from other generators: not the same, but as strong for the same values, image by image."""
    pytest.importorskip("imgaug", reason="comparison with imgaug needs the extra 'augment'")
    found, expected = run_both(only(name))
    amounts = [np.abs(images - PICTURES).mean(axis=(1, 2, 3)) for images in (found, expected)]
    assert np.corrcoef(*amounts)[0, 1] > 0.8
    assert amounts[0].mean() == pytest.approx(amounts[1].mean(), rel=0.25)


def run_both(policy):
    """Ours and imgaug's images, float64 (n, h, w, 3), for the same values."""
    from datatools.augment.imgaug_steps import Pipeline, Sample

    found = from_batch(make_augmenter(policy)(to_batch(PICTURES), ROWS))
    samples = [Sample(picture.copy(), np.zeros((0, 2))) for picture in PICTURES]
    Pipeline(parse_policy(policy)).run(samples, mix(SEEDS, 0))
    return found, np.stack([sample.image for sample in samples]).astype(float)


@given(st.lists(st.sampled_from(sorted(AUGMENTERS)), min_size=1, max_size=6), st.integers(0, 2**20))
@settings(max_examples=40)
def test_any_policy_keeps_images_within_their_limits(names, epoch):
    augmenter = make_augmenter([{name: {"p": 0.7} | RANGES.get(name, {})} for name in names])
    augmenter.start_epoch(epoch)
    found = augmenter(to_batch(PICTURES[:6]), ROWS[:6])
    assert torch.isfinite(found).all()
    assert float(found.min()) >= -0.01 and float(found.max()) <= 255.01


class PretendedRows:
    """Numbers of images, where a batch of FakeTensors has no values that could be looked up."""

    def numpy(self):
        return np.arange(N)

    def to(self, device):
        return torch.arange(N, device=device)


def run_on_pretended_gpu(policy):
    """FakeTensors compute shapes and devices only, and refuse what a GPU would: operands on two devices."""
    with FakeTensorMode():
        augmenter = make_augmenter(policy, "cuda:0")
        augmenter.start_epoch(1)
        return augmenter(torch.zeros((N, 3, 32, 32), device="cuda:0"), PretendedRows())


@pytest.mark.parametrize(
    "policy",
    [*map(only, AUGMENTERS), EVERYTHING, *PRESETS.values()],
    ids=[*AUGMENTERS, "everything", *(f"preset {name}" for name in PRESETS)],
)
def test_no_step_brings_a_tensor_to_another_device(policy):
    found = run_on_pretended_gpu(policy)
    assert str(found.device) == "cuda:0" and found.shape == (N, 3, 32, 32) and found.dtype == torch.float32


def test_a_step_that_forgets_the_device_would_be_seen(monkeypatch):
    monkeypatch.setitem(OPERATIONS, "brightness", lambda images, **_: images + torch.ones(len(images), 1, 1, 1))
    with pytest.raises(RuntimeError, match="two devices, cuda:0 and cpu"):
        run_on_pretended_gpu(only("brightness"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU: none was found")
def test_a_gpu_gives_the_same_images_and_holds_them():
    found = make_augmenter(EVERYTHING, "cuda")(to_batch(PICTURES).cuda(), ROWS)
    assert found.is_cuda
    expected = make_augmenter(EVERYTHING)(to_batch(PICTURES), ROWS)
    off = (found.cpu() - expected).abs()
    assert float(off.mean()) < 1 and float(off.median()) < 0.05, (
        "a coefficient of jpeg between two steps may go either way"
    )
