"""What people decided: fix records joined into decisions, and how the decisions moved the class counts."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any

import pandas as pd

from datatools.dataset import Dataset, label_id
from datatools.fixes.apply import STATUSES
from datatools.fixes.stats import Lane, compute_stats, from_status
from datatools.fixes.stats_words import LANE_WORDS, write_aim, write_precision
from datatools.schema import SPLIT

Section = dict[str, Any]
NOT_APPLIED = ("conflict", "disputed")
SAME = ["status", "op", "path", "before", "after", "why", "who", "when", "message"]


def count_fixes(
    dataset: Dataset, fixes: pd.DataFrame, split: pd.DataFrame | None = None, errors: Section | None = None
) -> Section:
    """Decisions, newest first, conflicts apart; one decision may be several records (the label and its boxes).

    `split` (SPLIT) tells decisions about the test side apart: `lanes` has them by class and annotator. `errors` is curate's
    estimate of wrong labels.
    """
    stats = compute_stats(from_status(fixes), dataset, SPLIT.empty() if split is None else split, errors)
    decisions = join_records(fixes)
    statuses = Counter(row["status"] for row in decisions)
    ops = Counter(row["op"] for row in decisions if row["status"] == "applied")
    return {
        "records": len(fixes),
        "n": len(decisions),
        "by_status": {name: statuses[name] for name in STATUSES},
        "applied_by_op": {op: ops[op] for op in sorted(ops)},
        "conflicts": [row for row in decisions if row["status"] in NOT_APPLIED],
        "decisions": [row for row in decisions if row["status"] not in NOT_APPLIED],
        "class_counts": compare_classes(dataset, fixes),
        "aim": write_aim(stats) if len(fixes) else [],
        "by_side": [{"side": side, **ops} for side, ops in stats.by_side.items()],
        "by_annotator": _list_annotators(stats.by_annotator),
        "precision": dataclasses.asdict(stats.precision),
        "errors_left": stats.errors_left,
        "lanes": [_describe_lane(name, lane) for name, lane in stats.lanes.items()],
    }


def _describe_lane(name: str, lane: Lane) -> Section:
    return {
        "lane": name,
        "title": LANE_WORDS[name],
        "by_op": lane.by_op,
        "aim": write_precision(lane.precision),
        "precision": dataclasses.asdict(lane.precision),
        "by_class": [{"class": label, **dataclasses.asdict(counts)} for label, counts in lane.by_class.items()],
        "by_annotator": _list_annotators(lane.by_annotator),
    }


def _list_annotators(counts: dict[str, tuple[int, int]]) -> list[Section]:
    return [{"annotator": name, "changed": changed, "reviewed": n} for name, (changed, n) in counts.items() if n]


def join_records(fixes: pd.DataFrame) -> list[Section]:
    """Records of one person, moment, image and change as one decision with its number of records, newest first."""
    rows = fixes.astype(object).where(fixes.notna(), None).to_dict("records")
    decisions: dict[tuple[Any, ...], Section] = {}
    for row in rows:
        key = tuple(row[name] for name in SAME)
        if row["path"] is None:
            key += (row["id"],)
        first = decisions.setdefault(key, {"id": row["id"], **{name: row[name] for name in SAME}, "records": 0})
        first["records"] += 1
    return sorted(decisions.values(), key=lambda row: (str(row["when"] or ""), str(row["id"])), reverse=True)


def compare_classes(dataset: Dataset, fixes: pd.DataFrame) -> list[Section]:
    """Images of each class before and after the relabels in force; only classes that a relabel touched.

    Excluded images are in neither count: what they were labelled left the data set with them.
    """
    moved: Counter[str] = Counter()
    touched: set[str] = set()
    present = set(dataset.images["path"])
    chosen = fixes[(fixes["status"] == "applied") & (fixes["op"] == "relabel")]
    for row in chosen.to_dict("records"):
        if row["path"] in present and row["annotation_id"] == label_id(str(row["path"])):
            for name, step in ((row["before"], -1), (row["after"], 1)):
                if pd.notna(name):
                    moved[name] += step
                    touched.add(name)
    now = dataset.labels.value_counts()
    order = [*dataset.classes, *sorted(touched - set(dataset.classes))]
    counts = [(name, int(now.get(name, 0)), moved[name]) for name in order if name in touched]
    return [{"class": name, "before": after - delta, "after": after, "delta": delta} for name, after, delta in counts]
