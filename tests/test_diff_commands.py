"""`datatools diff` from the command line: what is compared, forms, selections, exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from typer.testing import CliRunner, Result

from datatools.cli.commands import app
from datatools.diff.document_schema import make_schema
from datatools.errors import DatatoolsError
from tests.diff.commits import start, write_version
from tests.diff.planting import plant
from tests.diff.test_planted import make_version

RUNNER = CliRunner()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the commits v1 and v2, and v1 again in the workspace."""
    project = start(tmp_path_factory.mktemp("made") / "project")
    before = make_version(60)
    after, _ = plant(before, 40, 0)
    write_version(project, before.dataset, before.split, commit="v1")
    write_version(project, after.dataset, after.split, records=list(after.records), commit="v2")
    write_version(project, before.dataset, before.split)
    return project.root


@pytest.fixture
def here(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(made)
    return made


def run(*arguments: str, code: int = 0) -> str:
    done: Result = RUNNER.invoke(app, ["diff", *arguments], catch_exceptions=True)
    assert done.exit_code == code, done.output
    return done.stdout


def document(*arguments: str) -> dict:
    found = json.loads(run(*arguments, "--format", "json"))
    jsonschema.validate(found, make_schema())
    return dict(found)


def sides(found: dict) -> list[str]:
    return [found["before"]["name"], found["after"]["name"]]


def test_what_is_compared(here: Path) -> None:
    assert sides(document()) == ["HEAD", "workspace"]
    assert sides(document("v1")) == ["v1", "workspace"]
    there, back = document("v1..v2"), document("v2", "v1")
    assert (sides(there), sides(back)) == (["v1", "v2"], ["v2", "v1"])
    assert there["by_kind"]["image added"] == back["by_kind"]["image removed"] > 0
    assert document("v1")["is_empty"] and document("v1", "v1")["is_empty"]


def test_exit_codes_are_those_of_git(here: Path) -> None:
    run("v1..v2")
    run("v1..v2", "--exit-code", code=1)
    run("v1", "v1", "--exit-code")
    run("v1..v2", "--exit-code", "--path", "no-such-*")


@pytest.mark.parametrize(
    "arguments",
    [("no-such",), ("v1...v2",), ("v1..v2", "v1"), ("--format", "yaml"), ("v1", "--class", "no such class"), ("-x",)],
)
def test_a_wrong_call_is_an_error(here: Path, arguments: tuple[str, ...]) -> None:
    done = RUNNER.invoke(app, ["diff", *arguments])
    assert done.exit_code == 2 or isinstance(done.exception, DatatoolsError)


def test_forms(here: Path, tmp_path: Path) -> None:
    found = document("v1..v2")
    lines = [json.loads(line) for line in run("v1..v2", "--format", "jsonl").splitlines()]
    assert lines == found["changes"]
    assert run("v1..v2").splitlines()[1].startswith(f"{len(lines)} changes on ")
    assert "more changes: --limit N" in run("v1..v2", "--limit", "3")
    assert "more changes" not in run("v1..v2", "--limit", "1000")
    for form, start_of in {"markdown": "<!--", "html": "<!doctype html>", "json": "{", "table": "v1 "}.items():
        file = tmp_path / "new" / f"diff.{form}"
        assert run("v1..v2", "--format", form, "--output", str(file)) == ""
        assert file.read_text(encoding="utf-8").lower().startswith(start_of), form


def test_counts_alone(here: Path) -> None:
    text = run("v1..v2", "--stat")
    assert "relabelled" in text and "Changes" not in text
    assert "changes" not in document("v1..v2", "--stat")


def test_selections(here: Path) -> None:
    whole = document("v1..v2")["changes"]
    star = document("v1..v2", "--class", "star")["changes"]
    assert star == [change for change in whole if "star" in change["labels"]] != []
    both = document("v1..v2", "--class", "star", "--class", "circle")["changes"]
    assert len(both) > len(star)
    new = document("v1..v2", "--path", "new/*")["changes"]
    assert new == [change for change in whole if change["path"].startswith("new/")] != []


def test_the_schema_is_printed_without_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert json.loads(run("--schema")) == make_schema()
