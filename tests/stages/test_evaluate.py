"""The stage `evaluate`: its outputs, a wrong call, and kill -9 in the middle."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from datatools.dataset import load_dataset
from datatools.store import load_json
from stages.evaluate import main
from tests.project import outputs
from tests.stages.shared import refuses_unknown_parameter, survives_kill


def test_writes_what_dvc_yaml_declares(finished: Path) -> None:
    assert {Path(name).name for name in outputs(finished, "evaluate")} >= {
        "classes.json",
        "confusion.csv",
        "confusion.png",
        "curves.png",
        "failures.csv",
        "predictions.parquet",
        "metrics.json",
        "top_confusions.csv",
        "tsne.csv",
        "tsne.png",
    }


def test_metrics_say_of_what_they_are(finished: Path) -> None:
    origin = load_json(finished / "reports/evaluate/metrics.json")["origin"]
    weights = hashlib.sha256((finished / "models/model.safetensors").read_bytes()).hexdigest()
    assert origin == {"data_version": load_dataset(finished / "data/dataset").version, "model": weights[:12]}


def test_unknown_parameter_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refuses_unknown_parameter(main, "evaluate", tmp_path, capsys)


def test_survives_kill(finished: Path, tmp_path: Path) -> None:
    survives_kill(finished, tmp_path / "killed", "evaluate", after_s=0.5)
