from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from datatools.errors import DatatoolsError
from datatools.learn.crossfit import cross_fit, plan_folds

from .conftest import make_examples


def group_of(n, size):
    return np.array([f"g{row // size}" for row in range(n)], dtype=object)


@pytest.mark.parametrize(
    ("n", "size", "n_classes", "folds"), [(60, 4, 3, 5), (60, 20, 3, 5), (12, 1, 12, 4), (9, 1, 3, 9), (6, 3, 2, 2)]
)
def test_every_row_is_judged_once_and_no_group_is_on_both_sides(n, size, n_classes, folds):
    groups = group_of(n, size)
    plan = plan_folds(make_examples(n).labels % n_classes, groups, folds, seed=0)
    judged = np.concatenate([judge for _, judge in plan])
    assert sorted(judged) == list(range(n))
    assert len(plan) == min(folds, n // size)
    for learn, judge in plan:
        assert not set(groups[learn]) & set(groups[judge])
        assert len(learn) + len(judge) == n
        assert len(learn) and len(judge)


def test_classes_are_spread_over_the_folds():
    labels = np.arange(100, dtype=np.int64) % 2
    for _, judge in plan_folds(labels, group_of(100, 1), 5, seed=0):
        assert labels[judge].mean() == 0.5


def test_another_seed_gives_other_folds():
    labels = make_examples(60).labels
    one, other = (plan_folds(labels, group_of(60, 2), 3, seed)[0][1] for seed in (0, 1))
    assert not np.array_equal(one, other)


def test_a_null_group_stands_alone():
    groups = np.array([None, None, np.nan, None], dtype=object)
    assert len(plan_folds(np.zeros(4, np.int64), groups, 4, seed=0)) == 4


def test_a_single_group_is_an_error():
    with pytest.raises(DatatoolsError, match=r"at least 2 groups. Got 1: check ingest.group_column"):
        plan_folds(np.zeros(4, np.int64), group_of(4, 4), 4, seed=0)


def test_a_wrong_label_gets_a_low_probability(params):
    examples = make_examples(90)
    labels = examples.labels.copy()
    labels[4] = 2  # truly 1
    probs = cross_fit(dataclasses.replace(examples, labels=labels), group_of(90, 3), 3, params, 3, 4, seed=0).probs
    assert probs.shape == (90, 3) and probs.dtype == np.float32
    np.testing.assert_allclose(probs.sum(axis=1), 1, rtol=1e-6)
    own = probs[np.arange(90), labels]
    assert own.argmin() == 4
    assert probs[4].argmax() == 1


def test_same_bits_twice_and_a_tick_an_epoch(params):
    examples, ticks = make_examples(24), []
    runs = [cross_fit(examples, group_of(24, 2), 3, params, 2, 2, 0, ticks.append) for _ in range(2)]
    np.testing.assert_array_equal(runs[0].probs, runs[1].probs)
    np.testing.assert_array_equal(runs[0].spread, runs[1].spread)
    assert np.isfinite(runs[0].spread).all()
    assert ticks == [1] * 8


def test_a_class_with_one_image_is_no_crash(params):
    examples = make_examples(13)
    labels = examples.labels.copy()
    labels[0] = 3
    probs, spread = cross_fit(dataclasses.replace(examples, labels=labels), group_of(13, 1), 5, params, 3, 1, seed=0)
    assert probs.shape == (13, 5)
    assert spread.shape == (5,)
    assert np.isfinite(probs).all()


def test_images_of_another_size_are_an_error(params):
    with pytest.raises(DatatoolsError, match=r"shape \(n, 64, 64, 3\)"):
        cross_fit(make_examples(6), group_of(6, 1), 3, dataclasses.replace(params, image_size_px=64), 2, 1, 0)
