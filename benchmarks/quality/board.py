"""A copy of clean data that defects are planted in, and the files that are written of it."""

from __future__ import annotations

import copy
import io
import json
import os
import random
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from PIL import Image

Row = dict[str, Any]
IMAGES = "images/train"  # where COCO's tools look for them
COCO_FILE = "annotations/instances_train.json"


@dataclass(frozen=True)
class Clean:
    """Real data without known faults: image files, and a COCO document of what is said of them."""

    name: str
    files: Mapping[str, Path]  # file name -> where it lies
    document: Row

    @property
    def n_annotations(self) -> int:
        return len(self.document["annotations"])


@dataclass(frozen=True)
class Key:
    """One planted defect. A finding is right if it names one of `places` (path, annotation id) or one of `subjects`."""

    places: tuple[tuple[str | None, str | None], ...] = ()
    subjects: tuple[str, ...] = ()
    annotations: tuple[int, ...] = ()  # ids in the COCO document, for the peers


@dataclass
class Board:
    """A copy of `clean` to be spoilt: its document, its files (bytes, or where they lie), further text files."""

    clean: Clean
    rng: random.Random
    document: Row = field(init=False)
    files: dict[str, Path | bytes] = field(init=False)
    texts: dict[str, str | bytes] = field(default_factory=dict)
    spoilt: list[tuple[tuple[str, ...], tuple[int, ...], tuple[str, ...]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.document = copy.deepcopy(self.clean.document)
        self.files = dict(self.clean.files)

    # ---- choosing ----

    def annotations(self, n: int, fits: Callable[[Row], bool] = bool) -> list[Row]:
        """At most `n` annotations that fit, spread over the images: a second one of an image only when all have one."""
        rows = [row for row in self.document["annotations"] if fits(row)]
        self.rng.shuffle(rows)
        turn: dict[int, int] = {}
        ranked = []
        for row in rows:
            turn[row["image_id"]] = turn.get(row["image_id"], 0) + 1
            ranked.append((turn[row["image_id"]], row))
        ranked.sort(key=lambda pair: pair[0])
        return [row for _, row in ranked[:n]]

    def images(self, n: int) -> list[str]:
        """At most `n` different file names."""
        return self.rng.sample(sorted(self.files), min(n, len(self.files)))

    def name_of(self, row: Row) -> str:
        return str(self.image_of(row)["file_name"])

    def image_of(self, row: Row) -> Row:
        return next(image for image in self.document["images"] if image["id"] == row["image_id"])

    # ---- spoiling ----

    def mark(self, *rows: Row) -> None:
        """Put down that these annotations are one planted defect; a finding about any of them is right."""
        names = {image["id"]: image["file_name"] for image in self.document["images"]}
        self.spoilt.append((tuple(names[row["image_id"]] for row in rows), tuple(row["id"] for row in rows), ()))

    def mark_image(self, *names: str) -> None:
        self.spoilt.append((names, (), ()))

    def mark_subject(self, *subjects: str) -> None:
        self.spoilt.append(((), (), subjects))

    def add(self, row: Row, **changes: Any) -> Row:
        """A new annotation like `row` with `changes`."""
        new = {**copy.deepcopy(row), "id": 1 + max(row["id"] for row in self.document["annotations"]), **changes}
        self.document["annotations"].append(new)
        return new

    def open(self, name: str) -> Image.Image:
        source = self.files[name]
        image = Image.open(io.BytesIO(source) if isinstance(source, bytes) else source)
        return image.convert("RGB")

    def read(self, name: str) -> bytes:
        source = self.files[name]
        return source if isinstance(source, bytes) else source.read_bytes()

    def replace(self, name: str, data: bytes, new_name: str | None = None) -> str:
        """Other bytes for an image, perhaps under another name; returns the name."""
        del self.files[name]
        new_name = new_name or name
        self.files[new_name] = data
        for image in self.document["images"]:
            if image["file_name"] == name:
                image["file_name"] = new_name
        return new_name

    def copy_image(self, name: str, new_name: str, data: bytes | None = None) -> Row:
        """A second image with the annotations of `name`; returns its record."""
        old = next(image for image in self.document["images"] if image["file_name"] == name)
        new = {**old, "id": 1 + max(image["id"] for image in self.document["images"]), "file_name": new_name}
        self.document["images"].append(new)
        for row in [row for row in self.document["annotations"] if row["image_id"] == old["id"]]:
            self.add(row, image_id=new["id"])
        self.files[new_name] = self.files[name] if data is None else data
        return new


Writer = Callable[[Board, Path], list[Key]]


def write_coco(board: Board, folder: Path) -> list[Key]:
    """`annotations/instances_train.json` and `images/train`."""
    _place_files(board, folder, IMAGES)
    _write(folder / COCO_FILE, json.dumps(board.document))
    return list(_keys(board, f"{IMAGES}/", lambda _, number: f"coco/{number}"))


def write_voc(board: Board, folder: Path) -> list[Key]:
    """`Annotations/*.xml` with 1-based corners, `JPEGImages` and CVAT's `labelmap.txt`."""
    _place_files(board, folder, "JPEGImages")
    labels = {row["id"]: row["name"] for row in board.document["categories"]}
    lines = ["# label:color_rgb:parts:actions", "background:0,0,0::", *(f"{name}:::" for name in labels.values())]
    _write(folder / "labelmap.txt", "\n".join(lines) + "\n")
    by_image: dict[int, list[Row]] = {image["id"]: [] for image in board.document["images"]}
    for row in board.document["annotations"]:
        by_image[row["image_id"]].append(row)
    numbers: dict[int, int] = {}
    names = []
    for image in board.document["images"]:
        root = Element("annotation")
        SubElement(root, "filename").text = image["file_name"]
        size = SubElement(root, "size")
        for tag, value in (("width", image["width"]), ("height", image["height"]), ("depth", 3)):
            SubElement(size, tag).text = str(value)
        for number, row in enumerate(by_image[image["id"]], start=1):
            numbers[row["id"]] = number
            root.append(_voc_object(row, labels))
        stem = Path(image["file_name"]).stem
        names.append(stem)
        _write(folder / f"Annotations/{stem}.xml", tostring(root))
    _write(folder / "ImageSets/Main/train.txt", "\n".join(sorted(names)) + "\n")
    return list(_keys(board, "JPEGImages/", lambda path, number: f"voc/{path}#{numbers[number]}"))


def _voc_object(row: Row, labels: Mapping[int, str]) -> Element:
    element = Element("object")
    SubElement(element, "name").text = labels.get(row["category_id"], str(row["category_id"]))
    for tag, text in (("pose", "Unspecified"), ("truncated", "0"), ("difficult", "0")):
        SubElement(element, tag).text = text
    box = SubElement(element, "bndbox")
    corners = row.get("corners")  # as text, where a defect is one of the text
    if corners is None:
        x, y, width, height = row["bbox"]
        corners = {"xmin": x + 1, "ymin": y + 1, "xmax": x + width, "ymax": y + height}
    for tag, value in corners.items():
        SubElement(box, tag).text = f"{value:g}" if isinstance(value, (int, float)) else value
    return element


def write_table(board: Board, folder: Path) -> list[Key]:
    """`labels.csv`, a row a label, `classes.txt` and `images`; further files are the board's texts."""
    _place_files(board, folder, "images")
    names = {image["id"]: image["file_name"] for image in board.document["images"]}
    labels = {row["id"]: row["name"] for row in board.document["categories"]}
    rows = board.document["annotations"]
    lines = [f"images/{names[row['image_id']]},{labels.get(row['category_id'], row['category_id'])}" for row in rows]
    if "labels.csv" not in board.texts and not any(name.startswith("labels/") for name in board.texts):
        _write(folder / "labels.csv", "\n".join(["path,label", *lines]) + "\n")
    if "classes.txt" not in board.texts:
        _write(folder / "classes.txt", "\n".join(labels.values()) + "\n")
    return list(_keys(board, "images/", lambda path, _: f"label/{path}"))


def write_texts(board: Board, folder: Path) -> list[Key]:
    """The images and the board's texts, no more."""
    _place_files(board, folder, "images")
    return list(_keys(board, "images/", lambda path, _: f"label/{path}"))


def _keys(board: Board, prefix: str, id_of: Callable[[str, int], str]) -> Iterator[Key]:
    for names, numbers, subjects in board.spoilt:
        paths = [f"{prefix}{name}" for name in names]
        ids: Sequence[str | None] = [id_of(path, number) for path, number in zip(paths, numbers, strict=False)]
        places = list(zip(paths, ids or [None] * len(paths), strict=True))
        gone = [(name, None) for name in names if name not in board.files]  # found nowhere, it is called as in the file
        yield Key((*places, *gone), subjects, numbers)


def _place_files(board: Board, folder: Path, below: str) -> None:
    for name, source in board.files.items():
        target = folder / below / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(source, bytes):
            target.write_bytes(source)
        else:
            _link(source, target)
    for name, text in board.texts.items():
        _write(folder / name, text)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copyfile(source, target)


def _write(path: Path, text: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())


def encode(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    """The bytes of an image file."""
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def numbered(names: Iterable[str]) -> list[Row]:
    """COCO categories with ids from 1."""
    return [{"id": number, "name": name} for number, name in enumerate(names, start=1)]
