"""The stage `evaluate`: its outputs, a wrong call, and kill -9 in the middle."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.evaluate import main
from tests.project import outputs
from tests.stages.killing import survives_kill


def test_writes_what_dvc_yaml_declares(finished: Path) -> None:
    assert {Path(name).name for name in outputs(finished, "evaluate")} >= {
        "classes.json",
        "confusion.csv",
        "confusion.png",
        "curves.png",
        "failures.csv",
        "metrics.json",
        "top_confusions.csv",
        "tsne.csv",
        "tsne.png",
    }


def test_unknown_parameter_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    params = tmp_path / "params.yaml"
    params.write_text("evaluate:\n  no_such_key: 1\n")
    paths = [
        word for name in ("dataset", "raw", "split", "model", "out") for word in (f"--{name}", str(tmp_path / name))
    ]
    assert main([*paths, "--params", str(params)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"datatools: error: {params}: evaluate has the keys ") and error.count("\n") == 1
    assert "Got 'no_such_key' instead" in error


def test_survives_kill(finished: Path, tmp_path: Path) -> None:
    survives_kill(finished, tmp_path / "killed", "evaluate", after_s=0.5)
