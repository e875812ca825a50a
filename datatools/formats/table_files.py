"""CSV and Parquet files as rows with line numbers: a broken row is one broken row, a broken file one error."""

from __future__ import annotations

import csv
import io
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from datatools.formats.documents import BrokenFileError

MAX_CELL = 1 << 30  # characters: a mask may be longer than the 131,072 that csv allows
PARQUET_MAGIC = b"PAR1"
UTF_16 = (BOM_UTF16_LE, BOM_UTF16_BE)

csv.field_size_limit(MAX_CELL)


@dataclass(frozen=True)
class Sheet:
    """A table: its columns, the cells of its rows with their line (CSV) or number (Parquet) from 1, and the rows that do not fit.

    The cells of CSV are text; those of Parquet are what they are there, null is None.
    """

    columns: tuple[str, ...]
    cells: deque[tuple[int, Sequence[Any]]] = field(default_factory=deque)
    broken: list[tuple[int, str]] = field(default_factory=list)  # line, what is wrong

    def take_rows(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Line and row, one after the other; each is let go of, so that a large table is not in memory twice."""
        while self.cells:
            line, cells = self.cells.popleft()
            yield line, dict(zip(self.columns, cells, strict=True))


def parse_table(data: bytes) -> Sheet:
    """Return the CSV or Parquet table in `data`; raises BrokenFileError."""
    return parse_parquet(data) if data.startswith(PARQUET_MAGIC) else parse_csv(data)


def parse_csv(data: bytes) -> Sheet:
    """Return a CSV table with a header, in UTF-8, or UTF-16 that says so. Raises BrokenFileError that names the line.

    Columns are separated by commas; by tabs or semicolons, as spreadsheets write them, where the header has no comma.
    """
    text = io.StringIO(_decode(data), newline="")
    header = text.readline()
    text.seek(0)
    separator = next((mark for mark in ",\t;" if mark in header), ",")
    reader = csv.reader(text, delimiter=separator, strict=True)
    try:
        sheet = Sheet(_check_header([name.strip() for name in next(reader, [])]))
        for cells in reader:
            if len(cells) == len(sheet.columns):
                sheet.cells.append((reader.line_num, cells))
            elif cells:
                message = f"expected {len(sheet.columns)} values, one a column, got {len(cells)}"
                sheet.broken.append((reader.line_num, message))
    except csv.Error as error:
        raise BrokenFileError(f"not CSV: line {reader.line_num}: {error}") from error
    return sheet


def parse_parquet(data: bytes) -> Sheet:
    """Return a Parquet table. Raises BrokenFileError."""
    columns, frame = _read_parquet(data)
    rows = frame.astype(object).itertuples(index=False, name=None)
    return Sheet(columns, deque((number, tuple(map(_plain, row))) for number, row in enumerate(rows, start=1)))


def parse_header(data: bytes) -> tuple[str, ...]:
    """The columns of a table, empty where it is none; of CSV no more than the first line is looked at."""
    try:
        if data.startswith(PARQUET_MAGIC):
            return _read_parquet(data)[0]
        first = data.lstrip(b"\xef\xbb\xbf").split(b"\n", 1)[0]
        is_whole = first.count(b'"') % 2 == 0 and not data.startswith(UTF_16)
        return parse_csv(first.rstrip(b"\r") if is_whole else data).columns
    except BrokenFileError:
        return ()


def dump_csv(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    """A CSV table; a cell is quoted where it must be."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _decode(data: bytes) -> str:
    encoding = "utf-16" if data.startswith(UTF_16) else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise BrokenFileError(f"not {encoding.removesuffix('-sig').upper()}: {error}") from error


def _read_parquet(data: bytes) -> tuple[tuple[str, ...], pd.DataFrame]:
    try:
        frame = pd.read_parquet(io.BytesIO(data))
        return _check_header([str(name) for name in frame.columns]), frame
    except (OSError, ValueError, NotImplementedError, TypeError, KeyError, OverflowError) as error:
        raise BrokenFileError(f"not Parquet: {str(error).strip() or type(error).__name__}") from error


def _check_header(columns: list[str]) -> tuple[str, ...]:
    if not any(columns):
        raise BrokenFileError("expected a line of column names, got none")
    if len(set(columns)) < len(columns):
        raise BrokenFileError(f"expected each column once, got {', '.join(columns):.200}")
    return tuple(columns)


def _plain(value: Any) -> Any:
    """A cell as JSON can hold it: numbers, booleans and text stay, anything else becomes text."""
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and value != value):
        return None
    if hasattr(value, "item") and getattr(value, "shape", None) == ():
        value = value.item()
    return value if isinstance(value, (str, int, float)) else str(value)
