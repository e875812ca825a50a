from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("torch", reason="training needs the extra 'train'")

from benchmarks.augmentation_accuracy import ARMS, bootstrap, name_split


def test_no_difference_has_an_interval_of_nothing():
    assert bootstrap(np.zeros((3, 40)), np.arange(40)) == (0.0, 0.0)


def test_the_interval_is_that_of_the_mean_where_every_image_stands_alone():
    difference = np.random.default_rng(0).normal(0.1, 1.0, 2000)[None]
    low, high = bootstrap(difference, np.arange(2000))
    half = 1.96 * difference.std() / np.sqrt(2000)
    assert (low, high) == pytest.approx((difference.mean() - half, difference.mean() + half), abs=0.2 * half)


def test_images_of_one_group_count_as_one_piece_of_evidence():
    difference = np.repeat(np.random.default_rng(0).normal(0.1, 1.0, 100), 20)[None]
    apart, together = bootstrap(difference, np.arange(2000)), bootstrap(difference, np.repeat(np.arange(100), 20))
    assert together[1] - together[0] > 3 * (apart[1] - apart[0])


def test_seeds_that_disagree_widen_it():
    same, other = np.full((4, 50), 0.1), np.repeat([[-0.3], [0.5], [-0.1], [0.3]], 50, axis=1)
    assert bootstrap(same, np.arange(50)) == pytest.approx((0.1, 0.1))
    low, high = bootstrap(other, np.arange(50))
    assert low < 0 < high


def test_another_split_has_another_name():
    split = pd.DataFrame({"path": ["a", "b"], "split": ["train", "test"]})
    assert name_split(split) == name_split(split.copy())
    assert name_split(split) != name_split(split.assign(split=["test", "train"]))


def test_only_online_arms_mix():
    assert all(arm.mode == "online" for arm in ARMS.values() if arm.mixup or arm.cutmix)
    assert ARMS["none"].steps == ()
