"""What it finds: an image that nobody labelled, in a data set whose images have labels.

Why it matters: it takes no part in training or testing, though someone meant it to.

What to do: add its row to a table in `data/raw/labels`, or exclude it with a reason.

Options: none. Silent where nobody labels whole images: in a data set of boxes and masks, LBL008 speaks.
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.checks.geometry import unpack
from datatools.findings import Finding
from datatools.schema import CONSENSUS


def find_missing_labels(images: pd.DataFrame, annotations: pd.DataFrame) -> Iterator[Finding]:
    """Yield a finding for each image without an annotation of kind `label`."""
    is_label = unpack(annotations).is_label
    if not is_label.any():
        return
    labels = annotations[is_label]
    if not are_images_labelled(labels):
        return
    labelled = set(labels["path"].tolist())
    for path in images["path"].tolist():
        if path not in labelled:
            yield Finding("has no label", path)


def are_images_labelled(labels: pd.DataFrame) -> bool:
    """Whether people label whole images: there is a label of theirs, or a vote; one made of objects does not count."""
    by_people = (labels["annotator"] != CONSENSUS).fillna(True) | (labels["source"] == "vote").fillna(False)
    return bool(by_people.any())


def _spoil(inputs: Inputs) -> Inputs:
    annotations = inputs["annotations"]
    labelled = annotations.loc[annotations["kind"] == "label", "path"].iloc[0]
    gone = (annotations["kind"] == "label") & (annotations["path"] == labelled)
    return {**inputs, "annotations": annotations[~gone].reset_index(drop=True)}


CHECK = Check("LBL002", "image without label", "warning", find_missing_labels, _spoil, version=2)
