"""The stage `curate`: its outputs, a wrong call, and kill -9 in the middle."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.curate import main
from tests.project import outputs
from tests.stages.shared import refuses_unknown_parameter, survives_kill


def test_writes_what_dvc_yaml_declares(finished: Path) -> None:
    assert {Path(name).name for name in outputs(finished, "curate")} >= {
        "curate.json",
        "curate.parquet",
        "queue.parquet",
    }


def test_unknown_parameter_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refuses_unknown_parameter(main, "curate", tmp_path, capsys)


def test_survives_kill(finished: Path, tmp_path: Path) -> None:
    survives_kill(finished, tmp_path / "killed", "curate", after_s=0.5)
