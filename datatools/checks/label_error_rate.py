"""What it finds: more wrong labels in the whole data set than the accuracy bar allows, by an estimate.

Why it matters: one dimension of a data set's quality is accuracy. Wrong labels in training cost accuracy of the model, and
wrong labels in the test set make two models look alike that are not.

What to do: review the queue (`datatools review`); its first images are the likeliest errors. `dvc repro` estimates anew.

Options: `curate.label_error_max` is the bar (default 0.01). The estimate is the off-diagonal part of cleanlab's confident
joint, from models that never saw the image; it speaks when the whole 95 % interval lies above the bar. A weak model
estimates too many: of one that agrees with fewer labels than an image's neighbours do, or than the commonest class alone, no
rate is told, but that it is too weak. It needs more epochs (`curate.epochs`), larger images (`train.image_size_px`) or more data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from datatools.checks.base import Check, Inputs
from datatools.findings import Finding
from datatools.params import CurateParams


def find_label_error_rate(label_errors: Mapping[str, float], curation: CurateParams) -> Iterator[Finding]:
    """Yield one finding if the estimated rate of wrong labels is above the bar, or cannot be estimated."""
    bar, rate, low, high = (curation.label_error_max, *(label_errors[name] for name in ("rate", "low", "high")))
    agrees, simple, n = label_errors["accuracy"], label_errors["simple_accuracy"], f"{label_errors['n']:,.0f} labels"
    if low > bar and agrees < simple:
        text = (
            f"how many of {n} are wrong is not known: the models agree with {agrees:.1%} of them, "
            f"neighbours or the commonest class alone with {simple:.1%}"
        )
        yield Finding(text, score=agrees, subject="labels")
    elif low > bar:
        text = f"about {rate:.1%} of {n} are wrong ({low:.1%} to {high:.1%}); the bar is {bar:.1%}"
        yield Finding(text, score=1.0 - rate, subject="labels")


def _spoil(inputs: Inputs) -> Inputs:
    return {**inputs, "label_errors": {**inputs["label_errors"], "n": 1000, "rate": 0.04, "low": 0.03, "high": 0.05}}


CHECK = Check("DST002", "label error rate above the bar", "warning", find_label_error_rate, _spoil, version=2)
