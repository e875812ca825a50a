"""What it finds: a label that a model which never saw the image finds wrong: a suspected label error.

Why it matters: a model learns wrong labels, and a wrong label in the test set punishes the right answer.

What to do: look at it (`datatools review`, or the cards in the report). Change the label or confirm it; either way the
decision is kept as a fix record and the image is not asked about again. A label that somebody confirmed or gave is no
finding as long as it stays as it is; the report counts it apart.

Options: `curate.folds`, `curate.epochs`. Out-of-fold probabilities come from cross-fitting over the same groups as the
split; which labels are doubted is decided by cleanlab (confident learning, Northcutt et al. 2021). A suspicion is not
a verdict: hard images are doubted too.
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.dataset import label_id
from datatools.findings import Finding


def find_wrong_labels(suspects: pd.DataFrame) -> Iterator[Finding]:
    """Yield a finding for each doubted label; `suspects` has path, label, suggested, score and is_issue."""
    for row in suspects[suspects["is_issue"]].itertuples():
        message = f"labelled {row.label!r}, looks like {row.suggested!r} to a model that never saw it"
        yield Finding(message, row.path, label_id(row.path), float(row.score))


def _spoil(inputs: Inputs) -> Inputs:
    suspects = inputs["suspects"].copy()
    suspects.loc[0, "is_issue"] = True
    return {**inputs, "suspects": suspects}


CHECK = Check("LBL003", "label looks wrong", "warning", find_wrong_labels, _spoil)
