"""The stage `augment`: its outputs, a wrong call, and kill -9 in the middle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from datatools.dataset import Dataset, save_dataset
from datatools.images import encode_png
from datatools.schema import ANNOTATIONS, AUGMENTED, FINDINGS, SPLIT
from datatools.shards import iter_shard
from datatools.store import load_json, load_table, save_table
from stages.augment import main
from tests.builders import lay_out
from tests.project import outputs
from tests.small_data import box_row, image_row, label_rows, make_images
from tests.stages.shared import refuses_unknown_parameter, survives_kill


def test_writes_what_dvc_yaml_declares(finished: Path) -> None:
    assert {Path(name).name for name in outputs(finished, "augment")} >= {
        "annotations.parquet",
        "augmented.json",
        "augmented.png",
        "images.tar",
    }


def test_unknown_parameter_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refuses_unknown_parameter(main, "augment", tmp_path, capsys)


def test_survives_kill(finished: Path, tmp_path: Path) -> None:
    survives_kill(finished, tmp_path / "killed", "augment", after_s=0.1)


class Project:
    """Five images with a label and a box each, all to be learnt from."""

    def __init__(self, folder: Path) -> None:
        self.folder, names = folder, [f"{number}.png" for number in range(5)]
        pixels = np.random.default_rng(0).integers(0, 256, size=(5, 24, 32, 3), dtype=np.uint8)
        lay_out(folder / "raw", {name: encode_png(image) for name, image in zip(names, pixels, strict=True)})
        rows = [
            row for name in names for row in (*label_rows(name, {}, "cat"), box_row(f"b/{name}", (4, 4, 20, 18), name))
        ]
        images = make_images([image_row(name, width_px=32, height_px=24) for name in names])
        annotations = ANNOTATIONS.conform([{**row, "label": "cat"} for row in rows])
        save_dataset(folder / "dataset", Dataset(images, annotations, ("cat",)))
        sides = SPLIT.conform([{"path": name, "split": "train", "group": name} for name in names])
        save_table(folder / "split" / "split.parquet", sides, SPLIT)
        save_table(folder / "findings.parquet", FINDINGS.empty(), FINDINGS)

    def run(self, section: str) -> int:
        """The stage with this section of params.yaml."""
        (self.folder / "params.yaml").write_text(f"augment: {{{section}}}\n", encoding="utf-8")
        paths = {"dataset": "dataset", "raw": "raw", "split": "split", "findings": "findings.parquet", "out": "out"}
        paths |= {"picture": "augmented.png", "params": "params.yaml"}
        return main([word for name, path in paths.items() for word in (f"--{name}", str(self.folder / path))])

    def outputs(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (self.folder / "out").iterdir()}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    pytest.importorskip("imgaug", reason="augmentation needs the extra 'augment'")
    return Project(tmp_path)


def test_offline_it_writes_copies_and_a_second_run_the_same(project: Project) -> None:
    assert project.run("preset: natural, factor: 2") == 0
    first = project.outputs()
    assert len(list(iter_shard(project.folder / "out" / "images.tar"))) == 10
    assert len(load_table(project.folder / "out" / "annotations.parquet", AUGMENTED)) == 20
    assert project.run("preset: natural, factor: 2") == 0
    assert project.outputs() == first


def test_online_it_writes_no_copies_and_a_picture(project: Project) -> None:
    assert project.run("mode: online, preset: natural, factor: 2, cutmix: 1.0") == 0
    assert list(iter_shard(project.folder / "out" / "images.tar")) == []
    assert load_table(project.folder / "out" / "annotations.parquet", AUGMENTED).empty
    assert load_json(project.folder / "out" / "augmented.json")["mode"] == "online"
    assert (project.folder / "augmented.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("mixup: 0.2", "augment.mixup must be 0 while augment.mode is offline"),
        ("policy: [{rotat: {}}]", "augment.policy[0] must be one of flip_horizontal"),
        ("factor_per_class: {dog: 2}", "augment.factor_per_class has the classes cat. Got 'dog'"),
        ("preset: cats", "augment.preset must be one of none, natural, digits"),
    ],
)
def test_a_wrong_section_is_one_line_and_writes_nothing(
    project: Project, section: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert project.run(section) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
    assert not (project.folder / "out").exists()
