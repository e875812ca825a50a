"""The stage `train`: its outputs, a wrong call, online augmentation, and kill -9 in the middle."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from datatools.dataset import Dataset, save_dataset
from datatools.images import encode_png
from datatools.schema import ANNOTATIONS, AUGMENTED, SPLIT
from datatools.shards import save_shard
from datatools.store import save_table
from stages.train import main
from tests.project import outputs
from tests.small_data import image_row, label_rows, make_images
from tests.stages.shared import refuses_unknown_parameter, survives_kill

CLASSES = ("left", "right")
TRAIN = {"model": "resnet8", "image_size_px": 16, "epochs": 2, "batch_size": 16, "device": "cpu", "precision": "fp32"}
POLICY = [{"affine": {"rotate_deg": [-5, 5]}}, {"noise": {"std": [0, 4]}}]


def write_inputs(folder: Path) -> None:
    """30 pictures with a bright left or right half, their tables, and no augmented copies."""
    names = [f"images/{number:02d}.png" for number in range(30)]
    (folder / "raw/images").mkdir(parents=True)
    rows, images = [], []
    for number, name in enumerate(names):
        picture = np.random.default_rng(number).integers(0, 60, (16, 16, 3)).astype(np.uint8)
        picture[:, slice(0, 8) if number % 2 == 0 else slice(8, 16)] += 150
        (folder / "raw" / name).write_bytes(encode_png(picture))
        digest = hashlib.sha256(encode_png(picture)).hexdigest()
        images.append(image_row(name, width_px=16, height_px=16, sha256=digest))
        rows += label_rows(name, {"anna": CLASSES[number % 2]}, CLASSES[number % 2])
    save_dataset(folder / "dataset", Dataset(make_images(images), ANNOTATIONS.conform(rows), CLASSES))
    sides = ["train"] * 20 + ["val"] * 10
    save_table(folder / "split/split.parquet", pd.DataFrame({"path": names, "split": sides, "group": names}), SPLIT)
    save_table(folder / "augmented/annotations.parquet", AUGMENTED.empty(), AUGMENTED)
    save_shard(folder / "augmented/images.tar", [])


def run(folder: Path, name: str, augment: dict[str, Any]) -> int:
    """Call the stage on the inputs in `folder`; its outputs go to `folder/name`."""
    params = folder / f"{name}.yaml"
    params.write_text(yaml.safe_dump({"train": TRAIN, "augment": augment}))
    inputs = [word for part in ("dataset", "raw", "split", "augmented") for word in (f"--{part}", str(folder / part))]
    return main([*inputs, "--out", str(folder / name), "--live", str(folder / name / "live"), "--params", str(params)])


@pytest.mark.usefixtures("one_thread")
def test_online_is_two_lines_of_params(tmp_path: Path) -> None:
    write_inputs(tmp_path)
    online = {"mode": "online", "policy": POLICY, "mixup": 0.2, "cutmix": 1.0}
    assert [run(tmp_path, name, augment) for name, augment in
            (("one", online), ("again", online), ("offline", {"mode": "offline", "policy": POLICY}))] == [0, 0, 0]  # fmt: skip
    weights = {name: (tmp_path / name / "model.safetensors").read_bytes() for name in ("one", "again", "offline")}
    assert weights["one"] == weights["again"] != weights["offline"]
    records = {name: json.loads((tmp_path / name / "model.json").read_text())["record"]["augment"] for name in weights}
    assert records["one"] == records["again"]
    assert (records["one"]["mode"], records["one"]["mixup"], records["one"]["cutmix"]) == ("online", 0.2, 1.0)
    assert records["offline"]["mode"] == "offline"
    assert records["one"]["policy_hash"] == records["offline"]["policy_hash"]
    assert [list(step) for step in records["one"]["policy"]] == [["affine"], ["noise"]]


def test_a_wrong_policy_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_inputs(tmp_path)
    assert run(tmp_path, "out", {"mode": "online", "policy": [{"rotat": {}}]}) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "augment.policy[0] must be one of " in error and "did you mean rotate?" in error


def test_writes_what_dvc_yaml_declares(finished: Path) -> None:
    assert {Path(name).name for name in outputs(finished, "train")} >= {
        "metrics.json",
        "model.json",
        "model.safetensors",
    }


def test_unknown_parameter_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refuses_unknown_parameter(main, "train", tmp_path, capsys)


def test_survives_kill(finished: Path, tmp_path: Path) -> None:
    survives_kill(finished, tmp_path / "killed", "train", after_s=1.5)
