from __future__ import annotations

import numpy as np
import torch
from scipy import stats

from datatools.learn.fields import draw_bits, draw_normal, draw_uniform


def seeds(n, start=0):
    """Seeds as hard to tell apart as they come: consecutive numbers."""
    return torch.tensor(np.arange(start, start + n, dtype=np.uint64).view(np.int32).reshape(-1, 2))


def test_a_row_depends_on_its_seed_alone():
    whole = draw_bits(seeds(20), 100)
    assert torch.equal(draw_bits(seeds(20).flip(0), 100).flip(0), whole)
    assert torch.equal(draw_bits(seeds(3, start=7), 100), whole[7:10])
    assert torch.equal(draw_bits(seeds(20), 40), whole[:, :40]), "a larger field starts like a smaller one"


def test_every_bit_is_a_fair_coin():
    bits = draw_bits(seeds(40), 10_000).numpy().view(np.uint32)
    shares = np.array([((bits >> bit) & 1).mean() for bit in range(32)])
    assert np.abs(shares - 0.5).max() < 5 * 0.5 / np.sqrt(bits.size)


def test_both_halves_of_a_seed_count():
    one, high, low = torch.tensor([[5, 9]]), torch.tensor([[5, 10]]), torch.tensor([[6, 9]])
    fields = [draw_bits(pair.int(), 1000) for pair in (one, high, low)]
    assert all(not torch.equal(fields[0], other) for other in fields[1:])


def test_normal_values_are_normal():
    values = draw_normal(seeds(20), 5001).double().numpy()
    assert values.shape == (20, 5001)
    assert stats.kstest(values.ravel(), "norm").pvalue > 1e-3
    assert np.abs(values).max() < 4.9


def test_uniform_values_are_even_and_open():
    values = draw_uniform(seeds(20), 5000).double().numpy()
    assert stats.kstest(values.ravel(), "uniform", (-1, 2)).pvalue > 1e-3
    assert np.abs(values).max() < 1


def test_fields_of_neighbouring_seeds_and_pixels_have_nothing_in_common():
    values = draw_normal(seeds(60), 64 * 64).double().numpy()
    between_seeds = np.corrcoef(values)[np.triu_indices(60, 1)]
    assert np.abs(between_seeds).max() < 5 / 64
    between_pixels = [np.corrcoef(values[:, step:].ravel(), values[:, :-step].ravel())[0, 1] for step in (1, 2, 63, 64)]
    assert np.abs(between_pixels).max() < 5 / np.sqrt(60 * 64 * 63)
