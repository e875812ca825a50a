"""The states that Git knows, read from the cache alone."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from datatools.errors import DatatoolsError
from datatools.trace.past import find_commit_of, load_past, open_state
from tests.finished_runs import git
from tests.rounds import make_project, relabel_one


def test_states_are_told_oldest_first_and_the_one_on_disk_last(tmp_path: Path):
    project = relabel_one(make_project(tmp_path / "p"))
    past = load_past(project.root, 10)
    assert [state.subject for state in past.states] == ["First run", "A label put right", ""]
    assert past.now is past.states[-1]
    assert not past.is_cut
    assert past.states[0].describe()["who"] == "Rita"
    assert past.states[-1].describe()["subject"] == "not committed yet"
    assert past.states[1].stages == past.states[2].stages


def test_only_as_many_states_as_asked_for(tmp_path: Path):
    project = relabel_one(make_project(tmp_path / "p"))
    past = load_past(project.root, 1)
    assert [state.subject for state in past.states] == ["A label put right", ""]
    assert past.is_cut
    with pytest.raises(DatatoolsError, match=r"--commits must be at least 1\. Got 0"):
        load_past(project.root, 0)


def test_outside_git_and_before_the_first_run_there_is_no_past(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    assert load_past(tmp_path, 5).states == []
    assert load_past(tmp_path, 5).now is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert load_past(tmp_path, 5).states == []


def test_hashes_of_what_was_read_and_written(tmp_path: Path):
    state = load_past(make_project(tmp_path / "p").root, 1).states[0]
    weights = hashlib.md5(b"one", usedforsecurity=False).hexdigest()
    assert state.find_out("models/model.safetensors") == weights
    assert state.find_dep("evaluate", "models/model.safetensors") == weights
    assert state.find_out("nothing") is None
    assert state.find_dep("nowhere", "models/model.safetensors") is None
    assert state.load_json(state.find_out("models/model.json"))["model"] == "resnet8"


def test_metrics_are_read_as_they_were_committed(tmp_path: Path):
    project = make_project(tmp_path / "p")
    project.metrics.write_text('{"accuracy": 0.1}')
    old, now = load_past(project.root, 1).states
    assert old.load_committed_json("reports/evaluate/metrics.json")["accuracy"] == 0.8
    assert now.load_committed_json("reports/evaluate/metrics.json")["accuracy"] == 0.1
    assert now.load_committed_json("reports/none.json") is None
    assert old.load_committed_json("reports/none.json") is None


def test_a_lock_that_is_none_has_no_stages(tmp_path: Path):
    project = make_project(tmp_path / "p")
    for text in ("stages: [1]", "[", "other: 1", "stages:"):
        (project.root / "dvc.lock").write_text(text)
        assert load_past(project.root, 1).states[-1].stages == {}


def test_tags_and_the_commit_that_brought_a_text(tmp_path: Path):
    project = relabel_one(make_project(tmp_path / "p"))
    git(project.root, "tag", "one", "HEAD~1")
    state = open_state(project.root, "refs/tags/one")
    assert state is not None
    assert state.find_out("models/model.safetensors") == hashlib.md5(b"one", usedforsecurity=False).hexdigest()
    assert open_state(project.root, "refs/tags/none") is None
    assert find_commit_of(project.root, "five points", "data/fixes")["subject"] == "A label put right"
    assert find_commit_of(project.root, "never written", "data/fixes")["subject"] == "not committed yet"
