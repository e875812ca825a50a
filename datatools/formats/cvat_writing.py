"""Writing CVAT: an `<image>` with what it shows (datatools/formats/cvat.py is the user's page)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element, SubElement

from datatools.formats.base import Loss, load_attributes
from datatools.formats.carried import first_free_group, lose_row, pack_record, pack_row, same_row, unpack_row
from datatools.formats.cvat_element_writing import to_elements
from datatools.formats.cvat_names import Types
from datatools.formats.cvat_reading import read_record
from datatools.formats.locate import clean_path
from datatools.formats.xml_writing import ILLEGAL
from datatools.schema import RECORDS

Row = dict[str, Any]


def frame_ids(records: Mapping[str, Row], paths: Iterable[str]) -> dict[str, int]:
    """The `id` of each image: the one its record has, where no other image has it too, else the next free number."""
    wanted = {
        path: load_attributes(records[path]["attributes"]).get("id") if path in records else None for path in paths
    }
    used: set[int] = set()
    ids: dict[str, int] = {}
    for path, value in sorted(wanted.items()):
        if type(value) is int and 0 <= value < 2**31 and value not in used:
            ids[path] = value
            used.add(value)
    free = iter(number for number in range(len(wanted) + len(used)) if number not in used)
    return {path: ids[path] if path in ids else next(free) for path in sorted(wanted)}


def add_image(
    root: Element, path: str, number: int, record: Row | None, rows: Sequence[Row], types: Types, own: Row
) -> list[Loss]:
    """Add the `<image>` called `path` to `root`; what CVAT cannot draw to `own`. Returns the losses."""
    name = ILLEGAL.sub("\ufffd", path)
    losses = [Loss("path", path, message="characters that XML does not allow become U+FFFD")] if name != path else []
    losses += [Loss("path", path, message="the name is read as another one")] if clean_path(path) != path else []
    image = SubElement(root, "image", {"id": str(number), "name": name})
    attributes = load_attributes(record["attributes"]) if record else {}
    if record and record["subset"] and not ILLEGAL.search(record["subset"]):
        image.set("subset", record["subset"])
    if type(attributes.get("task_id")) is int:
        image.set("task_id", str(attributes["task_id"]))
    for side in ("width", "height"):
        if record and record[f"{side}_px"] is not None:
            image.set(side, str(record[f"{side}_px"]))
    if record is None or not same_row(
        {**record, "path": path}, {**read_record(image, ""), "path": path}, RECORDS.columns
    ):
        own["records"][name] = record and pack_record(record)
    size_hw = (record and record["height_px"], record and record["width_px"])
    group = first_free_group(list(rows))
    for row in rows:
        elements = to_elements(row, size_hw, group, types)
        image.extend(elements)
        group += len(elements) > 1
        if not elements:
            own["annotations"].setdefault(name, []).append(packed := pack_row(row))
            losses += lose_row(row, path, unpack_row(packed), "CVAT")
    return losses
