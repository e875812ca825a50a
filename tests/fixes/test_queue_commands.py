"""`datatools queue` and `datatools lift` as people type them."""

from __future__ import annotations

from pathlib import Path

import pytest

from datatools import lift
from datatools.fixes.records import load_records
from datatools.project import Project
from tests.command_line import Run
from tests.fixes.round_trip import CvatFile, make_dataset, make_project
from tests.report.builders import make_lift
from tests.small_data import box_row


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    project = make_project(tmp_path / "p", make_dataset([box_row("b1", (1, 2, 30, 40), label="cat")], {"a.png": "cat"}))
    for name in ("dvc.yaml", "params.yaml"):
        (project.root / name).touch()
    monkeypatch.chdir(project.root)
    return project


def test_there_and_back(project: Project, run: Run):
    code, out, _ = run("queue", "export", "out", "--to", "cvat", "--images", "5")
    assert code == 0
    assert "1 images with 2 annotations in out, for CVAT" in out
    file = CvatFile(Path("out/annotations.xml"))
    file.relabel(file.elements()[0][1], "dog")
    file.save()
    code, out, _ = run("queue", "import", "out", "--who", "rita", "--why", "looked twice", "--confirm-unchanged")
    assert code == 0
    assert "1 images from CVAT; annotations found: 1 by id, 1" in out
    assert "recorded; `dvc repro` applies them" in out
    records, broken = load_records(project.fixes)
    assert broken == []
    assert {(record.who, record.why) for record in records} == {("rita", "looked twice")}
    assert sorted(record.op for record in records) == ["confirm", "relabel"]
    assert run("queue", "import", "out", "--who", "rita")[1].splitlines()[-1] == "nothing new was decided"


def test_a_wrong_call_is_one_line(project: Project, run: Run):
    code, out, err = run("queue", "import", "none.json", "--who", "rita")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "expected the list of what `datatools queue export` sent" in err


def test_lift_prints_and_writes(project: Project, run: Run, monkeypatch: pytest.MonkeyPatch):
    given = []
    monkeypatch.setattr(lift, "measure_lift", lambda *args: given.append(args[1:3]) or make_lift(60, 90))
    code, out, _ = run("lift", "--before", "main", "--seeds", "2")
    assert (code, given) == (0, [("main", 2)])
    assert out.startswith("## What the fixes bought")
    assert sorted(path.name for path in Path("reports/lift").iterdir()) == ["lift.html", "lift.json", "lift.md"]
