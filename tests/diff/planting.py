"""Edits of every kind, planted in a data set, with the key: the changes that must be found, and no other."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from datatools.dataset import Dataset, label_id
from datatools.diff.changes import Change
from datatools.diff.versions import Version
from datatools.fixes.records import FixRecord
from datatools.fixes.values import write_box
from datatools.masks import dump_mask, from_array
from datatools.schema import ANNOTATIONS, BOX, CONSENSUS, IMAGES, QUARANTINE, SIDES, SPLIT

Row = dict[str, Any]
Fact = tuple[str, str, str | None, str, str, tuple[str, ...]]  # kind, path, id, before and after as JSON, fix records
SHARED = 30
RECORDED = 0.3  # of the edits that a record can make, so many are made by one
WHEN = "2026-07-01T12:{:02d}:{:02d}.000000Z"


def to_fact(change: Change) -> Fact:
    """A change as the key has it."""
    values = [json.dumps(value, sort_keys=True) for value in (change.before, change.after)]
    return change.kind, change.path, change.annotation_id, values[0], values[1], change.fixes


def plant(before: Version, n_edits: int, seed: int) -> tuple[Version, Counter[Fact]]:
    """A version with `n_edits` edits of all kinds that the data set allows, and what a diff must say, each fact once.

    Beside them a tenth as many images get other annotation ids, which is no change.
    """
    planter = _Planter(before, seed)
    edits = planter.edits()
    for number in range(n_edits):
        edits[number % len(edits)]()
    for _ in range(n_edits // 10):
        planter.renumber()
    return planter.version(before), Counter(planter.key)


class _Planter:
    def __init__(self, before: Version, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        dataset = before.dataset
        self.classes = dataset.classes
        self.images: dict[str, Row] = {row["path"]: row for row in _rows(dataset.images)}
        self.annotations: dict[str, Row] = {row["annotation_id"]: row for row in _rows(dataset.annotations)}
        self.sides: dict[str, Row] = {} if before.split is None else {row["path"]: row for row in _rows(before.split)}
        self.of: dict[str, list[Row]] = {path: [] for path in self.images}
        for row in self.annotations.values():
            self.of[row["path"]].append(row)
        shared = Counter(row["sha256"] for row in self.images.values())
        self.shared: list[str] = []  # images of which several annotations are edited
        self.edited: set[str] = set()
        self.free = {path for path, row in self.images.items() if shared[row["sha256"]] == 1}  # without an edit
        self.key: list[Fact] = []
        self.records: list[FixRecord] = []
        self.number = 0

    def edits(self) -> list[Callable[[], None]]:
        """One of each kind that this data set allows; those of images come with their annotations."""
        found = [self.add_image, self.remove_image, self.rename, self.change_image, self.set_metadata, self.set_side]
        found += [self.add, self.remove, self.relabel, self.set_annotator, self.set_attributes]
        rows = self.annotations.values()
        if any(row["kind"] == "box" for row in rows):
            found += [self.move, self.move_and_relabel, self.move_under_other_id, self.rename_and_move]
        if any(row["kind"] == "mask" for row in rows):
            found += [self.reshape]
        return found

    # choosing

    def pick(self, kinds: Sequence[str] = ("label", "box", "mask")) -> Row:
        """An annotation that somebody made and that has no edit so far; nor has its image, but for other annotations."""
        while True:
            path = str(self.random.choice(self.shared)) if len(self.shared) >= SHARED else self.pick_image()
            rows = [row for row in self.of[path] if row["kind"] in kinds and row["annotator"] != CONSENSUS]
            rows = [row for row in rows if row["annotation_id"] not in self.edited]
            if rows:
                row = rows[int(self.random.integers(len(rows)))]
                self.edited.add(row["annotation_id"])
                if row["kind"] != "label" and path not in self.shared:
                    self.shared.append(path)
                return row

    def pick_image(self) -> str:
        path = str(self.random.choice(sorted(self.free)))
        self.free.discard(path)
        return path

    def new(self, name: str) -> str:
        self.number += 1
        return f"{name}{self.number:04d}"

    def other_class(self, label: str | None) -> str:
        return str(self.random.choice([name for name in self.classes if name != label]))

    def record(self, op: str, **fields: Any) -> tuple[str, ...]:
        """The id of the record that makes an edit; nothing where it comes with the data."""
        if self.random.random() > RECORDED:
            return ()
        n = len(self.records)
        self.records.append(FixRecord(op, "ann", WHEN.format(n // 60, n % 60), "looked", id=f"{n:016x}", **fields))
        return (self.records[-1].id,)

    def expect(self, kind: str, row: Row | str, before: Any, after: Any, fixes: tuple[str, ...] = ()) -> None:
        path, name = (row, None) if isinstance(row, str) else (row["path"], row["annotation_id"])
        self.key.append(
            (kind, path, name, json.dumps(before, sort_keys=True), json.dumps(after, sort_keys=True), fixes)
        )

    # images

    def add_image(self) -> None:
        like, path = self.pick_image(), self.new("new/") + ".jpg"
        self.images[path] = {**self.images[like], "path": path, "sha256": _sha256(path)}
        self.sides[path] = {**self.sides[like], "path": path}
        self.expect("image added", path, None, _content(self.images[path]))
        for row in self.of[like]:
            name = row["annotation_id"].replace(like, path) if like in row["annotation_id"] else self.new("new/")
            copy = {**row, "path": path, "annotation_id": name}
            self.annotations[name] = copy
            if row["annotator"] != CONSENSUS:
                self.expect("annotation added", copy, None, _said(copy))

    def remove_image(self) -> None:
        path = self.pick_image()
        fixes = self.record("exclude", path=path)
        self.expect("image removed", path, _content(self.images.pop(path)), None, fixes)
        self.sides.pop(path)
        for row in self.of[path]:
            del self.annotations[row["annotation_id"]]
            if row["annotator"] != CONSENSUS:
                self.expect("annotation removed", row, _said(row), None, fixes)

    def rename(self) -> str:
        """The image and all its annotations under another path; ids that have the path in them change too."""
        old, new = self.pick_image(), self.new("renamed/") + ".jpg"
        self.images[new] = {**self.images.pop(old), "path": new}
        self.sides[new] = {**self.sides.pop(old), "path": new}
        for row in self.of[old]:
            del self.annotations[row["annotation_id"]]
            row |= {"path": new, "annotation_id": row["annotation_id"].replace(old, new)}
            self.annotations[row["annotation_id"]] = row
        self.of[new] = self.of[old]
        self.expect("image renamed", new, old, new)
        return new

    def change_image(self) -> None:
        row = self.images[self.pick_image()]
        before = _content(row)
        row |= {"sha256": _sha256(row["path"] + "x"), "n_bytes": row["n_bytes"] + 1}
        self.expect("image changed", row["path"], before, _content(row))

    def set_metadata(self) -> None:
        row = self.images[self.pick_image()]
        fixes = self.record("set_metadata", path=row["path"], column="scanner", after="b")
        row["metadata"] = json.dumps({**json.loads(row["metadata"]), "scanner": "b"}, sort_keys=True)
        self.expect("metadata changed", row["path"], {}, {"scanner": "b"}, fixes)

    def set_side(self) -> None:
        path = self.pick_image()
        before = self.sides[path]["split"]
        after = str(self.random.choice([side for side in (*SIDES, QUARANTINE) if side != before]))
        fixes = self.record("set_split", path=path, after=after) if after in SIDES else ()
        self.sides[path]["split"] = after
        self.expect("split moved", path, before, after, fixes)

    # annotations

    def add(self) -> None:
        path = self.pick_image()
        row: Row = {"path": path, "label": self.other_class(None), "kind": "box", "mask": None, "attributes": "{}"}
        row |= dict(zip(BOX, (1.0, 2.0, 11.5, 9.25), strict=True)) | {"source": "x", "annotator": None}
        row["annotation_id"] = self.new("drawn/")
        if not self.has_objects():
            row |= {
                "kind": "label",
                "annotation_id": label_id(path, "zoe"),
                "annotator": "zoe",
                **dict.fromkeys(BOX, np.nan),
            }
        value = json.dumps({"kind": "box", "label": row["label"], "box": [1.0, 2.0, 11.5, 9.25]})
        fixes = (
            self.record("add", path=path, annotation_id=row["annotation_id"], after=value) if self.has_objects() else ()
        )
        self.annotations[row["annotation_id"]] = row
        self.expect("annotation added", row, None, _said(row), fixes)

    def has_objects(self) -> bool:
        return any(row["kind"] != "label" for row in self.annotations.values())

    def remove(self) -> None:
        row = self.pick()
        fixes = self.record("delete", path=row["path"], annotation_id=row["annotation_id"], before=row["label"])
        del self.annotations[row["annotation_id"]]
        if row["kind"] == "label":  # nobody is left to vote
            self.annotations.pop(label_id(row["path"]), None)
        self.expect("annotation removed", row, _said(row), None, fixes)

    def relabel(self, row: Row | None = None) -> None:
        row = row or self.pick()
        before, after = row["label"], self.other_class(row["label"])
        decided = self.annotations.get(label_id(row["path"]))
        if row["kind"] == "label" and decided is not None:
            about = {"path": row["path"], "annotation_id": decided["annotation_id"]}
            if fixes := self.record("relabel", before=before, after=after, **about):
                decided |= {"label": after, "source": f"fix/{fixes[0]}"}
                self.expect("relabelled", decided, before, after, fixes)
                return
            decided["label"] = after  # the vote follows
        about = {"path": row["path"], "annotation_id": row["annotation_id"]}
        fixes = self.record("relabel", before=before, after=after, **about) if row["kind"] != "label" else ()
        row["label"] = after
        self.expect("relabelled", row, before, after, fixes)

    def set_annotator(self) -> None:
        row = self.pick()
        before = row["annotator"]
        if row["kind"] == "label":  # its id has the annotator in it
            del self.annotations[row["annotation_id"]]
            row["annotation_id"] = label_id(row["path"], "zoe")
            self.annotations[row["annotation_id"]] = row
        row["annotator"] = "zoe"
        self.expect("annotator changed", row, before, "zoe")

    def set_attributes(self) -> None:
        row = self.pick()
        row["attributes"] = json.dumps({**json.loads(row["attributes"]), "sure": False})
        self.expect("attributes changed", row, {}, {"sure": False})

    def move(self, row: Row | None = None, share: float = 0.9, recorded: bool = True) -> Row:
        row = row or self.pick(["box"])
        before = _box(row)
        shift = share * self.random.uniform(0.05, 0.99) * (row["x1_px"] - row["x0_px"])
        row |= {"x0_px": row["x0_px"] + shift, "x1_px": row["x1_px"] + shift}
        about = {"path": row["path"], "annotation_id": row["annotation_id"]}
        fixes = (
            self.record("move_box", before=write_box(before), after=write_box(_box(row)), **about) if recorded else ()
        )
        self.expect("moved", row, before, _box(row), fixes)
        return row

    def move_and_relabel(self) -> None:
        self.relabel(self.move())

    def move_under_other_id(self) -> None:
        boxes: list[Row] = []
        while not boxes:  # of an image of its own: nothing else there is left without a partner
            boxes = [row for row in self.of[self.pick_image()] if row["kind"] == "box"]
        row = boxes[0]
        del self.annotations[row["annotation_id"]]
        row["annotation_id"] = self.new("again/")
        self.annotations[row["annotation_id"]] = row
        self.move(row, 0.3, recorded=False)

    def rename_and_move(self) -> None:
        boxes = [row for row in self.of[self.rename()] if row["kind"] == "box"]
        if boxes:
            self.move(boxes[0], recorded=False)

    def reshape(self) -> None:
        row = self.pick(["mask"])
        before = row["mask"]
        if before.startswith("["):
            row["mask"] = dump_mask([[[x + 1.5, y * 0.99] for x, y in ring] for ring in json.loads(before)])
        else:
            shape = np.zeros(tuple(json.loads(before)["size"]), bool)
            shape[2:7, 3:9] = True
            row["mask"] = from_array(shape).to_json()
        about = {"path": row["path"], "annotation_id": row["annotation_id"]}
        self.expect(
            "reshaped", row, before, row["mask"], self.record("edit_mask", before=before, after=row["mask"], **about)
        )

    def renumber(self) -> None:
        """No change: the same objects in another order, under the ids of each other."""
        rows = [row for row in self.of[self.pick_image()] if row["kind"] != "label"]
        ids = [row["annotation_id"] for row in rows]
        for row, name in zip(rows, ids[1:] + ids[:1], strict=True):
            row["annotation_id"] = name
            self.annotations[name] = row

    def version(self, before: Version) -> Version:
        dataset = Dataset(
            IMAGES.conform(list(self.images.values())),
            ANNOTATIONS.conform(list(self.annotations.values())),
            self.classes,
        )
        split = SPLIT.conform(list(self.sides.values())) if self.sides else None
        applied = before.applied | {record.id for record in self.records}
        records = [*before.records, *self.records]
        return dataclasses.replace(
            before, name="after", commit=None, dataset=dataset, split=split, records=records, applied=applied
        )


def _rows(table: pd.DataFrame) -> list[Row]:
    plain = table.astype(object).where(table.notna(), None)
    return [{str(name): value for name, value in row.items()} for row in plain.to_dict("records")]


def _box(row: Row) -> list[float]:
    return [float(row[name]) for name in BOX]


def _said(row: Row) -> Row:
    has_box = row["x0_px"] is not None and row["x0_px"] == row["x0_px"]
    box = _box(row) if has_box else None
    return {"label": row["label"], "kind": row["kind"], "box": box, "mask": row["mask"], "annotator": row["annotator"]}


def _content(row: Row) -> Row:
    return {name: row[name] for name in ("sha256", "n_bytes", "width_px", "height_px", "format")}


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
