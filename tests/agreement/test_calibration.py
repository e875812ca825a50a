from __future__ import annotations

import numpy as np
import pytest

from datatools.agreement.calibration import Calibration, improve


def draw(n=20_000, s=0.5, b=(0.7, 0.0, -0.7), seed=0):
    """A model's log-probabilities, and labels drawn from what they are once calibrated by s and b."""
    rng = np.random.default_rng(seed)
    probs = rng.dirichlet([0.5] * 3, n).clip(1e-6)
    logs = np.log(probs / probs.sum(axis=1, keepdims=True))
    honest = np.exp(Calibration(s, np.array(b)).log_probs(logs))
    labels = (honest.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)
    return logs, np.eye(3)[labels]


def test_it_finds_the_calibration_that_the_labels_were_drawn_with():
    logs, target = draw()
    found = improve(Calibration(1.0, np.zeros(3)), logs, target, n_steps=20)
    assert found.s == pytest.approx(0.5, abs=0.03)
    np.testing.assert_allclose(found.b - found.b[1], [0.7, 0, -0.7], atol=0.06)


def test_each_step_makes_the_labels_more_likely():
    logs, target = draw(2000)
    calibration, before = Calibration(30.0, np.array([5.0, -5, 0])), -np.inf
    for _ in range(15):
        calibration = improve(calibration, logs, target)
        after = (target * calibration.log_probs(logs)).sum()
        assert after >= before
        before = after


def test_a_class_that_never_occurs_stays_finite():
    logs, target = draw(500)
    found = improve(Calibration(1.0, np.zeros(3)), logs, np.eye(3)[target.argmax(axis=1) % 2], n_steps=40)
    assert np.isfinite(found.b).all() and np.isfinite(found.s)
    np.testing.assert_allclose(np.exp(found.log_probs(logs)).sum(axis=1), 1)
