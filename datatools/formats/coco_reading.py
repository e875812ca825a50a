"""From COCO documents to rows: several files are read as one."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from datatools.formats.base import Content, dump_attributes, from_tuples, is_number
from datatools.formats.coco_names import (
    ANNOTATION_KEYS,
    DOCUMENT_KEYS,
    GIVEN,
    IMAGE_KEYS,
    NAME,
    OWN,
    CocoFile,
    Row,
    default_categories,
    default_file,
    has_scalars,
    id_prefixes,
    is_scalar,
    kind_of,
    name_of,
    raw_subset,
    short,
    subset_of,
)
from datatools.formats.documents import has_nan
from datatools.formats.locate import ImageIndex, clean_path
from datatools.formats.rows import NOT_JSON, BrokenBoxError, BrokenRleError, BrokenRowError, NoImageError, mask_error
from datatools.masks import MaskError, are_finite, dump_mask, parse_mask, parse_rle
from datatools.schema import ANNOTATIONS, KINDS, RECORDS, REJECTED

IMAGE_FOLDERS = ("images", "JPEGImages", "data", "img", "imgs")
Corners = tuple[float | None, float | None, float | None, float | None]


class _RepeatedIdError(BrokenRowError):
    reason = "repeated_id"


class _PanopticError(BrokenRowError):
    pass


class CocoReader:
    """Collects the rows of documents, one document after the other."""

    def __init__(self, images: ImageIndex, files: Sequence[str]) -> None:
        self._images = images
        self._files = set(files)
        self._prefixes = id_prefixes(files)
        self._records: dict[str, Row] = {}
        self._rows: list[tuple[Any, ...]] = []
        self._seen: set[str] = set()
        self._rejected: list[Row] = []
        self._classes: dict[str, None] = {}  # in the order of the files and their category ids
        self._own_classes: list[str] | None = None  # as our own writer put them down
        self._kept: dict[str, Row] = {}
        self._extras: dict[str, Any] = {}

    def reject(
        self,
        source: str,
        reason: str,
        message: str,
        row: int | None = None,
        path: str | None = None,
        annotation_id: str | None = None,
    ) -> None:
        """Put down a file or row that is not taken in."""
        where = {"source": source, "row": row, "path": path, "annotation_id": annotation_id}
        self._rejected.append({**where, "reason": reason, "message": message[:300]})

    def add(self, source: str, document: Any, use_up: bool = False) -> None:
        """Take in one document; one that is no COCO document at all is rejected.

        With `use_up` its list of annotations is emptied on the way, so that none is in memory twice.
        """
        problem = _problem_of(document)
        if problem:
            self.reject(source, "broken_file", problem)
            return
        file = CocoFile(source, self._prefixes[source], subset_of(source))
        own = _own(document)
        self._add_categories(file, document, own)
        self._add_images(file, document["images"], _scalars(own.get("new_image_ids")))
        items = document.get("annotations", [])
        for number, item in enumerate(_use_up(items) if use_up else items, start=1):
            try:
                self._rows.append(self._to_row(file, item))
            except _PanopticError as error:
                self._files.update(self._segment_files(source, item))
                self.reject(source, error.reason, str(error), number)
            except BrokenRowError as error:
                path = file.images.get(item["image_id"]) if has_scalars(item, "image_id") else None
                native = f"{file.prefix}{item['id']}" if has_scalars(item, "id") else None
                known = native is None or isinstance(error, _RepeatedIdError) or native in self._seen
                self.reject(source, error.reason, str(error), number, path, None if known else native)
        if isinstance(own.get("classes"), list) and self._own_classes is None:
            self._own_classes = [name for name in own["classes"] if isinstance(name, str)]
        if isinstance(own.get("extras"), dict):
            self._extras = {**own["extras"], **self._extras}

    def to_content(self) -> Content:
        """All that was taken in."""
        records = [{**row, "attributes": _dump(row["attributes"])} for row in self._records.values()]
        extras = {key: value for key, value in self._extras.items() if key != NAME}
        classes = self._classes if self._own_classes is None else dict.fromkeys(self._own_classes)
        return Content(
            RECORDS.conform(records),
            from_tuples(self._rows, ANNOTATIONS),
            tuple(classes),
            REJECTED.conform(self._rejected),
            frozenset(self._files),
            {**extras, NAME: self._kept} if self._kept else extras,
        )

    def _add_categories(self, file: CocoFile, document: Row, own: Row) -> None:
        categories = document.get("categories", [])
        for number, item in enumerate(categories, start=1):
            if not has_scalars(item, "id", "name"):
                self.reject(file.source, "broken_row", f"categories[{number}] needs an id and a name")
        file.define(categories)
        self._classes.update(dict.fromkeys(file.first_ids))
        kept = {key: value for key, value in document.items() if key not in DOCUMENT_KEYS}
        if categories != default_categories(file.first_ids):
            new = _scalars(own.get("new_category_ids"))
            kept["categories"] = [item for item in categories if not (has_scalars(item, "id") and item["id"] in new)]
        if kept or file.source != default_file(file.subset):
            self._kept[file.source] = kept

    def _add_images(self, file: CocoFile, items: Sequence[Any], new_ids: frozenset[Any]) -> None:
        folders = _image_folders(file)
        paths: dict[Any, set[str]] = {}
        for number, item in enumerate(items, start=1):
            path = None
            try:
                name = name_of(item)
                if name is None:
                    raise BrokenRowError("it needs a file_name")
                path = self._locate(file, item, name, folders)
                if has_scalars(item, "id"):
                    paths.setdefault(item["id"], set()).add(path)
                if _own(item).get("record") is not False:
                    self._add_record(file, path, item, new_ids)
                if not has_scalars(item, "id"):
                    raise BrokenRowError("it has no id that an annotation could name")
            except BrokenRowError as error:
                self.reject(file.source, error.reason, f"images[{number}]: {error}", path=path)
        file.images = {key: found.pop() for key, found in paths.items() if len(found) == 1}

    def _locate(self, file: CocoFile, item: Row, name: str, folders: Sequence[str]) -> str:
        path = _own(item).get("path")
        if isinstance(path, str):
            return path
        return self._images.find(name, file.source, folders) or clean_path(name)

    def _segment_files(self, source: str, item: Row) -> list[str]:
        """The PNG file of a panoptic annotation: it is no image of the data set."""
        name, folder = item.get("file_name"), posixpath.dirname(source)
        places = [posixpath.join(place, str(name)) for place in (source[: -len(".json")], folder)]
        return [path for path in places if self._images.find(path) == path and path not in self._records]

    def _add_record(self, file: CocoFile, path: str, item: Row, new_ids: frozenset[Any]) -> None:
        own = _own(item)
        width, height = _as_int(item.get("width")), _as_int(item.get("height"))
        attributes = {key: value for key, value in item.items() if key not in IMAGE_KEYS}
        no_sizes = {"width": width, "height": height}
        attributes.update(
            {name: item[name] for name in no_sizes if no_sizes[name] is None and item.get(name) is not None}
        )
        if item.get("id") is not None and not (is_scalar(item["id"]) and item["id"] in new_ids):
            attributes["id"] = item["id"]
        every = _with_own(attributes, own)
        _to_text(every)
        record = {
            "path": path,
            "width_px": width,
            "height_px": height,
            "subset": own["subset"] if _is_text(own, "subset") else file.subset,
            "metadata": own["metadata"] if _is_text(own, "metadata") else None,
            "attributes": every,
            "source": file.source,
        }
        first = self._records.setdefault(path, record)
        if first is not record and (different := _merge_record(first, record)):
            raise BrokenRowError(f"{path} is there before with another {', '.join(different)}; the first one stays")

    def _to_row(self, file: CocoFile, item: Any) -> tuple[Any, ...]:
        """Values in the order of the columns of ANNOTATIONS."""
        path = _image_of(file, item)
        own = _own(item)
        made = _scalars(own.get("made"))
        attributes = {key: value for key, value in item.items() if key not in ANNOTATION_KEYS and key not in made}
        category = None if "category_id" in made else item.get("category_id")
        if file.tells_more(category):
            attributes["category_id"] = category
        kind = own["kind"] if own.get("kind") in KINDS else kind_of(item)
        annotator = item["annotator"] if _is_text(item, "annotator") else GIVEN if kind == "label" else None
        if "annotator" in item and not _is_text(item, "annotator"):
            attributes["annotator"] = item["annotator"]
        corners = _read_corners(own, None if "bbox" in made else item.get("bbox"))
        mask = _read_own_mask(own["mask"]) if "mask" in own else read_mask(item.get("segmentation"))
        annotation_id = self._id_of(file, item, attributes)
        text = _to_text(_with_own(attributes, own) if own else attributes)
        self._seen.add(annotation_id)
        return annotation_id, path, file.label_of(category), kind, *corners, mask, annotator, file.source, text

    def _id_of(self, file: CocoFile, item: Row, attributes: Row) -> str:
        given = item.get("annotation_id")
        if isinstance(given, str) and given not in self._seen:
            return given
        if given is not None:
            attributes["annotation_id"] = given
        native = f"{file.prefix}{item['id']}"
        if native in self._seen:
            raise _RepeatedIdError(f"annotation id {short(item['id'])} is used twice")
        return native


def read_mask(value: Any) -> str | None:
    """The `mask` cell of a `segmentation`; None for an empty one. Raises an error that says why it is neither kind."""
    if not value:
        return None
    if isinstance(value, dict):
        try:
            parse_rle(value)
            return dump_mask({"size": value["size"], **value})
        except (MaskError, TypeError, ValueError) as error:
            raise BrokenRleError(str(error)) from error
    if not isinstance(value, list) or not all(map(_is_flat_ring, value)):
        raise BrokenBoxError("a segmentation polygon must be an even list of finite numbers")
    return dump_mask([zip(flat[::2], flat[1::2], strict=True) for flat in value])


def _use_up(items: list[Any]) -> Iterator[Any]:
    """The items, each of them None in the list from then on."""
    for number, item in enumerate(items):
        items[number] = None
        yield item


def _problem_of(document: Any) -> str | None:
    """Why this is no COCO document; None where it is one."""
    if isinstance(document, list):
        return "expected a COCO object. Got a list, as of detection results: it does not say what images it is about"
    if not isinstance(document, dict):
        return "expected a COCO object with the list 'images'"
    for part in ("images", "annotations", "categories"):
        if not isinstance(document.get(part, [] if part != "images" else None), list):
            return f"expected a COCO object with the list {part!r}"
    rest = {key: value for key, value in document.items() if key not in ("images", "annotations")}
    return f"not JSON: {NOT_JSON}" if has_nan(rest) else None


def _image_folders(file: CocoFile) -> list[str]:
    names = dict.fromkeys(name for name in (raw_subset(file.source), file.subset) if name)
    return [*(place for name in names for place in (f"images/{name}", name, f"{name}/images")), *IMAGE_FOLDERS]


def _image_of(file: CocoFile, item: Any) -> str:
    if isinstance(item, dict) and "segments_info" in item:
        raise _PanopticError("panoptic segments are masks in PNG files, which are not read: export them as instances")
    if not has_scalars(item, "id", "image_id"):
        raise BrokenRowError("an annotation needs id and image_id")
    if item["image_id"] not in file.images:
        raise NoImageError(f"image_id {short(item['image_id'])} is not in images, or is there twice")
    return file.images[item["image_id"]]


def _merge_record(first: Row, second: Row) -> list[str]:
    """Add to `first` what it does not have; returns the names of what `second` says otherwise."""
    different = []
    for name in ("width_px", "height_px", "subset", "metadata"):
        if first[name] is None:
            first[name] = second[name]
        elif second[name] not in (None, first[name]):
            different.append(name)
    known, added = first["attributes"] or {}, second["attributes"] or {}
    different += [name for name in added if name in known and known[name] != added[name]]
    if first["attributes"] is not None or added:
        first["attributes"] = {**added, **known}
    return different


def _read_corners(own: Mapping[str, Any], bbox: Any) -> Corners:
    exact = own.get("box")
    if isinstance(exact, list) and len(exact) == 4 and all(value is None or is_number(value) for value in exact):
        return exact[0], exact[1], exact[2], exact[3]
    if bbox is None or bbox == []:
        return None, None, None, None
    if not isinstance(bbox, list) or len(bbox) != 4 or not all(map(is_number, bbox)):
        raise BrokenBoxError(f"bbox must be four finite numbers, got {short(bbox)}")
    x, y, width, height = map(float, bbox)
    return x, y, x + width, y + height


def _read_own_mask(text: Any) -> str:
    try:
        parse_mask(text)
    except (MaskError, TypeError) as error:
        raise mask_error(text, MaskError(f"the mask in {OWN!r}: {error}")) from error
    return str(text)


def _is_flat_ring(value: Any) -> bool:
    return isinstance(value, list) and len(value) % 2 == 0 and are_finite(value)


def _own(item: Any) -> Row:
    own = item.get(OWN) if isinstance(item, dict) else None
    return own if isinstance(own, dict) else {}


def _with_own(attributes: Row, own: Mapping[str, Any]) -> Row | None:
    """The attributes, with those that had to go into our own object; None where that says null."""
    if "attributes" not in own:
        return attributes
    return {**attributes, **own["attributes"]} if isinstance(own["attributes"], dict) else None


def _is_text(item: Mapping[str, Any], name: str) -> bool:
    """Whether `item` says something of `name`: a text, or null in so many words."""
    return name in item and (item[name] is None or isinstance(item[name], str))


def _scalars(value: Any) -> frozenset[Any]:
    return frozenset(filter(is_scalar, value)) if isinstance(value, list) else frozenset()


def _as_int(value: Any) -> int | None:
    return int(value) if is_number(value) and value == int(value) else None


def _dump(attributes: Row | None) -> str | None:
    return None if attributes is None else dump_attributes(attributes)


def _to_text(attributes: Row | None) -> str | None:
    try:
        return _dump(attributes)
    except (TypeError, ValueError, RecursionError) as error:
        raise BrokenRowError(NOT_JSON) from error
