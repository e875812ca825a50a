"""CVAT XML 1.1: "CVAT for images", and "CVAT for video" where the frames are there as images.

**Layout.** One or more XML files with the root `<annotations>`, usually `annotations.xml` beside a folder `images/`. The name
of an `<image>` is looked for in `images/<subset>/`, `<subset>/`, beside the XML file and in `images/`, then by its base name.
`subset` comes from the image, else from a file called `train.xml`, `val.xml`, `test.xml` or the like.

**Pixel convention.** Continuous pixels from the top left corner, half-open, as everywhere in datatools; CVAT shows an
image after its EXIF orientation is applied. Numbers are read as they stand, and written with all their digits.

| CVAT | here |
|---|---|
| box | box; with a rotation: shape `rotated_box` (`points` the corners before it turns clockwise by `rotation` degrees about its centre) |
| polygon | mask, one ring |
| mask | mask, run lengths in the size of the image, which must be declared; the crop's margins are not kept |
| polyline, points, ellipse, cuboid, skeleton | shape: `attributes.shape` and its numbers under CVAT's own names |
| tag | label of the image by the annotator `given`; several tags: label null, `attributes.choices` and `attributes.tags` |
| `occluded`, `z_order`, `group_id`, `source`, ... | attributes as bool, int or text; `occluded="0"` and `z_order="0"` are left out |
| `<attribute name="a">` | attribute `a`, typed by the meta's labels: see below |
| `id`, `task_id` of an image | attributes of its record |
| `<meta>` | `extras["cvat"]`, verbatim, by file; its labels are the classes |
| track | each shown frame is a row of the image `images/frame_<number>` with `track_id`, `frame`, `keyframe`, `outside` |

An attribute is a bool for a checkbox and a number for a number where its text says just that, else text. Where CVAT itself
uses the name (`points`, `occluded`), it is in `attributes.attributes`.

Frames that a track marks as outside are rows of `rejected` with the reason `outside`: there is no object in them. So are,
frames without image (LBL005). Shapes between keyframes are not made up: CVAT writes each frame out. **No
annotator:** a task's owner and assignee need not be those who drew, so they stay in the meta, and boxes name nobody.

**Writing.** `annotations.xml` with a label specification that CVAT can import. Ids, annotators and what CVAT's attributes
cannot say are the attributes `datatools_id`, `datatools_annotator` and `datatools_json`, declared for each label. A mask of
several rings becomes polygons with a common `group_id`. Tracks are written as shapes of their images. What CVAT cannot
draw is in `<meta><datatools>` as JSON: our reader restores it, CVAT does not show it, and the loss report says so.
Characters that XML 1.0 does not allow: in a label, see there; in an image's name, U+FFFD stands for them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from datatools.formats.base import Content, Format, Loss, Saved, write_new
from datatools.formats.carried import OWN, rows_by_image
from datatools.formats.cvat_meta import original_size, own_classes, own_extras, own_meta, to_meta, types_of
from datatools.formats.cvat_reading import Locator, Reader
from datatools.formats.cvat_writing import add_image, frame_ids
from datatools.formats.documents import BrokenFileError, parse_xml
from datatools.formats.locate import ImageIndex
from datatools.formats.rows import broken_file, broken_row
from datatools.formats.xml_writing import render_xml
from datatools.tree import Tree, UnreadableFileError

Row = dict[str, Any]


def find_cvat(tree: Tree) -> list[str]:
    """The XML files of `tree` with the root `<annotations>` and images, tracks or a meta in it."""
    return [path for path in tree.sizes if path.lower().endswith(".xml") and _is_cvat(tree, path)]


def load_cvat(tree: Tree, files: Sequence[str]) -> Content:
    """Read CVAT files; a file that is none is one row of `rejected`."""
    index = ImageIndex(tree.sizes)
    records: dict[str, Row] = {}
    rows: list[Row] = []
    rejected: list[Row] = []
    classes: list[str] = []
    extras: Row = {}
    seen: set[str] = set()
    for file in files:
        try:
            root = parse_xml(tree.read(file))
            if root.tag != "annotations":
                raise BrokenFileError(f"the root of a CVAT file is <annotations>, not <{root.tag}>")
        except (BrokenFileError, UnreadableFileError) as error:
            rejected.append(broken_file(file, str(error)))
            continue
        part = from_cvat(root, file, Locator(index, file, OWN in own_meta(root)))
        for row in part.annotations.to_dict("records"):
            if row["annotation_id"] in seen and row["annotation_id"].startswith("cvat/"):
                row["annotation_id"] = (
                    f"cvat/{PurePosixPath(file).with_suffix('')}/{row['annotation_id'].removeprefix('cvat/')}"
                )
            seen.add(row["annotation_id"])
            rows.append(row)
        for record in part.records.to_dict("records"):
            if record["path"] in records:
                message = f"{records[record['path']]['source']} describes this image too: its fields stay"
                rejected.append(broken_row(file, None, record["path"], message))
            records.setdefault(record["path"], record)
        rejected += part.rejected.to_dict("records")
        classes += part.classes
        kept = (extras.get("cvat"), part.extras.get("cvat"))
        extras |= part.extras
        if isinstance(kept[0], dict) and isinstance(kept[1], dict):
            extras["cvat"] = kept[0] | kept[1]
    return Content.from_rows(records.values(), rows, tuple(dict.fromkeys(classes)), rejected, files, extras)


def from_cvat(root: Element, source: str, image_of: Callable[[str, str | None], str | None]) -> Content:
    """Convert one document. `image_of(name, subset)` is the path of an image in the tree, or None.

    Shapes and tags are numbered from 1 through the document; the rows in `<meta><datatools>` go on from there.
    """
    meta = root.find("meta")
    reader = Reader(source, image_of, types_of(meta), own_meta(root).get(OWN, {}))
    for element in root:
        if element.tag == "image":
            reader.read_image(element)
        elif element.tag == "track":
            reader.read_track(element, original_size(root))
        elif element.tag not in ("meta", "version"):
            reader.rejected.append(broken_row(source, None, None, f"<{element.tag}> is neither image nor track"))
    reader.read_own()
    names = [name.text or "" for name in root.iterfind("meta//labels/label/name")]
    used = {row["label"] for row in reader.rows if row["label"] is not None}
    classes = tuple(dict.fromkeys([*names, *sorted(used)]))
    extras: Row = {} if meta is None else {"cvat": {source: tostring(meta, "unicode").strip()}}
    if reader.own:
        classes, extras = own_classes(reader.own, classes), own_extras(reader.own, extras)
    return Content.from_rows(reader.records.values(), reader.rows, classes, reader.rejected, [source], extras)


def save_cvat(content: Content, folder: Path) -> Saved:
    """Write `annotations.xml`; nothing moves."""
    root, losses = to_cvat(content)
    text = '<?xml version="1.0" encoding="utf-8"?>\n' + render_xml(root)
    write_new(folder / "annotations.xml", text.encode())
    return Saved(tuple(sorted(losses)))


def to_cvat(content: Content) -> tuple[Element, list[Loss]]:
    """The CVAT document, and what it cannot hold."""
    records, rows, losses = rows_by_image(content)
    meta, types = to_meta(content, [row for group in rows.values() for row in group])
    own: Row = {"classes": list(content.classes), "extras": dict(content.extras), "records": {}, "annotations": {}}
    root = Element("annotations")
    SubElement(root, "version").text = "1.1"
    root.append(meta)
    ids = frame_ids(records, rows)
    for path in sorted(rows, key=lambda path: (ids[path], path)):
        losses += add_image(root, path, ids[path], records.get(path), rows[path], types, own)
    SubElement(meta, OWN).text = json.dumps(own, sort_keys=True)
    return root, losses


def _is_cvat(tree: Tree, path: str) -> bool:
    try:
        data = tree.peek(path)
    except UnreadableFileError:
        return False
    return b"<annotations" in data[:4096] and any(mark in data for mark in (b"<image ", b"<track ", b"<meta"))


FORMAT = Format("cvat", "CVAT XML 1.1", find_cvat, load_cvat, save_cvat)
