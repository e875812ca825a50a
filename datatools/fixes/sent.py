"""What was sent to a drawing tool, kept beside it: the values that `before` of a fix record takes when the tool's file is back."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from datatools.errors import DatatoolsError
from datatools.file_reading import UnreadableFileError, read_regular
from datatools.fixes.values import check_value, write_box
from datatools.formats.documents import BrokenFileError, parse_json
from datatools.formats.locate import clean_path, is_image
from datatools.formats.xml_writing import ILLEGAL
from datatools.schema import BOX
from datatools.store import save_json

MANIFEST = "datatools.json"
SCHEMA = 1
TOOLS = {"cvat": "CVAT", "label_studio": "Label Studio"}
KINDS = ("label", "box", "mask")
# CVAT strips blanks around a text; Label Studio cuts the id of a region at the first # when it saves.
KEPT_ID = re.compile(r"[^\s#\x00-\x1f\x7f-\x9f]+")


@dataclass(frozen=True)
class Item:
    """One annotation as a fix record tells it (datatools/fixes/values.py): `box` and `mask` are texts, null for none."""

    annotation_id: str
    path: str
    kind: str  # one of KINDS
    label: str | None
    box: str | None = None
    mask: str | None = None

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Item:
        """The item of a row of ANNOTATIONS; any null is None, as is what a row lacks."""
        texts = {name: None if pd.isna(row.get(name)) else str(row[name]) for name in ("label", "mask")}
        corners = [math.nan if pd.isna(row.get(name)) else float(row[name]) for name in BOX]
        return cls(str(row["annotation_id"]), str(row["path"]), str(row["kind"]), box=write_box(corners), **texts)


@dataclass(frozen=True)
class Sent:
    """An export: the tool, the data version it was made of, and every annotation of its images as it was then.

    `images` are paths with the name that each has in the tool. `shown` are the ids of the annotations that the tool shows: one
    of another kind cannot be missed when it does not come back.
    """

    tool: str
    base: str
    about: str
    when: str
    images: Mapping[str, str]
    items: Sequence[Item]
    shown: frozenset[str]

    @property
    def id(self) -> str:
        """Sixteen hex digits of its content."""
        text = json.dumps(self.to_document(), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def title(self) -> str:
        """The tool's name as people write it."""
        return TOOLS[self.tool]

    def to_document(self) -> dict[str, Any]:
        """The export as JSON holds it."""
        rows = [{**dataclasses.asdict(item), "shown": item.annotation_id in self.shown} for item in self.items]
        head = {"schema": SCHEMA, "tool": self.tool, "base": self.base, "about": self.about, "when": self.when}
        return {**head, "images": dict(self.images), "annotations": rows}


def sent_name(path: str) -> str:
    """The name of an image in the tool: its path, or where a tool would not give that back, one made of its hash."""
    if clean_path(path) == path and not ILLEGAL.search(path) and path == path.strip() and "\n" not in path:
        return path
    ending = "." + path.rpartition(".")[2].lower()
    return f"renamed/{_hash(path)}{ending if is_image('x' + ending) else '.png'}"


def sent_id(annotation_id: str) -> str:
    """The id of an annotation in the tool: its own, or where a tool would not give that back, one made of its hash."""
    if KEPT_ID.fullmatch(annotation_id) and not ILLEGAL.search(annotation_id):
        return annotation_id
    return f"datatools/{_hash(annotation_id)}"


def save_sent(folder: Path, sent: Sent) -> None:
    """Write the manifest of an export into its folder."""
    save_json(folder / MANIFEST, sent.to_document())


def load_sent(folder: Path) -> Sent:
    """Read what save_sent wrote. Raises DatatoolsError that names the file."""
    file = folder / MANIFEST
    try:
        return _from_document(parse_json(read_regular(file)))
    except (UnreadableFileError, BrokenFileError, ValueError) as error:
        raise DatatoolsError(
            f"{file}: expected the list of what `datatools queue export` sent. Got: {error}. "
            "Name the folder that it made with --export."
        ) from error


def _from_document(value: Any) -> Sent:
    if not isinstance(value, dict) or value.get("schema") != SCHEMA or value.get("tool") not in TOOLS:
        raise ValueError(f"another document than one of schema {SCHEMA}")
    texts = [text for name in ("tool", "base", "about", "when") if isinstance(text := value.get(name), str)]
    images, rows = value.get("images"), value.get("annotations")
    if len(texts) < 4 or not isinstance(rows, list):
        raise ValueError("base, about, when or annotations are missing")
    if not isinstance(images, dict) or not all(isinstance(name, str) for name in images.values()):
        raise ValueError("images must be an object of names")
    items = [_to_item(row, number, images) for number, row in enumerate(rows, start=1)]
    if len({item.annotation_id for item in items}) < len(items):
        raise ValueError("an annotation id is there twice")
    shown = frozenset(item.annotation_id for item, row in zip(items, rows, strict=True) if row.get("shown") is True)
    tool, base, about, when = texts
    return Sent(tool, base, about, when, images, items, shown)


def _to_item(row: Any, number: int, images: Mapping[str, str]) -> Item:
    names = [field.name for field in dataclasses.fields(Item)]
    if not isinstance(row, dict) or not set(names) <= set(row):
        raise ValueError(f"annotation {number} lacks one of {', '.join(names)}")
    item = Item(**{name: row[name] for name in names})
    must, may = (item.annotation_id, item.path, item.kind), (item.label, item.box, item.mask)
    if not all(isinstance(text, str) for text in must) or not all(isinstance(text, str | None) for text in may):
        raise ValueError(f"annotation {number} has a field that is no text")
    if item.path not in images or item.kind not in KINDS:
        raise ValueError(f"annotation {number} is of no image or kind of this export")
    return item


def find_fault(item: Item) -> str:
    """Why no fix record can hold what `item` shows; empty if one can."""
    if item.kind == "label":
        return ""
    text = item.box if item.kind == "box" else item.mask
    return check_value(item.kind, text) if text is not None else f"a {item.kind} without one"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
