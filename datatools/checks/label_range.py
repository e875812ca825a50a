"""What it finds: a label that is not in the class list, a class id that the annotation file does not define, or an object
without a label among objects that have one.

Why it matters: trainers shift, wrap or drop such ids; with ids that start at 1 every class can be off by one.

What to do: correct the label (`datatools fix IMAGE --label L --why ...`), or add the class to `classes.txt`.

Options: `ingest.classes` names the classes; else `classes.txt`, else the classes that the format lists, else the labels
found. Where an annotation gives several names (flags, tags, choices), each of them is looked for.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.checks.columns import is_among
from datatools.checks.geometry import unpack
from datatools.choices import chosen_names
from datatools.findings import Finding
from datatools.left_out import find_left_out
from datatools.schema import CONSENSUS

CODE = "LBL001"
IDS = ("category_id", "class_id", "class_index", "label")  # where readers keep an id or a name that is none


def find_labels_out_of_range(
    annotations: pd.DataFrame, classes: Sequence[str], rejected: pd.DataFrame
) -> Iterator[Finding]:
    """Yield a finding for each label outside `classes`; what the annotators' vote repeats is said once, of the vote.

    Objects without label and class id are one finding where no object has a label: such data has no classes.
    """
    yield from find_left_out(rejected, CODE)
    said = unpack(annotations)
    derived = is_among(said.annotators, CONSENSUS)
    if derived.any():
        derived &= is_among(said.sources, "objects")  # said of the objects
    is_bad = ~is_among(said.labels, *classes) & ~derived
    if not is_bad.any():
        return
    bad = annotations[is_bad]
    voted = set(zip(*(bad.loc[bad["annotator"] == CONSENSUS, name] for name in ("path", "label")), strict=True))
    unlabelled = []
    for row in bad.itertuples():
        rated = row.kind == "label" and row.annotator != CONSENSUS
        if rated and (row.path, row.label) in voted:
            continue
        who = f" (by {row.annotator})" if rated and not pd.isna(row.annotator) else ""
        names = _names(row.label, row.attributes, classes)
        if names is None:
            unlabelled += (
                [Finding("the object has no label", row.path, row.annotation_id)] if row.kind != "label" else []
            )
        for name in names or ():
            message = f"{name} is not one of the {len(classes)} classes{who}"
            yield Finding(message, row.path, row.annotation_id)
    if len(unlabelled) > 1 and len(unlabelled) == np.count_nonzero(~said.is_label):
        yield Finding(f"none of the {len(unlabelled):,} objects has a label")
    else:
        yield from unlabelled


def _names(label: object, text: object, classes: Sequence[str]) -> list[str] | None:
    """What is out of range, in words; None where there is neither a label nor an id."""
    if not pd.isna(label):  # type: ignore[call-overload]
        return [f"label {label!r}"]
    attributes = json.loads(text) if isinstance(text, str) else {}
    if chosen := chosen_names(attributes):
        return [f"label {name!r}" for name in chosen if name not in classes][:1]
    if "caption" in attributes:  # COCO's captions: text, whatever the id beside it
        return None
    known = next((attributes[name] for name in IDS if attributes.get(name) is not None), None)
    return None if known is None else [f"class id {known!r}"]


def _spoil(inputs: Inputs) -> Inputs:
    annotations = inputs["annotations"].copy()
    annotations.loc[0, "label"] = "no such class"
    return {**inputs, "annotations": annotations}


CHECK = Check(CODE, "label out of range", "error", find_labels_out_of_range, _spoil, version=2)
