from __future__ import annotations

import json
import re
import select
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from datatools import schema, store
from datatools.errors import DatatoolsError
from datatools.formats.tables import load_csv
from datatools.schema import FINDINGS, IMAGES, SPLIT, Table
from datatools.store import (
    append_line,
    from_arrow,
    iter_csv,
    load_json,
    load_table,
    only_one,
    save_bytes,
    save_csv,
    save_json,
    save_table,
    save_text,
    to_arrow,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
# a bare carriage return is left out: Python 3.11's csv writes it without quotes
CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), max_size=6)
HOLD = """
import sys
from collections.abc import Callable
from pathlib import Path
from datatools.store import only_one
with only_one(Path(sys.argv[1])):
    print("in", flush=True)
    sys.stdin.readline()
print("out", flush=True)
"""


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_save_bytes_makes_folders_and_replaces_what_is_there(tmp_path: Path):
    path = tmp_path / "a" / "b" / "x.bin"
    save_bytes(path, b"old")
    save_bytes(path, b"new\n")
    assert path.read_bytes() == b"new\n"
    assert names_in(path.parent) == ["x.bin"]
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("step", ["fsync", "chmod", "replace"])
@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()], ids=["error", "interrupt"])
def test_a_write_that_fails_in_the_middle_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException
):
    path = tmp_path / "x.txt"
    save_text(path, "old")

    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(store.os, step, fail)
    with pytest.raises(type(error)):
        save_text(path, "new")
    monkeypatch.undo()
    assert path.read_text() == "old"
    assert names_in(tmp_path) == ["x.txt"]


def test_a_table_that_cannot_be_written_leaves_the_old_one(tmp_path: Path):
    path = tmp_path / "split.parquet"
    save_table(path, SPLIT.conform([{"path": "a", "split": "val"}]), SPLIT)
    before = path.read_bytes()
    with pytest.raises(DatatoolsError, match="Got 'side' instead"):
        save_table(path, pd.DataFrame({"side": ["val"]}), SPLIT)
    assert path.read_bytes() == before
    assert names_in(tmp_path) == ["split.parquet"]


def test_save_text_writes_utf8_and_unix_line_ends(tmp_path: Path):
    save_text(tmp_path / "x", "ü\n")
    assert (tmp_path / "x").read_bytes() == b"\xc3\xbc\n"


@given(JSON)
def test_json_comes_back_as_it_went(tmp_path_factory: pytest.TempPathFactory, document: Any):
    path = tmp_path_factory.getbasetemp() / "round.json"
    save_json(path, document)
    assert load_json(path) == document


def test_save_json_turns_what_json_cannot_say_into_null(tmp_path: Path):
    path = tmp_path / "x.json"
    save_json(path, {"b": float("nan"), "a": [np.float64("inf"), (1.5, -float("inf"))]})
    assert json.loads(path.read_text(), parse_constant=pytest.fail) == {"b": None, "a": [None, [1.5, None]]}
    assert list(load_json(path)) == ["b", "a"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "expected a JSON file. Got no such file: run `dvc repro` first."),
        (b"{", "expected JSON. Got: Expecting property name"),
        (b"\xff", "expected JSON. Got: 'utf-8' codec"),
        (b"[" * 100_000, "expected JSON. Got: maximum recursion depth"),
    ],
    ids=["missing", "broken", "not UTF-8", "too deep"],
)
def test_load_json_names_the_file(tmp_path: Path, content: bytes | None, message: str):
    path = tmp_path / "x.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DatatoolsError, match=re.escape(f"{path}: {message}")):
        load_json(path)


def test_load_json_refuses_a_folder(tmp_path: Path):
    with pytest.raises(DatatoolsError, match=r"expected JSON\. Got: .*Is a directory.*Run `dvc repro`\."):
        load_json(tmp_path)


def test_equal_tables_give_equal_bytes_whatever_the_order_and_the_index(tmp_path: Path):
    rows = [{"path": "a", "split": "val"}, {"path": "b", "split": "train", "group": "g"}]
    save_table(tmp_path / "1", pd.DataFrame(rows), SPLIT)
    save_table(tmp_path / "2", pd.DataFrame(rows[::-1], index=[7, 3])[["group", "split", "path"]], SPLIT)
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()
    pd.testing.assert_frame_equal(load_table(tmp_path / "1", SPLIT), SPLIT.conform(rows))


def test_a_table_on_disk_carries_no_pandas_metadata(tmp_path: Path):
    save_table(tmp_path / "x", SPLIT.empty(), SPLIT)
    assert pq.read_schema(tmp_path / "x").metadata is None


TABLES = [value for value in vars(schema).values() if isinstance(value, Table)]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_table_comes_back_by_the_short_way_and_can_be_written_in(tmp_path: Path, table: Table):
    values = {"string": "a", "boolean": True}
    row = {name: values.get(dtype, 1) for name, dtype in table.columns.items()}
    save_table(tmp_path / "t", table.conform([row]), table)
    assert pq.read_schema(tmp_path / "t").equals(store._to_schema(table))
    loaded = load_table(tmp_path / "t", table)
    pd.testing.assert_frame_equal(loaded, table.conform(pd.read_parquet(tmp_path / "t")))
    for name in table.columns:
        loaded.loc[0, name] = loaded[name].iloc[0]


def test_load_table_without_a_file_says_what_to_run(tmp_path: Path):
    path = tmp_path / "split.parquet"
    with pytest.raises(DatatoolsError) as caught:
        load_table(path, SPLIT)
    assert str(caught.value) == f"{path}: expected the table split. Got no such file: run `dvc repro` first."


def test_load_table_refuses_a_foreign_file_by_name(tmp_path: Path):
    path = tmp_path / "x.parquet"
    path.write_bytes(b"no parquet")
    with pytest.raises(DatatoolsError, match=re.escape(f"{path}: expected the table split as Parquet. Got: ")):
        load_table(path, SPLIT)


@pytest.mark.parametrize(
    ("frame", "got"),
    [
        (pd.DataFrame({"path": ["a"], "side": ["val"]}), "Got 'side' instead"),
        (pd.DataFrame({"path": ["a"]}), "Got: "),  # no version: a whole number cannot be null
    ],
    ids=["another column", "a number is missing"],
)
def test_load_table_refuses_another_table_by_name(tmp_path: Path, frame: pd.DataFrame, got: str):
    path = tmp_path / "x.parquet"
    frame.to_parquet(path)
    with pytest.raises(DatatoolsError, match=re.escape(got)) as caught:
        load_table(path, FINDINGS)
    assert str(caught.value).startswith(f"{path}: expected the table findings as Parquet. Got: ")
    assert str(caught.value).endswith("Run `dvc repro`.")


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "=", "-"])
def test_save_csv_disarms_what_a_spreadsheet_would_run(tmp_path: Path, cell: str):
    save_csv(tmp_path / "x.csv", pd.DataFrame({"text": [cell]}))
    [(_, row)] = load_csv(tmp_path / "x.csv", ["text"], ["text"])
    assert row["text"] == "'" + cell


def test_save_csv_leaves_numbers_nulls_and_other_text_alone(tmp_path: Path):
    frame = pd.DataFrame({"n": [-1.5, np.nan], "text": ["a=b", None]})
    before = frame.copy(deep=True)
    save_csv(tmp_path / "x.csv", frame)
    assert (tmp_path / "x.csv").read_bytes() == b"n,text\n-1.5,a=b\n,\n"
    pd.testing.assert_frame_equal(frame, before)


@given(st.lists(st.tuples(CELL, CELL), max_size=5))
def test_csv_comes_back_as_it_went(tmp_path_factory: pytest.TempPathFactory, cells: list[tuple[str, str]]):
    path = tmp_path_factory.getbasetemp() / "round.csv"
    frame = pd.DataFrame(cells, columns=["a", "b"], dtype="string")
    save_csv(path, frame)
    found = [(row["a"], row["b"]) for _, row in load_csv(path, ["a", "b"], ["a", "b"])]
    assert found == [tuple("'" + cell if cell[:1] in set("=+-@\t") else cell for cell in row) for row in cells]


@pytest.mark.parametrize(
    ("there", "after"),
    [(None, b"new\n"), (b"", b"new\n"), (b"old\n", b"old\nnew\n"), (b"old\nto", b"old\nto\nnew\n")],
    ids=["no file", "empty", "whole", "torn"],
)
def test_append_line_ends_a_torn_line_first(tmp_path: Path, there: bytes | None, after: bytes):
    path = tmp_path / "deep" / "x.jsonl"
    if there is not None:
        path.parent.mkdir()
        path.write_bytes(there)
    append_line(path, "new")
    assert path.read_bytes() == after


def test_lines_of_two_writers_do_not_mix(tmp_path: Path):
    path = tmp_path / "x.jsonl"
    code = (
        "import sys; from pathlib import Path; from datatools.store import append_line\n"
        "for n in range(40): append_line(Path(sys.argv[1]), sys.argv[2] * 200)"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, str(path), letter]) for letter in "ab"]
    assert [writer.wait() for writer in writers] == [0, 0]
    assert sorted(path.read_text().splitlines()) == ["a" * 200] * 40 + ["b" * 200] * 40


def test_only_one_makes_a_second_process_wait_and_say_so(tmp_path: Path):
    lock = tmp_path / "locks" / "train.lock"
    command = [sys.executable, "-c", HOLD, str(lock)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with only_one(lock):
        second = subprocess.Popen(command, text=True, **pipes)
        said = second.stderr.readline()
        assert select.select([second.stdout], [], [], 0.1)[0] == []
        assert second.poll() is None
    assert said == "train: an earlier run of this stage is still at work; waiting for it to end\n"
    out, rest = second.communicate("\n")
    assert (second.returncode, out, rest) == (0, "in\nout\n", "")


def test_only_one_lets_the_next_in_after_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(RuntimeError), only_one(tmp_path / "x.lock"):
        raise RuntimeError
    with only_one(tmp_path / "x.lock"):
        pass
    assert capsys.readouterr().err == ""


def test_only_one_lets_the_next_in_when_the_holder_was_killed(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    lock = tmp_path / "x.lock"
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(lock)], text=True, **pipes)
    assert holder.stdout.readline() == "in\n"
    holder.kill()
    holder.communicate()
    with only_one(lock):
        pass
    assert capsys.readouterr().err == ""


TEXTS = st.none() | st.text(st.sampled_from("a\",\n\r; \tä'\\\0"), max_size=4)
CELLS = st.tuples(
    TEXTS,
    st.none() | st.integers(-(2**62), 2**62),
    st.none() | st.floats(),
    st.none() | st.booleans(),
    st.integers(0, 9),
)
KINDS = {"text": "string", "int": "Int64", "float": "float64", "bool": "boolean", "number": "int64"}


@given(st.lists(CELLS, max_size=6), st.integers(1, 4))
def test_csv_in_parts_is_the_csv_of_pandas(rows: list[tuple[Any, ...]], n_rows: int):
    cells = zip(*rows, strict=True) if rows else ([] for _ in KINDS)
    frame = pd.DataFrame({name: pd.array(list(c), KINDS[name]) for name, c in zip(KINDS, cells, strict=True)})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "CSV_ROWS", n_rows)
        found = b"".join(map(bytes, iter_csv(frame)))
    assert found == frame.to_csv(index=False, lineterminator="\n").encode()


def test_how_a_table_lies_in_memory_does_not_show_in_its_bytes(tmp_path: Path):
    rows = [{"path": f"{n:05d}", "split": "train", "group": str(n % 7)} for n in range(3000)]
    whole = SPLIT.conform(rows)
    parts = pd.concat([whole[:999], whole[999:1001], whole[1001:]], ignore_index=True)
    save_table(tmp_path / "whole.parquet", whole, SPLIT)
    save_table(tmp_path / "parts.parquet", parts, SPLIT)
    assert (tmp_path / "whole.parquet").read_bytes() == (tmp_path / "parts.parquet").read_bytes()


def test_arrow_columns_become_what_conform_makes_of_them():
    rows = [{"path": p, "n_bytes": 1, "is_grey": grey, "exif_orientation": 1} for p, grey in (("a", True), ("b", None))]
    numbers = {name: 2 for name, dtype in IMAGES.columns.items() if dtype == "int64"}
    whole = IMAGES.conform([{**numbers, **row} for row in rows])
    columns = {name: pa.chunked_array([to_arrow(whole[name])[:1], to_arrow(whole[name])[1:]]) for name in whole}
    pd.testing.assert_frame_equal(from_arrow(columns, IMAGES), whole)


def test_a_column_becomes_one_array_whatever_it_was_put_together_from():
    column = pd.concat([pd.Series(["a", None], dtype="string"), pd.Series(["b"], dtype="string")])
    assert to_arrow(column).equals(pa.array(["a", None, "b"], pa.large_string()))
    assert to_arrow(pd.Series([1.5, np.nan])).null_count == 1
    assert len(to_arrow(column[:0])) == 0


@pytest.mark.parametrize("path", ["data/dataset/dataset.json", "data/split/split.parquet"])
def test_a_file_that_dvc_knows_is_there_to_be_pulled(tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch):
    known = ("data/dataset/dataset.json", "data/split/split.parquet")
    lock = yaml.safe_dump({"stages": {"any": {"outs": [{"hash": "md5", "path": name} for name in known]}}})
    (tmp_path / "dvc.lock").write_text(lock)
    load: Callable[[Path], object] = load_json if path.endswith(".json") else (lambda file: load_table(file, SPLIT))
    with pytest.raises(DatatoolsError, match=r"Got no such file: run `dvc pull`, or `dvc repro` where"):
        load(tmp_path / path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DatatoolsError, match=r"Got no such file: run `dvc pull`"):
        load(Path(path))
    with pytest.raises(DatatoolsError, match=r"Got no such file: run `dvc repro` first"):
        load(tmp_path / "data" / "dataset" / f"other{Path(path).suffix}")
