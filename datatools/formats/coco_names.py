"""What COCO's reader and writer agree on: file names and subsets, ids, keys, and what an annotation is."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

Row = dict[str, Any]
NAME = "coco"
OWN = "datatools"  # the key of what only this package reads
GIVEN = "given"  # the annotator of a label that names none
SUBSET = re.compile(r"(train|training|val|valid|validation|test|testing|test-dev|trainval|minival|dev)(20[0-9][0-9])?")
TASK = re.compile(
    r"(?:instances|person_keypoints|keypoints|captions|stuff|panoptic|labels|image_info)_(?!default$|[0-9]+$)(.+)"
)
SAFE_SUBSET = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,60}")
ANNOTATION_KEYS = frozenset(
    {"id", "image_id", "category_id", "bbox", "segmentation", "annotator", "annotation_id", OWN}
)
IMAGE_KEYS = frozenset({"id", "file_name", "width", "height", OWN})
DOCUMENT_KEYS = frozenset({"images", "annotations", "categories", OWN})
GEOMETRY = ("bbox", "segmentation", "keypoints", "area", "iscrowd")


@dataclass
class CocoFile:
    """One document while it is read or written."""

    source: str
    prefix: str  # of its annotation ids
    subset: str | None
    categories: dict[Any, str] = field(default_factory=dict)  # id -> name
    first_ids: dict[str, Any] = field(default_factory=dict)  # name -> the id that stands for it, in order of the ids
    images: dict[Any, str] = field(default_factory=dict)  # id -> path

    def define(self, categories: Iterable[Any]) -> None:
        """Take the names from `categories`; an id that stands for two names stands for none."""
        names: dict[Any, set[str]] = {}
        for item in categories:
            if has_scalars(item, "id", "name"):
                names.setdefault(item["id"], set()).add(str(item["name"]))
        self.categories = {key: found.pop() for key, found in names.items() if len(found) == 1}
        self.first_ids = {}
        for key in sorted(self.categories, key=lambda key: (str(type(key)), key)):
            self.first_ids.setdefault(self.categories[key], key)

    def label_of(self, category_id: Any) -> str | None:
        """The name of a category id; None where there is none."""
        return self.categories.get(category_id) if is_scalar(category_id) else None

    def tells_more(self, category_id: Any) -> bool:
        """Whether the category id says something that its name does not: it is unknown, or not the first of that name."""
        label = self.label_of(category_id)
        first = None if label is None else self.first_ids[label]
        return category_id is not None and (type(category_id) is not type(first) or category_id != first)


def subset_of(path: str) -> str | None:
    """The subset that a COCO file is of, as its name or its folder says; `train2017` is `train`. None: it says nothing."""
    subset = raw_subset(path)
    year = SUBSET.fullmatch(subset or "")
    return year[1] if year else subset


def raw_subset(path: str) -> str | None:
    """As subset_of, with the year."""
    stem, folder = _stem(path), PurePosixPath(path).parent.name
    task = TASK.fullmatch(stem)
    if task:
        return task[1]
    return next((name for name in (stem, folder) if SUBSET.fullmatch(name)), None)


def default_file(subset: str | None) -> str:
    """Where a new file of `subset` goes: to the one without subset where its name cannot be part of a file name."""
    path = f"annotations/instances_{subset}.json"
    return path if subset and SAFE_SUBSET.fullmatch(subset) and subset_of(path) == subset else "annotations.json"


def id_prefixes(files: Sequence[str]) -> dict[str, str]:
    """What the annotation ids of each file start with: nothing but the format where there is one file."""
    if len(files) == 1:
        return {files[0]: f"{NAME}/"}
    stems = [_stem(path) for path in files]
    names = [stem if stems.count(stem) == 1 else path[: -len(".json")] for path, stem in zip(files, stems, strict=True)]
    return {path: f"{NAME}/{name}/" for path, name in zip(files, names, strict=True)}


def kind_of(item: Row) -> str:
    """The kind of the row that an annotation becomes, by the keys it has."""
    if item.get("segmentation"):
        return "mask"
    if item.get("bbox"):
        return "box"
    if item.get("keypoints"):
        return "shape"
    return "box" if any(item.get(name) is not None for name in GEOMETRY) else "label"


def default_categories(names: Iterable[str]) -> list[Row]:
    """The categories of a file that says nothing but names: ids from 1 on."""
    return [{"id": number, "name": name} for number, name in enumerate(names, start=1)]


def is_scalar(value: Any) -> bool:
    """Whether this can be an id or a name."""
    return isinstance(value, (str, int)) or (isinstance(value, float) and math.isfinite(value))


def has_scalars(item: Any, *names: str) -> bool:
    """Whether `item` is an object with all these keys, none null."""
    return isinstance(item, dict) and all(is_scalar(item.get(name)) for name in names)


def name_of(image: Any) -> str | None:
    """The file name of an image, in LVIS the last folder and the name of its `coco_url`; None: there is none."""
    if has_scalars(image, "file_name"):
        return str(image["file_name"])
    url = image.get("coco_url") if isinstance(image, dict) and image.get("file_name") is None else None
    return "/".join(url.split("/")[-2:]) if isinstance(url, str) and url.count("/") > 2 else None


def short(value: Any) -> str:
    """How a message shows a value."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _stem(path: str) -> str:
    return PurePosixPath(path).name[: -len(".json")].removesuffix(".coco")
