"""What is counted in both versions: classes, sides of the split, slices of the metadata, annotators, findings by code."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datatools.diff.changes import ClassCount, Counted, FindingCount
from datatools.diff.versions import Version
from datatools.gate import Baseline, find_known
from datatools.schema import CONSENSUS, QUARANTINE, SEVERITIES, SIDES

SLICES_MAX = 50  # a column with more different values says what is special in an image, not which kind it is of


def count_classes(before: Version, after: Version) -> tuple[ClassCount, ...]:
    """Images and objects of every class of either version, the classes of `after` first, then in the order of `before`."""
    counts = [_class_counts(version.dataset.annotations) for version in (before, after)]
    names = dict.fromkeys((*after.dataset.classes, *before.dataset.classes))
    names |= dict.fromkeys(
        sorted({str(name) for images, objects in counts for name in (*images.index, *objects.index)})
    )
    (images, objects), (images_now, objects_now) = counts
    return tuple(
        ClassCount(name, *(int(part.get(name, 0)) for part in (images, images_now, objects, objects_now)))
        for name in names
    )


def _class_counts(annotations: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    is_label = (annotations["kind"] == "label").fillna(False).to_numpy(bool)
    is_final = is_label & (annotations["annotator"] == CONSENSUS).fillna(False).to_numpy(bool)
    return annotations["label"][is_final].value_counts(), annotations["label"][~is_label].value_counts()


def count_sides(before: Version, after: Version) -> tuple[Counted, ...]:
    """Images on each side of the split, and in quarantine; nothing where a version has no split."""
    if before.split is None or after.split is None:
        return ()
    one, two = (version.split["split"].value_counts() for version in (before, after))  # type: ignore[index]
    return tuple(
        Counted(side, int(one.get(side, 0)), int(two.get(side, 0)))
        for side in (*SIDES, QUARANTINE)
        if side in one or side in two
    )


def count_annotators(before: Version, after: Version) -> tuple[Counted, ...]:
    """Annotations of each annotator, by name; those of nobody in particular, and what follows from others, are left out."""
    one, two = (version.dataset.annotations["annotator"].value_counts() for version in (before, after))
    names = sorted({*map(str, one.index), *map(str, two.index)} - {CONSENSUS})
    return tuple(Counted(name, int(one.get(name, 0)), int(two.get(name, 0))) for name in names)


def count_slices(before: Version, after: Version) -> tuple[Counted, ...]:
    """Images of each value of each metadata column, where their number differs; columns of many values are left out."""
    sides = [_slice_counts(version.dataset.images["metadata"]) for version in (before, after)]
    return tuple(_compare_slices(*sides))


def _compare_slices(one: dict[str, pd.Series], two: dict[str, pd.Series]) -> Iterator[Counted]:
    empty = pd.Series(dtype="int64")
    for column in sorted({*one, *two}):
        old, new = one.get(column, empty), two.get(column, empty)
        values = sorted({*old.index, *new.index})
        if len(values) <= SLICES_MAX:
            counts = ((value, int(old.get(value, 0)), int(new.get(value, 0))) for value in values)
            yield from (Counted(value, n, m, column) for value, n, m in counts if n != m)


def _slice_counts(metadata: pd.Series) -> dict[str, pd.Series]:
    """Column -> number of images by value. Equal rows are read once."""
    rows: dict[str, dict[str, int]] = {}
    for text, n in metadata.dropna().value_counts().items():
        for column, value in json.loads(str(text)).items():
            counts = rows.setdefault(str(column), {})
            counts[str(value)] = counts.get(str(value), 0) + int(n)
    return {column: pd.Series(counts, dtype="int64") for column, counts in rows.items()}


def leave_out_unmatched(before: Version, after: Version) -> tuple[Version, Version]:
    """Both versions without what models found where they looked at one of them only: nothing of that is new or gone."""
    codes = (before.model_codes or frozenset()) | (after.model_codes or frozenset())
    if (before.model_codes is None) == (after.model_codes is None) or not codes:
        return before, after
    return _without(before, codes), _without(after, codes)


def _without(version: Version, codes: Collection[str]) -> Version:
    found = version.findings
    return version if found is None else replace(version, findings=found[~found["code"].isin(codes)])


def compare_findings(before: Version, after: Version) -> tuple[pd.DataFrame, pd.DataFrame] | None:
    """The findings that are new and those that are gone, as the gate tells them apart; None where a version has none."""
    if before.findings is None or after.findings is None:
        return None
    new = after.findings[~_known(before, after)]
    gone = before.findings[~_known(after, before)]
    return new.reset_index(drop=True), gone.reset_index(drop=True)


def _known(before: Version, after: Version) -> NDArray[np.bool_]:
    assert before.findings is not None and after.findings is not None
    baseline = Baseline(before.name, before.findings, before.dataset.images, None)
    return find_known(after.findings, after.dataset.images, baseline)


def count_findings(before: Version, after: Version, new: pd.DataFrame, gone: pd.DataFrame) -> tuple[FindingCount, ...]:
    """By code, the worst severity first."""
    assert before.findings is not None and after.findings is not None
    tables = (before.findings, after.findings, new, gone)
    numbers = [table["code"].value_counts() for table in tables]
    severities = dict(zip(*_codes(pd.concat([before.findings, after.findings])), strict=True))
    rows = [
        FindingCount(code, severity, *(int(n.get(code, 0)) for n in numbers)) for code, severity in severities.items()
    ]
    return tuple(sorted(rows, key=lambda row: (-rank_severity(row.severity), row.code)))


def _codes(findings: pd.DataFrame) -> tuple[Sequence[str], Sequence[str]]:
    last = findings.drop_duplicates("code", keep="last")  # the severity that the newer version gives it
    return last["code"].tolist(), last["severity"].tolist()


def rank_severity(severity: str) -> int:
    """Higher is worse; one that is not known is worst."""
    return SEVERITIES.index(severity) if severity in SEVERITIES else len(SEVERITIES)
