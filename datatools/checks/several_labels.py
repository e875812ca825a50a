"""What it finds: an image to which one annotator gave two or more different labels, where one is allowed.

Why it matters: one of them is wrong, or the classes overlap; the vote takes the first and the rest is lost.

What to do: decide which label is meant and remove the other rows. If both are right, the classes need a rule that says which
one counts, or the data set is one of several labels: set `validate.labels_per_image` to `many`.

Options: `validate.labels_per_image`: `one`, `many`, or `auto` (default): one is allowed if at least 9 in 10 labelled images have
only one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.checks.columns import is_among
from datatools.checks.geometry import unpack
from datatools.choices import chosen_names
from datatools.findings import Finding
from datatools.left_out import find_left_out
from datatools.params import ValidateParams
from datatools.schema import CONSENSUS

CODE = "LBL006"
MOST = 0.9  # of the labelled images have one label: one is what is meant


def find_several_labels(annotations: pd.DataFrame, rejected: pd.DataFrame, params: ValidateParams) -> Iterator[Finding]:
    """Yield a finding for each image and annotator with several labels; second rows of a table are in `rejected`."""
    if params.labels_per_image == "many":
        return
    said = unpack(annotations)
    by_people = said.is_label & ~is_among(said.annotators, CONSENSUS)
    found = list(find_left_out(rejected, CODE))
    if not found and not by_people.any():
        return
    labels = annotations.loc[by_people, ["path", "annotator", "label", "annotation_id", "attributes"]]
    found = [*_in_annotations(labels), *found]
    if not found:
        return
    n_labelled = len(labels[["path", "annotator"]].drop_duplicates())
    n_several = len({(finding.path, finding.subject if finding.annotation_id is None else "") for finding in found})
    if params.labels_per_image == "one" or n_several <= (1 - MOST) * n_labelled:
        yield from found


def _in_annotations(labels: pd.DataFrame) -> Iterator[Finding]:
    repeated = labels[labels["label"].notna() & labels.duplicated(["path", "annotator"], keep=False)]
    for (path, annotator), group in repeated.groupby(["path", "annotator"], dropna=False):
        names = sorted(set(group["label"]))
        if len(names) > 1:
            yield Finding(_message(annotator, names), path, group["annotation_id"].min())
    several = labels[labels["label"].isna() & labels["attributes"].str.contains('"choices"', regex=False).fillna(False)]
    for row in several.itertuples():
        names = sorted(chosen_names(json.loads(str(row.attributes))))
        if len(names) > 1:
            yield Finding(_message(row.annotator, names), row.path, row.annotation_id)


def _message(annotator: object, names: list[str]) -> str:
    who = "one annotator" if pd.isna(annotator) else str(annotator)  # type: ignore[call-overload]
    return f"{who} gives the labels {', '.join(map(repr, names))}"


def _spoil(inputs: Inputs) -> Inputs:
    annotations = inputs["annotations"]
    first = annotations[(annotations["kind"] == "label") & (annotations["annotator"] != CONSENSUS)].iloc[[0]]
    second = first.assign(annotation_id="coco/second", label=inputs["classes"][-1])
    return {**inputs, "annotations": pd.concat([annotations, second], ignore_index=True)}


CHECK = Check(CODE, "several labels where one is allowed", "warning", find_several_labels, _spoil)
