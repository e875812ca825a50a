from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from datatools.errors import DatatoolsError
from datatools.fixes.importing import import_records
from datatools.fixes.records import load_records, to_line
from datatools.project import Project
from tests.builders import make_record

RECORDS = [make_record("exclude", 1, id="r1"), make_record("confirm", 2, who="Bob", before="cat", id="r2")]


def write(tmp_path: Path, *lines: str) -> Path:
    file = tmp_path / "in.jsonl"
    file.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return file


def test_records_go_to_the_files_of_those_who_made_them(tmp_path: Path):
    project = Project(tmp_path / "project")
    file = write(tmp_path, *map(to_line, RECORDS), "")
    assert import_records(project, file).records == RECORDS
    assert sorted(path.name for path in project.fixes.iterdir()) == ["2026-07-01-ann.jsonl", "2026-07-01-bob.jsonl"]
    again = import_records(project, file)
    assert (again.records, again.n_known) == ([], 2)
    assert load_records(project.fixes) == (RECORDS, [])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", r"in\.jsonl:2: expected a fix record"),
        (to_line(dataclasses.replace(RECORDS[1], who=" ")), "it does not say who decided"),
        (to_line(RECORDS[0]), "expected each id once. Got r1 again"),
        ("[" * 100_000, r"in\.jsonl:2: expected a fix record"),
    ],
)
def test_one_bad_line_and_nothing_is_taken_in(tmp_path: Path, line: str, message: str):
    project = Project(tmp_path / "project")
    with pytest.raises(DatatoolsError, match=message):
        import_records(project, write(tmp_path, to_line(RECORDS[0]), line))
    assert not project.fixes.exists()


def test_an_id_that_stands_for_other_words_is_refused(tmp_path: Path):
    project = Project(tmp_path / "project")
    import_records(project, write(tmp_path, to_line(RECORDS[0])))
    with pytest.raises(DatatoolsError, match="Got r1, which is another record"):
        import_records(project, write(tmp_path, to_line(dataclasses.replace(RECORDS[0], why="edited"))))


def test_a_missing_file_or_a_picture_is_a_wrong_call(tmp_path: Path):
    with pytest.raises(DatatoolsError, match="expected fix records"):
        import_records(Project(tmp_path), tmp_path / "none.jsonl")
    (tmp_path / "x.png").write_bytes(b"\x89PNG\xff")
    with pytest.raises(DatatoolsError, match="expected fix records"):
        import_records(Project(tmp_path), tmp_path / "x.png")
