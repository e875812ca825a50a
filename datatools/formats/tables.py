"""CSV tables beside the images: one label table per annotator (`labels/<annotator>.csv`) and metadata.csv."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datatools.dataset import label_id
from datatools.errors import DatatoolsError
from datatools.formats.locate import clean_path

Row = dict[str, Any]
LABEL_COLUMNS = ("path", "label")
RESERVED = "consensus"


@dataclass(frozen=True)
class LabelContent:
    """Rows of ANNOTATIONS, rows of REJECTED, and how many data rows the file has."""

    annotations: list[Row]
    rejected: list[Row]
    n_rows: int


def load_labels(path: Path) -> LabelContent:
    """Read one annotator's table with the columns `path` and `label`; the file's stem is the annotator.

    A row without label, or a second row for one image, is rejected with its line number. Raises DatatoolsError for an
    unknown or missing column or a file that is not UTF-8.
    """
    annotator, source = path.stem, f"labels/{path.name}"
    if annotator == RESERVED:
        raise DatatoolsError(
            f"{path}: expected an annotator's name. Got {RESERVED!r}, which stands for the vote: rename the file."
        )
    kept: dict[str, Row] = {}
    rejected: list[Row] = []
    rows = load_csv(path, required=LABEL_COLUMNS, allowed=LABEL_COLUMNS)
    for line, row in rows:
        image, label = clean_path(row["path"]), row["label"].strip()
        where = {"source": source, "row": line, "path": image}
        if not row["path"] or not label:
            rejected.append({**where, "reason": "broken_row", "message": "path or label is empty"})
        elif image in kept:
            rejected.append({**where, "reason": "repeated_row", "message": f"{annotator} labels this image twice"})
        else:
            kept[image] = {
                "annotation_id": label_id(image, annotator),
                "path": image,
                "label": label,
                "kind": "label",
                "annotator": annotator,
                "source": source,
                "attributes": "{}",
            }
    return LabelContent(list(kept.values()), rejected, len(rows))


def load_metadata(path: Path) -> dict[str, dict[str, str]]:
    """Read metadata.csv: path -> its other columns. Raises DatatoolsError without a `path` column or with a path twice."""
    result: dict[str, dict[str, str]] = {}
    for line, row in load_csv(path, required=("path",), allowed=None):
        image = clean_path(row.pop("path"))
        if image in result:
            raise DatatoolsError(f"{path}:{line}: one row an image. Got {image!r} again: remove one of the two rows.")
        result[image] = row
    return result


def load_csv(path: Path, required: Sequence[str], allowed: Sequence[str] | None) -> list[tuple[int, dict[str, str]]]:
    """Read a CSV with a header as (line number, row); raises DatatoolsError that names file, line and column."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            columns = list(reader.fieldnames or [])
            _check_columns(path, columns, required, allowed)
            return [(reader.line_num, _complete(path, reader.line_num, row)) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatatoolsError(f"{path}: expected a UTF-8 CSV file. Got: {error}. Save it as CSV UTF-8.") from error


def _check_columns(path: Path, columns: list[str], required: Sequence[str], allowed: Sequence[str] | None) -> None:
    missing = [name for name in required if name not in columns]
    unknown = [name for name in columns if allowed is not None and name not in allowed]
    if missing:
        raise DatatoolsError(
            f"{path}:1: expected the columns {', '.join(required)}. Got {', '.join(columns) or 'none'}: add {missing[0]!r}."
        )
    if unknown:
        raise DatatoolsError(
            f"{path}:1: expected the columns {', '.join(required)}. Got {unknown[0]!r} too: remove or rename it."
        )
    if len(set(columns)) < len(columns):
        raise DatatoolsError(f"{path}:1: expected each column once. Got {', '.join(columns)}: remove the second one.")


def _complete(path: Path, line: int, row: dict[Any, Any]) -> dict[str, str]:
    if None in row or None in row.values():
        raise DatatoolsError(
            f"{path}:{line}: expected as many values as there are columns. Got more or fewer: mend the row."
        )
    return row
