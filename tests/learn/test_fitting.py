from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
import torch

from datatools.errors import DatatoolsError
from datatools.learn.device import Device
from datatools.learn.fitting import Learner, infer, one_cycle, reproducible, threads_for, to_probs
from datatools.learn.mixing import Mix
from datatools.learn.online import OnlinePolicy
from datatools.learn.pixels import Pixels, compute_scale
from datatools.policy.steps import parse_policy

from .conftest import make_examples

CPU = Device("cpu", False, "test")


def make_learner(n, params, n_epochs=2, online=None):
    examples = make_examples(max(n, 1))
    pixels = Pixels(examples.images, compute_scale(examples.images), CPU)
    return Learner(pixels, torch.tensor(examples.labels), torch.arange(n), 3, params, n_epochs, seed=0, online=online)


def make_online(n, policy=({"brightness": {"factor": [0.5, 1.5]}},), **alphas):
    return OnlinePolicy(parse_policy(list(policy)), np.arange(n, dtype=np.uint64), **alphas)


def seen_images(learner, monkeypatch):
    """Every batch that the network gets in one epoch, put back in the order of the images."""
    batches, rows = [], []
    plain = learner._take
    monkeypatch.setattr(
        learner, "_take", lambda batch, mix: rows.append(batch) or batches.append(plain(batch, mix)) or batches[-1]
    )
    learner.run_epoch()
    images = torch.cat([images for images, _ in batches])
    return images[torch.cat(rows).argsort()].float(), batches


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


def test_a_policy_takes_the_place_of_the_jitter(params, monkeypatch):
    with reproducible(0, CPU):
        still = make_learner(20, params, online=make_online(20, policy=()))
        images, _ = seen_images(still, monkeypatch)
        torch.testing.assert_close(images, still.pixels.take(torch.arange(20)))
        jittered, _ = seen_images(make_learner(20, params), monkeypatch)
    assert float((jittered - images).abs().mean(dim=(1, 2, 3)).min()) > 0.01


def test_each_image_is_augmented_by_its_own_seed_in_any_batch(params, monkeypatch):
    with reproducible(0, CPU):
        small, large = (
            seen_images(
                make_learner(20, dataclasses.replace(params, batch_size=size), online=make_online(20)), monkeypatch
            )
            for size in (4, 20)
        )
    torch.testing.assert_close(small[0], large[0])


def test_pieces_that_fit_the_cache_give_the_whole_batch(params, monkeypatch):
    found = []
    for piece in (1, 3 * 16 * 16, 2**30):
        monkeypatch.setattr("datatools.learn.fitting.PIECE", piece)
        with reproducible(0, CPU):
            learner = make_learner(20, params, online=make_online(20, mixup=0.4))
            images, labels = learner._take(torch.arange(20), Mix(0.7))
        assert images.is_contiguous(memory_format=torch.channels_last)
        found.append((images, labels))
    for images, labels in found[1:]:
        torch.testing.assert_close(images, found[0][0])
        assert torch.equal(labels, found[0][1])


def test_every_epoch_shows_other_images(params, monkeypatch):
    with reproducible(0, CPU):
        learner = make_learner(20, params, n_epochs=2, online=make_online(20))
        first, _ = seen_images(learner, monkeypatch)
        monkeypatch.undo()
        second, _ = seen_images(learner, monkeypatch)
    assert float((first - second).abs().mean(dim=(1, 2, 3)).min()) > 1e-4


@pytest.mark.parametrize("alphas", [{"mixup": 0.4}, {"cutmix": 1.0}, {"mixup": 0.4, "cutmix": 1.0}])
def test_mixed_batches_have_soft_labels(alphas, params, monkeypatch):
    with reproducible(0, CPU):
        learner = make_learner(40, params, online=make_online(40, policy=(), **alphas))
        _, batches = seen_images(learner, monkeypatch)
    for _, labels in batches:
        assert labels.shape[1:] == (3,)
        np.testing.assert_allclose(labels.sum(dim=1).numpy(), 1, rtol=1e-6)


@pytest.mark.parametrize("alphas", [{}, {"mixup": 0.4, "cutmix": 1.0}])
def test_the_loss_falls_online_as_well(alphas, params):
    with reproducible(0, CPU):
        learner = make_learner(48, params, n_epochs=6, online=make_online(48, **alphas))
        losses = [learner.run_epoch().loss for _ in range(6)]
    assert min(losses[3:]) < losses[0]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU: none was found")
def test_online_augmentation_runs_on_a_gpu_and_is_repeatable(params):
    gpu, examples = Device("cuda", False, "test"), make_examples(48)

    def train():
        with reproducible(0, gpu):
            pixels = Pixels(examples.images, compute_scale(examples.images), gpu)
            online = make_online(48, mixup=0.4, cutmix=1.0)
            learner = Learner(pixels, torch.tensor(examples.labels), torch.arange(48), 3, params, 3, 0, online)
            return [learner.run_epoch().loss for _ in range(3)]

    losses = train()
    assert np.isfinite(losses).all()
    assert train() == losses


@pytest.mark.parametrize(("few", "expected"), [(4 * 16 * 16, 1), (4 * 16 * 16 - 1, 2)])
def test_few_images_get_one_thread(few, expected, params, monkeypatch):
    monkeypatch.setattr("datatools.learn.fitting.FEW_PIXELS", few)
    pixels = make_learner(4, params).pixels
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with threads_for(pixels):
            assert torch.get_num_threads() == expected
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_determinism_starts_no_compiler():
    code = """
import sys
from datatools.learn.device import Device
from datatools.learn.fitting import reproducible
with reproducible(0, Device("cpu", False, "test")):
    print("torch._inductor" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"
