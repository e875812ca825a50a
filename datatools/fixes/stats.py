"""What the decisions add up to: by person, class, annotator and side, how well the queue aimed, and what it all bought.

Decisions about the test side change what the model is measured on, the others what it learns: each has a lane of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from datatools.dataset import Dataset, load_dataset
from datatools.fixes.history import Decided, load_decided
from datatools.fixes.outcomes import Outcome, find_outcomes
from datatools.fixes.records import FixRecord
from datatools.intervals import wilson_interval
from datatools.project import Project
from datatools.schema import CONSENSUS, SPLIT
from datatools.store import load_if_there, load_json

SAYS_WRONG = ("relabel", "exclude", "delete")
CONFIDENCE = 0.95
LANES = ("train and val", "test", "on no side")
LANE_OF = {"train": LANES[0], "val": LANES[0], "test": LANES[1]}  # side -> lane; quarantine or not split yet: the last


@dataclass(frozen=True)
class Precision:
    """How many of the queue's doubts were right: `wrong` of `reviewed`, the share and its interval (Wilson)."""

    wrong: int
    reviewed: int
    share: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class ClassCount:
    """Of the labels that were this class: how many were decided on, and changed; and how many labels became this class."""

    reviewed: int
    changed: int
    became: int


@dataclass(frozen=True)
class Lane:
    """What was decided about the labels of some sides of the split.

    `by_op`: operation -> labels, by the last word on each. `by_annotator`: annotator -> (labels of theirs that were changed,
    labels of theirs that were decided on).
    """

    by_op: dict[str, int]
    by_class: dict[str, ClassCount]
    by_annotator: dict[str, tuple[int, int]]
    precision: Precision


@dataclass(frozen=True)
class FixStats:
    """Counts over all records.

    `by_person`: who -> operation -> records. `by_status`: status -> records. `by_change`: (before, after) -> labels that
    changed so. `by_annotator`, `precision`: of all lanes together. `by_side`: side of the split -> operation -> labels.
    `lanes`: those of LANES that have decisions. `errors_left`: the estimate of the last `dvc repro` (rate, low, high).
    `lift`: the document of datatools.lift, empty where there is none, and `data_version` that of the data now.
    """

    by_person: dict[str, dict[str, int]]
    by_status: dict[str, int]
    by_change: dict[tuple[str, str], int]
    by_annotator: dict[str, tuple[int, int]]
    by_side: dict[str, dict[str, int]]
    precision: Precision
    errors_left: dict[str, float] | None
    lanes: dict[str, Lane] = field(default_factory=dict)
    lift: Mapping[str, Any] = field(default_factory=dict)
    data_version: str = ""


def count_decisions(project: Project) -> FixStats:
    """The statistics of a project's records. Raises DatatoolsError for tables that cannot be read."""
    decided, _ = load_decided(project)
    split, reports = load_if_there(project.split / "split.parquet", SPLIT), project.report.parent
    curate, lift = _load_if_there(reports / "curate.json"), _load_if_there(reports / "lift.json")
    if not lift.get("measured"):  # in the pipeline; but perhaps somebody did it by hand
        lift = _load_if_there(reports / "lift" / "lift.json") or lift
    return compute_stats(decided, load_dataset(project.dataset), split, curate.get("estimated_label_errors"), lift)


def compute_stats(
    decided: Sequence[Decided],
    dataset: Dataset,
    split: pd.DataFrame,
    errors: Mapping[str, Any] | None = None,
    lift: Mapping[str, Any] | None = None,
) -> FixStats:
    """The statistics of records over the data they were made for."""
    people: dict[str, Counter[str]] = {}
    for item in decided:
        people.setdefault(item.record.who, Counter())[item.record.op] += 1
    outcomes = find_outcomes(decided)
    sides = dict(zip(split["path"].tolist(), split["split"].tolist(), strict=True))
    of_side: dict[str, list[Outcome]] = {}
    of_lane: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        side = sides.get(outcome.path, "none")
        of_side.setdefault(side, []).append(outcome)
        of_lane.setdefault(LANE_OF.get(side, LANES[-1]), []).append(outcome)
    changes = Counter((str(outcome.before), str(outcome.after)) for outcome in outcomes if outcome.is_changed)
    ratings = dataset.ratings if outcomes else pd.DataFrame()
    return FixStats(
        by_person={who: dict(sorted(ops.items())) for who, ops in sorted(people.items())},
        by_status=dict(sorted(Counter(item.status for item in decided).items())),
        by_change=dict(sorted(changes.items(), key=lambda item: (-item[1], item[0]))),
        by_annotator=count_annotators(outcomes, ratings, dataset),
        by_side={side: _count_ops(some) for side, some in sorted(of_side.items())},
        precision=measure_precision(outcomes),
        errors_left=_errors_left(errors),
        lanes={name: _count_lane(of_lane[name], ratings, dataset) for name in LANES if name in of_lane},
        lift=lift or {},
        data_version=dataset.version if lift else "",
    )


def from_status(fixes: pd.DataFrame) -> list[Decided]:
    """The decisions that a FIX_STATUS table tells of, as compute_stats wants them."""
    names = ("op", "who", "when", "why", "path", "annotation_id", "before", "after", "id")
    rows = fixes.astype(object).where(fixes.notna(), None).to_dict("records")
    return [
        Decided(
            FixRecord(**{name: row[name] for name in names}, evidence={"queue": (row["queue"] or "").split(",")}),
            row["status"],
            row["message"] or "",
        )
        for row in rows
        if row["op"] is not None  # a line that is no record
    ]


def measure_precision(outcomes: Iterable[Outcome]) -> Precision:
    """The share of the reviewed doubts that were right, with Wilson's score interval at 95 %.

    Counted are labels that the queue showed because the model disagrees (`evidence.queue` is `label`): wrong are those that
    were changed or left out, right those confirmed. The queue shows the most doubtful first: of the rest, fewer are wrong.
    """
    judged = [outcome.last.record.op for outcome in outcomes if "label" in outcome.queue]
    wrong = sum(op in SAYS_WRONG for op in judged)
    if not judged:
        return Precision(0, 0, None, None, None)
    return Precision(wrong, len(judged), wrong / len(judged), *wilson_interval(wrong, len(judged), CONFIDENCE))


def count_annotators(
    outcomes: Iterable[Outcome], ratings: pd.DataFrame, dataset: Dataset
) -> dict[str, tuple[int, int]]:
    """For each annotator: how many labels of theirs are not the one decided, and how many were decided on.

    `ratings` are those of the data set. An object's label is the one it had before: it has one annotator.
    """
    known = [outcome for outcome in outcomes if outcome.after is not None]
    right = pd.Series({o.path: o.after for o in known if o.annotation_id is None}, dtype="string")
    reviewed = ratings[ratings.index.isin(right.index)]
    counts: dict[str, list[int]] = {}
    for annotator in ratings.columns:
        given = reviewed[annotator].dropna()
        counts[str(annotator)] = [int((given != right[given.index]).sum()), len(given)]
    objects = {o.annotation_id: o for o in known if o.annotation_id is not None}
    rows = dataset.annotations[dataset.annotations["annotation_id"].isin(list(objects))]
    for name, annotator in zip(rows["annotation_id"], rows["annotator"], strict=True):
        if pd.notna(annotator) and annotator != CONSENSUS:
            count = counts.setdefault(str(annotator), [0, 0])
            count[0] += objects[name].is_changed
            count[1] += 1
    return {annotator: (changed, n) for annotator, (changed, n) in sorted(counts.items())}


def _count_lane(outcomes: Sequence[Outcome], ratings: pd.DataFrame, dataset: Dataset) -> Lane:
    said = [outcome for outcome in outcomes if outcome.before is not None and outcome.after is not None]
    reviewed = Counter(str(outcome.before) for outcome in said)
    changed = Counter(str(outcome.before) for outcome in said if outcome.is_changed)
    became = Counter(str(outcome.after) for outcome in said if outcome.is_changed)
    names = {*reviewed, *became}
    order = [*(name for name in dataset.classes if name in names), *sorted(names - set(dataset.classes))]
    return Lane(
        by_op=_count_ops(outcomes),
        by_class={name: ClassCount(reviewed[name], changed[name], became[name]) for name in order},
        by_annotator=count_annotators(outcomes, ratings, dataset),
        precision=measure_precision(outcomes),
    )


def _count_ops(outcomes: Iterable[Outcome]) -> dict[str, int]:
    return dict(sorted(Counter(outcome.last.record.op for outcome in outcomes).items()))


def _errors_left(errors: Mapping[str, Any] | None) -> dict[str, float] | None:
    if not errors or errors.get("rate") is None:
        return None
    return {name: float(errors[name]) * float(errors["n"]) for name in ("rate", "low", "high")}


def _load_if_there(file: Path) -> dict[str, Any]:
    return load_json(file) if file.exists() else {}
