"""The stage `ingest`: its outputs, a wrong call, and kill -9 in the middle."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.ingest import main
from tests.project import outputs
from tests.stages.killing import survives_kill


def test_writes_what_dvc_yaml_declares(finished: Path) -> None:
    assert {Path(name).name for name in outputs(finished, "ingest")} >= {
        "annotations.parquet",
        "dataset.json",
        "fixes.parquet",
        "images.parquet",
        "rejected.parquet",
    }


def test_unknown_parameter_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    params = tmp_path / "params.yaml"
    params.write_text("ingest:\n  no_such_key: 1\n")
    paths = [word for name in ("raw", "fixes", "out") for word in (f"--{name}", str(tmp_path / name))]
    assert main([*paths, "--params", str(params)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"datatools: error: {params}: ingest has the keys ") and error.count("\n") == 1
    assert "Got 'no_such_key' instead" in error


def test_survives_kill(finished: Path, tmp_path: Path) -> None:
    survives_kill(finished, tmp_path / "killed", "ingest", after_s=0.02)
