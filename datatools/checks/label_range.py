"""What it finds: a label that is not in the class list, or a class id that the annotation file does not define.

Why it matters: trainers shift, wrap or drop such ids; with ids that start at 1 every class can be off by one.

What to do: correct the label (`datatools fix IMAGE --label L --why ...`), or add the class to `classes.txt`.

Options: `ingest.classes` names the classes; else `classes.txt`, else the COCO categories.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.findings import Finding
from datatools.schema import CONSENSUS


def find_labels_out_of_range(annotations: pd.DataFrame, classes: Sequence[str]) -> Iterator[Finding]:
    """Yield a finding for each label outside `classes`; what the annotators' vote repeats is said once, of the vote."""
    bad = annotations[~annotations["label"].isin(list(classes))]
    voted = set(zip(*(bad.loc[bad["annotator"] == CONSENSUS, name] for name in ("path", "label")), strict=True))
    for row in bad.itertuples():
        rated = row.kind == "label" and row.annotator != CONSENSUS
        if rated and (row.path, row.label) in voted:
            continue
        who = f" (by {row.annotator})" if rated else ""
        yield Finding(
            f"{_name(row.label, row.attributes)} is not one of the {len(classes)} classes{who}",
            row.path,
            row.annotation_id,
        )


def _name(label: object, attributes: str) -> str:
    if not pd.isna(label):  # type: ignore[call-overload]
        return f"label {label!r}"
    return f"class id {json.loads(attributes).get('category_id')!r}"


def _spoil(inputs: Inputs) -> Inputs:
    annotations = inputs["annotations"].copy()
    annotations.loc[0, "label"] = "no such class"
    return {**inputs, "annotations": annotations}


CHECK = Check("LBL001", "label out of range", "error", find_labels_out_of_range, _spoil)
