from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from datatools import library
from datatools.library import describe_change, describe_library, update_library


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A library of its own, with two stages."""
    here = tmp_path / "datatools"
    for name in ("a.py", "b.py", "pack/one.py", "pack/inner/two.py", "pack/notes.txt"):
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_text(f"# {name}\n")
    (here / "modules.json").write_text(json.dumps({"first": ["a.py"], "second": ["b.py", "pack"]}))
    monkeypatch.setattr(library, "HERE", here)
    monkeypatch.setattr(library, "MODULES", here / "modules.json")
    monkeypatch.setattr(library, "version", lambda name: "1.0")
    return here


def test_the_library_that_is_installed_has_a_digest_for_each_stage():
    found = describe_library()
    assert found == describe_library()
    assert set(found["stages"]) == set(json.loads(library.MODULES.read_text()))
    assert all(len(digest) == 16 for digest in found["stages"].values())


@pytest.mark.parametrize(
    ("change", "touched"),
    [
        (lambda here: (here / "a.py").write_text("x = 1\n"), {"first"}),
        (lambda here: (here / "b.py").write_text("x = 1\n"), {"second"}),
        (lambda here: (here / "pack/inner/two.py").write_text("x = 1\n"), {"second"}),
        (lambda here: (here / "pack/new.py").write_text(""), {"second"}),
        (lambda here: (here / "pack/one.py").rename(here / "pack/uno.py"), {"second"}),
        (lambda here: (here / "pack/notes.txt").write_text("other"), set()),
        (lambda here: (here / "c.py").write_text("unused"), set()),
        (lambda here: (here / "pack/__pycache__").mkdir(), set()),
    ],
    ids=["module", "other module", "inner", "new", "renamed", "no code", "unused", "cache"],
)
def test_a_change_touches_the_stages_that_use_it(copy: Path, change: Any, touched: set[str]):
    before = describe_library()["stages"]
    change(copy)
    after = describe_library()["stages"]
    assert {stage for stage in after if after[stage] != before[stage]} == touched


def test_where_the_library_lies_does_not_matter(copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    before = describe_library()
    shutil.copytree(copy, tmp_path / "elsewhere")
    monkeypatch.setattr(library, "HERE", tmp_path / "elsewhere")
    assert describe_library() == before


OLD = {"datatools": "1.0", "stages": {"ingest": "a", "train": "b"}}


@pytest.mark.parametrize(
    ("new", "line"),
    [
        ({"ingest": "a", "train": "b"}, None),
        ({"ingest": "x", "train": "b"}, "datatools 1.0 -> 1.1: ingest will run again"),
        ({"ingest": "x", "train": "y"}, "datatools 1.0 -> 1.1: ingest, train will run again"),
        ({"ingest": "a", "train": "b", "more": "c"}, "datatools 1.0 -> 1.1: more will run again"),
        ({"ingest": "a"}, None),
    ],
    ids=["same", "one", "both", "new stage", "stage gone"],
)
def test_an_upgrade_says_what_will_run_again(new: dict[str, str], line: str | None):
    assert describe_change(OLD, {"datatools": "1.1", "stages": new}) == line


def test_the_first_time_nothing_is_said():
    assert describe_change({}, OLD) is None


def test_the_file_is_written_once_and_left_alone_while_nothing_changes(copy: Path, tmp_path: Path):
    file = tmp_path / "data" / "library.json"
    assert update_library(file) is None
    assert json.loads(file.read_text()) == describe_library()
    before = file.stat().st_mtime_ns
    assert update_library(file) is None
    assert file.stat().st_mtime_ns == before
    assert [path.name for path in file.parent.iterdir()] == ["library.json"]


def test_an_upgrade_rewrites_the_file_and_says_so(copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tmp_path / "library.json"
    update_library(file)
    (copy / "b.py").write_text("x = 1\n")
    monkeypatch.setattr(library, "version", lambda name: "1.1")
    assert update_library(file) == "datatools 1.0 -> 1.1: second will run again"
    assert json.loads(file.read_text()) == describe_library()


def test_another_version_of_the_same_code_is_noted_and_reruns_nothing(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file = tmp_path / "library.json"
    update_library(file)
    monkeypatch.setattr(library, "version", lambda name: "1.1")
    assert update_library(file) is None
    assert json.loads(file.read_text())["datatools"] == "1.1"


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"', "{}"])
def test_a_file_that_says_nothing_is_replaced(copy: Path, tmp_path: Path, text: str):
    file = tmp_path / "library.json"
    file.write_text(text)
    assert update_library(file) is None
    assert json.loads(file.read_text()) == describe_library()
