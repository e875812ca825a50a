"""Image folders: the folder of an image is its class, as in torchvision's ImageFolder and Ultralytics' classification.

**What is read.** `<class>/...` or `<subset>/<class>/...`, the subset being train (training), val (valid,
validation) or test (testing), with or without a year (`train2017`); images in folders below a class folder belong to
it. All of it may lie in one folder of any name that is no subset and none such as images or masks, with subsets also in
folders inside one another, if no other file is there (`top/<class>/...`). A folder `_unlabelled` holds images without
class. The format is recognised only where every image lies in a class folder, there are two or more, each holds an
image itself, and none has a name such as images, masks or train. Each image has one label, of the annotator `given`.
An image that lies in no class folder (where the format is named, not recognised) has a record and no label.

**Pixel convention.** None: there are no coordinates.

**What is written.** No annotation file: every image moves to `<class>/<name>`, or `<subset>/<class>/<name>` where any
image has a subset. An image that is in such a place stays; a name that is taken gets a number. In the name of a
class folder, characters that not every system allows, and those that would hide a folder or make it mean something
else, are written as `%` and two hexadecimal digits for each byte of UTF-8, and read back (`a/b` is `a%2Fb`).
Of several labels of an image the consensus counts, then `given`, then the commonest. Everything else is a loss: other
annotators, attributes, boxes, masks, shapes, declared sizes, metadata, classes without an image and their order.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

import pandas as pd

from datatools.dataset import label_id
from datatools.formats.base import Content, Format, Loss, Row, Rows, Saved, load_attributes
from datatools.formats.locate import clean_path, find_top, is_image
from datatools.schema import ANNOTATIONS, CONSENSUS, SIDE_NAMES, side_called
from datatools.tree import Tree

ANNOTATOR = "given"
UNLABELLED = "_unlabelled"
SUBSETS = {name: side for name, side in SIDE_NAMES.items() if name != "dev"}
SUBSET = re.compile(rf"({'|'.join(SUBSETS)})(?:[-_]?\d{{4}})?", re.IGNORECASE)  # with a year, as in COCO
WRAPPERS = ("data", "dataset")  # of the names that are no classes, those that say nothing of what lies below
NOT_CLASSES = frozenset(
    [
        "images",
        "image",
        "image_2",
        "imgs",
        "img",
        "jpegimages",
        "pngimages",
        "pictures",
        "photos",
        "frames",
        "rgb",
        "raw",
        "data",
        "dataset",
        "labels",
        "label",
        "labeltxt",
        "annotations",
        "annotation",
        "annot",
        "anns",
        "ann",
        "masks",
        "mask",
        "segmentation",
        "segmentations",
        "segmentationclass",
        "segmentationobject",
        "imagesets",
        "gt",
        "groundtruth",
        "ground_truth",
        "gtfine",
        "gtcoarse",
        "leftimg8bit",
        "depth",
        "instances",
        "instance",
        "semantic",
        "panoptic",
    ]
)
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)  # names that Windows keeps for devices
NOT_ALLOWED = re.compile(r'[\x00-\x1f\x7f"*/:<>?\\|%]|^[. ]|[. ]$')
MAX_BYTES = 255  # of a file name


@dataclass
class _Losses:
    """What class folders cannot hold."""

    rows: list[Loss]

    def add(self, column: str, path: str, message: str, annotation_id: str = "") -> None:
        """List `column` of an annotation or a record as lost."""
        self.rows.append(Loss(column, path, annotation_id, message))


def find_image_folder(tree: Tree) -> list[str]:
    """The image files, where all of them lie in class folders; else an empty list."""
    images = [path for path in tree.sizes if is_image(path)]
    top = _wrapper(tree)
    level = _class_level(images, top)
    classes: dict[str, bool] = {}  # class folder -> whether it holds an image itself
    for path in images:
        folders = _folders(path, top)
        if len(folders) <= level:
            return []
        folder = "/".join(folders[: level + 1])
        classes[folder] = classes.get(folder, False) or len(folders) == level + 1
    names = {PurePosixPath(folder).name for folder in classes} - {UNLABELLED}
    others = {name for name in names if name.casefold() in NOT_CLASSES or _subset_of(name)}
    return [] if len(names) < 2 or others or not all(classes.values()) else images


def load_image_folder(tree: Tree, files: Sequence[str]) -> Content:
    """Read the classes of the images `files`; no file is an annotation, so `Content.files` is empty."""
    return from_image_folder([path for path in files if path in tree], _wrapper(tree))


def from_image_folder(paths: Iterable[str], top: str = "") -> Content:
    """Convert the paths of images: one record each, and one label where it lies in a class folder.

    `top` is the folder in which all of them lie and which says nothing.
    """
    paths = sorted(paths)
    level = _class_level(paths, top)
    records: list[Row] = []
    rows = Rows(ANNOTATIONS)
    classes: set[str] = set()
    for path in paths:
        folders = _folders(path, top)
        subset = _subset_of(folders[0]) if level and folders else None
        records.append({"path": path, "subset": subset, "attributes": "{}", "source": "folders"})
        if len(folders) > level and folders[level] != UNLABELLED:
            label = _label_of(folders[level])
            classes.add(label)
            rows.append(
                {
                    "annotation_id": label_id(path, ANNOTATOR),
                    "path": path,
                    "label": label,
                    "kind": "label",
                    "annotator": ANNOTATOR,
                    "source": "folders",
                    "attributes": "{}",
                }
            )
    return Content.from_rows(records, rows, sorted(classes))


def save_image_folder(content: Content, folder: Path) -> Saved:
    """Say where the images go; there is nothing to write below `folder` itself."""
    return to_image_folder(content)


def to_image_folder(content: Content) -> Saved:
    """The place of each image, and what class folders cannot hold."""
    losses = _Losses([])
    records = {row["path"]: row for row in content.records.to_dict("records")}
    by_path: dict[str, list[Row]] = {path: [] for path in records}
    for row in content.annotations.to_dict("records"):
        by_path.setdefault(row["path"], []).append(row)
    chosen = {path: _choose_label(rows, losses) for path, rows in sorted(by_path.items())}
    subsets = _subsets(by_path, records, losses)
    folders = {path: "/".join([*subsets[path], _folder_of(chosen[path], losses)]) for path in sorted(by_path)}
    places = _places(folders)
    for path, row in chosen.items():
        _lose_label(path, row, places[path], losses)
        _lose_record(records.get(path) or {"path": path}, losses)
    _lose_classes(content, [row["label"] for row in chosen.values() if row is not None], losses)
    for name in content.extras:
        losses.add(f"extras.{name}", "", "class folders have no place for it")
    moved = {path: place for path, place in places.items() if path != place}
    return Saved(tuple(sorted(losses.rows)), moved)


def _class_level(paths: Collection[str], top: str = "") -> int:
    """1 where the uppermost folders below `top` are subsets and the classes lie below them, else 0."""
    tops = {folders[0] for path in paths if (folders := _folders(path, top))}
    return int(bool(tops) and all(map(_subset_of, tops)))


def _wrapper(tree: Tree) -> str:
    """The folder in which every file lies, where it says nothing of the images, as in an archive of one folder.

    Above subsets, it may lie in others of its kind.
    """
    paths, tops = list(tree.sizes), list[str]()
    while top := find_top(paths):
        inner = [path[len(top) + 1 :] for path in paths]
        says_much = _subset_of(top) or top == UNLABELLED or top.casefold() in NOT_CLASSES
        if says_much and top.casefold() not in WRAPPERS:
            break
        tops.append(top)
        paths = inner
    above_subsets = all(_subset_of(path.partition("/")[0]) for path in paths)
    return "/".join(tops if above_subsets else tops[:1])


def _folders(path: str, top: str) -> list[str]:
    """The folders of an image below `top`, from the uppermost."""
    folders = path.split("/")[:-1]
    return folders[top.count("/") + 1 :] if top else folders


def _subset_of(folder: str) -> str | None:
    """train, val or test where a folder is called so, with or without a year."""
    match = SUBSET.fullmatch(folder)
    return SUBSETS[match[1].lower()] if match else None


def _label_of(folder: str) -> str:
    """The class that a folder stands for; only what `_escape` writes is unescaped."""
    try:
        label = unquote(folder, errors="strict")
    except UnicodeDecodeError:
        return folder
    return label if _escape(label) == folder else folder


def _escape(label: str) -> str:
    """A class as the name of a folder, on every system; the inverse of `_label_of`."""
    name = NOT_ALLOWED.sub(lambda found: _percent(found.group()), label)
    taken = name.casefold() in (*NOT_CLASSES, UNLABELLED) or _subset_of(name) or RESERVED.match(name)
    return _percent(name[0]) + name[1:] if taken else name


def _percent(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


def _folder_of(row: Row | None, losses: _Losses) -> str:
    if row is None:
        return UNLABELLED
    try:
        name = _escape(row["label"])
        if 0 < len(name.encode()) <= MAX_BYTES:
            return name
    except UnicodeEncodeError:
        pass
    losses.add("label", row["path"], "no folder can have this name: the image has no class", row["annotation_id"])
    row["label"] = None
    return UNLABELLED


def _choose_label(rows: Sequence[Row], losses: _Losses) -> Row | None:
    """The one label that becomes a folder; every other row is a loss."""
    labels = [row for row in rows if row["kind"] == "label" and not pd.isna(row["label"])]
    counts = Counter(row["label"] for row in labels)
    ranks = {CONSENSUS: 0, ANNOTATOR: 1}
    ordered = sorted(
        labels, key=lambda row: (ranks.get(row["annotator"], 2), -counts[row["label"]], row["annotation_id"])
    )
    chosen = ordered[0] if ordered else None
    for row in rows:
        if row["kind"] != "label":
            losses.add("kind", row["path"], f"class folders have no place for a {row['kind']}", row["annotation_id"])
        elif row is not chosen:
            message = "no label" if chosen is None else f"the image lies in the folder of {chosen['label']!r:.60}"
            losses.add("label", row["path"], message, row["annotation_id"])
    return chosen


def _lose_label(path: str, row: Row | None, place: str, losses: _Losses) -> None:
    if row is None or row["label"] is None:
        return
    if row["annotator"] != ANNOTATOR:
        losses.add("annotator", path, f"the label comes back as one of {ANNOTATOR!r}", row["annotation_id"])
    if row["annotation_id"] != label_id(place, ANNOTATOR):
        losses.add("annotation_id", path, "a folder has no id: it is made from the new path", row["annotation_id"])
    for key in load_attributes(row["attributes"]):
        losses.add(f"attributes.{key}", path, "class folders have no place for it", row["annotation_id"])


def _lose_record(record: Row, losses: _Losses) -> None:
    for column in ("width_px", "height_px"):
        if not pd.isna(record.get(column)):
            losses.add(column, record["path"], "class folders state no size")
    if load_attributes(record.get("metadata")):
        losses.add("metadata", record["path"], "class folders have no place for it")
    for key in load_attributes(record.get("attributes")):
        losses.add(f"attributes.{key}", record["path"], "class folders have no place for it")


def _lose_classes(content: Content, labels: list[Any], losses: _Losses) -> None:
    found = sorted({label for label in labels if label is not None})
    for name in content.classes:
        if name not in found:
            losses.add("classes", "", f"the class {name!r:.60} has no image, so it has no folder")
    kept = [name for name in content.classes if name in found]
    if kept != [name for name in found if name in kept]:
        losses.add("classes", "", "the classes come back in alphabetical order")


def _subsets(paths: Iterable[str], records: Mapping[str, Row], losses: _Losses) -> dict[str, list[str]]:
    """The uppermost folder of each image: none where no image has a subset."""
    given = {path: records[path]["subset"] if path in records else None for path in paths}
    if all(pd.isna(subset) for subset in given.values()):
        return {path: [] for path in given}
    result = {}
    for path, subset in given.items():
        known = "train" if pd.isna(subset) else side_called(str(subset)) or "train"
        if known != subset:
            said = "no subset" if pd.isna(subset) else f"the subset {subset!r:.60}"
            losses.add("subset", path, f"class folders know train, val and test: {said} is written as {known}")
        result[path] = [known]
    return result


def _places(folders: Mapping[str, str]) -> dict[str, str]:
    """Old path -> new path, no two alike on a system that does not tell capitals; a path in its place stays."""
    places: dict[str, str] = {}
    taken: set[str] = set()
    kept = {path: path.startswith(f"{folder}/") and path == _inside(path) for path, folder in folders.items()}
    for path in sorted(folders, key=lambda path: (not kept[path], path)):
        place = PurePosixPath(path if kept[path] else f"{folders[path]}/{PurePosixPath(_inside(path)).name}")
        number, wanted = 1, place
        while place.as_posix().casefold() in taken:
            number += 1
            place = wanted.with_name(f"{wanted.stem}-{number}{wanted.suffix}")
        taken.add(place.as_posix().casefold())
        places[path] = place.as_posix()
    return places


def _inside(path: str) -> str:
    """`path` without the parts that lead out of a folder."""
    parts = [part for part in clean_path(path).split("/") if part not in ("", ".", "..")]
    return "/".join(parts) or "image"


FORMAT = Format("image_folder", "Image folders, one a class", find_image_folder, load_image_folder, save_image_folder)
