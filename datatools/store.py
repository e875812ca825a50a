"""Tables and documents on disk: atomic, durable writes that give the same bytes for the same content."""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from datatools.errors import DatatoolsError
from datatools.replacing import replacing, sync_folder
from datatools.schema import Table

if TYPE_CHECKING:  # not on every machine that trains
    import pyarrow as pa

CSV_ROWS = 8192  # that are written together
FORMULA = r"^([=+\-@\t\r])"  # OWASP, CSV injection


def save_bytes(path: Path, data: bytes | pa.Buffer) -> None:
    """Write `data` to `path` so that a reader sees the old file or the whole new one, also after kill -9."""
    with replacing(path) as file:
        file.write(data)


def save_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically, with `\\n` line ends on every system."""
    save_bytes(path, text.encode("utf-8"))


def save_json(path: Path, document: Any) -> None:
    """Write `document` as indented JSON with keys in the given order; NaN becomes null."""
    save_text(path, json.dumps(_without_nan(document), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def load_json(path: Path) -> Any:
    """Read a JSON file; raises DatatoolsError that names the file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DatatoolsError(f"{path}: expected a JSON file. Got no such file: {_how_to_get(path)}.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise DatatoolsError(f"{path}: expected JSON. Got: {error}. Run `dvc repro`.") from error


def _how_to_get(path: Path) -> str:
    """What brings a file that is not there: the dvc.lock above it knows it in a clone, and after a stage that failed."""
    own = path.absolute()
    lock = next((folder / "dvc.lock" for folder in own.parents if (folder / "dvc.lock").is_file()), None)
    if lock is not None:
        known = (
            line.strip().removeprefix("- ") for line in lock.read_text(encoding="utf-8", errors="replace").splitlines()
        )
        if f"path: {own.relative_to(lock.parent).as_posix()}" in known:
            return "run `dvc pull`, or `dvc repro` where that does not bring it"
    return "run `dvc repro` first"


def save_table(path: Path, frame: pd.DataFrame, table: Table) -> None:
    """Write `frame` as Parquet in `table`'s columns and order; equal content gives equal bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrow = pa.Table.from_pandas(table.conform(frame), preserve_index=False).replace_schema_metadata(None)
    sink = pa.BufferOutputStream()
    pq.write_table(arrow.combine_chunks(), sink, compression="zstd")  # a chunk's end would be seen in the bytes
    save_bytes(path, sink.getvalue())


def load_table(path: Path, table: Table) -> pd.DataFrame:
    """Read a Parquet file of `table`; raises DatatoolsError for a missing or foreign file."""
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            read = file.read()
        is_ours = read.schema.equals(_to_schema(table))
        return table.conform(from_arrow(read, table) if is_ours else read.to_pandas())
    except FileNotFoundError as error:
        raise DatatoolsError(
            f"{path}: expected the table {table.name}. Got no such file: {_how_to_get(path)}."
        ) from error
    except (OSError, ValueError, DatatoolsError) as error:
        raise DatatoolsError(
            f"{path}: expected the table {table.name} as Parquet. Got: {error} Run `dvc repro`."
        ) from error


def load_if_there(path: Path, table: Table) -> pd.DataFrame:
    """As load_table; a table without rows where there is no such file."""
    return load_table(path, table) if path.exists() else table.empty()


def to_arrow(column: pd.Series) -> pa.Array:
    """The column as one Arrow array; what pandas takes for missing is null."""
    import pyarrow as pa

    array = pa.array(column, from_pandas=True)
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def from_arrow(columns: pa.Table | Mapping[str, pa.Array | pa.ChunkedArray], table: Table) -> pd.DataFrame:
    """What `table.conform` makes of the columns, without a copy of the texts; the rows stay in their order."""
    frame = {}
    for name, dtype in table.columns.items():
        kind = pd.api.types.pandas_dtype(dtype)
        array = columns[name]
        frame[name] = kind.__from_arrow__(array) if hasattr(kind, "__from_arrow__") else np.array(array.to_numpy())
    return pd.DataFrame(frame, copy=False)


def _to_schema(table: Table) -> pa.Schema:
    """What `save_table` writes."""
    import pyarrow as pa

    whole = pa.int64()
    kinds = {
        "string": pa.large_string(),
        "float64": pa.float64(),
        "boolean": pa.bool_(),
        "int64": whole,
        "Int64": whole,
    }
    return pa.schema([(name, kinds[dtype]) for name, dtype in table.columns.items()])


def save_csv(path: Path, frame: pd.DataFrame) -> None:
    """Write `frame` as CSV, atomically; a text cell that a spreadsheet would run as a formula gets a leading '."""
    text = frame.select_dtypes(exclude="number").columns
    safe = frame.assign(
        **{name: frame[name].astype("string").str.replace(FORMULA, r"'\1", regex=True) for name in text}
    )
    save_text(path, safe.to_csv(index=False, lineterminator="\n"))


def iter_csv(frame: pd.DataFrame) -> Iterator[memoryview | bytes]:
    """The bytes of `frame.to_csv(index=False, lineterminator="\\n")`, a part at a time; several times faster."""
    import pyarrow.compute as pc

    yield (",".join(frame.columns) + "\n").encode()
    for start in range(0, len(frame), CSV_ROWS):
        cells = [_to_cells(to_arrow(column)) for _, column in frame.iloc[start : start + CSV_ROWS].items()]
        lines = pc.binary_join_element_wise(*cells, _text(","), null_handling="replace")
        ended = pc.binary_join_element_wise(lines, _text(""), _text("\n"))
        yield memoryview(ended.buffers()[2])[: pc.sum(pc.binary_length(ended)).as_py()]


def _to_cells(values: pa.Array) -> pa.Array:
    """The texts that stand for `values` in CSV, as Python's csv module writes them: quoted only where they must be."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_boolean(values.type):
        return pc.if_else(values, _text("True"), _text("False"))
    if pa.types.is_floating(values.type):  # Arrow writes 1 for 1.0
        texts = [repr(value) for value in values.drop_null().to_pylist()]
        return pc.replace_with_mask(
            pa.nulls(len(values), pa.large_string()), values.is_valid(), pa.array(texts, pa.large_string())
        )
    texts = values.cast(pa.large_string())
    special = pc.match_substring_regex(texts, '[",\n]')
    if not pc.any(special).as_py():
        return texts
    doubled = pc.replace_substring(texts, '"', '""')
    return pc.if_else(special, pc.binary_join_element_wise(_text('"'), doubled, _text('"'), _text("")), texts)


def _text(value: str) -> pa.Scalar:
    import pyarrow as pa

    return pa.scalar(value, pa.large_string())


def append_line(path: Path, line: str) -> None:
    """Append one line and make it durable before returning; a torn last line of a crash is ended first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if file.seek(0, os.SEEK_END) > 0:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.write(line.encode("utf-8") + b"\n")
        file.flush()
        os.fsync(file.fileno())
    sync_folder(path.parent)


@contextlib.contextmanager
def only_one(lock: Path) -> Iterator[None]:
    """Let one process at a time in; the others wait, and say so on stderr.

    A stage's process outlives a killed `dvc repro`. Without this, a rerun would write beside it.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.stderr.write(f"{lock.stem}: an earlier run of this stage is still at work; waiting for it to end\n")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
