"""Pascal VOC files cut into their objects and the rest, and the rows of the objects (datatools/formats/voc.py is the user's page).

Most objects of a data set differ in nothing but their corners. So a file is first cut at `<object>`: the text around the
corners goes to the XML parser once for all objects that have it, and what is left of the file as a short document with
`<object/>` where an object was. Where all of these are well-formed, so is the file, and it says the same. Whatever is not
plain (comments, CDATA, DTDs, other encodings, namespaces, polygons, parts, notes of ours, broken XML) is read as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from xml.etree.ElementTree import Element

from datatools.formats import voc_xml
from datatools.formats.base import dump_attributes
from datatools.formats.documents import BrokenFileError, is_plain_xml, parse_xml
from datatools.formats.rows import BrokenRowError

Row = dict[str, Any]
Cut = tuple[str | None, str, str | None]
MOST_SEEN, MOST_CHARACTERS = 1000, 4000  # texts around corners that are kept, and how long they are
_BLANK = r"[ \t\r\n]*"
_CORNERS = [rf"<{name}>([0-9]{{1,14}}(?:\.[0-9]{{1,14}})?)</{name}>" for name in voc_xml.CORNERS]
_BOX = re.compile(_BLANK.join(["<bndbox>", *_CORNERS, "</bndbox>"]))
_ANY_BOX = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>1</xmax><ymax>1</ymax></bndbox>"


class Plain(NamedTuple):
    """An object that is like others but for its corners: the row that they share, and its own four numbers."""

    like: Row
    corners: Sequence[str]


@dataclass(frozen=True)
class Document:
    """A file: its elements that are no objects, and its objects."""

    fields: Element
    objects: Sequence[Element | Plain]

    @property
    def labels(self) -> set[str]:
        """The names of the objects."""
        return {
            (found.like["label"] if isinstance(found, Plain) else (found.findtext("name") or "").strip()) or ""
            for found in self.objects
        }

    def base(self) -> int:
        """0 where some box shows that the file counts pixels from 0, else 1."""
        low = [
            text for found in self.objects if isinstance(found, Plain) for text in found.corners[:2] if text[0] == "0"
        ]
        boxes = [box for found in self.objects if isinstance(found, Element) for box in found.findall("bndbox")]
        return 0 if any(map(voc_xml.is_first, low)) else voc_xml.find_base(boxes)

    def rows(self, path: str, base: int) -> list[Row | BrokenRowError]:
        """The rows of the objects of the image `path`, or why they are none; the first pixel has the number `base`."""
        return [_row(found, path, number, base) for number, found in enumerate(self.objects, start=1)]


def _row(found: Element | Plain, path: str, number: int, base: int) -> Row | BrokenRowError:
    if isinstance(found, Plain):
        row = found.like.copy()
        row["annotation_id"], row["path"] = f"voc/{path}#{number}", path
        row["x0_px"], row["y0_px"], row["x1_px"], row["y1_px"] = voc_xml.read_corners(found.corners, base)
        return row
    try:
        row = voc_xml.read_object(found, path, number, base)
    except BrokenRowError as error:
        return error
    row["attributes"] = dump_attributes(row["attributes"])
    return row


@dataclass(frozen=True)
class DocumentReader:
    """Reads files, and remembers what objects are like by the text around their boxes."""

    seen: dict[tuple[str, str], Row | None] = field(default_factory=dict)
    cuts: dict[str, Cut] = field(default_factory=dict)

    def read(self, data: bytes) -> Document:
        """The file with these bytes. Raises BrokenFileError."""
        document = self._read_plain(data) if is_plain_xml(data) else None
        if document is None:
            root = parse_xml(data)
            document = Document(root, root.findall("object"))
        fields = document.fields
        fields[:] = [child for child in fields if child.tag != "object"]
        return document

    def _read_plain(self, data: bytes) -> Document | None:
        """The same by its text; None where that cannot be told for certain."""
        try:
            pieces = _BOX.split(data.decode())  # what is between boxes, and the four corners of each
        except UnicodeDecodeError:
            return None
        other, before = _cut_before(pieces[0])
        objects, others = [], [other]
        corners = zip(*(pieces[side::5] for side in (1, 2, 3, 4)), strict=True)
        for gap, box in zip(pieces[5::5], corners, strict=True):
            after, other, following = self.cuts.get(gap) or self._cut(gap)
            like = None if before is None or after is None else self._find_like((before, after))
            if like is None:
                return None
            objects.append(Plain(like, box))
            others.append(other)
            before = following
        return None if before is not None else _join(others, objects)

    def _cut(self, gap: str) -> Cut:
        """What is between two boxes: the end of an object, what is between it and the next one, and the start of that."""
        after, closed, rest = gap.partition("</object>")
        cut = (after if closed else None, *_cut_before(rest))
        if len(self.cuts) < MOST_SEEN and len(gap) <= MOST_CHARACTERS:
            self.cuts[gap] = cut
        return cut

    def _find_like(self, around: tuple[str, str]) -> Row | None:
        """The row of an object with this text around its box; None for one that is not plain, and for too much text."""
        if around not in self.seen:
            if len(self.seen) >= MOST_SEEN or sum(map(len, around)) > MOST_CHARACTERS:
                return None
            self.seen[around] = _read_like(around)
        return self.seen[around]


def _cut_before(text: str) -> tuple[str, str | None]:
    """What is before an object, and the start of that object; None where none starts."""
    other, opened, before = text.partition("<object>")
    return other, before if opened else None


def _read_like(around: tuple[str, str]) -> Row | None:
    """The row of an object; None for one that is not plain."""
    if "<object" in "".join(around):
        return None
    try:
        (element,) = parse_xml(f"<annotation><object>{_ANY_BOX.join(around)}</object></annotation>".encode())
        row = voc_xml.read_object(element, "", 0, 0)
    except (BrokenFileError, BrokenRowError, ValueError):
        return None
    if row["kind"] != "box" or len(list(element.iter("bndbox"))) != 1 or element.find(voc_xml.OURS) is not None:
        return None
    row["attributes"] = dump_attributes(row["attributes"])
    return row


def _join(others: Sequence[str], objects: Sequence[Plain]) -> Document | None:
    """The document of the objects and what is between them; None where the objects are not children of its root."""
    text = "<object/>".join(others)
    try:
        root = parse_xml(text.encode())
    except BrokenFileError:
        return None
    found = root.findall("object")
    return Document(root, objects) if len(found) == len(objects) == text.count("<object") else None
