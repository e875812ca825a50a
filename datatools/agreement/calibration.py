"""Probabilities made honest: bias-corrected temperature scaling, fitted to soft labels.

q_k is proportional to exp(s log p_k + b_k). One number sharpens or softens, one a class moves its share. Guo et al.
(2017), On calibration of modern neural networks; Alexandari, Kundaje and Shrikumar (2020), Maximum likelihood with
bias-corrected calibration is hard-to-beat at label shift adaptation. The log-likelihood is concave in s and b.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from datatools.agreement.ratings import Floats

RIDGE = 1e-6  # per item: keeps the Newton step finite for classes that do not occur
S_RANGE, B_MAX = (0.01, 100.0), 20.0


@dataclass(frozen=True)
class Calibration:
    """The sharpness s and the bias b of each class."""

    s: float
    b: Floats

    def log_probs(self, logs: Floats) -> Floats:
        """log q for the model's log p, shape (items, classes)."""
        score = self.s * logs + self.b
        score -= score.max(axis=1, keepdims=True)
        return np.asarray(score - np.log(np.exp(score).sum(axis=1, keepdims=True)))


def improve(calibration: Calibration, logs: Floats, target: Floats, n_steps: int = 1) -> Calibration:
    """Newton steps towards the calibration under which the soft labels `target` are most likely; never a step down."""
    best = _fit(calibration, logs, target)
    for _ in range(n_steps):
        step, size = _newton_step(calibration, logs, target), 1.0
        while size > 1e-3:
            tried = Calibration(
                float(np.clip(calibration.s + size * step[0], *S_RANGE)),
                np.clip(calibration.b + size * step[1:], -B_MAX, B_MAX),
            )
            fit = _fit(tried, logs, target)
            if fit >= best:
                calibration, best = tried, fit
                break
            size /= 2
    return calibration


def _fit(calibration: Calibration, logs: Floats, target: Floats) -> float:
    return float((target * calibration.log_probs(logs)).sum())


def _newton_step(calibration: Calibration, logs: Floats, target: Floats) -> Floats:
    share = np.exp(calibration.log_probs(logs))
    rest = target - share
    gradient = np.append((rest * logs).sum(), rest.sum(axis=0))
    mean = (share * logs).sum(axis=1, keepdims=True)
    n_classes = logs.shape[1]
    curve = np.empty((n_classes + 1, n_classes + 1))
    curve[0, 0] = (share * logs * (logs - mean)).sum()
    curve[0, 1:] = curve[1:, 0] = (share * (logs - mean)).sum(axis=0)
    curve[1:, 1:] = np.diag(share.sum(axis=0)) - share.T @ share
    return np.asarray(np.linalg.solve(curve + RIDGE * len(logs) * np.eye(n_classes + 1), gradient))
