from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datatools.agreement import resampling
from datatools.agreement.resampling import chance_corrected, group_alike, interval, resample

unhurried = settings(deadline=None, max_examples=120, database=None)


@unhurried
@given(st.lists(st.lists(st.integers(0, 3), max_size=4).map(sorted), min_size=1, max_size=12))
def test_items_are_of_one_group_if_and_only_if_they_are_equal(items):
    item = np.repeat(np.arange(len(items)), [len(codes) for codes in items])
    code = np.array([code for codes in items for code in codes], dtype=np.int64)
    group = group_alike(item, code, len(items))
    for one in range(len(items)):
        for other in range(len(items)):
            assert (group[one] == group[other]) == (items[one] == items[other])
    assert sorted(set(group)) == list(range(len(set(map(tuple, items)))))


@pytest.mark.parametrize("n_of_kind", [[50, 30, 20], [1] * 40])  # by kind, and item by item
def test_a_resample_has_as_many_items_and_the_right_mean(n_of_kind, monkeypatch):
    monkeypatch.setattr(resampling, "BLOCK", 7 * len(n_of_kind))
    blocks = list(resample(np.array(n_of_kind), 2000, 0))
    assert {len(block) for block in blocks} == {7, 2000 % 7}
    drawn = np.concatenate(blocks)
    assert drawn.shape == (2000, len(n_of_kind))
    assert set(drawn.sum(axis=1)) == {sum(n_of_kind)}
    share = np.array(n_of_kind) / sum(n_of_kind)
    spread = np.sqrt(sum(n_of_kind) * share * (1 - share))
    assert (np.abs(drawn.mean(axis=0) - n_of_kind) < 5 * spread / np.sqrt(2000)).all()
    np.testing.assert_allclose(drawn.std(axis=0), spread, rtol=0.15)


def test_the_interval_of_a_share_is_that_of_the_binomial():
    low, high = interval(lambda weights: weights[:, 0] / weights.sum(axis=1), np.array([300, 700]), 20000, seed=1)
    assert low == pytest.approx(0.3 - 1.96 * np.sqrt(0.21 / 1000), abs=0.002)
    assert high == pytest.approx(0.3 + 1.96 * np.sqrt(0.21 / 1000), abs=0.002)


def test_the_seed_decides():
    def ends(seed):
        return interval(lambda weights: weights[:, 0], np.array([3, 7]), 50, seed).tolist()

    assert ends(1) == ends(1)
    assert len({tuple(ends(seed)) for seed in range(20)}) > 1


@pytest.mark.parametrize("n_of_kind", [[], [1]])
def test_fewer_than_two_items_have_no_interval(n_of_kind):
    assert interval(lambda weights: weights[:, 0], np.array(n_of_kind, dtype=np.int64)) is None


def test_nothing_expected_has_a_stated_answer():
    np.testing.assert_array_equal(chance_corrected(np.array([0.0, 1, 1]), np.array([0.0, 0, 2])), [1, 0, 0.5])
