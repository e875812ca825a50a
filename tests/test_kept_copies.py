from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from datatools.augment.copies import CopyMaker
from datatools.augment.dataset import Augmented, augment_dataset
from datatools.dataset import Dataset
from datatools.images import encode_png
from datatools.kept_copies import Copies, KeptCopies
from datatools.params import AugmentParams
from datatools.policy.steps import PRESETS
from datatools.schema import ANNOTATIONS, AUGMENTED, FINDINGS, SPLIT
from datatools.shards import save_shard
from datatools.store import save_table
from tests.builders import lay_out
from tests.small_data import box_row, image_row, label_rows, mask_row

MADE = {
    "key of a": Copies(
        members=[("a.png.aug0.png", b"first"), ("a.png.aug1.png", b"second")],
        sizes=[{"path": "a.png.aug0.png", "width_px": 3, "height_px": 4}],
        rows=[{"annotation_id": "1", "x0_px": 0.1 + 0.2, "mask": None, "annotator": "ann"}],
        reasons=["mostly outside the image"],
    ),
    "key of b": Copies(members=[("b.png.aug0.png", b"third")]),
}


def keep(folder: Path, made: Mapping[str, Copies] = MADE) -> Path:
    """Write tar and index of one run."""
    members = [member for copies in made.values() for member in copies.members]
    shard = folder / "out" / "images.tar"
    KeptCopies(folder / "state" / "index.json", shard).replace(made, save_shard(shard, members))
    return shard


def reopen(folder: Path) -> KeptCopies:
    return KeptCopies(folder / "state" / "index.json", folder / "out" / "images.tar")


def test_copies_come_back_as_they_went(tmp_path: Path):
    keep(tmp_path)
    assert {key: reopen(tmp_path).find(key) for key in MADE} == MADE


def test_another_key_and_an_earlier_run_without_index_have_no_copies(tmp_path: Path):
    assert reopen(tmp_path).find("key of a") is None
    keep(tmp_path)
    assert reopen(tmp_path).find("key of c") is None


def test_what_a_run_no_longer_makes_is_forgotten(tmp_path: Path):
    keep(tmp_path)
    keep(tmp_path, {"key of b": MADE["key of b"]})
    assert reopen(tmp_path).find("key of a") is None
    assert reopen(tmp_path).find("key of b") == MADE["key of b"]


def test_a_null_of_pandas_comes_back_as_none(tmp_path: Path):
    rows = [{"annotator": pd.NA, "label": "x"}]
    keep(tmp_path, {"key": replace(MADE["key of b"], rows=rows)})
    found = reopen(tmp_path).find("key")
    assert found is not None
    assert found.rows == [{"annotator": None, "label": "x"}]


def test_what_is_no_json_value_is_not_kept_as_something_else(tmp_path: Path):
    with pytest.raises(TypeError, match="no JSON value: "):
        keep(tmp_path, {"key": replace(MADE["key of b"], rows=[{"x": np.float32(1)}])})


def test_a_changed_byte_of_the_tar_is_found_and_only_that_parent_made_again(tmp_path: Path):
    shard = keep(tmp_path)
    data = shard.read_bytes()
    shard.write_bytes(data.replace(b"second", b"seKond"))
    assert reopen(tmp_path).find("key of a") is None
    assert reopen(tmp_path).find("key of b") == MADE["key of b"]


@pytest.mark.parametrize(
    "spoil",
    [Path.unlink, lambda tar: tar.write_bytes(b""), lambda tar: save_shard(tar, [("a.png.aug0.png", b"other")])],
    ids=["gone", "empty", "replaced"],
)
def test_a_tar_that_is_gone_or_another_one_has_no_copies(tmp_path: Path, spoil: Any):
    spoil(keep(tmp_path))
    assert reopen(tmp_path).find("key of a") is None


@pytest.mark.parametrize(
    "document",
    [
        "",
        "[]",
        "{",
        '{"key of a": 5}',
        '{"key of a": null}',
        '{"key of a": {}}',
        '{"key of a": {"members": [[]], "sizes": [], "rows": [], "reasons": []}}',
        '{"key of a": {"members": [["a", "b"]], "sizes": [], "rows": [], "reasons": []}}',
        '{"key of a": {"members": [["a", 1, "2", "3", "4", "5"]], "sizes": [], "rows": [], "reasons": []}}',
        '{"key of a": {"members": [["a", "b", -1, "images.tar", 0, 0]], "sizes": [], "rows": [], "reasons": []}}',
        '{"key of a": {"members": []}}',
        b"\xff",
    ],
    ids=str,
)
def test_a_damaged_index_has_no_copies(tmp_path: Path, document: str | bytes):
    keep(tmp_path)
    lay_out(tmp_path, {"state/index.json": document})
    assert reopen(tmp_path).find("key of a") is None


def test_an_index_of_other_places_is_not_believed(tmp_path: Path):
    keep(tmp_path)
    index = tmp_path / "state" / "index.json"
    document = json.loads(index.read_text())
    document["key of a"]["members"][0][5] += 1
    document["key of b"]["members"][0][1] = "0" * 64
    index.write_text(json.dumps(document))
    assert [reopen(tmp_path).find(key) for key in MADE] == [None, None]


# ---- in the stage

PARAMS = AugmentParams(factor=2)
NAMES = [f"{number}.png" for number in range(5)]


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    noise = np.random.default_rng(0).integers(0, 256, size=(5, 24, 32, 3)).astype(np.uint8)
    return lay_out(tmp_path_factory.mktemp("raw"), {name: encode_png(noise[n]) for n, name in enumerate(NAMES)})


def make_dataset(**labels: str) -> Dataset:
    """Five images with a box of an unnamed annotator and a mask each; `labels`: of the image of that number."""
    rows = []
    for name in NAMES:
        label = labels.get(f"_{name[0]}", "circle")
        rows += label_rows(name, {"anna": label}, label)
        rows.append(box_row(f"coco/b{name}", (4, 4, 20.25, 18), name))
        rows.append(mask_row(f"coco/m{name}", [[2, 2], [30, 2], [30, 20], [2, 20]], path=name))
    images = pd.DataFrame([image_row(name, width_px=32, height_px=24) for name in NAMES])
    return Dataset(images, ANNOTATIONS.conform(rows), ("circle", "square"))


class Stage:
    """The augment stage, without DVC; counts the parents that it makes copies of."""

    def __init__(self, raw: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.raw, self.folder = raw, folder
        self.made: list[str] = []
        real = CopyMaker.__call__

        def make(maker: CopyMaker, jobs: Any) -> list[Copies]:
            self.made += [job.path for job in jobs]
            return real(maker, jobs)

        monkeypatch.setattr(CopyMaker, "__call__", make)

    def run(self, dataset: Dataset, folder: Path | None = None, params: AugmentParams = PARAMS) -> dict[str, bytes]:
        """The bytes of its outputs; a `folder` of its own makes a cold run."""
        folder = folder or self.folder
        self.made.clear()
        kept = KeptCopies(folder / "state" / "index.json", folder / "out" / "images.tar")
        split = SPLIT.conform(pd.DataFrame({"path": NAMES, "split": "train", "group": "g"}))
        done: Augmented = augment_dataset(dataset, split, FINDINGS.empty(), self.raw, params, workers=1, kept=kept)
        kept.replace(done.copies, save_shard(folder / "out" / "images.tar", done.members))
        save_table(folder / "out" / "annotations.parquet", done.table, AUGMENTED)
        return {path.name: path.read_bytes() for path in (folder / "out").iterdir()} | {
            "summary": repr(done.summary).encode()
        }


@pytest.fixture
def stage(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    pytest.importorskip("imgaug", reason="augmentation needs the extra 'augment'")
    return Stage(raw, tmp_path / "warm", monkeypatch)


def test_a_second_run_makes_nothing_and_gives_the_same_bytes(stage: Stage):
    first = stage.run(make_dataset())
    assert stage.made == NAMES
    assert stage.run(make_dataset()) == first
    assert stage.made == []


def test_after_a_changed_label_one_parent_is_made_again_and_the_outputs_equal_a_cold_run(stage: Stage, tmp_path: Path):
    stage.run(make_dataset())
    warm = stage.run(make_dataset(_3="square"))
    assert stage.made == ["3.png"]
    assert warm == stage.run(make_dataset(_3="square"), tmp_path / "cold")
    assert stage.made == NAMES


def test_a_removed_and_a_moved_box_touch_their_parents_only(stage: Stage, tmp_path: Path):
    dataset = make_dataset()
    stage.run(dataset)
    rows = dataset.annotations[dataset.annotations["annotation_id"] != "coco/b1.png"]
    rows = rows.assign(x0_px=rows["x0_px"].mask(rows["annotation_id"] == "coco/b2.png", 5.0)).reset_index(drop=True)
    warm = stage.run(replace(dataset, annotations=rows))
    assert stage.made == ["1.png", "2.png"]
    assert warm == stage.run(replace(dataset, annotations=rows), tmp_path / "cold")


def test_other_parameters_make_all_again(stage: Stage, tmp_path: Path):
    stage.run(make_dataset())
    warm = stage.run(make_dataset(), params=replace(PARAMS, seed=1))
    assert stage.made == NAMES
    assert warm == stage.run(make_dataset(), tmp_path / "cold", replace(PARAMS, seed=1))


@pytest.mark.parametrize(
    "changes",
    [
        {"preset": "natural"},
        {"policy": ["blur"]},
        {"keep_min": 0.1},
        {"factor": 1},
        {"factor_per_class": {"circle": 3}},
    ],
    ids=str,
)
def test_another_policy_or_number_makes_all_again(stage: Stage, tmp_path: Path, changes: Any):
    stage.run(make_dataset())
    warm = stage.run(make_dataset(), params=replace(PARAMS, **changes))
    assert stage.made == NAMES
    assert warm == stage.run(make_dataset(), tmp_path / "cold", replace(PARAMS, **changes))


def test_the_same_policy_written_out_makes_nothing_again(stage: Stage):
    stage.run(make_dataset())
    stage.run(make_dataset(), params=replace(PARAMS, policy=PRESETS[PARAMS.preset]))
    assert stage.made == []


def test_other_packages_make_all_again(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    stage.run(make_dataset())
    monkeypatch.setattr("datatools.augment.dataset.package_versions", lambda names: dict.fromkeys(names, "9.9"))
    stage.run(make_dataset())
    assert stage.made == NAMES


def test_a_tampered_tar_is_not_trusted(stage: Stage):
    first = stage.run(make_dataset())
    tar = stage.folder / "out" / "images.tar"
    data = bytearray(tar.read_bytes())
    data[data.index(b"IDAT") + 20] ^= 1
    tar.write_bytes(data)
    assert stage.run(make_dataset()) == first
    assert stage.made == ["0.png"]
