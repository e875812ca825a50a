"""Two branches with decisions, merged by Git alone."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datatools.fixes.apply import apply_fixes
from datatools.fixes.records import FixRecord, append_records, load_records, sitting_path, to_line
from tests.builders import make_record
from tests.fixes.test_apply import histories, make_annotations

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


def git(folder: Path, *arguments: str) -> str:
    settings = ("-c", "user.name=t", "-c", "user.email=t@t", "-c", "commit.gpgsign=false")
    return subprocess.run(["git", *settings, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


def write(folder: Path, records: list[FixRecord]) -> None:
    for record in records:
        append_records(sitting_path(folder, record.who, record.when), [record])


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(histories(), st.integers(0, 7), st.integers(0, 7))
def test_two_branches_merge_to_what_both_decided(tmp_path_factory, history: list[FixRecord], start: int, cut: int):
    root = tmp_path_factory.mktemp("repo")
    fixes = root / "data" / "fixes"
    fixes.mkdir(parents=True)
    (root / ".gitattributes").write_text("data/fixes/*.jsonl merge=union\n")
    common, one, other = history[:start], history[start : start + cut], history[start + cut :]
    git(root, "init", "-q", "-b", "main")
    write(fixes, common)
    git(root, "add", "-A")
    git(root, "commit", "-qm", "start")
    git(root, "checkout", "-qb", "side")
    write(fixes, one)
    git(root, "add", "-A")
    git(root, "commit", "-qm", "side", "--allow-empty")
    git(root, "checkout", "-q", "main")
    write(fixes, other)
    git(root, "add", "-A")
    git(root, "commit", "-qm", "main", "--allow-empty")
    git(root, "merge", "-q", "side", "-m", "merge")
    records, broken = load_records(fixes)
    assert broken == []
    assert {record.id for record in records} == {record.id for record in history}
    wanted = apply_fixes(make_annotations(), history)
    found = apply_fixes(make_annotations(), records)
    pd.testing.assert_frame_equal(found.annotations, wanted.annotations)
    pd.testing.assert_frame_equal(found.status, wanted.status)


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(histories(), st.integers(0, 7), st.integers(0, 7))
def test_the_files_of_two_branches_merge_line_by_line(tmp_path_factory, history, start: int, cut: int):
    """What `merge=union` does to one file, without the repository around it."""
    root = tmp_path_factory.getbasetemp() / "versions"
    shutil.rmtree(root, ignore_errors=True)
    common, one, other = history[:start], history[start : start + cut], history[start + cut :]
    for name, records in (("base", common), ("one", [*common, *one]), ("other", [*common, *other])):
        (root / name).mkdir(parents=True)
        (root / name / "x.jsonl").write_text("".join(to_line(record) + "\n" for record in records), encoding="utf-8")
    git(root, "merge-file", "--union", "-q", *(f"{name}/x.jsonl" for name in ("one", "base", "other")))
    records, broken = load_records(root / "one")
    assert broken == []
    wanted = apply_fixes(make_annotations(), history)
    found = apply_fixes(make_annotations(), records)
    pd.testing.assert_frame_equal(found.annotations, wanted.annotations)
    pd.testing.assert_frame_equal(found.status, wanted.status)


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_files_repeated_reordered_or_cut_short_lose_only_the_torn_line(tmp_path_factory, data: st.DataObject):
    history = data.draw(histories())
    folder = tmp_path_factory.getbasetemp() / "cut"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    lines = [to_line(record) for record in data.draw(st.permutations(history))]
    torn = lines[-1][: data.draw(st.integers(1, len(lines[-1]) - 1))] if lines else ""
    for name in data.draw(st.lists(st.sampled_from("abc"), min_size=1, max_size=3, unique=True)):
        (folder / f"{name}.jsonl").write_text("\n".join([*lines, torn]), encoding="utf-8")
    records, broken = load_records(folder)
    assert records == sorted(history, key=lambda record: (record.when, record.id))
    assert all(line.line == len(lines) + 1 for line in broken)
    assert bool(broken) == bool(lines)


def test_a_record_of_an_unknown_schema_is_kept_apart(tmp_path: Path):
    good, foreign = make_record("exclude", 1, id="r1"), to_line(make_record("exclude", 2, id="r2"))
    (tmp_path / "x.jsonl").write_text(to_line(good) + "\n" + foreign.replace('"schema": 2', '"schema": 9') + "\n")
    records, broken = load_records(tmp_path)
    assert [record.id for record in records] == ["r1"]
    assert broken[0].message == "schema 9 is not one of 1, 2"
