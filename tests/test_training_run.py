from __future__ import annotations

import dataclasses
import hashlib
import json
import subprocess

import numpy as np
import pandas as pd
import pytest
import torch

from datatools.dataset import Dataset
from datatools.errors import DatatoolsError
from datatools.images import encode_png
from datatools.learn import training
from datatools.params import AugmentParams, TrainParams
from datatools.policy.steps import hash_policy, parse_policy
from datatools.schema import ANNOTATIONS, AUGMENTED, SPLIT
from datatools.shards import save_shard
from datatools.training_run import AugmentedImages, load_run, make_record, plan_online, predict_side, save_run, train_on

from .small_data import box_row, image_row, label_rows, make_images

SIDE = 16
CLASSES = ("left", "right")
PARAMS = TrainParams(
    model="resnet8", image_size_px=SIDE, epochs=1, batch_size=16, learning_rate=0.05, device="cpu", precision="fp32"
)
OFFLINE = AugmentParams()
ONLINE = AugmentParams(mode="online", policy=[{"brightness": {"factor": [0.5, 1.5]}}], mixup=0.2, cutmix=1.0, seed=4)
SIDES = ["train"] * 24 + ["val"] * 8 + ["test"] * 8
NAMES = [f"images/{number:02d}.png" for number in range(40)]


def picture(number):
    """Dark noise with a bright left or right half; even numbers are left."""
    image = np.random.default_rng(number).integers(0, 60, size=(SIDE, SIDE, 3)).astype(np.uint8)
    half = slice(0, SIDE // 2) if number % 2 == 0 else slice(SIDE // 2, SIDE)
    image[:, half] += 150
    return image


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw")
    (folder / "images").mkdir()
    for number, name in enumerate(NAMES):
        (folder / name).write_bytes(encode_png(picture(number)))
    return folder


@pytest.fixture(scope="module")
def dataset():
    rows = [row for n, name in enumerate(NAMES) for row in label_rows(name, {"anna": CLASSES[n % 2]}, CLASSES[n % 2])]
    digests = [hashlib.sha256(encode_png(picture(number))).hexdigest() for number in range(len(NAMES))]
    images = make_images(
        [image_row(name, width_px=SIDE, height_px=SIDE, sha256=digest) for name, digest in zip(NAMES, digests)]
    )
    return Dataset(images, ANNOTATIONS.conform(rows), CLASSES)


@pytest.fixture(scope="module")
def split():
    return SPLIT.conform(pd.DataFrame({"path": NAMES, "split": SIDES, "group": NAMES}))


@pytest.fixture
def no_copies(tmp_path):
    return AugmentedImages(tmp_path / "there is none.tar", AUGMENTED.empty())


@pytest.fixture
def seen(monkeypatch):
    """Replace training, and keep what it was given."""
    given = []
    monkeypatch.setattr(training, "train_classifier", lambda *arguments: given.append(arguments))
    return given


def test_from_tables_to_weights_and_back(dataset, split, root, no_copies, tmp_path):
    rows = []
    params = dataclasses.replace(PARAMS, epochs=3)
    trained = train_on(dataset, split, no_copies, root, params, OFFLINE, rows.append)
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    record = make_record(dataset, trained, params, OFFLINE, tmp_path)
    save_run(tmp_path / "models", trained, dataset, record)
    loaded = load_run(tmp_path / "models", params)
    labels, prediction = predict_side(dataset, split, "test", root, loaded)
    assert labels.index.tolist() == NAMES[32:]
    assert labels.tolist() == ["left", "right"] * 4
    assert [CLASSES[code] for code in prediction.probs.argmax(axis=1)] == labels.tolist()
    _, direct = predict_side(dataset, split, "test", root, trained)
    np.testing.assert_array_equal(prediction.probs, direct.probs)
    assert {file.name for file in (tmp_path / "models").iterdir()} == {"model.safetensors", "model.json"}


def test_it_learns_from_train_and_stops_on_val(dataset, split, root, no_copies, seen):
    train_on(dataset, split, no_copies, root, PARAMS, OFFLINE)
    ((train, val, n_classes, params, log, online),) = seen
    np.testing.assert_array_equal(train.images, np.stack([picture(number) for number in range(24)]))
    np.testing.assert_array_equal(val.images, np.stack([picture(number) for number in range(24, 32)]))
    assert train.labels.tolist() == [0, 1] * 12
    assert val.labels.tolist() == [0, 1] * 4
    assert (n_classes, params, log, online) == (2, PARAMS, None, None)


def test_augmented_copies_join_the_train_side(dataset, split, root, tmp_path, seen):
    copies = {f"images/{number:02d}.png.aug0.png": picture(100 + number) for number in (5, 2)}
    save_shard(tmp_path / "images.tar", [(name, encode_png(image)) for name, image in copies.items()])
    rows = [row for name in copies for row in label_rows(name, {}, CLASSES[int(name[7:9]) % 2])]
    rows += [box_row(f"coco/{name}", (1, 1, 9, 9), name) for name in copies]  # no label: not an example
    table = AUGMENTED.conform([{**row, "parent_path": "images/00.png", "seed": 1} for row in rows])
    train_on(dataset, split, AugmentedImages(tmp_path / "images.tar", table), root, PARAMS, OFFLINE)
    ((train, val, *_),) = seen
    assert train.labels.tolist() == [0, 1] * 12 + [0, 1]
    np.testing.assert_array_equal(train.images[24:], np.stack([picture(102), picture(105)]))
    assert len(val.labels) == 8


def test_online_takes_the_images_and_no_copies(dataset, split, root, tmp_path, seen):
    table = AUGMENTED.conform([{**row, "seed": 1} for row in label_rows("images/00.png.aug0.png", {}, "left")])
    train_on(dataset, split, AugmentedImages(tmp_path / "not read.tar", table), root, PARAMS, ONLINE)
    ((train, _, _, _, _, online),) = seen
    assert len(train.labels) == len(online.seeds) == 24
    assert online.steps == ONLINE.steps and (online.mixup, online.cutmix) == (0.2, 1.0)


def test_seeds_of_online_augmentation_come_from_the_content(dataset, split):
    seeds = plan_online(dataset, split, PARAMS, ONLINE).seeds
    assert seeds.dtype == np.uint64 and len(set(seeds.tolist())) == 24
    renamed = {name: f"other/{name}" for name in NAMES}
    moved = Dataset(
        dataset.images.assign(path=dataset.images["path"].map(renamed).astype("string")),
        dataset.annotations.assign(path=dataset.annotations["path"].map(renamed).astype("string")),
        CLASSES,
    )
    other = plan_online(moved, split.assign(path=split["path"].map(renamed)), PARAMS, ONLINE)
    np.testing.assert_array_equal(other.seeds, seeds)
    one_less = plan_online(dataset, split[split["path"] != NAMES[3]], PARAMS, ONLINE)
    np.testing.assert_array_equal(one_less.seeds, np.delete(seeds, 3))
    for params, augment in (
        (PARAMS, dataclasses.replace(ONLINE, seed=5)),
        (dataclasses.replace(PARAMS, seed=1), ONLINE),
    ):
        assert not set(plan_online(dataset, split, params, augment).seeds.tolist()) & set(seeds.tolist())


def test_online_training_is_repeatable_and_another_policy_another_model(dataset, split, root, no_copies):
    def train(augment):
        trained = train_on(dataset, split, no_copies, root, dataclasses.replace(PARAMS, epochs=2), augment)
        return torch.cat([value.flatten().double() for value in trained.model.state_dict().values()])

    weights = train(ONLINE)
    assert torch.equal(train(ONLINE), weights)
    for other in (OFFLINE, dataclasses.replace(ONLINE, seed=5), dataclasses.replace(ONLINE, cutmix=0.0)):
        assert not torch.equal(train(other), weights)


def test_a_copy_that_is_not_in_the_shard_is_an_error(dataset, split, root, tmp_path, seen):
    save_shard(tmp_path / "images.tar", [])
    table = AUGMENTED.conform([{**row, "seed": 1} for row in label_rows("images/00.png.aug0.png", {}, "left")])
    with pytest.raises(DatatoolsError, match=r"images\.tar: expected the image images/00\.png\.aug0\.png"):
        train_on(dataset, split, AugmentedImages(tmp_path / "images.tar", table), root, PARAMS, OFFLINE)


@pytest.mark.parametrize("side", ["train", "val"])
def test_an_empty_side_is_an_error(side, dataset, split, root, no_copies, seen):
    emptied = split.assign(split=split["split"].replace({side: "test"}))
    with pytest.raises(DatatoolsError, match=rf"^split {side}: expected labelled images\. Got none: .* split\.{side} "):
        train_on(dataset, emptied, no_copies, root, PARAMS, OFFLINE)
    assert seen == []


def test_a_side_without_labels_is_an_error(dataset, split, root, no_copies):
    annotations = dataset.annotations[dataset.annotations["path"] < NAMES[32]].reset_index(drop=True)
    bare = dataclasses.replace(dataset, annotations=annotations)
    trained = train_on(bare, split, no_copies, root, PARAMS, OFFLINE)
    with pytest.raises(DatatoolsError, match=r"^split test: expected labelled images\. Got none"):
        predict_side(bare, split, "test", root, trained)


def test_images_without_a_label_take_no_part(dataset, split, root, no_copies, seen):
    bare = dataset.annotations["path"].isin([NAMES[0], NAMES[30]])
    some = dataclasses.replace(dataset, annotations=dataset.annotations[~bare].reset_index(drop=True))
    train_on(some, split, no_copies, root, PARAMS, OFFLINE)
    ((train, val, *_),) = seen
    assert (len(train.labels), len(val.labels)) == (23, 7)


def test_a_gpu_that_is_not_there_is_an_error_before_any_image_is_read(dataset, split, no_copies, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    wanted = dataclasses.replace(PARAMS, device="cuda")
    with pytest.raises(DatatoolsError, match=r"train\.device must be auto or cpu"):
        train_on(dataset, split, no_copies, tmp_path / "nowhere", wanted, OFFLINE)
    with pytest.raises(DatatoolsError, match=r"train\.device must be auto or cpu"):
        load_run(tmp_path / "nowhere", wanted)


@pytest.mark.parametrize("augment", [OFFLINE, ONLINE, AugmentParams(mode="online", preset="natural")])
def test_the_policy_of_the_record_is_the_policy(augment, dataset, split, root, no_copies, tmp_path):
    trained = train_on(dataset, split, no_copies, root, PARAMS, augment)
    record = make_record(dataset, trained, PARAMS, augment, tmp_path)["augment"]
    assert parse_policy(record["policy"]) == augment.steps
    assert (record["mode"], record["mixup"], record["seed"]) == (augment.mode, augment.mixup, augment.seed)
    save_run(tmp_path, trained, dataset, {"augment": record})
    assert json.loads((tmp_path / "model.json").read_text())["record"]["augment"] == record


def test_the_record_says_what_made_the_model(dataset, split, root, no_copies, tmp_path):
    trained = train_on(dataset, split, no_copies, root, PARAMS, OFFLINE)
    record = make_record(dataset, trained, PARAMS, OFFLINE, tmp_path)
    assert record["data_version"] == dataset.version
    assert record["params"] == dataclasses.asdict(PARAMS)
    assert (record["seed"], record["epochs"], record["best_epoch"]) == (0, 1, 1)
    assert record["augment"]["mode"] == "offline"
    assert record["augment"]["policy_hash"] == hash_policy(OFFLINE.steps)
    assert record["device"]["name"] == "cpu"
    assert set(record["packages"]) == {"datatools", "numpy", "torch", "torchvision"}
    assert record["code_commit"] is None, "outside Git"
    for command in (["init", "-q"], ["-c", "user.name=a", "-c", "user.email=b", "commit", "-qm", "x", "--allow-empty"]):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    head = subprocess.run(["git", "-C", str(tmp_path), "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    assert make_record(dataset, trained, PARAMS, OFFLINE, tmp_path)["code_commit"] == head.stdout[:12]


def test_the_record_names_the_fixes_that_made_the_data(dataset, split, root, no_copies, tmp_path):
    trained = train_on(dataset, split, no_copies, root, PARAMS, OFFLINE)
    assert make_record(dataset, trained, PARAMS, OFFLINE, tmp_path)["fixes"] is None, "an older data set does not say"
    fixes = {"n": 1, "sha256": "ab", "ids": ["f1"]}
    told = dataclasses.replace(dataset, facts={"fixes": fixes})
    assert make_record(told, trained, PARAMS, OFFLINE, tmp_path)["fixes"] == fixes
