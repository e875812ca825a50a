"""Reading CVAT: images, tracks and what datatools keeps in the meta (datatools/formats/cvat.py is the user's page)."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any
from xml.etree.ElementTree import Element

from datatools.formats.base import dump_attributes, load_attributes
from datatools.formats.carried import GIVEN, Collector, choices_label, join_rings, unpack_record
from datatools.formats.cvat_element_reading import read_element
from datatools.formats.cvat_names import Types, is_int, to_size
from datatools.formats.locate import ImageIndex, clean_path
from datatools.formats.rows import BrokenRowError, NoImageError, broken_row

Row = dict[str, Any]
SUBSETS = frozenset({"train", "training", "val", "valid", "validation", "test", "testing"})


class Locator:
    """Finds the image that a file names: see the layout in cvat.py; in a file that datatools wrote, names are paths."""

    def __init__(self, index: ImageIndex, file: str, is_own: bool) -> None:
        self.index, self.file, self.is_own = index, file, is_own

    def __call__(self, name: str, subset: str | None) -> str | None:
        cleaned, base = clean_path(name), posixpath.dirname(self.file)
        folders = ["", "images"] if subset is None else [f"images/{subset}", subset, "", "images"]
        for folder in ["", *folders] if self.is_own else folders:
            path = posixpath.normpath(posixpath.join(base, folder, cleaned))
            if self.index.find(path) == path:
                return path
        return self.index.find(cleaned, near=self.file)

    def frame(self, number: int) -> str | None:
        """The image of a frame of a video."""
        base = posixpath.dirname(self.file)
        stems = [posixpath.join(base, folder, f"frame_{number:06d}") for folder in ("images", "")]
        return next((path for stem in stems if (path := self.index.with_stem(stem))), None)


class Reader(Collector):
    """Collects what one document says."""

    def __init__(self, source: str, image_of: Any, types: Types, own: Row) -> None:
        super().__init__(source)
        self.image_of, self.types, self.own = image_of, types, own
        self.records: dict[str, Row] = {}
        self._n_of_path: dict[str, int] = {}
        self._seen: set[Any] = set()
        self._names: dict[str, str] = {}

    def read_image(self, element: Element) -> None:
        """One `<image>` with its shapes and tags."""
        name = element.get("name")
        if not name or clean_path(name) == ".":
            for _ in element:
                self.refuse(None, "its image has no name")
            if not len(element):
                self.rejected.append(broken_row(self.source, None, None, "an image has no name"))
            return
        record = read_record(element, self.source)
        path = self.image_of(name, record["subset"]) or clean_path(name)
        self._names[name] = path
        kept = self.own.get("records", {}) if isinstance(self.own.get("records"), dict) else {}
        if name in kept:
            restored = unpack_record(kept[name])
            record = {**restored, "source": self.source} if restored else {}
        if path in self.records:
            self.rejected.append(
                broken_row(self.source, None, path, "the image is there twice: the fields of the first one stay")
            )
        elif record:
            self.records[path] = {**record, "path": path}
        size = (to_size(element.get("height")), to_size(element.get("width")))
        self._read_children(element, path, size, {})

    def read_track(self, track: Element, size_wh: tuple[int | None, int | None]) -> None:
        """One `<track>`: each frame it is shown in is a row."""
        shared = {key: value for key, value in track.attrib.items() if key not in ("id", "label")}
        shared = {"label": track.get("label", ""), "track_id": track.get("id", ""), **shared}
        for element in track:
            frame = element.get("frame", "")
            path = self.image_of.frame(int(frame)) if frame.isdecimal() and len(frame) < 10 else None
            if element.get("outside") == "1":
                self.refuse(path, f"the track {track.get('id')} is outside of frame {frame}: nothing to see", "outside")
            elif path is None:
                wanted = f"images/frame_{frame:0>6}.png"
                self.refuse(
                    None, NoImageError(f"frame {frame or '?'} of the video is no image here: put it at {wanted}")
                )
            else:
                record = {"path": path, "width_px": size_wh[0], "height_px": size_wh[1], "source": self.source}
                self.records.setdefault(path, {**record, "attributes": dump_attributes({"frame": int(frame)})})
                self._read_children([element], path, (size_wh[1], size_wh[0]), shared)

    def read_own(self) -> None:
        """The rows that CVAT has no element for."""
        kept = self.own.get("annotations")
        for name, items in kept.items() if isinstance(kept, dict) else ():
            path = self._names.get(name) or clean_path(name)
            self.take_packed(items if isinstance(items, list) else (), path)

    def _read_children(self, children: Iterable[Element], path: str, size_hw: Any, shared: Mapping[str, str]) -> None:
        found: list[tuple[Row, int | None]] = []
        tags: list[Row] = []
        for child in children:
            n = self._n_of_path[path] = self._n_of_path.get(path, 0) + 1
            try:
                row, ring = read_element(child, size_hw, self.types, shared)
            except BrokenRowError as error:
                self.refuse(path, error)
                continue
            self.number += 1
            if child.tag == "tag":
                tags.append(row)
                continue
            if row["annotation_id"] is None or (row["annotation_id"], ring) in self._seen:  # a copy made in CVAT
                row["annotation_id"], ring = f"cvat/{path}#{n}", None
            self._seen.add((row["annotation_id"], ring))
            found.append((row, ring))
        rows = [*join_rings(found), *join_tags(tags, path)]
        self.rows += [{**row, "path": path, "source": self.source} for row in rows]


def join_tags(tags: Sequence[Row], path: str) -> list[Row]:
    """One label row an annotator: several tags by one of them are a null label with all of them in its attributes."""
    groups: dict[tuple[str, str | None], list[Row]] = {}
    for tag in tags:
        groups.setdefault((tag["annotator"] or GIVEN, tag["annotation_id"]), []).append(tag)
    rows = []
    for (annotator, name), given in groups.items():
        row = choices_label([tag["label"] or "" for tag in given], path, annotator)
        attributes = [load_attributes(tag["attributes"]) for tag in given]
        kept = attributes[0] if len(given) == 1 else load_attributes(row["attributes"])
        if len(given) > 1 and any(attributes):
            kept["tags"] = attributes
        name = name or row["annotation_id"]
        rows.append({**row, "annotation_id": name, "label": row["label"] or None, "attributes": dump_attributes(kept)})
    return rows


def read_record(image: Element, source: str) -> Row:
    """The record of an `<image>`, without its path."""
    attributes: Row = {}
    for name, text in image.attrib.items():
        if name in ("id", "task_id"):
            attributes[name] = int(text) if is_int(text) else text
        elif name not in ("name", "subset", "width", "height") or (name in ("width", "height") and not to_size(text)):
            attributes[name] = text
    stem = PurePosixPath(source).stem
    return {
        "width_px": to_size(image.get("width")),
        "height_px": to_size(image.get("height")),
        "subset": image.get("subset") or (stem if stem.lower() in SUBSETS else None),
        "metadata": None,
        "attributes": dump_attributes(attributes),
        "source": source,
    }
