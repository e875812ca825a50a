"""The numbers of each section of the report, from tables to plain lists and dicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from datatools.dataset import Dataset
from datatools.report.words import reason_words
from datatools.schema import QUARANTINE, SEVERITIES, SIDES

Section = dict[str, Any]
EXAMPLES = 3
QUEUE_TOP = 5  # rows that the summary has at least, for the terminal


def count_data(dataset: Dataset, rejected: pd.DataFrame, titles: Mapping[str, str]) -> Section:
    """What was taken in and what was left out, by reason; a rejected file is a row whose source is its own path."""
    is_file = (rejected["source"] == rejected["path"]).fillna(False).astype(bool)
    return {
        "version": dataset.version,
        "images": len(dataset.images),
        "annotations": len(dataset.annotations),
        "objects": len(dataset.objects),
        "files_left_out": int(is_file.sum()),
        "rows_left_out": int((~is_file).sum()),
        "left_out": [
            *_left_out(rejected[is_file], "file", titles),
            *_left_out(rejected[~is_file], "annotation", titles),
        ],
    }


def count_findings(findings: pd.DataFrame, titles: Mapping[str, str], is_muted: Sequence[bool] = ()) -> Section:
    """Findings by code, errors first, the most frequent first; muted ones are only counted.

    `is_muted` has a value for each finding, or is empty: none is muted.
    """
    muted = np.asarray(is_muted, bool) if len(is_muted) else np.zeros(len(findings), bool)
    findings = findings[~muted]
    codes = [_count_code(str(code), rows, titles) for code, rows in findings.groupby("code", sort=True)]
    codes.sort(key=lambda row: (-_severity_rank(row["severity"]), -row["n"], row["code"]))
    severities = findings["severity"].value_counts()
    return {
        "n": len(findings),
        "muted": int(muted.sum()),
        "by_severity": {name: int(severities.get(name, 0)) for name in reversed(SEVERITIES)},
        "codes": codes,
    }


def count_queue(queue: pd.DataFrame, n_top: int) -> Section:
    """How many images wait for a person, why, and the first of them."""
    rows = queue.sort_values("rank", kind="stable")
    kinds = rows["kind"].value_counts().sort_index().sort_values(ascending=False, kind="stable")
    columns = ["rank", "path", "annotation_id", "kind", "label", "suggested", "score", "split", "codes", "reason"]
    return {
        "n": len(rows),
        "by_kind": {str(kind): int(n) for kind, n in kinds.items()},
        "top": rows.head(max(n_top, QUEUE_TOP))[columns].to_dict("records"),
    }


def count_classes(dataset: Dataset, split: pd.DataFrame) -> list[Section]:
    """Images of each class and how many of them are on each side, in the order of the class list."""
    labels = dataset.labels
    sides = split.drop_duplicates("path").set_index("path")["split"].reindex(labels.index)
    table = pd.crosstab(labels, sides.fillna(""))
    table = table.reindex(index=list(dataset.classes), columns=list(SIDES), fill_value=0)
    totals = labels.value_counts()
    return [
        {
            "class": name,
            "n": int(totals.get(name, 0)),
            "share": int(totals.get(name, 0)) / max(len(labels), 1),
            **{side: int(table.loc[name, side]) for side in SIDES},
        }
        for name in dataset.classes
    ]


def count_split(split: pd.DataFrame, certificate: Mapping[str, Any]) -> Section:
    """Sizes of the sides and of the quarantine, and what the certificate says of groups and near-duplicates that cross."""
    counts = split["split"].value_counts()
    names = ("groups_crossing", "near_duplicates_crossing", "largest_class_deviation", "assignment_sha256")
    return {
        "sizes": {side: int(counts.get(side, 0)) for side in SIDES},
        "quarantine": int(counts.get(QUARANTINE, 0)),
        "groups": _count_groups(certificate),
        "ratios": dict(certificate.get("ratios") or {}),
        **{name: certificate.get(name) for name in names},
    }


def count_model(metrics: Mapping[str, Any], confusions: Any) -> Section:
    """The evaluation's figures, one row a class, and the pairs of classes mixed up most; empty without metrics."""
    if not metrics:
        return {}
    names = ("n", *(f"{name}{end}" for name in ("accuracy", "macro_f1") for end in ("", "_low", "_high")), "confidence")
    columns = ("precision", "recall", "recall_low", "recall_high", "f1", "support")
    classes = (metrics.get("classes") or metrics.get("per_class") or {}).items()
    return {
        **{name: metrics.get(name) for name in names},
        "per_class": [{"class": name, **{key: (row or {}).get(key) for key in columns}} for name, row in classes],
        "confusions": [
            {"actual": row["actual"], "predicted": row["predicted"], "n": row.get("n", row.get("count"))}
            for row in confusions
        ],
    }


def _count_groups(certificate: Mapping[str, Any]) -> int | None:
    """The groups of the data, of all columns that keep images together: an image without one is none."""
    by_column = certificate.get("groups_by_column")
    return None if by_column is None else sum(found["groups"] for found in by_column.values())


def _left_out(rows: pd.DataFrame, what: str, titles: Mapping[str, str]) -> list[Section]:
    groups = [
        {
            "what": what,
            "reason": str(reason),
            "title": reason_words(str(reason), titles),
            "n": len(found),
            "examples": found[["source", "row", "path", "message"]].head(EXAMPLES).to_dict("records"),
        }
        for reason, found in rows.groupby(rows["reason"].fillna("unknown"), sort=True)
    ]
    return sorted(groups, key=lambda group: (-group["n"], group["reason"]))


def _count_code(code: str, rows: pd.DataFrame, titles: Mapping[str, str]) -> Section:
    worst = rows.sort_values("score", kind="stable", na_position="last")
    return {
        "code": code,
        "title": titles.get(code, ""),
        "severity": max(rows["severity"].dropna(), key=_severity_rank, default="info"),
        "n": len(rows),
        "images": int(rows["path"].nunique()),
        "examples": worst[["path", "annotation_id", "message"]].head(EXAMPLES).to_dict("records"),
    }


def _severity_rank(severity: Any) -> int:
    return SEVERITIES.index(severity) if severity in SEVERITIES else -1
