from __future__ import annotations

import dataclasses
import json
import sys

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from shapely.geometry import Polygon

from datatools import engine
from datatools.augment import making
from datatools.augment.copies import CopyMaker
from datatools.augment.dataset import augment_dataset
from datatools.augment.jobs import list_jobs, make_seed
from datatools.dataset import Dataset
from datatools.errors import DatatoolsError, MissingExtraError
from datatools.images import decode_image, encode_png
from datatools.params import AugmentParams
from datatools.policy.steps import PRESETS, hash_policy, parse_policy
from datatools.raw import open_raw
from datatools.schema import ANNOTATIONS, AUGMENTED, BOX, FINDINGS, SPLIT
from tests.augment.builders import HEIGHT, L_SHAPE, WIDTH, draw
from tests.small_data import box_row, image_row, label_rows, make_images, mask_row

N_IMAGES = 12
TRAIN = {f"images/{number:02d}.png" for number in range(8)}


def rings_of(row):
    return json.loads(row["mask"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("raw")
    (root / "images").mkdir()
    for number in range(N_IMAGES):
        image = draw(L_SHAPE) // 2 + np.uint8(5 * number)
        (root / f"images/{number:02d}.png").write_bytes(encode_png(image))
    return root


@pytest.fixture(scope="module")
def dataset():
    names = [f"images/{number:02d}.png" for number in range(N_IMAGES)]
    rows = []
    for number, name in enumerate(names):
        rows += label_rows(name, {"anna": "circle"}, "circle")
        rows.append(mask_row(f"coco/m{number:02d}", L_SHAPE, path=name))
        rows.append(box_row(f"coco/b{number:02d}", (50, 30, 110, 95), name))
    images = [image_row(name, width_px=WIDTH, height_px=HEIGHT) for name in names]
    return Dataset(make_images(images), ANNOTATIONS.conform(rows), ("circle", "square"))


@pytest.fixture(scope="module")
def split(dataset):
    sides = ["train" if path in TRAIN else "val" for path in dataset.images["path"]]
    return SPLIT.conform(pd.DataFrame({"path": dataset.images["path"], "split": sides, "group": "g"}))


def findings(*annotation_ids, severity="error"):
    rows = [
        {"code": "BOX001", "version": 1, "severity": severity, "annotation_id": name, "score": 0.0}
        for name in annotation_ids
    ]
    return FINDINGS.conform(rows)


def same(one, other):
    assert one.members == other.members
    pd.testing.assert_frame_equal(one.table, other.table)
    assert one.summary == other.summary


@pytest.fixture(scope="module")
def augmented(dataset, split, folder):
    return augment_dataset(dataset, split, findings(), folder, AugmentParams(factor=3), workers=1)


def test_copies_of_training_images_and_no_others(augmented, dataset):
    assert len(augmented.members) == 3 * len(TRAIN)
    assert set(augmented.table["parent_path"]) == TRAIN
    names = [name for name, _ in augmented.members]
    assert len(set(names)) == len(names)
    assert set(augmented.table["path"]) == set(names)
    assert not set(names) & set(dataset.images["path"])
    assert augmented.summary["images"] == 24
    assert augmented.summary["parents"] == 8
    assert augmented.summary["objects"] == 48
    assert augmented.summary["dropped"] == {}
    assert augmented.summary["params"]["factor"] == 3
    assert all(augmented.summary["packages"].values())


def test_every_row_names_its_parent_and_seed(augmented, dataset):
    table = augmented.table
    parents = dataset.annotations.set_index("annotation_id")
    for row in table.to_dict("records"):
        parent = parents.loc[row["parent_annotation_id"]]
        assert (parent["path"], parent["label"], parent["kind"]) == (row["parent_path"], row["label"], row["kind"])
    assert list(table.columns) == list(AUGMENTED.columns)
    assert table["annotation_id"].is_unique
    assert (table.groupby("path")["seed"].nunique() == 1).all()
    assert table["seed"].nunique() == 24
    sha256 = dataset.images.set_index("path")["sha256"]
    expected = {make_seed(0, sha256[path], copy) for path in TRAIN for copy in range(3)}
    assert set(table["seed"]) == expected


def test_every_copy_has_its_label(augmented):
    labels = augmented.table[augmented.table["kind"] == "label"]
    assert len(labels) == 24
    assert set(labels["annotation_id"]) == {f"label/{path}" for path in labels["path"]}
    assert set(labels["label"]) == {"circle"}


def test_boxes_are_ordered_inside_and_around_their_polygons(augmented):
    objects = augmented.table[augmented.table["kind"] != "label"]
    x0, y0, x1, y1 = (objects[name].to_numpy() for name in BOX)
    assert ((x0 >= 0) & (y0 >= 0) & (x1 <= WIDTH) & (y1 <= HEIGHT)).all()
    assert ((x0 < x1) & (y0 < y1)).all()
    masks = objects.dropna(subset=["mask"])
    assert len(masks) == 24
    for row in masks.to_dict("records"):
        shapes = [Polygon(ring) for ring in rings_of(row)]
        assert all(shape.is_valid and ring[0] == ring[-1] for shape, ring in zip(shapes, rings_of(row), strict=True))
        corners = np.array([shape.bounds for shape in shapes])
        bounds = [*corners[:, :2].min(axis=0), *corners[:, 2:].max(axis=0)]
        assert bounds == pytest.approx([row[name] for name in BOX], abs=1e-9)


def test_the_box_of_an_object_holds_its_polygon(augmented):
    objects = augmented.table[augmented.table["kind"] != "label"].set_index("annotation_id")
    for name in objects.index[objects["kind"] == "mask"]:
        mask, box = objects.loc[name, BOX], objects.loc[name.replace("/m", "/b"), BOX]
        assert (mask[["x0_px", "y0_px"]] >= box[["x0_px", "y0_px"]] - 0.02).all()
        assert (mask[["x1_px", "y1_px"]] <= box[["x1_px", "y1_px"]] + 0.02).all()


@pytest.mark.parametrize("workers", [1, 2])
def test_neither_workers_nor_order_nor_the_others_matter(workers, augmented, dataset, split, folder, monkeypatch):
    monkeypatch.setattr(engine, "FEW", 0)
    monkeypatch.setattr(engine, "CHUNK", 3)
    monkeypatch.setattr(making, "GROUP", 4)
    turned = dataclasses.replace(
        dataset,
        images=dataset.images[::-1].reset_index(drop=True),
        annotations=dataset.annotations[::-1].reset_index(drop=True),
    )
    same(augment_dataset(turned, split[::-1], findings(), folder, AugmentParams(factor=3), workers), augmented)


def test_a_copy_does_not_depend_on_the_other_images(augmented, dataset, split, folder):
    one = split.assign(split=np.where(split["path"] == "images/03.png", "train", "test"))
    alone = augment_dataset(dataset, one, findings(), folder, AugmentParams(factor=2), workers=1)
    everything = dict(augmented.members)
    assert len(alone.members) == 2
    assert all(everything[name] == data for name, data in alone.members)


def test_another_seed_gives_other_copies(augmented, dataset, split, folder):
    other = augment_dataset(dataset, split, findings(), folder, AugmentParams(factor=1, seed=1), workers=1)
    everything = dict(augmented.members)
    assert all(everything[name] != data for name, data in other.members)


def test_inputs_are_unchanged(dataset, split, folder):
    before = [frame.copy(deep=True) for frame in (dataset.images, dataset.annotations, split)]
    augment_dataset(dataset, split, findings("coco/m00"), folder, AugmentParams(factor=1), workers=1)
    for frame, known in zip((dataset.images, dataset.annotations, split), before, strict=True):
        pd.testing.assert_frame_equal(frame, known)


def test_ticks_count_parents(dataset, split, folder):
    ticks = []
    augment_dataset(dataset, split, findings(), folder, AugmentParams(factor=1), workers=1, tick=ticks.append)
    assert sum(ticks) == 8


@pytest.mark.parametrize(("severity", "n_dropped"), [("error", 4), ("warning", 0)])
def test_broken_objects_are_left_out_and_counted(severity, n_dropped, dataset, split, folder):
    # two broken objects on train images, one on a val image, one that is not there
    said = findings("coco/m00", "coco/b03", "coco/m10", "coco/m99", severity=severity)
    result = augment_dataset(dataset, split, said, folder, AugmentParams(factor=2), workers=1)
    assert result.summary["dropped"] == ({"broken in the parent": n_dropped} if n_dropped else {})
    assert result.summary["objects"] == 32 - n_dropped
    left = set(result.table["parent_annotation_id"])
    assert ("coco/m00" in left) == (n_dropped == 0)
    assert "coco/b00" in left
    assert result.summary["images"] == 16, "the image itself is copied"


def test_images_with_neither_label_nor_object_have_no_copy(dataset, split, folder):
    rows = dataset.annotations
    some = dataclasses.replace(dataset, annotations=rows[rows["path"] != "images/00.png"].reset_index(drop=True))
    result = augment_dataset(some, split, findings(), folder, AugmentParams(factor=1), workers=1)
    assert set(result.table["parent_path"]) == TRAIN - {"images/00.png"}


def test_factor_0_switches_it_off(dataset, split, folder):
    result = augment_dataset(dataset, split, findings("coco/m00"), folder, AugmentParams(factor=0), workers=1)
    assert result.members == []
    assert list(result.table.columns) == list(AUGMENTED.columns)
    assert result.table.empty
    assert (result.summary["images"], result.summary["parents"], result.summary["objects"]) == (0, 0, 0)
    assert result.summary["dropped"] == {}
    assert result.shown == []


def test_files_whose_names_differ_only_in_the_suffix_keep_apart(dataset, split, folder, tmp_path):
    (tmp_path / "images").mkdir()
    names = ["images/a.png", "images/a.bmp"]
    for number, name in enumerate(names):
        Image.fromarray(np.full((20, 20, 3), 60 * number, np.uint8)).save(tmp_path / name)
    rows = [row for name in names for row in label_rows(name, {}, "circle")]
    twins = Dataset(make_images([image_row(name) for name in names]), ANNOTATIONS.conform(rows), ("circle",))
    sides = SPLIT.conform([{"path": name, "split": "train", "group": name} for name in names])
    result = augment_dataset(twins, sides, findings(), tmp_path, AugmentParams(factor=1), workers=1)
    assert len({name for name, _ in result.members}) == 2
    assert result.table["annotation_id"].is_unique


def test_seeds_differ_by_run_content_and_copy():
    seeds = {make_seed(run, sha, copy) for run in range(3) for sha in ("aa", "bb") for copy in range(4)}
    assert len(seeds) == 24
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert make_seed(0, "aa", 1) == make_seed(0, "aa", 1)


def test_without_imgaug_the_error_says_how_to_get_it(dataset, split, folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "imgaug", None)
    for name in ("copies", "imgaug_steps"):
        monkeypatch.delitem(sys.modules, f"datatools.augment.{name}")
    with pytest.raises(MissingExtraError, match=r"^augment: needs the package imaug, .*'\.\[augment\]'"):
        augment_dataset(dataset, split, findings(), folder, AugmentParams())


def test_objects_of_an_image_of_another_size_are_left_out(dataset, split, folder):
    row = {"code": "IMG002", "version": 1, "severity": "error", "path": min(TRAIN), "score": 0.0, "message": "size"}
    result = augment_dataset(dataset, split, FINDINGS.conform([row]), folder, AugmentParams(policy=["blur"]))
    objects = result.table[result.table["kind"] != "label"]
    assert min(TRAIN) not in set(objects["parent_path"])
    assert min(TRAIN) in set(result.table["parent_path"]), "the image itself is still copied"
    assert result.summary["dropped"]["broken in the parent"] >= 1


# ---- how many copies, and of what


def test_classes_have_copies_of_their_own(dataset, split, folder):
    rows = dataset.annotations
    rare = rows["path"].isin(["images/00.png", "images/01.png"])
    mixed = dataclasses.replace(dataset, annotations=rows.assign(label=rows["label"].mask(rare, "square")))
    result = augment_dataset(mixed, split, findings(), folder, AugmentParams(factor_per_class={"square": 3}), workers=1)
    labels = result.table[result.table["kind"] == "label"]
    assert labels["label"].value_counts().to_dict() == {"circle": 6, "square": 6}
    assert result.summary["labels"] == {"circle": 6, "square": 6}
    balanced = augment_dataset(mixed, split, findings(), folder, AugmentParams(balance=1.0), workers=1)
    assert balanced.summary["labels"] == {"circle": 6, "square": 10}, "6 + 6 and 2 + 10"


def test_an_unknown_class_is_one_line(dataset, split, folder):
    with pytest.raises(DatatoolsError, match=r"augment\.factor_per_class has the classes circle, square\. Got 'cat'"):
        augment_dataset(dataset, split, findings(), folder, AugmentParams(factor_per_class={"cat": 3}))


def test_images_with_objects_and_no_label_are_copied_without_one(dataset, split, folder):
    rows = dataset.annotations
    bare = dataclasses.replace(dataset, annotations=rows[rows["kind"] != "label"].reset_index(drop=True))
    result = augment_dataset(bare, split, findings(), folder, AugmentParams(), workers=1)
    assert set(result.table["parent_path"]) == TRAIN
    assert set(result.table["kind"]) == {"box", "mask"}


# ---- labels that come from objects


def of_objects(folder, source, *more):
    """One image with a circle on its left side, labelled circle; a policy moves it out of sight."""
    label = {**label_rows("images/00.png", {}, "circle")[0], "source": source}
    rows = [label, box_row("c", (5, 20, 35, 50), "images/00.png"), *more]
    image = make_images([image_row("images/00.png", width_px=WIDTH, height_px=HEIGHT)])
    sides = SPLIT.conform([{"path": "images/00.png", "split": "train", "group": "g"}])
    one = Dataset(image, ANNOTATIONS.conform(rows), ("circle", "square"))
    params = AugmentParams(policy=[{"affine": {"translate": -0.4}}])
    return augment_dataset(one, sides, findings(), folder, params, workers=1)


def labels_of(result):
    return result.table.loc[result.table["kind"] == "label", "label"].tolist()


SQUARES = [
    box_row(f"s{number}", (100, 70, 120, 90), "images/00.png", label)
    for number, label in enumerate(["square", "square", None])
]


def test_a_copy_without_its_objects_has_no_label(folder):
    result = of_objects(folder, "objects")
    assert len(result.members) == 1
    assert result.table.empty
    assert result.summary["labels"] == {}
    assert result.summary["labels_gone"] == {"no label": 1}


def test_a_copy_in_which_other_objects_are_left_has_their_label(folder):
    result = of_objects(folder, "objects", *SQUARES)
    assert labels_of(result) == ["square"]
    assert result.table["annotation_id"].is_unique
    assert result.summary["labels"] == {"square": 1}
    assert result.summary["labels_gone"] == {"another label": 1}


@pytest.mark.parametrize("source", ["vote", "fix/00aa", None])
def test_a_label_by_a_person_stays_without_objects(source, folder):
    result = of_objects(folder, source, *SQUARES)
    assert labels_of(result) == ["circle"]
    assert result.summary["labels_gone"] == {}


def test_a_label_stays_while_one_of_its_objects_is_left(folder):
    result = of_objects(folder, "objects", *SQUARES, box_row("c2", (70, 70, 75, 75), "images/00.png"))
    assert labels_of(result) == ["circle"], "the squares cover more of it"
    assert result.summary["labels_gone"] == {}


def test_the_table_and_the_summary_name_the_policy_and_the_packages(augmented):
    steps = AugmentParams().steps
    assert set(augmented.table["policy"]) == {hash_policy(steps)}
    assert augmented.summary["policy"]["hash"] == hash_policy(steps)
    assert parse_policy(augmented.summary["policy"]["steps"]) == steps
    assert {"imaug", "numpy", "opencv-python-headless"} <= augmented.summary["packages"].keys()


# ---- online


def test_online_nothing_is_copied_and_a_few_are_shown(dataset, split, folder):
    params = AugmentParams(mode="online", factor=3, mixup=0.2)
    result = augment_dataset(dataset, split, findings(), folder, params, workers=1)
    assert result.members == []
    assert result.table.empty
    assert list(result.table.columns) == list(AUGMENTED.columns)
    assert (result.summary["mode"], result.summary["images"], result.summary["parents"]) == ("online", 0, 0)
    assert [pair.path for pair in result.shown] == sorted(TRAIN)
    offline = augment_dataset(dataset, split, findings(), folder, AugmentParams(), workers=1)
    assert [pair.copy for pair in result.shown] == [pair.copy for pair in offline.shown], "the same policy"


# ---- batches


@pytest.mark.parametrize("preset", PRESETS)
def test_copies_are_the_same_whatever_is_made_beside_them(preset, dataset, split, folder, monkeypatch):
    params = AugmentParams(preset=preset, factor=3)
    jobs = list_jobs(dataset, TRAIN, set(), params)
    made = []
    for batch in (1, 3, 16):
        monkeypatch.setattr("datatools.augment.copies.BATCH", batch)
        maker = CopyMaker(open_raw(folder), params.steps, params.seed, params.keep_min)
        made.append(maker(jobs))
        made.append([maker([job])[0] for job in reversed(jobs)][::-1])
    assert all(copies == made[0] for copies in made[1:])
    monkeypatch.setattr("datatools.augment.copies.BATCH_PIXELS", 1)
    assert maker(jobs) == made[0]


def test_images_of_several_sizes_go_in_one_batch(tmp_path):
    sizes = {"a.png": (30, 20), "b.png": (16, 40), "c.png": (25, 25)}
    for name, (width, height) in sizes.items():
        Image.fromarray(np.arange(width * height * 3, dtype=np.uint32).astype(np.uint8).reshape(height, width, 3)).save(
            tmp_path / name
        )
    rows = [
        row for name in sizes for row in (*label_rows(name, {}, "circle"), box_row(f"b/{name}", (2, 3, 12, 13), name))
    ]
    images = [image_row(name, width_px=size[0], height_px=size[1]) for name, size in sizes.items()]
    some = Dataset(make_images(images), ANNOTATIONS.conform(rows), ("circle",))
    sides = SPLIT.conform([{"path": name, "split": "train", "group": name} for name in sizes])
    policy = [{"quarter_turns": {"turns": 1}}]
    result = augment_dataset(some, sides, findings(), tmp_path, AugmentParams(policy=policy), workers=1)
    for name, data in result.members:
        height, width = decode_image(data).shape[:2]
        assert (height, width) == sizes[name.removesuffix(".aug0.png")]
    boxes = result.table[result.table["kind"] == "box"].set_index("parent_path")[BOX]
    assert boxes.loc["a.png"].tolist() == [20 - 13, 2, 20 - 3, 12]
