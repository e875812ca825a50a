"""The summary of a pipeline that stopped before its report."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from datatools.project import Project
from datatools.report.unfinished import to_unfinished_lines
from datatools.store import save_json
from tests.builders import lay_out
from tests.command_line import Run

STAGES = ("ingest", "validate", "split", "train", "report")


def make_project(root: Path, *ran: str) -> Project:
    """A project of which these stages ran; validate wrote its report."""
    files = {
        "dvc.yaml": yaml.safe_dump({"stages": {name: {"cmd": "x"} for name in STAGES}}, sort_keys=False),
        "dvc.lock": yaml.safe_dump({"schema": "2.0", "stages": {name: {"cmd": "x"} for name in ran}}),
        "params.yaml": "",
    }
    project = Project(lay_out(root, files))
    save_json(project.validation, {"verdict": "2 infos in 9 images.", "title": "pets", "data_version": "1a2b"})
    return project


def test_what_was_found_and_which_stage_is_missing_is_told(tmp_path: Path, run_in: Run):
    make_project(tmp_path, "ingest", "validate", "split")
    code, out, err = run_in(tmp_path, "summary")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "pets  data 1a2b",
        "2 infos in 9 images.",
        "",
        "There is no report yet: the stage train has not run to its end. `dvc repro` says why.",
        "What validate found: `datatools findings`, or reports/validate.html",
    ]


@pytest.mark.parametrize("ran", [(), ("ingest",), STAGES])
def test_before_validate_and_in_a_clone_there_is_nothing_to_tell(tmp_path: Path, ran: tuple[str, ...], run_in: Run):
    project = make_project(tmp_path, *ran)
    assert list(to_unfinished_lines(project)) == []
    code, _, err = run_in(tmp_path, "summary")
    assert code == 2 and "report.json: expected a JSON file. Got no such file: run `dvc " in err


def test_a_report_that_is_there_is_not_passed_over(tmp_path: Path):
    project = make_project(tmp_path, "ingest", "validate")
    save_json(project.report, {})
    assert list(to_unfinished_lines(project)) == []


def test_without_what_validate_wrote_there_is_nothing_to_tell(tmp_path: Path):
    project = make_project(tmp_path, "ingest", "validate")
    project.validation.unlink()
    assert list(to_unfinished_lines(project)) == []
