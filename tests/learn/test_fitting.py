from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from datatools.errors import DatatoolsError
from datatools.learn.device import Device
from datatools.learn.fitting import Learner, infer, one_cycle, reproducible, to_probs
from datatools.learn.pixels import Pixels, compute_scale

from .conftest import make_examples

CPU = Device("cpu", False, "test")


def make_learner(n, params, n_epochs=2):
    examples = make_examples(max(n, 1))
    pixels = Pixels(examples.images, compute_scale(examples.images), CPU)
    return Learner(pixels, torch.tensor(examples.labels), torch.arange(n), 3, params, n_epochs, seed=0)


@pytest.mark.parametrize("n_steps", [1, 2, 3, 4, 7, 100])
def test_the_rate_rises_falls_and_never_passes_the_peak(n_steps):
    rates = [one_cycle(step, n_steps, 0.1) for step in range(n_steps)]
    top = rates.index(max(rates))
    assert all(0 < rate <= 0.1 for rate in rates)
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)


def test_the_peak_is_reached_after_the_warm_up():
    rates = [one_cycle(step, 100, 0.1) for step in range(100)]
    assert rates[24] == pytest.approx(0.1)
    assert rates[99] < 1e-4


@pytest.mark.parametrize(("n", "batch_size"), [(1, 16), (2, 1), (17, 16), (33, 16), (5, 2)])
def test_no_batch_has_a_single_image(n, batch_size, params):
    with reproducible(0, CPU):
        learner = make_learner(n, dataclasses.replace(params, batch_size=batch_size))
        assert len(learner.index) // learner._n_batches >= 2
        assert np.isfinite(learner.run_epoch().loss)


def test_the_loss_falls(params):
    with reproducible(0, CPU):
        learner = make_learner(48, params, n_epochs=4)
        losses = [learner.run_epoch().loss for _ in range(4)]
    assert losses[-1] < losses[0]


def test_global_state_is_put_back():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    with pytest.raises(KeyboardInterrupt), reproducible(0, CPU):
        torch.rand(5)
        assert torch.are_deterministic_algorithms_enabled()
        raise KeyboardInterrupt
    assert torch.equal(torch.rand(2), expected)
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.utils.deterministic.fill_uninitialized_memory


def test_inference_does_not_depend_on_the_cut(params, monkeypatch):
    with reproducible(0, CPU):
        learner = make_learner(10, params)
        whole = infer(learner.model, learner.pixels, torch.arange(10))
        monkeypatch.setattr("datatools.learn.pixels.BATCH_PIXELS", 3 * 16 * 16)
        parts = infer(learner.model, learner.pixels, torch.arange(10))
    for one, other in zip(whole, parts, strict=True):
        torch.testing.assert_close(one, other)


def test_probs_sum_to_one():
    probs = to_probs(torch.tensor([[0.0, 1.0, 50.0], [0.0, 0.0, 0.0]]))
    np.testing.assert_allclose(probs.sum(axis=1), 1, rtol=1e-6)
    assert probs.dtype == np.float32


def test_a_diverged_network_is_an_error():
    with pytest.raises(DatatoolsError, match=r"lower train.learning_rate"):
        to_probs(torch.tensor([[float("nan"), 0.0]]))
