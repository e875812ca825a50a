"""The queue as a FiftyOne dataset: a cache, rebuilt from the tables whenever they change."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from datatools.dataset import Dataset, label_id
from datatools.errors import DatatoolsError
from datatools.fixes.records import FixRecord
from datatools.review.decisions import fold_current, read_samples
from datatools.review.layout import ANNOTATOR_PREFIX, save_views, set_up_app
from datatools.review.shapes import to_shapes

if TYPE_CHECKING:
    import fiftyone as fo

NAME = "review"
LAYOUT = 1  # raise it when the fields change: an older review is then rebuilt
TEXT_FIELDS = ("path", "annotation_id", "loaded_label", "base", "reason", "codes", "split", "why")
LIST_FIELDS = ("queue_kind",)


def load_review(
    dataset: Dataset,
    queue: pd.DataFrame,
    root: Path,
    records: Sequence[FixRecord] = (),
    status: pd.DataFrame | None = None,
    name: str = NAME,
) -> fo.Dataset:
    """Build the FiftyOne dataset `name` of the images in `queue` (schema QUEUE), or bring it up to date.

    `root` is the folder that image paths are relative to; `records` are all fix records on disk and `status`
    (FIX_STATUS) what the last run made of them, so that a decision that `dvc repro` has not applied yet is shown. An
    image that is queued twice is one sample, at its better rank.
    When data and queue are as they were, nothing is touched; otherwise samples are rebuilt, but one whose edits are not
    saved keeps its label, tags and baseline. Call it inside run_mongod. Raises DatatoolsError for an empty queue.
    """
    import fiftyone as fo

    if queue.empty:
        raise DatatoolsError("data/queue/queue.parquet: expected images to review. Got an empty queue: nothing to do.")
    state = {"layout": LAYOUT, "version": dataset.version, "queue": _fingerprint(queue, root)}
    review = fo.load_dataset(name) if name in fo.list_datasets() else None
    if review is not None and {key: review.info.get(key) for key in state} == state:
        return review
    if review is None:
        review = fo.Dataset(name, persistent=True)
    annotators = _annotator_fields(dataset)
    _declare_fields(review, annotators)
    kept = _drop_settled(review, records)
    rows = _by_image(queue)
    drafts = _Drafts(dataset, fold_current(dataset, records, status), root, annotators)
    review.add_samples(
        [drafts.make_sample(path, row) for path, row in rows.items() if path not in kept], progress=False
    )
    _place_kept(review, kept, rows)
    save_views(review)
    set_up_app(review, dataset.classes)
    review.info = state  # last: a load that was killed is done again
    review.save()
    return review


def find_review(name: str = NAME) -> fo.Dataset:
    """The dataset that load_review made. Raises DatatoolsError when there is none."""
    import fiftyone as fo

    if name not in fo.list_datasets():
        raise DatatoolsError("datatools review --save: expected a review. Got none: run `datatools review` first.")
    return fo.load_dataset(name)


class _Drafts:
    """Makes samples from the tables of one data set."""

    def __init__(self, dataset: Dataset, annotations: pd.DataFrame, root: Path, annotators: Mapping[str, str]) -> None:
        self.root = root.resolve()
        self.base = dataset.version
        self.labels = annotations.set_index("annotation_id")["label"]
        self.sizes = dataset.images.set_index("path")[["width_px", "height_px"]]
        self.objects = dict(list(annotations[annotations["kind"] != "label"].groupby("path")))
        self.annotators = annotators

    def make_sample(self, path: str, row: Mapping[str, Any]) -> fo.Sample:
        """One image with all that is known of it; `row` holds its fields of the queue."""
        import fiftyone as fo

        key = label_id(path)
        label = self._label(key)
        sample = fo.Sample(
            filepath=str(self.root / path),
            path=path,
            annotation_id=key if key in self.labels.index else None,
            label=_classification(label),
            loaded_label=label,
            base=self.base,
            suggested=_suggestion(row),
            **{name: row[name] for name in ("rank", "reason", "codes", "split", "score", "queue_kind")},
        )
        for annotator, field in self.annotators.items():
            sample[field] = _classification(self._label(label_id(path, annotator)))
        if path in self.sizes.index:
            width, height = (int(side) for side in self.sizes.loc[path])
            sample.metadata = fo.ImageMetadata(width=width, height=height, num_channels=3)
            sample["boxes"], sample["polygons"] = to_shapes(self.objects.get(path), width, height)
        return sample

    def _label(self, annotation_id: str) -> str | None:
        label = self.labels.get(annotation_id)
        return None if label is None or pd.isna(label) else str(label)


def _by_image(queue: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Path -> fields of the queue in the order of rank; rows on one image are joined."""
    joined: dict[str, dict[str, Any]] = {}
    for row in queue.sort_values("rank").to_dict("records"):
        row = {key: None if pd.isna(value) else value for key, value in row.items()}
        first = joined.setdefault(row["path"], {**row, "queue_kind": [], "codes": [], "reason": []})
        first["suggested"] = first["suggested"] or row["suggested"]
        for name, values in (
            ("queue_kind", [row["kind"]]),
            ("codes", (row["codes"] or "").split(",")),
            ("reason", [row["reason"]]),
        ):
            first[name] += [value for value in values if value and value not in first[name]]
    for row in joined.values():
        row["codes"], row["reason"] = ",".join(row["codes"]), "; ".join(row["reason"])
    return joined


def _classification(label: str | None) -> fo.Classification | None:
    import fiftyone as fo

    return None if label is None else fo.Classification(label=label)


def _suggestion(row: Mapping[str, Any]) -> fo.Classification | None:
    """What the model would say; a label's score is 0 where it is surely wrong, so the suggestion's is the rest to 1."""
    import fiftyone as fo

    if not row["suggested"]:
        return None
    confidence = None if row["score"] is None else 1 - float(row["score"])
    return fo.Classification(label=row["suggested"], confidence=confidence)


def _annotator_fields(dataset: Dataset) -> dict[str, str]:
    """Annotator -> field; names that differ only in signs get a number."""
    fields: dict[str, str] = {}
    for annotator in sorted(dataset.ratings.columns):
        field = base = ANNOTATOR_PREFIX + re.sub(r"[^a-z0-9]+", "_", annotator.lower()).strip("_")
        number = 1
        while field in fields.values():
            number += 1
            field = f"{base}_{number}"
        fields[annotator] = field
    return fields


def _fingerprint(queue: pd.DataFrame, root: Path) -> str:
    text = f"{root.resolve()}\n{queue.to_csv(index=False, lineterminator=chr(10))}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _declare_fields(review: fo.Dataset, annotators: Mapping[str, str]) -> None:
    """Declare every field, so that it can be read where no sample has a value."""
    import fiftyone as fo

    for name in ("label", "suggested", *annotators.values()):
        review.add_sample_field(name, fo.EmbeddedDocumentField, embedded_doc_type=fo.Classification)
    for name in TEXT_FIELDS:
        review.add_sample_field(name, fo.StringField)
    for name in LIST_FIELDS:
        review.add_sample_field(name, fo.ListField, subfield=fo.StringField)
    review.add_sample_field("rank", fo.IntField)
    review.add_sample_field("score", fo.FloatField)
    review.add_sample_field("boxes", fo.EmbeddedDocumentField, embedded_doc_type=fo.Detections)
    review.add_sample_field("polygons", fo.EmbeddedDocumentField, embedded_doc_type=fo.Polylines)


def _drop_settled(review: fo.Dataset, records: Sequence[FixRecord]) -> dict[str, str]:
    """Delete the samples without unsaved edits; return path -> sample id of the others."""
    samples = read_samples(review, records)
    review.delete_samples([sample.id for sample in samples if not sample.is_edited])
    return {sample.path: sample.id for sample in samples if sample.is_edited}


def _place_kept(review: fo.Dataset, kept: Mapping[str, str], rows: Mapping[str, Mapping[str, Any]]) -> None:
    """Give kept samples their new rank, or one behind the queue when they are no longer in it."""
    last = len(rows)
    outside = {path: last + number for number, path in enumerate((p for p in kept if p not in rows), start=1)}
    ranks = {kept[path]: rows[path]["rank"] if path in rows else outside[path] for path in kept}
    if ranks:
        review.set_values("rank", ranks, key_field="id", progress=False)
