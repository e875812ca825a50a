from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from datatools.learn.mixing import Mix, draw_mixes

SIDE = 20


def draw(n=2000, seed=0, **alphas):
    return draw_mixes(np.random.default_rng(seed), n, side_px=SIDE, **({"mixup": 0.0, "cutmix": 0.0} | alphas))


def constant_images(*levels):
    return torch.tensor(levels, dtype=torch.float32).view(-1, 1, 1, 1).expand(-1, 3, SIDE, SIDE)


def test_off_is_off():
    assert draw(n=5) == [None] * 5


def test_mixup_mixes_images_and_labels_by_the_same_share():
    mix = Mix(0.7)
    images = mix.mix_images(constant_images(10.0, 20.0, 40.0))
    assert images[:, 0, 0, 0].tolist() == pytest.approx([0.7 * 10 + 0.3 * 40, 0.7 * 20 + 0.3 * 10, 0.7 * 40 + 0.3 * 20])
    labels = mix.mix_labels(torch.tensor([0, 2, 1]), 4)
    expected = [[0.7, 0.3, 0, 0], [0.3, 0, 0.7, 0], [0, 0.7, 0.3, 0]]
    torch.testing.assert_close(labels, torch.tensor(expected))


@given(st.integers(0, 2**32))
def test_the_share_of_cutmix_is_the_share_of_the_pixels(seed):
    (mix,) = draw(1, seed, cutmix=1.0)
    mixed = mix.mix_images(constant_images(0.0, 1.0))
    from_other = mixed[0].mean().item()
    assert from_other == pytest.approx(1 - mix.share, abs=1e-6)
    assert mixed[1].mean().item() == pytest.approx(mix.share, abs=1e-6)
    labels = mix.mix_labels(torch.tensor([0, 1]), 2)
    torch.testing.assert_close(labels[0], torch.tensor([mix.share, 1 - mix.share]))
    x0, y0, x1, y1 = mix.box
    assert 0 <= x0 <= x1 <= SIDE and 0 <= y0 <= y1 <= SIDE
    assert set(mixed[0, :, y0:y1, x0:x1].unique().tolist()) <= {1.0}


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_shares_of_mixup_follow_beta(alpha):
    shares = [mix.share for mix in draw(mixup=alpha)]
    assert stats.kstest(shares, stats.beta(alpha, alpha).cdf).pvalue > 1e-3
    assert all(mix.box is None for mix in draw(mixup=alpha))


def test_boxes_of_cutmix_are_squares_where_the_edge_does_not_clip_them():
    boxes = [mix.box for mix in draw(cutmix=1.0)]
    whole = [(x1 - x0, y1 - y0) for x0, y0, x1, y1 in boxes if min(x0, y0) > 0 and max(x1, y1) < SIDE]
    assert len(whole) > 100 and len(whole) < 1900
    assert all(abs(wide - high) <= 1 for wide, high in whole)
    clipped = [box for box in boxes if min(box) == 0 or max(box) == SIDE]
    assert clipped, "centres are anywhere in the image"


def test_both_take_turns_at_random():
    cuts = sum(mix.box is not None for mix in draw(mixup=0.4, cutmix=1.0))
    assert stats.binomtest(cuts, 2000).pvalue > 1e-3


def test_inputs_are_unchanged_and_seeds_count():
    images = torch.rand(3, 3, SIDE, SIDE)
    before = images.clone()
    for mix in (Mix(0.4), Mix(0.75, (0, 0, 10, 10))):
        mix.mix_images(images)
    assert torch.equal(images, before)
    assert draw(20, mixup=0.4, cutmix=1.0) == draw(20, mixup=0.4, cutmix=1.0)
    assert draw(20, mixup=0.4, cutmix=1.0) != draw(20, 1, mixup=0.4, cutmix=1.0)
