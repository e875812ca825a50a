"""The queue as a FiftyOne dataset: a cache, rebuilt from the tables whenever they change."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from datatools.dataset import Dataset, label_id
from datatools.errors import DatatoolsError
from datatools.fixes.records import FixRecord
from datatools.packed import among
from datatools.review.cards import Card, Deck, load_deck, save_deck
from datatools.review.decisions import fold_current, read_samples
from datatools.review.layout import ANNOTATOR_PREFIX, save_views, set_up_app
from datatools.review.map import Nearby, add_map
from datatools.review.shapes import to_shapes
from datatools.schema import BOX

if TYPE_CHECKING:
    import fiftyone as fo

NAME = "review"
LAYOUT = 2  # raise it when the fields change: an older review is then rebuilt
TEXT_FIELDS = ("path", "annotation_id", "loaded_label", "base", "reason", "codes", "split", "why", "decision")
LIST_FIELDS = ("queue_kind", "deciders")


def load_review(
    dataset: Dataset,
    queue: pd.DataFrame,
    root: Path,
    records: Sequence[FixRecord] = (),
    status: pd.DataFrame | None = None,
    name: str = NAME,
    base: str | None = None,
    nearby: Nearby | None = None,
    project: Path | None = None,
) -> fo.Dataset:
    """Build the FiftyOne dataset `name` of the images in `queue` (schema QUEUE), or bring it up to date.

    `root` is the folder that image paths are relative to; `records` are all fix records on disk and `status`
    (FIX_STATUS) what the last run made of them, so that a decision that `dvc repro` has not applied yet is shown. An
    image that is queued twice is one sample, at its better rank. `base` is the version of `dataset` where it is known
    already; `nearby` gives a map and a similarity index; below `project` the cards of the queue are written (cards.py).
    When data and queue are as they were, nothing is touched; otherwise samples are rebuilt, but one whose edits are not
    saved keeps its label, tags and baseline. Call it inside run_mongod. Raises DatatoolsError for an empty queue.
    """
    import fiftyone as fo

    if queue.empty:
        raise DatatoolsError("data/queue/queue.parquet: expected images to review. Got an empty queue: nothing to do.")
    base = base or dataset.version
    state = {"layout": LAYOUT, "version": base, "queue": _fingerprint(queue, root), "map": nearby is not None}
    review = fo.load_dataset(name) if name in fo.list_datasets() else None
    is_current = review is not None and {key: review.info.get(key) for key in state} == state
    if review is not None and is_current and (project is None or _has_cards(review, project)):
        return review
    if review is None:
        review = fo.Dataset(name, persistent=True)
    rows = _by_image(queue)
    paths = {*rows, *(review.values("path") if review.has_sample_field("path") else ())}
    here = _restrict(dataset, paths)
    drafts = _Drafts(here, fold_current(here, _about(records, paths), status), root, base)
    _fill(review, rows, drafts, records)
    if project is not None:
        save_deck(project, drafts.make_deck(rows, _shown(review), _applied(status, rows)))
    if nearby is not None:
        add_map(review, nearby, dict(zip(*review.values(["path", "id"]), strict=True)))
    save_views(review)
    set_up_app(review, dataset.classes)
    review.info = state  # last: a load that was killed is done again
    review.save()
    return review


def _fill(
    review: fo.Dataset, rows: Mapping[str, Mapping[str, Any]], drafts: _Drafts, records: Sequence[FixRecord]
) -> None:
    """Put a sample for each of `rows` in the place of all samples but those with unsaved edits."""
    _declare_fields(review, drafts.annotators)
    kept = _drop_settled(review, records)
    samples = [drafts.make_sample(path, row) for path, row in rows.items() if path not in kept]
    review.add_samples(samples, progress=False)
    _place_kept(review, kept, rows)


def _restrict(dataset: Dataset, paths: Collection[str]) -> Dataset:
    """The rows about `paths`: the App shows nothing else, and a table of a million rows is slow to walk."""
    images = dataset.images[among(dataset.images["path"], paths)]
    annotations = dataset.annotations[among(dataset.annotations["path"], paths)]
    return Dataset(images, annotations, dataset.classes)


def _about(records: Sequence[FixRecord], paths: Collection[str]) -> list[FixRecord]:
    """The records about `paths`, and the reverts, which need not name one."""
    return [record for record in records if record.op == "revert" or record.path in paths or record.path is None]


def _applied(status: pd.DataFrame | None, paths: Collection[str]) -> frozenset[str]:
    if status is None:
        return frozenset()
    here = status[among(status["path"], paths) & (status["status"] == "applied").to_numpy(bool)]
    return frozenset(here["id"].tolist())


def _shown(review: fo.Dataset) -> dict[str, tuple[str, str | None, int]]:
    """Path -> sample id, label on record as it is shown, and rank; a kept sample has what it had."""
    rows = zip(*review.values(["path", "id", "loaded_label", "rank"]), strict=True)
    return {path: (sample, label, rank) for path, sample, label, rank in rows}


def _has_cards(review: fo.Dataset, project: Path) -> bool:
    """Whether the cards on the disk are those of the samples in the App."""
    try:
        return {card.sample for card in load_deck(project).cards} == set(review.values("id"))
    except DatatoolsError:
        return False


def find_review(name: str = NAME) -> fo.Dataset:
    """The dataset that load_review made. Raises DatatoolsError when there is none."""
    import fiftyone as fo

    if name not in fo.list_datasets():
        raise DatatoolsError("datatools review --save: expected a review. Got none: run `datatools review` first.")
    return fo.load_dataset(name)


class _Drafts:
    """Makes samples from the tables of one data set."""

    def __init__(self, dataset: Dataset, annotations: pd.DataFrame, root: Path, base: str) -> None:
        self.root = root.resolve()
        self.base = base
        self.classes = dataset.classes
        labels = annotations["label"].astype(object).where(annotations["label"].notna(), None)
        self.labels = dict(zip(annotations["annotation_id"].tolist(), labels.tolist(), strict=True))
        sides = (dataset.images[name].tolist() for name in ("path", "width_px", "height_px"))
        self.sizes = {path: (width, height) for path, width, height in zip(*sides, strict=True)}
        self.objects = _by_path(annotations[annotations["kind"] != "label"])
        self.annotators = _annotator_fields(dataset)

    def make_sample(self, path: str, row: Mapping[str, Any]) -> fo.Sample:
        """One image with all that is known of it; `row` holds its fields of the queue."""
        import fiftyone as fo

        key = label_id(path)
        label = self._label(key)
        sample = fo.Sample(
            filepath=str(self.root / path),
            path=path,
            annotation_id=key if key in self.labels else None,
            label=_classification(label),
            loaded_label=label,
            base=self.base,
            suggested=_suggestion(row),
            **{name: row[name] for name in ("rank", "reason", "codes", "split", "score", "queue_kind")},
        )
        for annotator, field in self.annotators.items():
            sample[field] = _classification(self._label(label_id(path, annotator)))
        if path in self.sizes:
            width, height = self.sizes[path]
            sample.metadata = fo.ImageMetadata(width=width, height=height, num_channels=3)
            sample["boxes"], sample["polygons"] = to_shapes(self.objects.get(path, ()), width, height)
        return sample

    def make_deck(
        self,
        rows: Mapping[str, Mapping[str, Any]],
        shown: Mapping[str, tuple[str, str | None, int]],
        applied: frozenset[str],
    ) -> Deck:
        """The cards of all samples; `shown` is sample id, label and rank by path, `rows` the queue by path."""
        cards = [self._make_card(path, rows.get(path, {}), *found) for path, found in shown.items()]
        return Deck(self.base, self.classes, tuple(sorted(cards, key=lambda card: card.rank)), applied)

    def _make_card(self, path: str, row: Mapping[str, Any], sample: str, label: str | None, rank: int) -> Card:
        key = label_id(path)
        names = [str(row["annotation_id"]) for row in self.objects.get(path, ())]
        said = {annotator: self._label(label_id(path, annotator)) for annotator in self.annotators}
        return Card(
            sample=sample,
            path=path,
            rank=rank,
            annotation_id=key if key in self.labels else None,
            label=label,
            suggested=row.get("suggested"),
            score=row.get("score"),
            codes=row.get("codes") or "",
            queue=tuple(row.get("queue_kind") or ()),
            reason=row.get("reason") or "",
            split=row.get("split"),
            said={annotator: label for annotator, label in said.items() if label is not None},
            objects={name: label for name in names if (label := self._label(name)) is not None},
        )

    def _label(self, annotation_id: str) -> str | None:
        return self.labels.get(annotation_id)


def _by_path(objects: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
    """Path -> its rows as mappings; columns as lists first, as pandas is slow at giving rows of many small groups."""
    names = ("path", "annotation_id", "label", "mask", *BOX)
    columns = [objects[name].astype(object).where(objects[name].notna(), None).tolist() for name in names]
    found: dict[str, list[dict[str, Any]]] = {}
    for values in zip(*columns, strict=True):
        found.setdefault(values[0], []).append(dict(zip(names, values, strict=True)))
    return found


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
    review.add_sample_field("isolation", fo.FloatField)
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
