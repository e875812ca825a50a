from __future__ import annotations

import json
import sys

import pytest

from datatools.errors import MissingExtraError
from datatools.live import NOT_KEPT, live_metrics

EPOCHS = [
    {"epoch": 1, "train_loss": 1.5, "val_loss": 1.25, "val_accuracy": 0.5, "learning_rate": 0.1,
     "images_per_second": 1234.5},
    {"epoch": 2, "train_loss": 0.75, "val_loss": 0.5, "val_accuracy": 0.875, "learning_rate": 0.05,
     "images_per_second": 999.0},
]  # fmt: skip
KEPT = [name for name in EPOCHS[0] if name not in NOT_KEPT]


def log_all(folder):
    with live_metrics(folder) as log:
        for values in EPOCHS:
            log(values)


def column(file):
    return [tuple(line.split("\t")) for line in file.read_text().splitlines()]


def test_numbers_become_metrics_and_plots(tmp_path):
    log_all(tmp_path)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert {name: metrics[name] for name in KEPT} == {name: EPOCHS[1][name] for name in KEPT}
    for name in KEPT:
        rows = column(tmp_path / "plots" / "metrics" / f"{name}.tsv")
        assert rows[0] == ("step", name)
        assert [float(value) for _, value in rows[1:]] == [values[name] for values in EPOCHS]
        assert [int(step) for step, _ in rows[1:]] == [0, 1]


def test_neither_the_epoch_nor_the_speed_is_kept(tmp_path):
    log_all(tmp_path)
    text = (tmp_path / "metrics.json").read_text()
    assert "epoch" not in text
    assert "images_per_second" not in text
    assert {file.stem for file in (tmp_path / "plots" / "metrics").iterdir()} == set(KEPT)


def test_the_same_training_gives_the_same_files(tmp_path):
    kept = []
    for name in ("one", "other"):
        log_all(tmp_path / name)
        files = [file for file in (tmp_path / name).rglob("*") if file.is_file()]
        kept.append({file.relative_to(tmp_path / name): file.read_bytes() for file in files})
    assert kept[0] == kept[1]


def test_it_writes_no_pipeline_and_no_report_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    log_all(tmp_path / "live")
    names = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert names == {"metrics.json", *(f"{name}.tsv" for name in KEPT)}


def test_a_second_run_starts_anew(tmp_path):
    log_all(tmp_path)
    log_all(tmp_path)
    assert len(column(tmp_path / "plots" / "metrics" / "val_loss.tsv")) == 3


def test_each_epoch_is_told_on_stderr(tmp_path, capsys):
    log_all(tmp_path)
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("epoch ")]
    assert lines == [
        "epoch 1: validation loss 1.250, accuracy 0.500, 1,234 images/s",
        "epoch 2: validation loss 0.500, accuracy 0.875, 999 images/s",
    ]


def test_without_dvclive_the_error_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "dvclive.live", None)
    with pytest.raises(MissingExtraError, match=r"^train: needs the package dvclive, .*'\.\[train\]'"), live_metrics(tmp_path):  # fmt: skip
        raise AssertionError("not reached")
