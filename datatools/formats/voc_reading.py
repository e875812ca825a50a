"""Reading Pascal VOC: what belongs to which image, then image by image (datatools/formats/voc.py is the user's page)."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np

from datatools.formats import voc_masks, voc_xml
from datatools.formats.base import Content, dump_attributes
from datatools.formats.documents import BrokenFileError
from datatools.formats.locate import ImageIndex, clean_path
from datatools.formats.placing import without_suffix
from datatools.formats.rows import BrokenRowError, NoImageError, apply_patch, broken_file, broken_row
from datatools.formats.voc_documents import Document, DocumentReader
from datatools.formats.voc_layout import (
    IMAGE_FOLDERS,
    LABEL_MAPS,
    LIST,
    is_visualization,
    mask_folder,
    path_subset,
    place_of,
    subset_of,
)
from datatools.images import SUFFIXES, UnreadableImageError
from datatools.index_images import decode_color_mask, decode_index_mask, label_colors
from datatools.tree import Tree, UnreadableFileError

Row = dict[str, Any]
VOID_COLOR = (224, 224, 192)  # of index 255 in VOC's palette
FLAGGED = re.compile(r"(.+?)\s+(-1|0|1)")


@dataclass
class _Said:
    """What an XML file says: its patch, its objects as rows where the first pixel has number `base`, its other fields."""

    patch: Row | BrokenRowError
    objects: list[Row | BrokenRowError]
    base: int
    fields: Element


@dataclass
class _Image:
    """What is found of one image: its root and name (path below it, without suffix), XML file, lists and PNGs."""

    root: str
    name: str
    source: str = ""
    said: _Said | None = None
    sets: dict[str, str] = field(default_factory=dict)
    pngs: dict[str, str] = field(default_factory=dict)


class Reader:
    """First finds what belongs to which image and reads its XML file, then its PNGs, so that one at a time is in memory."""

    def __init__(self, tree: Tree, files: Sequence[str]) -> None:
        self.tree = tree
        self.files = set(files)
        self.roots = {place_of(path)[0] for path in files}
        self.documents = DocumentReader()
        self.index = ImageIndex(tree.sizes, [path for path in tree.sizes if mask_folder(path)])
        self.paths = set(self.index.paths)
        self.images: dict[str, _Image] = {}  # by path
        self.by_name: dict[tuple[str, str], str] = {}
        self.rejected: list[Row] = []
        self.records: list[Row] = []
        self.rows: list[Row] = []
        self.bases: list[int] = []  # what files of ours declare
        self.seen_base = 1
        self.label_maps: dict[str, list[voc_masks.Entry]] = {}
        self.guessed: set[str] = set()  # roots without a list of classes
        self.names: set[str] = set()  # of objects
        self.highest = 0  # pixel value of a class
        self.has_lists = False  # of the images of subsets

    def find_documents(self) -> None:
        """Which image each XML file speaks of, and from what number the data set counts pixels."""
        for source in sorted(path for path in self.files if path.lower().endswith(".xml")):
            try:
                document = self.documents.read(self.tree.read(source))
            except (BrokenFileError, UnreadableFileError) as error:
                self.rejected.append(broken_file(source, str(error)))
                continue
            root, name = place_of(source)
            path = self._image_path(source, root, name, document.fields)
            if path in self.images:
                message = f"{self.images[path].source} already speaks of this image"
                self.rejected += [broken_row(source, number, path, message) for number in _numbers(document)]
                continue
            patch = _attempt(voc_xml.read_patch, document.fields)
            self._look_for_base(document, patch)
            self.images[path] = _Image(root, name, source, _say(document, patch, path, self._base()))
            self.by_name[root, name] = path

    def _look_for_base(self, document: Document, patch: Row | BrokenRowError) -> None:
        self.names |= document.labels
        if self.seen_base:
            self.seen_base = document.base()
        declared = patch.get("base") if isinstance(patch, dict) else None
        if declared in (0, 1) and type(declared) is int:
            self.bases.append(declared)

    def _base(self) -> int:
        """The number of the first pixel, after the files read so far."""
        return self.bases[0] if self.bases else self.seen_base

    def find_lists(self) -> None:
        """Which image is in which list."""
        missing: set[tuple[str, str]] = set()
        for source in self.tree.sizes:
            match = LIST.fullmatch(source)
            if match and (match[1] or "") in self.roots:
                self.files.add(source)
                try:
                    text = self.tree.read(source).decode("utf-8-sig")
                except (UnreadableFileError, UnicodeDecodeError) as error:
                    self.rejected.append(broken_file(source, str(error)))
                else:
                    self._read_list(source, text, match[1] or "", f"{match[2]}/{match[3]}", missing)

    def _read_list(self, source: str, text: str, root: str, key: str, missing: set[tuple[str, str]]) -> None:
        for number, line in enumerate(text.split("\n"), start=1):
            name = line.strip()
            if not name or name.startswith("#"):
                continue
            path, flag = self._known(root, name), ""
            if path is None and (match := FLAGGED.fullmatch(name)):
                name, flag = match[1], match[2]
                path = self._known(root, name)
            if path is not None:
                self._image(path, root, name).sets[key] = flag
            elif (root, name) not in missing:
                missing.add((root, name))
                message = f"{name!r} is in the list, but has neither an image nor an annotation file"
                self.rejected.append(broken_row(source, number, None, NoImageError(message)))

    def find_pngs(self) -> None:
        """Which segmentation PNGs belong to which image."""
        for png in sorted(path for path in self.files if mask_folder(path)):
            root, name = place_of(png)
            path = self._known(root, name) or posixpath.join(root, IMAGE_FOLDERS[0], f"{name}.jpg")
            self._image(path, root, name).pngs[mask_folder(png)] = png

    def _image(self, path: str, root: str, name: str) -> _Image:
        self.by_name.setdefault((root, name), path)
        return self.images.setdefault(path, _Image(root, name))

    def _known(self, root: str, name: str) -> str | None:
        """The path of the image called `name` in lists and PNGs."""
        if (root, name) in self.by_name:
            return self.by_name[root, name]
        return self._near(posixpath.join(root, folder, name) for folder in ("", *IMAGE_FOLDERS))

    def _near(self, places: Iterable[str]) -> str | None:
        for place in places:
            found = place if place in self.paths else self.index.with_stem(place)
            if found is not None:
                return found
        return None

    def _image_path(self, source: str, root: str, name: str, fields: Element) -> str:
        """The image of an XML file: by its stem, by the name it gives, else where it should be."""
        stem = posixpath.basename(name)
        named = clean_path((fields.findtext("filename") or "").strip() or f"{stem}.jpg")
        base = posixpath.basename(named)
        places = [source[: -len(".xml")], *(posixpath.join(root, folder, name) for folder in IMAGE_FOLDERS)]
        twins = [f"{place.rpartition('/')[0]}/{base}".lstrip("/") for place in places]
        if without_suffix(base) == stem:  # tells a.jpg from a.png where both are there
            places = [*(twin for twin in twins if twin in self.paths), *places]
        found = self._near(places) or self.index.find(named, near=source, folders=IMAGE_FOLDERS)
        for suffix in () if found else sorted(SUFFIXES):
            found = found or self.index.find(f"{stem}{suffix}", near=source)
        return found or (twins[0] if root == posixpath.dirname(source) else twins[1])

    def read(self) -> Content:
        """The content of all that was found."""
        base = self._base()
        self.has_lists = any("ImageSets/" in name for name in self.files)
        for path, image in sorted(self.images.items()):
            self._read_image(path, image, base)
        classes = self._classes()
        default = voc_masks.default_entries(classes)
        custom = {
            root: entries
            for root, entries in self.label_maps.items()
            if root not in self.guessed and entries != default
        }
        pictures = [path for path in self.paths if is_visualization(path, self.roots)]
        extras = {"base": base} | ({"labelmaps": custom} if custom else {})
        files = [*self.files, *pictures]
        return Content.from_rows(self.records, self.rows, classes, self.rejected, files, {"voc": extras})

    def _read_image(self, path: str, image: _Image, base: int) -> None:
        said, image.said = image.said or _say(Document(Element("annotation"), []), {}, path, base), None
        if said.base != base:  # only the files after it told
            document = self.documents.read(self.tree.read(image.source))
            said = _say(document, said.patch, path, base)
        patch = self._kept(image, path, None, said.patch) or {}
        classes, objects = self._arrays(path, image)
        claimed = []
        for number, found in enumerate(said.objects, start=1):
            row = self._kept(image, path, number, found)
            if row is not None:
                claimed.append(row.pop("instance", 0))
                if row["kind"] == "mask" and row["mask"] is None:
                    row["mask"] = voc_masks.instance_mask(objects, claimed[-1])
                    if row["mask"] is None:
                        message = f"its mask is number {claimed[-1]} of SegmentationObject, which is not there"
                        self.rejected.append(broken_row(image.source, number, path, message))
                        continue
                self._add(row, image.source)
        more = patch.get("annotations", [])
        for number, item in enumerate(more if isinstance(more, list) else [], start=len(said.objects) + 1):
            row = self._kept(image, path, number, _attempt(apply_patch, voc_xml.blank_row(path, number), item))
            self._add(row, image.source)
        void = self._read_masks(path, image, classes, objects, claimed, patch.get("masks", {}))
        self._read_record(path, image, said.fields, void)

    def _read_masks(
        self, path: str, image: _Image, classes: Any, objects: Any, claimed: Iterable[int], patches: Any
    ) -> dict[str, Any]:
        names = self._names(image.root) if image.pngs else []
        rows, rejected, void = voc_masks.read_masks(path, classes, objects, names, claimed)
        for value, error in rejected.items():
            source = image.pngs.get("SegmentationClass", image.pngs.get("SegmentationObject", ""))
            self.rejected.append(broken_row(source, max(value, 0) or None, path, error))  # a colour is no row
        for key, row in rows.items():
            source = image.pngs["SegmentationObject" if key.startswith("instance") else "SegmentationClass"]
            patch = patches.get(key, {}) if isinstance(patches, dict) else {}
            self._add(self._kept(image, path, None, _attempt(apply_patch, row, patch)), source)
        return void

    def _read_record(self, path: str, image: _Image, fields: Element, void: dict[str, Any]) -> None:
        plain = [name for name, flag in image.sets.items() if not flag]
        subset = subset_of(plain)
        if not image.sets and not self.has_lists:
            subset = path_subset(image.source)
        given: Row = {"subset": subset, "attributes": {"void": void} if void else {}}
        if image.sets and image.sets != {f"Main/{subset}": ""}:
            given["attributes"]["sets"] = dict(sorted(image.sets.items()))
        if not (image.source or image.pngs or any(image.sets.values())):
            given["attributes"]["labels"] = "missing"  # a list of names alone does not say that there is no object
        record = {"path": path, **given}
        if image.source:
            record = self._kept(image, path, None, _attempt(voc_xml.read_record, fields, path, given))
        if record is not None:
            attributes = dump_attributes(record["attributes"])
            self.records.append({**record, "attributes": attributes, "source": image.source or _first(image)})

    def _kept(self, image: _Image, path: str, number: int | None, read: Row | BrokenRowError | None) -> Any:
        """What was read; None and a rejected row for what is broken."""
        if isinstance(read, BrokenRowError):
            self.rejected.append(broken_row(image.source, number, path, read))
            return None
        return read

    def _add(self, row: Row | None, source: str) -> None:
        if row is not None:
            if not isinstance(row["attributes"], str):
                row["attributes"] = dump_attributes(row["attributes"])
            row["source"] = source
            self.rows.append(row)

    def _arrays(self, path: str, image: _Image) -> tuple[Any, Any]:
        """The pixel values of the class and the object PNG; a broken file, or two of two sizes, is rejected."""
        arrays: dict[str, Any] = {}
        for folder, png in sorted(image.pngs.items()):
            try:
                data = self.tree.read(png)
                arrays[folder] = self._decode(data, folder, image.root)
            except (UnreadableFileError, UnreadableImageError) as error:
                self.rejected.append(broken_file(png, str(error), path))
        classes, objects = arrays.get("SegmentationClass"), arrays.get("SegmentationObject")
        if classes is not None and objects is not None and classes.shape != objects.shape:
            message = f"{objects.shape[1]} x {objects.shape[0]} pixels, but its SegmentationClass has {classes.shape[1]} x {classes.shape[0]}"
            self.rejected.append(broken_file(image.pngs["SegmentationObject"], message, path))
            objects = None
        return classes, objects

    def _decode(self, data: bytes, folder: str, root: str) -> Any:
        try:
            array = decode_index_mask(data).astype(np.int64)
        except UnreadableImageError:
            rgb = decode_color_mask(data)
            if folder == "SegmentationClass":
                self._names(root)
                colors = voc_masks.index_colors(self.label_maps[root])
            else:
                colors = {color: index for index, color in enumerate(label_colors(256))}
            array = voc_masks.to_indices(rgb, {VOID_COLOR: voc_masks.VOID, **colors})
        if folder == "SegmentationClass":
            found = np.unique(array)
            self.highest = max(self.highest, *(int(value) for value in found if value != voc_masks.VOID), 0)
        return array

    # ---- classes ----

    def _names(self, root: str) -> list[str]:
        """Name by pixel value in the PNGs of a root."""
        if root not in self.label_maps:
            self.guessed.add(root)
            known = self.names <= set(voc_masks.CLASSES)
            names = voc_masks.CLASSES if known else [str(index) for index in range(1, voc_masks.VOID)]
            self.label_maps[root] = voc_masks.default_entries(names)
        return voc_masks.index_names(self.label_maps[root])

    def find_label_maps(self) -> None:
        """The lists of classes of all roots."""
        for root in sorted(self.roots):
            for name in LABEL_MAPS:
                source = posixpath.join(root, name)
                if source in self.tree and root not in self.label_maps:
                    try:
                        entries = voc_masks.parse_label_map(self.tree.read(source).decode("utf-8-sig"))
                    except (UnreadableFileError, UnicodeDecodeError) as error:
                        self.rejected.append(broken_file(source, str(error)))
                        continue
                    self.files.add(source)
                    self.label_maps[root] = entries

    def _classes(self) -> list[str]:
        labels = sorted({row["label"] for row in self.rows if row["label"] is not None})
        if not self.label_maps:
            return labels
        classes: dict[str, None] = {}
        numeric = self.guessed and not self.names <= set(voc_masks.CLASSES)
        for _, entries in sorted(self.label_maps.items()):
            names = voc_masks.index_names(entries)[1:]
            classes |= dict.fromkeys(names[: self.highest] if numeric else names)
        return list(classes | dict.fromkeys(labels if numeric else ()))


def _attempt(read: Callable[..., Any], *values: Any) -> Any:
    """What `read(*values)` returns, or the error where it finds the file broken."""
    try:
        return read(*values)
    except BrokenRowError as error:
        return error


def _say(document: Document, patch: Row | BrokenRowError, path: str, base: int) -> _Said:
    """Read the objects of the image `path`; the document, most of which they are, is not kept."""
    return _Said(patch, document.rows(path, base), base, document.fields)


def _numbers(document: Document) -> list[Any]:
    return list(range(1, len(document.objects) + 1)) or [None]


def _first(image: _Image) -> str:
    return min(image.pngs.values(), default="ImageSets")
