"""CSV and Parquet tables: labels, boxes and what else is known of the images, a row each.

**What is read.** A table has a header, UTF-8, commas.

- `labels/<annotator>.csv`: `path` (from the root) and `label`, one row an image; other columns become attributes.
- Any table in the root, or in a folder train, val (valid, validation) or test there, that has a column for the image
  (path, filepath, file_name, filename, image, image_name, image_id, file ...) and one for its class (label, class,
  category, label_name, choice ...). An image may be named from the table's folder, without its folder or suffix, by an
  absolute path of another machine, or with other capitals (`000.PNG`), where only one fits. Optional: `annotator`;
  `subset` or `split` (else a file or folder called train, val or test says it); a box as x0 y0 x1 y1, xmin ymin
  xmax ymax, x1 y1 x2 y2 or x y w h, then also the image's `width` and `height`; `annotation_id`. Without annotator
  and box a row describes the image, and its other columns become its metadata (so that `group_column` can name one);
  with one of them they become attributes of the row.
- The same with one column an annotator instead of the class: columns called `annotator_...`, `rater_...`, `labeler_...`,
  `coder_...`, `worker_...`, `expert_...` or `reader_...`; the name of the column is that of the annotator, an empty
  cell is no rating, the other columns become metadata. Other names (`clean`, `worst`, a person's name) are
  not recognised as annotators, nor are tables with a 0/1 column a class, or with boxes or masks in one cell (`bbox`).
- `metadata.csv`: one row an image, every column but the image's becomes metadata, as text.
- `classes.txt`: a class a line.
- Tables, and those in `labels/`, may be `.tsv`. Where the header has no comma, tabs or semicolons separate the columns.
  Text is UTF-8, or UTF-16 with its mark.
- `annotations.csv` and `images.csv` as written here, and the tables of the same columns as Parquet.

Where every file lies in one folder, as in an archive of one folder, that folder counts as the root.

A label row without label is rejected, a second label of one annotator for one image too; a box without label has a
null label, and one with a coordinate that is empty or no finite number is rejected. The name `consensus` stands for the
vote and is no annotator.

**Pixel convention.** Boxes are taken as half-open, continuous pixels, 0 at the left and upper edge, exactly as given.

**What is written.** Where there are only labels of named annotators, without attributes: `labels/<annotator>.csv`,
`metadata.csv`, `classes.txt`. Else `annotations.csv` and `images.csv` with every column of the data model, and
`tables.json` with the classes and extras that `classes.txt` cannot hold. Nothing is lost. There, an empty cell is
null; text that is empty, begins with `"` or has control characters is written as a JSON string; numbers
have as many digits as it takes to read the same number back.
"""

from __future__ import annotations

import posixpath
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from datatools.dataset import label_id
from datatools.errors import DatatoolsError
from datatools.formats.base import Content, Format, Row, Rows, Saved, dump_attributes, is_number, write_new
from datatools.formats.documents import BrokenFileError, parse_json
from datatools.formats.locate import clean_path
from datatools.formats.own_tables import from_own_table, to_tables
from datatools.formats.rows import BrokenBoxError, BrokenRowError
from datatools.formats.table_columns import PATHS, Columns, read_columns
from datatools.formats.table_files import Sheet, parse_csv, parse_table
from datatools.formats.table_images import TableImages
from datatools.formats.table_places import (
    CLASSES,
    DOCUMENT,
    FOLDER,
    METADATA,
    find_wrapper,
    is_own,
    is_table,
    place_below,
    subset_of,
)
from datatools.schema import ANNOTATIONS, BOX, CONSENSUS
from datatools.tree import Tree, UnreadableFileError

GIVEN = "given"
JSON_STARTS = ("[{", '{"')  # as Label Studio writes several choices, or boxes, into one cell


@dataclass(frozen=True)
class TableFile:
    """A table and where it is from: `annotator` and `subset` as the name of the file says them."""

    source: str
    sheet: Sheet
    annotator: str | None = None
    subset: str | None = None
    id_prefix: str = "tables"


@dataclass
class _Found:
    """Rows as they come together."""

    records: dict[str, Row] = field(default_factory=dict)
    annotations: Rows = field(default_factory=lambda: Rows(ANNOTATIONS))
    rejected: list[Row] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    extras: dict[str, Any] = field(default_factory=dict)
    labelled: dict[str, dict[str, str]] = field(default_factory=dict)  # annotator -> image -> label

    def reject(self, source: str, line: int | None, reason: str, message: str, path: str | None = None) -> None:
        """Add a row of REJECTED."""
        self.rejected.append({"source": source, "row": line, "path": path, "reason": reason, "message": message})

    def describe(self, path: str, source: str) -> Row:
        """The record of an image, a new one where there is none yet."""
        return self.records.setdefault(path, {"path": path, "metadata": {}, "attributes": "{}", "source": source})


def find_tables(tree: Tree) -> list[str]:
    """labels/*.csv, metadata.csv, classes.txt, and the tables in the root (or Parquet in labels/) whose columns fit."""
    top = find_wrapper(tree)
    found = [path for path in tree.sizes if is_table(tree, path, place_below(path, top))]
    is_more = any(place_below(path, top) != CLASSES for path in found)  # a list of classes may be of others
    return found if is_more or not top else []


def load_tables(tree: Tree, files: Sequence[str]) -> Content:
    """Read tables; a file that is no table is one rejected row, a broken row of it another."""
    found = _Found()
    top = find_wrapper(tree)
    images = TableImages(tree.sizes, top)
    tables = []
    for path in files:
        place = place_below(path, top)
        try:
            data = tree.read(path)
            if place == CLASSES:
                _read_classes(path, data, found)
            elif place == DOCUMENT:
                _read_document(data, found)
            elif place == METADATA:
                _add_metadata(_table_file(path, data, place), images, found)
            else:
                tables.append(_table_file(path, data, place))
        except (BrokenFileError, UnreadableFileError) as error:
            found.reject(path, None, "broken_file", str(error))
    several = sum(bool(_columns(table).box) for table in tables if not is_own(table.sheet.columns)) > 1
    for table in tables:
        if is_own(table.sheet.columns):
            rows = (found.records, found.annotations, found.rejected)
            from_own_table(table.source, table.sheet, *rows, images.find_exact)
        else:
            name = place_below(table.source, top)
            prefix = f"tables/{posixpath.splitext(name)[0]}" if several else "tables"
            _add_table(replace(table, id_prefix=prefix), images, found)
    return _to_content(found, files)


def from_table(table: TableFile, find: Callable[[str], str]) -> Content:
    """Convert one table; `find` gives the path of the image that a cell names."""
    found = _Found()
    _add_rows(table, _columns(table), find, found)
    return _to_content(found, ())


def load_csv(path: Path, required: Sequence[str], allowed: Sequence[str] | None) -> list[tuple[int, dict[str, str]]]:
    """Read a CSV of our own as (line number, row); raises DatatoolsError that names file, line and column."""
    try:
        sheet = parse_csv(path.read_bytes())
    except (OSError, BrokenFileError) as error:
        raise DatatoolsError(f"{path}: expected a UTF-8 CSV file. Got: {error}. Save it as CSV UTF-8.") from error
    missing = [name for name in required if name not in sheet.columns]
    unknown = [name for name in sheet.columns if allowed is not None and name not in allowed]
    if missing or unknown:
        what = f"add {missing[0]!r}" if missing else f"remove or rename {unknown[0]!r}"
        raise DatatoolsError(
            f"{path}:1: expected the columns {', '.join(required)}. Got {', '.join(sheet.columns)}: {what}."
        )
    for line, message in sheet.broken:
        raise DatatoolsError(f"{path}:{line}: {message}. Mend the row.")
    return list(sheet.take_rows())


def save_tables(content: Content, folder: Path) -> Saved:
    """Write the tables below `folder`; FileExistsError where one is already there. There are no losses."""
    for name, text in to_tables(content).items():
        write_new(folder / name, text.encode())
    return Saved()


def _table_file(path: str, data: bytes, place: str) -> TableFile:
    """Read a table, `place` as for _is_ours; raises BrokenFileError where it is none, or its columns are not those of its place."""
    sheet = parse_table(data)
    folder, stem = posixpath.dirname(place), PurePosixPath(place).stem
    if place == METADATA:
        if not {name.casefold() for name in sheet.columns} & set(PATHS):
            raise BrokenFileError(f"expected a column 'path', got {', '.join(sheet.columns):.200}")
    elif not is_own(sheet.columns) and read_columns(sheet.columns) is None:
        raise BrokenFileError(f"expected the columns path, label, got {', '.join(sheet.columns):.200}")
    if folder == FOLDER and stem == CONSENSUS:
        raise BrokenFileError(f"expected an annotator's name, got {CONSENSUS!r}, which stands for the vote: rename it")
    return TableFile(path, sheet, stem if folder == FOLDER else None, subset_of(place))


def _columns(table: TableFile) -> Columns:
    columns = read_columns(table.sheet.columns)
    assert columns is not None, "_table_file lets no other table through"
    return columns


def _add_table(table: TableFile, images: TableImages, found: _Found) -> None:
    """In labels/, paths are those from the root; elsewhere, names in the wild."""

    def find(name: str) -> str:
        """The path of the image that a name means; the name itself where there is none."""
        return images.find(name, table.source) if table.annotator is None else images.find_exact(clean_path(name))

    _add_rows(table, _columns(table), find, found)


def _add_rows(table: TableFile, columns: Columns, find: Callable[[str], str], found: _Found) -> None:
    for line, message in table.sheet.broken:
        found.reject(table.source, line, "broken_row", message)
    described: set[str] = set()
    for number, (line, row) in enumerate(table.sheet.take_rows(), start=1):
        name = _text(row[columns.path])
        path = find(name) if name else None
        try:
            if path is None:
                raise BrokenRowError("path or label is empty")
            rows = _to_ratings(row, path, columns) if columns.raters else [_to_row(row, path, columns, table, number)]
            if path in described and columns.raters:
                found.reject(table.source, line, "repeated_row", "this image has a row already", path)
                continue
            described.add(path)
            _describe(row, path, columns, table, line, found)
        except BrokenRowError as error:
            found.reject(table.source, line, error.reason, str(error), path)
            continue
        for item in rows:
            _add_annotation({**item, "path": path, "source": table.source}, line, found)


def _add_annotation(row: Row, line: int, found: _Found) -> None:
    if row["kind"] == "label":
        labelled = found.labelled.setdefault(row["annotator"], {})
        if row["path"] in labelled:
            said, first = f"{row['annotator']} labels this image twice", labelled[row["path"]]
            same = first == row["label"]
            message = said if same else f"{said}: {first!r:.60}, which stays, and {row['label']!r:.60}"
            found.reject(row["source"], line, "repeated_row" if same else "LBL006", message, row["path"])
            return
        labelled[row["path"]] = sys.intern(row["label"])
    found.annotations.append(row)


def _to_ratings(row: Mapping[str, Any], path: str, columns: Columns) -> list[Row]:
    labels = {rater: _text(row[rater]).strip() for rater in columns.raters}
    return [_label_row(path, label, rater, {}) for rater, label in labels.items() if label]


def _to_row(row: Mapping[str, Any], path: str, columns: Columns, table: TableFile, number: int) -> Row:
    label = _text(row[columns.label]).strip() if columns.label else ""
    annotator = (_text(row[columns.annotator]).strip() if columns.annotator else "") or table.annotator
    if annotator == CONSENSUS:
        raise BrokenRowError(f"{CONSENSUS!r} stands for the vote and is no annotator")
    names = columns.others if table.annotator is not None or not columns.describes_images else ()
    attributes = {name: row[name] for name in names if row[name] not in (None, "")}
    edges = _to_box(row, columns)
    if label.startswith(JSON_STARTS):
        raise BrokenRowError(f"expected the name of a class, got JSON, {label!r:.60}: export as JSON, not as a table")
    if edges is None:
        if not label:
            raise BrokenRowError("path or label is empty")
        item = _label_row(path, label, annotator or GIVEN, attributes)
    else:
        item = {
            "annotation_id": f"{table.id_prefix}/{path}#{number}",
            "label": label or None,
            "kind": "box",
            **dict(zip(BOX, edges)),
            "annotator": annotator,
            "attributes": dump_attributes(attributes),
        }
    own_id = _text(row[columns.annotation_id]) if columns.annotation_id else ""
    return {**item, "annotation_id": own_id or item["annotation_id"]}


def _label_row(path: str, label: str, annotator: str, attributes: Row) -> Row:
    return {
        "annotation_id": label_id(path, annotator),
        "label": label,
        "kind": "label",
        "annotator": annotator,
        "attributes": dump_attributes(attributes),
    }


def _to_box(row: Mapping[str, Any], columns: Columns) -> tuple[float, ...] | None:
    """Half-open `(x0, y0, x1, y1)` as given; None where the row has no box."""
    cells = [_text(row[name]).strip() for name in columns.box] if columns.box else ()
    if not any(cells):
        return None
    x0, y0, x1, y1 = (_to_number(cell, name, BrokenBoxError) for cell, name in zip(cells, columns.box))
    return (x0, y0, x0 + x1, y0 + y1) if columns.is_extent else (x0, y0, x1, y1)


def _to_number(cell: str, name: str, error: type[BrokenRowError] = BrokenRowError) -> float:
    try:
        value = float(cell) if "_" not in cell else None
    except ValueError:
        value = None
    if not is_number(value):
        raise error(f"{name} must be a finite number, got {cell[:40]!r}")
    return float(value or 0)


def _describe(row: Mapping[str, Any], path: str, columns: Columns, table: TableFile, line: int, found: _Found) -> None:
    """Put what the row says of the image into its record; the first row to say a thing has the word."""
    if not (columns.others or columns.subset or table.subset or columns.size):
        return
    said: Row = {}
    if columns.subset or table.subset:
        said["subset"] = (_text(row[columns.subset]).strip() if columns.subset else "") or table.subset
    for name, column in zip(("width_px", "height_px"), columns.size):
        cell = _text(row[column]).strip()
        if cell:
            value = _to_number(cell, column)
            if value != int(value):
                raise BrokenRowError(f"{column} must be whole pixels, got {cell[:40]!r}")
            said[name] = int(value)
    metadata = {}
    if columns.describes_images and table.annotator is None:
        metadata = {name: _text(row[name]) for name in columns.others}
    if not metadata and not any(value is not None for value in said.values()):
        return
    record = found.describe(path, table.source)
    for name, value in [*said.items()]:
        if record.get(name) is None:
            record[name] = value
        elif value is not None and record[name] != value:
            message = f"line {line} says {name} {value!r}, but {record[name]!r} was said before"
            found.reject(table.source, None, "broken_row", message, path)
    _merge_metadata(record, metadata, table.source, line, found)


def _merge_metadata(record: Row, metadata: Mapping[str, str], source: str, line: int, found: _Found) -> None:
    for name, value in metadata.items():
        if record["metadata"].setdefault(name, value) != value:
            message = f"line {line} says {name} {value!r:.60}, but {record['metadata'][name]!r:.60} was said before"
            found.reject(source, None, "broken_row", message, record["path"])


def _add_metadata(table: TableFile, images: TableImages, found: _Found) -> None:
    names = {name.casefold(): name for name in reversed(table.sheet.columns)}
    column = next(names[name] for name in PATHS if name in names)
    for line, message in table.sheet.broken:
        found.reject(table.source, line, "broken_row", message)
    seen: set[str] = set()
    for line, row in table.sheet.take_rows():
        name = _text(row[column])
        path = images.find_exact(clean_path(name))
        if not name:
            found.reject(table.source, line, "broken_row", "path is empty")
        elif path in seen:
            found.reject(table.source, line, "repeated_row", "this image has a row already", path)
        else:
            seen.add(path)
            values = {key: _text(value) for key, value in row.items() if key != column}
            _merge_metadata(found.describe(path, table.source), values, table.source, line, found)


def _read_classes(path: str, data: bytes, found: _Found) -> None:
    try:
        lines = data.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise BrokenFileError(f"expected a class a line in UTF-8: {error}") from error
    for number, name in enumerate((line.strip() for line in lines), start=1):
        if name in found.classes:
            found.reject(path, number, "broken_row", f"the class {name!r:.60} is there twice")
        elif name:
            found.classes.append(name)


def _read_document(data: bytes, found: _Found) -> None:
    document = parse_json(data)
    classes = document.get("classes") if isinstance(document, dict) else None
    extras = document.get("extras") if isinstance(document, dict) else None
    if not isinstance(classes, list) or not isinstance(extras, dict) or not all(isinstance(c, str) for c in classes):
        raise BrokenFileError("expected an object with the list 'classes' and the object 'extras'")
    found.classes = list(dict.fromkeys([*classes, *found.classes]))
    found.extras.update(extras)


def _to_content(found: _Found, files: Iterable[str]) -> Content:
    records = (
        {**row, "metadata": dump_attributes(row["metadata"]) if row["metadata"] else None}
        if isinstance(row["metadata"], dict)
        else row
        for row in found.records.values()
    )
    classes = tuple(dict.fromkeys(found.classes))
    return Content.from_rows(records, found.annotations, classes, found.rejected, files, found.extras)


def _text(value: Any) -> str:
    return "" if value is None else str(value)


FORMAT = Format("tables", "CSV and Parquet tables", find_tables, load_tables, save_tables)
