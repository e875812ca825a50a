from __future__ import annotations

import dataclasses
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datatools.errors import DatatoolsError
from datatools.fixes.records import (
    NEEDS,
    OPS,
    BrokenLine,
    FixRecord,
    append_records,
    file_records,
    from_line,
    in_order,
    load_records,
    now,
    parse_lines,
    sitting_path,
    to_line,
    write_moment,
)
from tests.builders import make_record

TEXT = st.text(max_size=8)
EVIDENCE = st.dictionaries(TEXT, TEXT | st.integers() | st.floats(allow_nan=False, allow_infinity=False), max_size=2)


@st.composite
def fix_records(draw: st.DrawFn) -> FixRecord:
    op = draw(st.sampled_from(OPS))
    optional = ("path", "annotation_id", "before", "after", "column", "reverts", "base")
    fields = {name: draw(TEXT if name in NEEDS[op] else st.none() | TEXT) for name in optional}
    settles = tuple(draw(st.lists(TEXT, max_size=2)))
    return FixRecord(
        op, draw(TEXT), draw(TEXT), draw(TEXT), **fields, settles=settles, evidence=draw(EVIDENCE), id=draw(TEXT)
    )


@given(fix_records())
def test_a_record_comes_back_from_its_line(record: FixRecord):
    line = to_line(record)
    assert "\n" not in line
    assert from_line(line) == record
    assert to_line(from_line(line)) == line


def test_a_line_has_sorted_keys_and_no_empty_fields():
    record = make_record("exclude", why="blank é", id="ab")
    assert to_line(record) == (
        '{"id": "ab", "op": "exclude", "path": "a.png", "schema": 2, "when": "2026-07-01T12:00:00.000000Z", '
        '"who": "ann", "why": "blank é"}'
    )


GOOD = json.loads(to_line(make_record("relabel", before="cat", after="dog")))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": 3}, "schema 3 is not one of 1, 2"),
        ({"schema": True}, "schema True is not one of 1, 2"),
        ({"settles": "r1"}, "settles must be a list of strings"),
        ({"settles": [1]}, "settles must be a list of strings"),
        ({"schema": None}, "schema None is not one of 1, 2"),
        (
            {"op": "rotate"},
            "op 'rotate' is not one of relabel, confirm, move_box, edit_mask, add, delete, exclude, include, set_metadata, set_split, ask, revert",
        ),
        ({"op": ["relabel"]}, "op ['relabel'] is not one of"),
        ({"oops": "x"}, "unknown field 'oops'"),
        ({"after": 5}, "after must be a string"),
        ({"who": None}, "who must be a string"),
        ({"evidence": []}, "evidence must be an object"),
    ],
)
def test_from_line_says_what_is_wrong(changes: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=re.escape(message)):
        from_line(json.dumps({**GOOD, **changes}))


@pytest.mark.parametrize("name", ["id", "who", "when", "why"])
def test_from_line_names_a_missing_field(name: str):
    line = json.dumps({key: value for key, value in GOOD.items() if key != name})
    with pytest.raises(ValueError, match=f"field '{name}' is missing"):
        from_line(line)


@pytest.mark.parametrize(("op", "name"), [(op, name) for op, names in NEEDS.items() for name in names])
def test_from_line_asks_for_what_the_decision_is_about(op: str, name: str):
    full = {**GOOD, "op": op, "annotation_id": "x", "after": "x", "path": "x", "reverts": "x", "column": "x"}
    assert from_line(json.dumps(full)).op == op
    del full[name]
    with pytest.raises(ValueError, match=f"{op} needs the field '{name}'"):
        from_line(json.dumps(full))


@pytest.mark.parametrize("line", ["[]", "1", '"relabel"', "null"])
def test_a_line_that_is_no_object_is_refused(line: str):
    with pytest.raises(ValueError, match="not a JSON object"):
        from_line(line)


def test_records_are_read_once_each_in_the_order_of_time_and_id(tmp_path: Path):
    late, early = make_record("confirm", 9), make_record("confirm", 1)
    same_time = make_record("confirm", 1, path="b.png")
    append_records(tmp_path / "a.jsonl", [late, early])
    append_records(tmp_path / "b.jsonl", [early, same_time])
    records, broken = load_records(tmp_path)
    assert records == [*sorted([early, same_time], key=lambda record: record.id), late]
    assert broken == []
    (tmp_path / "a.jsonl").rename(tmp_path / "z.jsonl")
    assert load_records(tmp_path)[0] == records


def test_a_torn_last_line_is_reported_and_the_next_record_is_safe(tmp_path: Path):
    path = tmp_path / "x.jsonl"
    first, second = make_record("confirm", 1), make_record("exclude", 2)
    append_records(path, [first])
    whole = path.read_bytes()
    path.write_bytes(whole + to_line(second).encode()[:40])
    records, broken = load_records(tmp_path)
    assert records == [first]
    assert [(line.file, line.line) for line in broken] == [("x.jsonl", 2)]
    append_records(path, [second])
    assert path.read_bytes().startswith(whole)
    records, broken = load_records(tmp_path)
    assert records == [first, second]
    assert [(line.file, line.line) for line in broken] == [("x.jsonl", 2)]


@given(cut=st.integers(0, 10_000))
def test_a_file_torn_anywhere_loses_at_most_its_last_record(tmp_path_factory: pytest.TempPathFactory, cut: int):
    made = [make_record("relabel", n, before="é", after="ü", id=str(n)) for n in range(3)]
    data = "".join(to_line(record) + "\n" for record in made).encode()
    cut %= len(data) + 1
    folder = tmp_path_factory.getbasetemp() / "torn"
    folder.mkdir(exist_ok=True)
    (folder / "x.jsonl").write_bytes(data[:cut])
    records, broken = load_records(folder)
    n_whole = data[:cut].count(b"\n")
    assert records[:n_whole] == made[:n_whole]
    assert len(records) + len(broken) == n_whole + (data[:cut].split(b"\n")[-1] != b"")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"<<<<<<< HEAD", "Expecting value"),
        (b"\xff\xfe", "codec can't decode"),
        (b"[" * 100_000, "maximum recursion depth"),
        (b"{}", "schema None is not one of 1, 2"),
    ],
    ids=["merge", "bytes", "deep", "empty object"],
)
def test_a_broken_line_is_a_row_and_never_an_exception(tmp_path: Path, line: bytes, message: str):
    good = make_record("confirm")
    (tmp_path / "x.jsonl").write_bytes(b"\n" + line + b"\r\n  \n" + to_line(good).encode() + b"\r\n")
    records, [broken] = load_records(tmp_path)
    assert records == [good]
    assert (broken.file, broken.line) == ("x.jsonl", 2)
    assert message in broken.message


def test_other_files_and_a_missing_folder_hold_no_records(tmp_path: Path):
    (tmp_path / "notes.txt").write_text("{}")
    assert load_records(tmp_path) == ([], [])
    assert load_records(tmp_path / "none") == ([], [])


def test_a_record_without_a_person_is_refused_and_not_written(tmp_path: Path):
    path = tmp_path / "x.jsonl"
    with pytest.raises(DatatoolsError) as caught:
        append_records(path, [make_record("confirm", who=" ")])
    assert str(caught.value) == (
        f"{path}: a fix record needs who decided it. Got none: set git config user.name or pass --who."
    )
    assert not path.exists()


@pytest.mark.parametrize(
    ("who", "name"),
    [
        ("Rita Reviewer", "2026-07-01-rita-reviewer.jsonl"),
        ("../../etc", "2026-07-01-etc.jsonl"),
        ("a.b@c", "2026-07-01-a-b-c.jsonl"),
        ("Анна", "2026-07-01-someone.jsonl"),
    ],
)
def test_a_reviewers_day_is_one_file_in_the_folder(who: str, name: str):
    assert sitting_path(Path("fixes"), who, "2026-07-01T12:00:00.000000Z") == Path("fixes") / name


def test_now_sorts_as_text_and_ids_differ():
    one, other = now(), now()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", one)
    assert one <= other
    assert make_record("confirm").id != make_record("confirm").id
    assert BrokenLine("f", 1, "m") == dataclasses.replace(BrokenLine("f", 1, "x"), message="m")


def test_half_a_character_is_a_broken_line(tmp_path: Path):
    record = to_line(make_record("confirm", why="said")).replace("said", "\\ud800")
    (tmp_path / "a.jsonl").write_text(record + "\n")
    records, broken = load_records(tmp_path)
    assert not records and "surrogates not allowed" in broken[0].message


def test_records_of_the_first_schema_are_read():
    line = to_line(make_record("confirm", id="ab")).replace('"schema": 2', '"schema": 1')
    assert (from_line(line).id, from_line(line).schema) == ("ab", 1)


def test_the_lines_of_a_file_are_records_or_named_by_their_number():
    record = make_record("exclude")
    records, broken = parse_lines(b"\n" + to_line(record).encode() + b"\n{\n\xff\n", "a.jsonl")
    assert records == [record]
    assert [(line.file, line.line) for line in broken] == [("a.jsonl", 3), ("a.jsonl", 4)]


def test_in_order_is_by_time_and_id_and_the_first_of_an_id_stands():
    first, second = make_record("exclude", 1, id="b"), make_record("exclude", 2, id="a")
    twin = dataclasses.replace(first, why="again")
    assert in_order([second, first, twin]) == [first, second]


def test_records_go_into_the_files_of_those_who_made_them(tmp_path: Path):
    mine, theirs = make_record("exclude", who="Ann"), make_record("confirm", who="Bo", before="cat")
    file_records(tmp_path, [mine, theirs])
    assert {path.name for path in tmp_path.iterdir()} == {"2026-07-01-ann.jsonl", "2026-07-01-bo.jsonl"}
    assert {record.id for record in load_records(tmp_path)[0]} == {mine.id, theirs.id}


def test_a_moment_has_microseconds_even_when_they_are_none():
    assert write_moment(datetime(2026, 7, 1, 12, tzinfo=UTC)) == "2026-07-01T12:00:00.000000Z"
