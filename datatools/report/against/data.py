"""The part of the report that is about the data: what changed, who decided it, and which findings are new or gone."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from datatools.diff.changes import Change, Diff
from datatools.diff.counting import rank_severity
from datatools.gate import Baseline, decide
from datatools.mutes import Mute, apply_mutes
from datatools.report.summary import to_plain
from datatools.schema import SEVERITIES

Section = dict[str, Any]
SHOWN = 200  # changes that the pages list; `datatools diff --format json` has them all
EXAMPLES = 3  # findings named of each code
IDS = 20  # fix records named of each decision


def summarise_diff(diff: Diff) -> Section:
    """Counts and lists of a diff as a document for JSON: data, classes, sides, decisions, changes."""
    added = [change for change in diff.changes if change.kind == "image added"]
    summary = {
        "n": len(diff.changes),
        "by_kind": diff.by_kind,
        "images": {"before": diff.before.images, "after": diff.after.images, "touched": _count_images(diff.changes)},
        "annotations": {"before": diff.before.annotations, "after": diff.after.annotations},
        "bytes_added": sum(int(change.after["n_bytes"]) for change in added if isinstance(change.after, Mapping)),
        "relabelled_images": _count_images(change for change in diff.changes if change.kind == "relabelled"),
        "relabelled": count_pairs(diff.changes, "relabelled"),
        "split_moves": count_pairs(diff.changes, "split moved"),
        "classes": count_classes(diff),
        "sides": [{"side": row.name, "before": row.before, "after": row.after} for row in diff.sides],
        "slices": [
            {"column": row.group, "value": row.name, "before": row.before, "after": row.after}
            for row in diff.slices
            if row.before != row.after
        ],
        "annotators": [
            {"annotator": row.name, "before": row.before, "after": row.after}
            for row in diff.annotators
            if row.before != row.after
        ],
        "kappa": {"before": _kappa(diff.agreement_before), "after": _kappa(diff.agreement_after)},
        "decisions": group_decisions(diff),
        "from_source": diff.n_from_source,
        "changes": list_changes(diff),
    }
    plain: Section = to_plain(summary)
    return plain


def summarise_versions(diff: Diff) -> Section:
    """Name, commit and data version of both sides, and why one is out of date."""
    sides = (("before", diff.before), ("after", diff.after))
    plain: Section = to_plain(
        {
            side: {"name": version.name, "commit": version.commit, "data": version.data, "stale": version.stale}
            for side, version in sides
        }
    )
    return plain


def count_pairs(changes: Iterable[Change], kind: str) -> list[Section]:
    """How often each value became which in changes of `kind`: before, after, n; the most frequent first."""
    pairs = Counter((str(change.before), str(change.after)) for change in changes if change.kind == kind)
    ranked = sorted(pairs.items(), key=lambda item: (-item[1], item[0]))
    return [{"before": before, "after": after, "n": n} for (before, after), n in ranked]


def count_classes(diff: Diff) -> list[Section]:
    """The classes whose number of images or objects differs, the largest change first."""
    rows = [
        {
            "class": row.label,
            "images_before": row.images_before,
            "images_after": row.images_after,
            "objects_before": row.objects_before,
            "objects_after": row.objects_after,
        }
        for row in diff.classes
        if (row.images_before, row.objects_before) != (row.images_after, row.objects_after)
    ]
    return sorted(rows, key=_class_change, reverse=True)


def group_decisions(diff: Diff) -> list[Section]:
    """The fix records behind the changes by who, what and why: n records, n changes, ids; the largest group first."""
    n_changes = Counter(record for change in diff.changes for record in change.fixes)
    groups: dict[tuple[str, str, str], Section] = {}
    for record in diff.records:
        empty = {"who": record.who, "op": record.op, "why": record.why, "n": 0, "n_changes": 0, "ids": []}
        group = groups.setdefault((record.who, record.op, record.why), empty)
        group["n"] += 1
        group["n_changes"] += n_changes[record.id]
        group["ids"] += [record.id] if len(group["ids"]) < IDS else []
    return sorted(groups.values(), key=lambda group: (-group["n"], group["who"], group["op"], group["why"]))


def list_changes(diff: Diff) -> list[Section]:
    """The first changes of each kind in turn, SHOWN at most, with who decided and why."""
    records = {record.id: record for record in diff.records}
    return [describe_change(change, records) for change in take_turns(diff.changes, SHOWN)]


def describe_change(change: Change, records: Mapping[str, Any]) -> Section:
    """A change as the pages show it."""
    known = [records[name] for name in change.fixes if name in records]
    return {
        "kind": change.kind,
        "path": change.path,
        "annotation_id": change.annotation_id,
        "before": describe_value(change.before),
        "after": describe_value(change.after),
        "iou": change.iou,
        "who": ", ".join(dict.fromkeys(record.who for record in known)) or None,
        "why": "; ".join(dict.fromkeys(record.why for record in known)) or None,
    }


def describe_value(value: Any) -> str | None:
    """What a change says was or is, in a word or two: a label, a box, the columns that differ."""
    if value is None or isinstance(value, str):
        return value if value is None or not value.startswith(("[", "{")) else "mask"
    if isinstance(value, Mapping):
        if "sha256" in value:
            return f"{value.get('width_px')} x {value.get('height_px')} px"
        if "kind" in value:
            return " ".join(str(value[name]) for name in ("kind", "label") if value.get(name) is not None)
        return ", ".join(f"{name}: {item}" for name, item in value.items())
    return " ".join("-" if item is None else f"{item:g}" for item in value)


def take_turns(changes: Sequence[Change], n: int) -> list[Change]:
    """At most `n` changes: the first of each kind, the second of each kind, ...; in their own order."""
    seen: Counter[str] = Counter()
    turns = []
    for number, change in enumerate(changes):
        turns.append((seen[change.kind], number))
        seen[change.kind] += 1
    return [changes[number] for _, number in sorted(sorted(turns)[:n], key=lambda turn: turn[1])]


def summarise_findings(
    diff: Diff,
    titles: Mapping[str, str],
    images: pd.DataFrame | None = None,
    baseline: Baseline | None = None,
    mutes: Sequence[Mute] = (),
    today: datetime.date | None = None,
) -> Section | None:
    """New and gone findings by code, the worst first; None where a version has none to compare.

    `new` counts what `datatools gate --against` counts: not what is muted, not what only a newer check says of images that
    were there. Both are counted apart. Without `images` (IMAGES of after) and `baseline` every new finding counts.
    """
    if diff.new_findings is None or diff.gone_findings is None:
        return None
    new, gone = diff.new_findings, diff.gone_findings
    muted = apply_mutes(new, mutes, today or datetime.datetime.now(datetime.UTC).date())
    fates = decide(new, muted, "none", pd.DataFrame() if images is None else images, baseline)
    counted = new[np.isin(fates, ("failing", "crashed"))]
    totals = {row.code: row for row in diff.findings}
    codes = sorted({*counted["code"], *gone["code"]})
    rows = [
        _count_code(code, counted[counted["code"] == code], gone[gone["code"] == code], titles, totals)
        for code in codes
    ]
    rows.sort(key=lambda row: (-rank_severity(row["severity"]), -row["new"], row["code"]))
    severities = counted["severity"].value_counts()
    plain: Section = to_plain(
        {
            "new": {name: int(severities.get(name, 0)) for name in reversed(SEVERITIES)},
            "gone": len(gone),
            "muted": int((fates == "muted").sum()),
            "newer_check": int((fates == "newer check").sum()),
            "codes": rows,
        }
    )
    return plain


def _count_code(
    code: str, new: pd.DataFrame, gone: pd.DataFrame, titles: Mapping[str, str], totals: Mapping[str, Any]
) -> Section:
    rows = pd.concat([new, gone])
    worst = new.sort_values("score", kind="stable").head(EXAMPLES)
    names = ["path", "annotation_id", "subject", "message"]
    return {
        "code": code,
        "title": titles.get(code, ""),
        "severity": rows["severity"].iloc[0],
        "new": len(new),
        "gone": len(gone),
        "before": totals[code].before if code in totals else None,
        "after": totals[code].after if code in totals else None,
        "examples": worst[names].to_dict("records"),
    }


def _class_change(row: Section) -> int:
    return abs(row["images_after"] - row["images_before"]) + abs(row["objects_after"] - row["objects_before"])


def _count_images(changes: Iterable[Change]) -> int:
    return len({change.path for change in changes})


def _kappa(agreement: Mapping[str, Any] | None) -> Any:
    return None if agreement is None else agreement.get("fleiss")
