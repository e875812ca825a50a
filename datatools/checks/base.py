"""What a check is, and the inputs it may ask for by argument name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from datatools.findings import Finding

# Every input that some stage can give a check, and what it is.
INPUTS = {
    "images": "the IMAGES table",
    "annotations": "the ANNOTATIONS table",
    "rejected": "the REJECTED table",
    "fixes": "the FIX_STATUS table",
    "classes": "the class list",
    "ratings": "labels by annotator: index path, a column an annotator",
    "params": "ValidateParams",
    "pairs": "the PAIRS table: near-duplicates",
    "suspects": "labels that cleanlab doubts: path, label, suggested, score",
    "slices": "classes and slices with their counts and accuracy",
    "split": "the SPLIT table",
    "label_errors": "estimated share of wrong labels: n, rate, low, high, accuracy of the models, simple_accuracy without any",
    "spread": "classes with how far they spread in feature space: label, n, spread",
    "curation": "CurateParams",
}
BY_CURATE = frozenset({"suspects", "slices", "split", "label_errors", "spread"})  # a check of these runs in curate
Inputs = dict[str, Any]


@dataclass(frozen=True)
class Check:
    """One defect the data can have.

    `code` names the defect and is never reused; `version` rises when the behaviour changes. `find` asks for its inputs
    by argument name (keys of INPUTS). `spoil` takes clean inputs and returns inputs that have the defect: the check's
    own bad example. `off` takes the inputs and says why the parameters switch the check off; empty where they do not.
    """

    code: str
    title: str
    severity: str
    find: Callable[..., Iterable[Finding]]
    spoil: Callable[[Inputs], Inputs]
    version: int = 1
    off: Callable[[Inputs], str] | None = None
