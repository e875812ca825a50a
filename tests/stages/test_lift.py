"""The stage `lift`: its output, a wrong call, and kill -9 in the middle of a measurement."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from datatools.dataset import load_dataset
from datatools.init import set_params
from datatools.project import Project
from datatools.schema import SPLIT
from datatools.store import load_table
from stages.lift import main
from tests.project import copy_project, kill_group, outputs, run, start
from tests.stages.shared import refuses_unknown_parameter, wait_until_working


def test_without_fix_records_it_says_so(finished: Path) -> None:
    (written,) = outputs(finished, "lift").values()
    lift = json.loads(written)
    assert (lift["measured"], lift["why_not"], lift["n_records"]) == (False, "no records", 0)
    assert json.loads((finished / "reports" / "report.json").read_text())["lift"]["verdict"] == "No fix records yet."


def test_unknown_parameter_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refuses_unknown_parameter(main, "lift", tmp_path, capsys)


def test_it_measures_where_params_ask_for_it_and_survives_kill(finished: Path, tmp_path: Path) -> None:
    """The second run is killed while it trains; the third gives the bytes of the first."""
    project = Project(copy_project(finished, tmp_path / "measured"))
    split = load_table(project.split / "split.parquet", SPLIT)
    labels, sides = load_dataset(project.dataset).labels, split.set_index("path")["split"]
    path = next(path for path in labels.index if sides[path] == "train")
    other = next(name for name in load_dataset(project.dataset).classes if name != labels[path])
    run(project.root, "datatools", "fix", path, "--label", other, "--why", "a test")
    file = project.params
    file.write_text(set_params(file.read_text(), {"lift.seeds": "1"}))
    run(project.root, "dvc", "repro", "lift")
    (first,) = outputs(project.root, "lift").values()
    lift = json.loads(first)
    assert lift["measured"] and lift["n_changed"] == {"train": 1, "val": 0, "test": 0}
    shutil.rmtree(project.state / "cache")
    running = start(project.root, "dvc", "repro", "--force", "--single-item", "lift")
    wait_until_working(project.root, "lift")
    still_running = running.poll() is None
    kill_group(running)
    assert still_running, "the stage was over before the kill"
    run(project.root, "dvc", "repro", "lift")
    assert outputs(project.root, "lift") == {"reports/lift.json": first}
    assert "up to date" in run(project.root, "dvc", "repro", "lift").stdout
