from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from datatools.policy.draws import draw_uniform, draw_values, mix
from datatools.policy.steps import AUGMENTERS, parse_policy
from tests.strategies import policies

SEEDS = np.arange(4000, dtype=np.uint64)
SEED = st.integers(0, 2**64 - 1)


def splitmix64(state: int, n: int) -> list[int]:
    """The generator as Steele, Lea and Flood give it, in Python's integers."""
    out, whole = [], 2**64 - 1
    for _ in range(n):
        state = (state + 0x9E3779B97F4A7C15) & whole
        bits = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & whole
        bits = ((bits ^ (bits >> 27)) * 0x94D049BB133111EB) & whole
        out.append(bits ^ (bits >> 31))
    return out


@given(SEED)
def test_the_mixing_function_is_splitmix64(seed: int):
    seeds = np.array([seed], dtype=np.uint64)
    assert [int(mix(seeds, counter)[0]) for counter in range(1, 6)] == splitmix64(seed, 5)


@given(policies(), st.lists(SEED, min_size=1, max_size=8))
def test_a_sample_draws_the_same_alone_and_in_any_company(policy: list[Any], seeds: list[int]):
    steps = parse_policy(policy)
    together = draw_values(steps, np.array(seeds, dtype=np.uint64))
    for row, seed in enumerate(seeds):
        alone = draw_values(steps, np.array([seed], dtype=np.uint64))
        for one, all_ in zip(alone, together, strict=True):
            assert one.keys() == all_.keys()
            for name in one:
                np.testing.assert_array_equal(one[name][0], all_[name][row])


@given(policies())
def test_values_lie_in_their_ranges_and_have_a_row_a_sample(policy: list[Any]):
    steps = parse_policy(policy)
    for step, values in zip(steps, draw_values(steps, SEEDS[:50]), strict=True):
        spec = AUGMENTERS[step.name]
        assert set(values) == {"applies", "seed", *spec.arguments, *spec.chances}
        for name, rule in spec.arguments.items():
            low, high = step.ranges[name]
            assert values[name].shape == ((50,) if rule.n_values == 1 else (50, rule.n_values))
            assert ((values[name] >= low) & (values[name] <= high)).all()
            assert not rule.is_whole or (values[name] == np.floor(values[name])).all()
        for name in spec.chances:
            assert ((values[name] >= 0) & (values[name] < 1)).all()


def test_values_spread_evenly_and_hang_together_with_no_other():
    (first, second) = draw_values(
        parse_policy([{"affine": {"rotate_deg": [-10, 10], "scale": [0.5, 1.5]}}, "rotate"]), SEEDS
    )
    columns = [first["rotate_deg"], first["scale"], second["degrees"]]
    for column in columns:
        unit = (column - column.min()) / (column.max() - column.min())
        assert stats.kstest(unit, "uniform").pvalue > 0.001
    assert np.abs(np.corrcoef(columns) - np.eye(3)).max() < 0.06


def test_whole_numbers_are_drawn_equally_often():
    (values,) = draw_values(parse_policy([{"quarter_turns": {"turns": [0, 3]}}]), SEEDS)
    counts = np.bincount(values["turns"].astype(int), minlength=4)
    assert len(counts) == 4
    assert stats.chisquare(counts).pvalue > 0.001


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_a_step_applies_as_often_as_it_should(p: float):
    (values,) = draw_values(parse_policy([{"blur": {"p": p}}]), SEEDS)
    assert values["applies"].mean() == pytest.approx(p, abs=0.03 if 0 < p < 1 else 0)


def test_another_step_or_seed_draws_other_values():
    one, other = draw_values(parse_policy(["rotate", "rotate"]), SEEDS)
    assert not np.isin(one["degrees"], other["degrees"]).any()
    assert len(np.unique(one["degrees"])) == len(SEEDS)
    assert len(np.unique(np.concatenate([one["seed"], other["seed"], SEEDS]))) == 3 * len(SEEDS)


def test_ranges_do_not_change_what_chance_says():
    (narrow,), (wide,) = (draw_values(parse_policy([{"rotate": {"degrees": [-n, n]}}]), SEEDS) for n in (1, 10))
    np.testing.assert_allclose(wide["degrees"], 10 * narrow["degrees"], atol=1e-9)


def test_a_name_has_its_own_values():
    assert not np.isin(draw_uniform(SEEDS, "one"), draw_uniform(SEEDS, "two")).any()
    three = draw_uniform(SEEDS, "one", 3)
    assert three.shape == (4000, 3)
    np.testing.assert_array_equal(three[:, 0], draw_uniform(SEEDS, "one"))


def test_no_samples_and_no_steps():
    assert draw_values((), SEEDS) == []
    (values,) = draw_values(parse_policy(["cutout"]), SEEDS[:0])
    assert values["applies"].shape == (0,)
    assert values["center"].shape == (0, 16)
