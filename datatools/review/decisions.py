"""From what was edited in FiftyOne to fix records: lossless, and never twice.

A label that was changed is a relabel record, the tag `confirm` a confirm record, the tag `exclude` an exclude record;
a tag that was saved and then removed is a revert record. Which edits are saved is read from the records themselves:
each names the sample it came from in `evidence.sample`. So a save may be killed at any point: the next one writes what
is missing and nothing else. What was decided by key or button is on the disk already (sitting.py): it is no edit.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from datatools.dataset import Dataset
from datatools.errors import DatatoolsError
from datatools.fixes.apply import find_reverted, refold
from datatools.fixes.records import FixRecord, append_records, load_records, sitting_path
from datatools.fixes.unknown_class import refuse_label
from datatools.review.cards import EVIDENCE, to_evidence
from datatools.schema import FIX_STATUS

if TYPE_CHECKING:
    import fiftyone as fo

CONFIRM = "confirm"
EXCLUDE = "exclude"
TAGS = (CONFIRM, EXCLUDE)
COLUMNS = {
    "id": "id",
    "path": "path",
    "annotation_id": "annotation_id",
    "label": "label.label",
    "loaded_label": "loaded_label",
    "base": "base",
    "tags": "tags",
    "label_tags": "label.tags",  # with an image open the App's tag button tags what is drawn on it, not the image
    "suggested_tags": "suggested.tags",
    "why": "why",
    "reason": "reason",
    "rank": "rank",
    "score": "score",
    "suggested": "suggested.label",
    "codes": "codes",
    "queue": "queue_kind",
}


@dataclass(frozen=True)
class ReviewSample:
    """One image of the review: `label` as the reviewer left it, `loaded_label` as it was shown or last recorded."""

    id: str
    path: str
    annotation_id: str | None
    label: str | None
    loaded_label: str | None
    base: str
    tags: frozenset[str]
    why: str | None
    reason: str | None
    evidence: Mapping[str, Any]
    recorded: tuple[FixRecord, ...]  # made from this sample and in force

    @property
    def is_relabelled(self) -> bool:
        """The label differs from the one on record; one that was cleared on the way out does not count."""
        return self.label != self.loaded_label and not (self.label is None and EXCLUDE in self.tags)

    @property
    def is_confirmed(self) -> bool:
        """Tagged `confirm`, and no record says so yet; on a changed label the relabel record says it."""
        said = {("confirm", record.before) for record in self.recorded if record.op == "confirm"}
        said |= {("confirm", record.after) for record in self.recorded if record.op == "relabel"}
        return CONFIRM in self.tags and not self.is_relabelled and ("confirm", self.loaded_label) not in said

    @property
    def is_excluded(self) -> bool:
        """Tagged `exclude`, and no record says so yet."""
        return EXCLUDE in self.tags and all(record.op != "exclude" for record in self.recorded)

    @property
    def withdrawn(self) -> list[FixRecord]:
        """Confirm and exclude records whose tag was removed again."""
        return [r for r in self.recorded if r.op in TAGS and r.op not in self.tags and not is_by_key(r)]

    @property
    def is_edited(self) -> bool:
        """Whether a save would have something to do."""
        return self.is_relabelled or self.is_confirmed or self.is_excluded or bool(self.withdrawn)


@dataclass(frozen=True)
class Decisions:
    """Records to append, a sentence for each edit that cannot be one, and sample id -> label now on record."""

    records: list[FixRecord] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    settled: dict[str, str | None] = field(default_factory=dict)


def save_decisions(
    review: fo.Dataset, dataset: Dataset, folder: Path, who: str, when: str, status: pd.DataFrame | None = None
) -> list[FixRecord]:
    """Append what was decided in `review` to `who`'s file of the day under `folder`, and return the new records.

    Raises DatatoolsError that names the image when an edit cannot be a record (a label that is no class); all other
    decisions are saved before, and that edit stays in the review.
    """
    decisions = collect_decisions(review, dataset, load_records(folder)[0], who, when, status)
    append_records(sitting_path(folder, who, when), decisions.records)
    if decisions.settled:
        review.set_values("loaded_label", decisions.settled, key_field="id", progress=False)
    if decisions.problems:
        more = f" ({len(decisions.problems) - 1} more like it.)" if len(decisions.problems) > 1 else ""
        saved = f"Saved the other decisions, {len(decisions.records)} records; correct it in the App and save again."
        raise DatatoolsError(f"{decisions.problems[0]} {saved}{more}")
    return decisions.records


def collect_decisions(
    review: fo.Dataset,
    dataset: Dataset,
    records: Sequence[FixRecord],
    who: str,
    when: str,
    status: pd.DataFrame | None = None,
) -> Decisions:
    """What the edits in `review` mean, given all `records` on disk and, in `status`, what the last run made of them.

    Nothing is written. A relabel record's `before` is the label that the reviewer saw. Where somebody else changed it
    since, the fold at the next `dvc repro` lists the record as a conflict; it never wins by being last.
    """
    annotations = fold_current(dataset, records, status)
    found = Decisions()
    for sample in read_samples(review, records):
        if not sample.is_edited:
            continue
        problem = _find_problem(sample, dataset.classes)
        if problem:
            found.problems.append(problem)
            continue
        found.records.extend(_to_records(sample, annotations, who, when))
        if sample.label is not None:
            found.settled[sample.id] = sample.label
    return found


def fold_current(dataset: Dataset, records: Sequence[FixRecord], status: pd.DataFrame | None) -> pd.DataFrame:
    """The annotations as the next `dvc repro` will see them; `status` is what the last one made of the records."""
    return refold(dataset.annotations, FIX_STATUS.empty() if status is None else status, records)


def read_samples(review: fo.Dataset, records: Sequence[FixRecord] = ()) -> list[ReviewSample]:
    """All samples with what `records` say was saved of them; reads values, as FiftyOne's counts lie after a crash."""
    reverted = find_reverted(records)
    made: dict[str, list[FixRecord]] = {}
    for record in records:
        made.setdefault(str(record.evidence.get("sample")), []).append(record)
    values = review.values(list(COLUMNS.values()))
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in zip(*values, strict=True)]
    return [_to_sample(row, made.get(row["id"], []), reverted) for row in rows]


def is_by_key(record: FixRecord) -> bool:
    """Whether a record was made by a key or button of the App, not by `datatools review --save`."""
    return "action" in record.evidence


def _to_sample(row: dict[str, Any], made: Sequence[FixRecord], reverted: set[str]) -> ReviewSample:
    saved = [r for r in made if not is_by_key(r)]  # a key sets label and baseline at once, or neither
    label_records = [r for r in saved if r.op == "relabel" and r.annotation_id == row["annotation_id"]]
    evidence = {name: row.pop(name) for name in EVIDENCE}
    tagged = [row.pop(name) or () for name in ("tags", "label_tags", "suggested_tags")]
    row["tags"] = frozenset(itertools.chain(*tagged)) & set(TAGS)
    if label_records:
        row["loaded_label"] = label_records[-1].after  # of more weight than the baseline: a save may have been killed
    active = tuple(record for record in made if record.id not in reverted)
    return ReviewSample(**row, evidence=to_evidence(row["id"], evidence), recorded=active)


def _find_problem(sample: ReviewSample, classes: Sequence[str]) -> str:
    """Why the edits of `sample` cannot be recorded; empty when they can."""
    if sample.tags == set(TAGS):
        return f"{sample.path}: expected the tag confirm or the tag exclude. Got both."
    if (sample.is_relabelled or sample.is_confirmed) and sample.annotation_id is None:
        return f"{sample.path}: expected an image that has a label. Got none: add a row to a table in data/raw/labels."
    if sample.is_relabelled and sample.label is None:
        return f"{sample.path}: expected a label; to take the image out, tag it exclude. Got a removed label."
    if sample.is_relabelled and sample.label not in classes:
        return f"{sample.path}: {refuse_label(sample.label, classes)}"
    return ""


def _to_records(sample: ReviewSample, annotations: pd.DataFrame, who: str, when: str) -> list[FixRecord]:
    common: dict[str, Any] = {"who": who, "when": when, "path": sample.path, "base": sample.base}
    common["evidence"] = sample.evidence
    before, label_key = sample.loaded_label, sample.annotation_id
    records = [
        FixRecord("revert", why=_why(sample, "tag removed"), reverts=record.id, **common) for record in sample.withdrawn
    ]
    if sample.is_excluded:
        records.append(FixRecord("exclude", why=_why(sample, "excluded"), **common))
    if sample.is_confirmed:
        records.append(
            FixRecord("confirm", why=_why(sample, "confirmed"), annotation_id=label_key, before=before, **common)
        )
    if sample.is_relabelled:
        common |= {"why": _why(sample, "relabelled"), "before": before, "after": sample.label}
        # the image's label last: its record is what marks the edit as saved
        ids = [*_objects_with(annotations, sample.path, before), label_key]
        records += [FixRecord("relabel", annotation_id=annotation_id, **common) for annotation_id in ids]
    return records


def _objects_with(annotations: pd.DataFrame, path: str, label: str | None) -> list[str]:
    """Boxes and masks of an image that carry the label which changes: they change with it."""
    rows = annotations[(annotations["path"] == path) & (annotations["kind"] != "label")]
    return [str(value) for value in rows.loc[(rows["label"] == label).fillna(False), "annotation_id"]]


def _why(sample: ReviewSample, verb: str) -> str:
    if sample.why and sample.why.strip():
        return sample.why.strip()
    return f"{verb} in FiftyOne; the queue said: {sample.reason}" if sample.reason else f"{verb} in FiftyOne"
