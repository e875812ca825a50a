"""Reading what a drawing tool exported, set against what was sent: whose work it is, on which images, and which annotations.

**CVAT** ("CVAT for images 1.1", as XML or its zip) names nobody and lists every image of the task. **Label Studio** (JSON) has an
annotation for each person: each is read on its own, the last one of a person for a task counts, a skipped one says nothing,
predictions and tasks that nobody annotated say nothing either. Somebody looked at an image when the tool counted the time.

Ids that a tool cut or dropped are made good where they can be: Label Studio keeps those of regions; where CVAT lost our
attributes, rings of one mask still share a group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from datatools.errors import DatatoolsError
from datatools.file_reading import UnreadableFileError, read_regular
from datatools.fixes.sent import Item, Sent, find_fault, sent_id
from datatools.formats.base import load_attributes
from datatools.formats.carried import join_rings
from datatools.formats.cvat import from_cvat
from datatools.formats.cvat_reading import Locator
from datatools.formats.documents import BrokenFileError, parse_json, parse_xml
from datatools.formats.label_studio import from_label_studio
from datatools.formats.label_studio_tasks import annotator_of, check_tasks, image_name, locate_image
from datatools.formats.locate import ImageIndex
from datatools.formats.registry import load_format
from datatools.formats.rows import BrokenRowError
from datatools.masks import MaskError, rings_of
from datatools.tree import open_tree

Row = dict[str, Any]
NATIVE = "label_studio/"  # what the reader puts before the id of a region that says nothing else


@dataclass(frozen=True)
class Returned:
    """The work of one person: `who` as the file names them, None where it names nobody.

    `items` carry our ids where the tool kept them. `said` are the images the work is about, `looked` those of them that the
    person is known to have looked at.
    """

    who: str | None
    items: Sequence[Item]
    said: frozenset[str]
    looked: frozenset[str]


@dataclass(frozen=True)
class Back:
    """A tool's file: the work of each person in it, and how many annotations were skipped."""

    file: str
    people: tuple[Returned, ...]
    n_skipped: int = 0


def read_back(source: Path, sent: Sent) -> Back:
    """Read the file, folder or archive `source` that the tool of `sent` exported.

    Raises DatatoolsError that names file and row for anything that is no annotation of an image of `sent`, or that no fix
    record can hold.
    """
    file, data = _open(source, sent)
    try:
        back = (_read_cvat if sent.tool == "cvat" else _read_label_studio)(data, file, sent)
    except BrokenFileError as error:
        raise DatatoolsError(f"{file}: expected an export of {sent.title}. Got: {error}.") from error
    for person in back.people:
        _check(person.items, file)
    return back


def _open(source: Path, sent: Sent) -> tuple[str, bytes]:
    """The name and the bytes of the one annotation file in `source`."""
    try:
        if source.suffix.lower() in (".xml", ".json"):
            return str(source), read_regular(source)
        tree = open_tree(source)
        files = load_format(sent.tool).find(tree)
        if len(files) != 1:
            found = ", ".join(files[:3]) or "none"
            raise DatatoolsError(f"{source}: expected one file of {sent.title}. Got {found}: name the file itself.")
        return f"{source}/{files[0]}", tree.read(files[0])
    except UnreadableFileError as error:
        raise DatatoolsError(f"{source}: expected an export of {sent.title}. Got: {error}.") from error


def _read_cvat(data: bytes, file: str, sent: Sent) -> Back:
    root = parse_xml(data)
    if root.tag != "annotations":
        raise BrokenFileError(f"the root of a CVAT file is <annotations>, not <{root.tag}>")
    paths = {name: path for path, name in sent.images.items()}
    locate = Locator(ImageIndex(paths), "", is_own=False)
    said: set[str] = set()

    def image_of(name: str, subset: str | None) -> str:
        """The path of an image that was sent."""
        path = paths.get(locate(name, subset) or "")
        if path is None or path in said:
            raise _unknown_image(file, name, "it is there twice" if path else "no such image was sent")
        said.add(path)
        return path

    content = from_cvat(root, file, image_of)
    _refuse_rejected(content.rejected.to_dict("records"), file)
    rows = content.annotations.to_dict("records")
    rows.sort(key=lambda row: (len(row["annotation_id"]), row["annotation_id"]))  # #9 before #10, as in the file
    items = _to_items(rows, [_group_of(row) for row in rows], sent)
    return Back(file, (Returned(None, items, frozenset(said), frozenset(said)),))


def _group_of(row: Row) -> tuple[Any, ...] | None:
    group = load_attributes(row["attributes"]).get("group_id")
    return None if group is None else (row["path"], group)


@dataclass
class _Work:
    """What one person's annotations say, while tasks are read."""

    rows: list[Row] = field(default_factory=list)
    said: set[str] = field(default_factory=set)
    looked: set[str] = field(default_factory=set)

    def to_returned(self, who: str | None, sent: Sent) -> Returned:
        """The same, of the person `who`."""
        items = _to_items(self.rows, _rings_of(self.rows, sent), sent)
        return Returned(who, items, frozenset(self.said), frozenset(self.looked))


def _read_label_studio(data: bytes, file: str, sent: Sent) -> Back:
    paths = {name: path for path, name in sent.images.items()}
    index = ImageIndex(paths)
    work: dict[str | None, _Work] = {}
    n_skipped = 0
    for number, task in enumerate(check_tasks(parse_json(data, allow_nan=True)), start=1):
        where = f"{file}, task {number}"
        try:
            name = image_name(task)
        except BrokenRowError as error:
            raise DatatoolsError(f"{where}: expected a task of {sent.title}. Got: {error}.") from error
        last, skipped = _last_entries(task)
        n_skipped += skipped
        path = paths.get(locate_image(name, index, "") or "")
        for who, entry in last.items():
            own = work.setdefault(who, _Work())
            if path is None or path in own.said:
                raise _unknown_image(where, name, "it is there twice" if path else "no such image was sent")
            own.rows += _read_entry(entry, task, path, where)
            own.said.add(path)
            own.looked |= {path} if entry.get("lead_time") else set()
    return Back(file, tuple(own.to_returned(who, sent) for who, own in work.items()), n_skipped)


def _last_entries(task: Row) -> tuple[dict[str | None, Row], int]:
    """The last annotation of each person in a task, and how many were skipped."""
    entries = [entry for key in ("completions", "annotations") for entry in task.get(key) or []]
    done = [entry for entry in entries if entry.get("was_cancelled") is not True]
    done.sort(key=lambda entry: str(entry.get("updated_at") or entry.get("created_at") or ""))
    return {annotator_of("annotations", entry): entry for entry in done}, len(entries) - len(done)


def _read_entry(entry: Row, task: Row, path: str, where: str) -> list[Row]:
    alone = {"data": task["data"], "annotations": [{"result": entry["result"]}]}
    _, rows, rejected = from_label_studio([alone], where, lambda name: path)
    _refuse_rejected(rejected, where)
    return rows


def _rings_of(rows: Sequence[Row], sent: Sent) -> list[tuple[str, str] | None]:
    """Image and mask that each row is a ring of, going by Label Studio's id of its region: `id`, `id/2`, `id/3`."""
    several = {NATIVE + sent_id(item.annotation_id).removeprefix(NATIVE) for item in sent.items if _n_rings(item) > 1}
    found: list[tuple[str, str] | None] = []
    for row in rows:
        name, (base, _, number) = row["annotation_id"], row["annotation_id"].rpartition("/")
        part = name if name in several else base if base in several and number.isdecimal() else None
        found.append(None if part is None else (row["path"], part))
    return found


def _to_items(rows: Sequence[Row], groups: Sequence[Any], sent: Sent) -> list[Item]:
    """The rows as items with our ids; rings of one mask that came back apart are joined again."""
    known = {sent_id(item.annotation_id): item.annotation_id for item in sent.items}
    known |= {NATIVE + name.removeprefix(NATIVE): ours for name, ours in known.items()}
    named = [{**row, "annotation_id": known.get(row["annotation_id"], row["annotation_id"])} for row in rows]
    return [Item.from_row(row) for row in _join_again(named, groups, sent)]


def _join_again(rows: Sequence[Row], groups: Sequence[Any], sent: Sent) -> list[Row]:
    """Masks of a group, as many as a mask that was sent to their image has rings, are one: unless it came back whole."""
    wanted = {item.annotation_id: (item.path, n) for item in sent.items if (n := _n_rings(item)) > 1}
    whole = {
        row["annotation_id"] for row in rows if (row["annotation_id"] in wanted) and _n_rings(Item.from_row(row)) > 1
    }
    missing = {place for name, place in wanted.items() if name not in whole}
    by_group: dict[Any, list[int]] = {}
    for number, (row, group) in enumerate(zip(rows, groups, strict=True)):
        if group is not None and row["kind"] == "mask" and row["annotation_id"] not in whole:
            by_group.setdefault(group, []).append(number)
    joined: dict[int, Row] = {}
    gone: set[int] = set()
    for numbers in by_group.values():
        if len(numbers) > 1 and (rows[numbers[0]]["path"], len(numbers)) in missing:
            name = rows[numbers[0]]["annotation_id"]
            parts = [({**rows[number], "annotation_id": name}, ring) for ring, number in enumerate(numbers)]
            joined |= {numbers[0]: join_rings(parts)[0]}
            gone |= set(numbers)
    return [joined.get(n, row) for n, row in enumerate(rows) if n not in gone or n in joined]


def _n_rings(item: Item) -> int:
    if item.kind != "mask" or not (item.mask or "").startswith("["):
        return 1
    try:
        return len(rings_of(item.mask or ""))
    except MaskError:
        return 1


def _check(items: Sequence[Item], file: str) -> None:
    for item in items:
        where = f"{file}: {item.path}: {item.annotation_id}"
        if item.kind == "shape":
            raise DatatoolsError(f"{where}: expected a label, box or mask. Got another shape: draw a box or polygon.")
        if fault := find_fault(item):
            raise DatatoolsError(f"{where}: expected a {item.kind}. Got one that no fix record can hold: {fault}.")
    labelled: set[str] = set()
    for item in items:
        if item.kind == "label" and item.path in labelled:
            raise DatatoolsError(f"{file}: {item.path}: expected one label of the image. Got several: remove one.")
        labelled |= {item.path} if item.kind == "label" else set()


def _refuse_rejected(rejected: Sequence[Row], where: str) -> None:
    for row in rejected:
        number = row.get("row")
        at = "" if number is None or pd.isna(number) else f", row {number}"
        raise DatatoolsError(f"{where}{at}: expected an annotation that can be read. Got: {row['message']}.")


def _unknown_image(where: str, name: str, why: str) -> DatatoolsError:
    return DatatoolsError(f"{where}: expected an image of the export. Got {name!r}: {why}; is it of another export?")
