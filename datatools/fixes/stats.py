"""What the decisions add up to: by person, class, annotator and side, and how well the queue aimed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from scipy.stats import binomtest

from datatools.dataset import Dataset, label_id, load_dataset
from datatools.fixes.history import Decided, load_decided
from datatools.fixes.records import FixRecord
from datatools.fixes.targets import last_words
from datatools.project import Project
from datatools.schema import SPLIT
from datatools.store import load_json, load_table

SAYS_WRONG = ("relabel", "exclude", "delete")
HOLDS = ("applied", "pending")
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Precision:
    """How many of the queue's doubts were right: `wrong` of `reviewed`, the share and its interval (Wilson)."""

    wrong: int
    reviewed: int
    share: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class FixStats:
    """Counts over all records.

    `by_person`: who -> operation -> records. `by_status`: status -> records. `by_change`: (before, after) -> images whose
    label changed so. `by_annotator`: annotator -> (labels of theirs that were changed, labels of theirs that were reviewed).
    `by_side`: side of the split -> operation -> images; decisions about the test side change what the model is measured on.
    `precision` is of the queue's doubts about labels; `errors_left` the estimate of the last `dvc repro` (low, high too).
    """

    by_person: dict[str, dict[str, int]]
    by_status: dict[str, int]
    by_change: dict[tuple[str, str], int]
    by_annotator: dict[str, tuple[int, int]]
    by_side: dict[str, dict[str, int]]
    precision: Precision
    errors_left: dict[str, float] | None


def count_decisions(project: Project) -> FixStats:
    """The statistics of a project's records. Raises DatatoolsError for tables that cannot be read."""
    decided, _ = load_decided(project)
    split_file, curate_file = project.split / "split.parquet", project.root / "reports" / "curate.json"
    split = load_table(split_file, SPLIT) if split_file.exists() else SPLIT.empty()
    curate = load_json(curate_file) if curate_file.exists() else {}
    return compute_stats(decided, load_dataset(project.dataset), split, curate.get("estimated_label_errors"))


def compute_stats(
    decided: Sequence[Decided], dataset: Dataset, split: pd.DataFrame, errors: dict[str, Any] | None = None
) -> FixStats:
    """The statistics of records over the data they were made for."""
    people: dict[str, Counter[str]] = {}
    for item in decided:
        people.setdefault(item.record.who, Counter())[item.record.op] += 1
    words = _words_about_images(decided)
    sides = dict(zip(split["path"].tolist(), split["split"].tolist(), strict=True))
    by_side: dict[str, Counter[str]] = {}
    for path, item in words.items():
        by_side.setdefault(sides.get(path, "none"), Counter())[item.record.op] += 1
    changes = Counter(
        (str(item.record.before), str(item.record.after)) for item in words.values() if item.record.op == "relabel"
    )
    return FixStats(
        by_person={who: dict(sorted(ops.items())) for who, ops in sorted(people.items())},
        by_status=dict(sorted(Counter(item.status for item in decided).items())),
        by_change=dict(sorted(changes.items(), key=lambda item: (-item[1], item[0]))),
        by_annotator=_count_annotators(words, dataset),
        by_side={side: dict(sorted(ops.items())) for side, ops in sorted(by_side.items())},
        precision=measure_precision(list(words.values())),
        errors_left=_errors_left(errors),
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


def measure_precision(decided: Sequence[Decided]) -> Precision:
    """The share of the reviewed doubts that were right, with Wilson's score interval at 95 %.

    Counted are images that the queue showed because their label looked wrong (`evidence.queue` is `label`): wrong are
    those that were relabelled or left out, right those confirmed.
    """
    judged = [item for item in decided if "label" in _kinds_of(item)]
    wrong = sum(item.record.op in SAYS_WRONG for item in judged)
    if not judged:
        return Precision(0, 0, None, None, None)
    interval = binomtest(wrong, len(judged)).proportion_ci(confidence_level=CONFIDENCE, method="wilson")
    return Precision(wrong, len(judged), wrong / len(judged), float(interval.low), float(interval.high))


def _kinds_of(item: Decided) -> list[Any]:
    """What the queue showed the image for: one kind, or the list that the app keeps."""
    kinds = item.record.evidence.get("queue")
    return kinds if isinstance(kinds, list) else [kinds]


def _words_about_images(decided: Sequence[Decided]) -> dict[str, Decided]:
    """Image path -> the last decision in force on its label, or on whether it stays."""
    by_id = {item.record.id: item for item in decided if item.status in HOLDS}
    about: dict[str, list[Decided]] = {}
    for item in by_id.values():
        path = str(item.record.path)
        if item.record.op == "exclude" or item.record.annotation_id == label_id(path):
            about.setdefault(path, []).append(item)
    last = {path: list(last_words(item.record for item in items).values())[-1] for path, items in about.items()}
    return {path: by_id[record.id] for path, record in sorted(last.items())}


def _count_annotators(words: dict[str, Decided], dataset: Dataset) -> dict[str, tuple[int, int]]:
    """For each annotator, of the images that were reviewed: how many labels of theirs were not the one decided."""
    ratings, counts = dataset.ratings, {}
    right = {
        path: item.record.after if item.record.op == "relabel" else item.record.before
        for path, item in words.items()
        if item.record.op in ("relabel", "confirm")
    }
    reviewed = ratings[ratings.index.isin(list(right))]
    decided = pd.Series(right, dtype="string").reindex(reviewed.index)
    for annotator in sorted(ratings.columns):
        given = reviewed[annotator].dropna()
        counts[str(annotator)] = (int((given != decided[given.index]).sum()), len(given))
    return counts


def _errors_left(errors: dict[str, Any] | None) -> dict[str, float] | None:
    if not errors or errors.get("rate") is None:
        return None
    return {name: float(errors[name]) * float(errors["n"]) for name in ("rate", "low", "high")}


def write_stats(stats: FixStats) -> list[str]:
    """The statistics as lines for a terminal."""
    lines = [f"{_join(stats.by_status) or 'no records yet'}"]
    lines += [f"{who}: {_join(ops)}" for who, ops in stats.by_person.items()]
    if stats.by_side:
        lines += ["", "Images by side of the split (decisions about test change what the model is measured on):"]
        lines += [f"  {side:<10}  {_join(ops)}" for side, ops in stats.by_side.items()]
    if stats.by_change:
        lines += ["", "Labels changed:"]
        lines += [f"  {n:>5}  {before} -> {after}" for (before, after), n in stats.by_change.items()]
    if any(n for _, n in stats.by_annotator.values()):
        lines += ["", "Of each annotator's labels that were reviewed:"]
        lines += [f"  {name}: {wrong} of {n} changed" for name, (wrong, n) in stats.by_annotator.items() if n]
    return [*lines, "", *write_aim(stats)]


def write_aim(stats: FixStats) -> list[str]:
    """How well the queue aimed, and what is left, in a sentence each."""
    found, left = stats.precision, stats.errors_left
    if found.share is None or found.low is None or found.high is None:
        lines = ["The queue's doubts: none reviewed yet."]
    else:
        around = f"95 % interval {found.low:.0%} to {found.high:.0%}"
        lines = [
            f"The queue's doubts: {found.wrong} of {found.reviewed} were wrong labels, {found.share:.0%} ({around})."
        ]
    if left:
        lines.append(
            f"Estimated wrong labels left: {left['rate']:.0f} ({left['low']:.0f} to {left['high']:.0f}), by the last dvc repro."
        )
    return lines


def _join(counts: dict[str, int]) -> str:
    return ", ".join(f"{n} {name}" for name, n in counts.items())
