"""Writing Pascal VOC: the files of a data set in memory, and what they cannot hold (datatools/formats/voc.py is the user's page)."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element, indent, tostring

import numpy as np

from datatools.formats import voc_masks, voc_xml
from datatools.formats.base import Content, Loss, Saved, is_number
from datatools.formats.placing import is_safe_name
from datatools.formats.rows import make_patch, to_rows
from datatools.formats.voc_layout import LABEL_MAPS, Target, are_sets, place_images, subset_of
from datatools.index_images import encode_index_mask, label_colors
from datatools.masks import MAX_PIXELS, Rle, parse_mask
from datatools.schema import BOX, RECORDS

Row = dict[str, Any]


class Writer:
    """The files of one Content; what they cannot hold is in `losses`."""

    def __init__(self, content: Content) -> None:
        self.losses: list[Loss] = []
        self.documents: dict[str, bytes] = {}
        self.rows: dict[str, list[Row]] = {}
        for row in to_rows(content.annotations):
            self.rows.setdefault(row["path"], []).append(self._finite(row))
        self.records = {row["path"]: row for row in to_rows(content.records)}
        self.targets = place_images(sorted({*self.records, *self.rows}))
        self.lists: dict[str, list[str]] = {}
        self.classes = content.classes
        self.extras = self._extras(content)
        self.label_maps = self._label_maps()
        self.elements: dict[str, tuple[Element, dict[str, Any]]] = {}

    def files(self) -> tuple[dict[str, bytes], Saved]:
        """Everything to write, and what is lost."""
        for path, target in self.targets.items():
            self._write_image(path, target)
        self._write_documents()
        for name, lines in self.lists.items():
            self.documents[name] = ("\n".join(sorted(lines)) + "\n").encode()
        labels = sorted({row["label"] for rows in self.rows.values() for row in rows if row["label"] is not None})
        pngs = any(name.endswith(".png") for name in self.documents)
        if self.targets and (pngs or list(self.classes) != labels or self.extras.get("labelmaps")):
            for root, entries in self.label_maps.items():
                text = voc_masks.dump_label_map(entries)
                self.documents[posixpath.join(root, LABEL_MAPS[0])] = text.encode()
        moved = {path: target.path for path, target in self.targets.items() if path != target.path}
        return dict(sorted(self.documents.items())), Saved(tuple(sorted(self.losses)), moved)

    def _extras(self, content: Content) -> dict[str, Any]:
        for name in sorted(set(content.extras) - {"voc"}):
            self._lose(f"extras.{name}", "VOC has no place for what belongs to the whole document")
        if content.classes and not self.targets:
            self._lose("classes", "there is no image to write")
        extras = content.extras.get("voc", {})
        extras = dict(extras) if isinstance(extras, Mapping) else {}
        for name in sorted(set(extras) - {"base", "labelmaps"}):
            self._lose(f"extras.voc.{name}", "not a field that is read from VOC")
        return extras

    def _lose(self, field: str, message: str, path: str = "", annotation_id: str = "") -> None:
        self.losses.append(Loss(field, path, annotation_id, message))

    def _finite(self, row: Row) -> Row:
        for name in BOX:
            if row[name] is not None and not is_number(row[name]):
                self._lose(name, f"{row[name]} is no number of pixels", row["path"], row["annotation_id"])
                row = {**row, name: None}
        return row

    def _label_maps(self) -> dict[str, list[voc_masks.Entry]]:
        """By root: as they were read, where they still name the classes; else a new one."""
        roots = sorted({target.root for target in self.targets.values()})
        default = voc_masks.default_entries(self.classes)
        kept = self.extras.get("labelmaps") or {}
        try:
            maps = {root: [[str(part) for part in entry] for entry in kept.get(root, default)] for root in roots}
            names = dict.fromkeys(name for root in roots for name in voc_masks.index_names(maps[root])[1:])
            fits = list(names) == list(self.classes) and set(kept) <= set(roots)
            fits = fits and all(voc_masks.parse_label_map(voc_masks.dump_label_map(m)) == m for m in maps.values())
        except (AttributeError, TypeError, IndexError):
            fits = False
        if not fits and kept:
            self._lose("extras.voc.labelmaps", "it does not name these classes: a new label map is written")
        return maps if fits else dict.fromkeys(roots, default)

    # ---- one image ----

    def _write_image(self, path: str, target: Target) -> None:
        record = self.records.get(path)
        blank: Row = {**dict.fromkeys(RECORDS.columns), "attributes": {}}
        meant = {**(record or blank), "path": target.path}
        rows = [{**row, "path": target.path} for row in sorted(self.rows.get(path, []), key=_position)]
        drawn, void, patches = self._draw(target, meant, rows)
        given: Row = {"attributes": {"void": void} if void else {}}
        sets = self._sets(meant, target)
        given["subset"] = subset_of(name for name, flag in sets.items() if not flag)
        if sets and sets != {f"Main/{given['subset']}": ""}:
            given["attributes"]["sets"] = sets
        root, patch = voc_xml.write_record(meant, given, record is not None)
        objects = [row for row in rows if row["annotation_id"] not in drawn.alone and voc_xml.is_object(row)]
        for number, row in enumerate(objects, start=1):
            root.append(voc_xml.write_object(row, number, self.base, _extra(row, drawn)))
        kept = {row["annotation_id"] for row in objects} | set(drawn.alone)
        others = [row for row in rows if row["annotation_id"] not in kept]
        more = [
            make_patch(voc_xml.blank_row(target.path, number), row)
            for number, row in enumerate(others, start=len(objects) + 1)
        ]
        patch |= ({"masks": patches} if patches else {}) | ({"annotations": more} if more else {})
        self.elements[target.file("Annotations", ".xml")] = (root, patch)

    @property
    def base(self) -> int:
        """The number of the first pixel."""
        return 0 if self.extras.get("base") == 0 else 1

    def _draw(self, target: Target, record: Row, rows: list[Row]) -> tuple[voc_masks.Drawn, Any, dict[str, Any]]:
        """Draw the PNGs of an image; what they hold, their void, and the patches of rows that are in them alone."""
        masks = [row for row in rows if row["kind"] == "mask" and voc_xml.is_object(row)]
        void, names = record["attributes"].get("void"), voc_masks.index_names(self.label_maps[target.root])
        size_hw = _size_hw(record, masks)
        if size_hw is None or not (masks or void):
            return voc_masks.Drawn(np.zeros((1, 1), dtype=np.int64), np.zeros((1, 1), dtype=np.int64)), None, {}
        drawn = voc_masks.draw_masks(masks, size_hw, names, void)
        arrays = [array if array.any() else None for array in (drawn.classes, drawn.objects)]
        for folder, array in zip(voc_masks.FOLDERS, arrays, strict=True):
            if array is not None:
                self.documents[target.file(folder, ".png")] = encode_index_mask(array, self._palette(folder, target))
        seen, _, void = voc_masks.read_masks(target.path, arrays[0], arrays[1], names, drawn.instances.values())
        patches = {}
        for row in masks:
            key = drawn.alone.get(row["annotation_id"])
            patch = make_patch(seen[key], row) if key is not None else {}
            if key is not None and patch:
                patches[key] = patch
        return drawn, void, patches

    def _palette(self, folder: str, target: Target) -> list[tuple[int, int, int]]:
        palette = label_colors(256)
        if folder == "SegmentationClass":
            for color, index in voc_masks.index_colors(self.label_maps[target.root]).items():
                if index < voc_masks.VOID and max(color) < 256:
                    palette[index] = (color[0], color[1], color[2])
        return palette

    def _sets(self, record: Row, target: Target) -> dict[str, str]:
        """The lists of an image, which are written too: those it came with if they still say its subset, else that."""
        subset, kept = record["subset"], record["attributes"].get("sets")
        sets = {f"Main/{subset}": ""} if subset is not None and is_safe_name(subset) else {}
        if are_sets(kept):
            plain = [name for name, flag in kept.items() if not flag]
            sets = dict(kept) if kept and subset_of(plain) == subset else sets
        for name, flag in sets.items():
            line = f"{target.name} {flag:>2}" if flag else target.name
            self.lists.setdefault(posixpath.join(target.root, "ImageSets", f"{name}.txt"), []).append(line)
        return dict(sorted(sets.items()))

    def _write_documents(self) -> None:
        seen = min((voc_xml.find_base(root.iterfind("object/bndbox")) for root, _ in self.elements.values()), default=1)
        for name, (root, patch) in self.elements.items():
            voc_xml.write_patch(root, patch | ({"base": self.base} if seen != self.base else {}))
            indent(root, "\t")
            self.documents[name] = tostring(root, encoding="utf-8") + b"\n"


def _extra(row: Row, drawn: voc_masks.Drawn) -> dict[str, Any]:
    """What the patch of an object says about its number in the PNGs, and its run lengths where they do not hold them."""
    number = drawn.instances.get(row["annotation_id"])
    if number is None:
        return {}
    whole = row["annotation_id"] in drawn.exact or not isinstance(parse_mask(row["mask"]), Rle)
    return {"instance": number} if whole else {"instance": number, "mask": row["mask"]}


def _size_hw(record: Row, masks: Sequence[Row]) -> tuple[int, int] | None:
    """The size that PNGs of this image have: as declared, else that of its run lengths; None where nothing says it."""
    width, height = record["width_px"], record["height_px"]
    if width is not None and height is not None:
        return (height, width) if 0 < width * height <= MAX_PIXELS and width > 0 else None
    parsed = [parse_mask(row["mask"]) for row in masks]
    sizes = {mask.size_hw for mask in parsed if isinstance(mask, Rle)}
    return sizes.pop() if len(sizes) == 1 else None


def _position(row: Row) -> tuple[int, str]:
    """Objects keep the order of their file."""
    number = row["annotation_id"].rpartition("#")[2]
    return (int(number) if re.fullmatch(r"[1-9][0-9]{0,8}", number, re.ASCII) else 10**9), row["annotation_id"]
