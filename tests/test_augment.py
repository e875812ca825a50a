from __future__ import annotations

import dataclasses
import io
import json
import sys

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw
from shapely.geometry import Polygon

from datatools import engine
from datatools.augment import augment_dataset, augment_image, draw_contact_sheet, make_seed
from datatools.dataset import Dataset
from datatools.errors import MissingExtraError
from datatools.images import decode_image, encode_png
from datatools.params import AugmentParams
from datatools.schema import ANNOTATIONS, AUGMENTED, BOX, FINDINGS, SPLIT

from .small_data import box_row, image_row, label_rows, make_images, mask_row

WIDTH, HEIGHT = 160, 120
L_SHAPE = [[50, 30], [110, 30], [110, 60], [80, 60], [80, 95], [50, 95], [50, 30]]
STILL = AugmentParams(
    rotate_deg=0, scale=0, shear_deg=0, translate=0, flip=0, brightness=0, noise=0, blur=0, keep_min=0
)  # fmt: skip
N_IMAGES = 12
TRAIN = {f"images/{number:02d}.png" for number in range(8)}


def rasterise(rings, zoom=8):
    """Which pixels lie more than half inside the rings: bool (HEIGHT, WIDTH)."""
    canvas = Image.new("L", (WIDTH * zoom, HEIGHT * zoom))
    for ring in rings:
        points = [(x * zoom - 0.5, y * zoom - 0.5) for x, y in ring]
        ImageDraw.Draw(canvas).polygon(points, fill=255)
    return np.asarray(canvas.resize((WIDTH, HEIGHT), Image.Resampling.BOX)) > 127


def draw(ring):
    """The ring in white on black, RGB."""
    return np.repeat(rasterise([ring])[..., None], 3, axis=2).astype(np.uint8) * 255


def iou(one, other):
    return (one & other).sum() / (one | other).sum()


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
    assert ticks == [1] * 8


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


def test_images_without_a_label_have_no_copy(dataset, split, folder):
    gone = dataset.annotations["path"].eq("images/00.png") & dataset.annotations["kind"].eq("label")
    some = dataclasses.replace(dataset, annotations=dataset.annotations[~gone].reset_index(drop=True))
    result = augment_dataset(some, split, findings(), folder, AugmentParams(factor=1), workers=1)
    assert set(result.table["parent_path"]) == TRAIN - {"images/00.png"}


def test_factor_0_switches_it_off(dataset, split, folder):
    result = augment_dataset(dataset, split, findings("coco/m00"), folder, AugmentParams(factor=0), workers=1)
    assert result.members == []
    assert list(result.table.columns) == list(AUGMENTED.columns)
    assert result.table.empty
    assert (result.summary["images"], result.summary["parents"], result.summary["objects"]) == (0, 0, 0)
    assert result.summary["dropped"] == {}
    assert decode_image(draw_contact_sheet(result, folder)).shape == (256, 1024, 3)


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


# ---- geometry: the picture and what is said of it move together ----


def augment(item, seed, **changes):
    params = dataclasses.replace(STILL, **changes)
    return augment_image(draw(L_SHAPE), [item], params, seed)


def item(kind="mask"):
    row = mask_row("coco/1", L_SHAPE) if kind == "mask" else box_row("coco/1", (50, 30, 110, 95))
    return {"mask": None, "annotator": None, **row}


MOVES = {
    "flip": {"flip": 1.0},
    "rotate": {"rotate_deg": 40},
    "scale": {"scale": 0.3},
    "shear": {"shear_deg": 25},
    "translate": {"translate": 0.2},
    "all": {"flip": 0.5, "rotate_deg": 20, "scale": 0.2, "shear_deg": 10, "translate": 0.1},
}


@pytest.mark.parametrize("move", MOVES)
def test_the_polygon_lies_where_its_pixels_are(move):
    overlaps, shifts = [], []
    for seed in range(12):
        pixels, kept, dropped = augment(item(), seed, **MOVES[move])
        assert dropped == []
        seen, said = pixels[..., 0] > 127, rasterise(rings_of(kept[0]))
        overlaps.append(iou(seen, said))
        shifts.append(np.argwhere(seen).mean(axis=0) - np.argwhere(said).mean(axis=0))
    assert min(overlaps) > 0.93
    assert np.abs(np.mean(shifts, axis=0)).max() < 0.2, "shifted one way in pixels, on the average"


def test_a_flip_is_exact():
    pixels, kept, _ = augment(item(), 0, flip=1.0)
    np.testing.assert_array_equal(pixels, draw(L_SHAPE)[:, ::-1])
    assert iou(pixels[..., 0] > 127, rasterise(rings_of(kept[0]))) == 1.0
    assert [kept[0][name] for name in BOX] == [WIDTH - 110, 30, WIDTH - 50, 95]
    assert [augment(item("box"), 0, flip=1.0)[1][0][name] for name in BOX] == [WIDTH - 110, 30, WIDTH - 50, 95]


def test_without_any_change_nothing_changes():
    pixels, (row,), _ = augment(item(), 5)
    np.testing.assert_array_equal(pixels, draw(L_SHAPE))
    assert Polygon(rings_of(row)[0]).equals(Polygon(L_SHAPE))


@pytest.mark.parametrize("change", [{"brightness": 0.5}, {"noise": 40.0}, {"blur": 3.0}])
def test_what_changes_pixels_moves_no_object(change):
    image = draw(L_SHAPE) // 2 + np.uint8(40)
    params, changed = dataclasses.replace(STILL, **change), 0
    for seed in range(5):
        pixels, (row,), _ = augment_image(image, [item()], params, seed)
        changed += not np.array_equal(pixels, image)
        assert [row[name] for name in BOX] == [50, 30, 110, 95]
    assert changed >= 3


def test_the_box_of_a_turned_box_holds_its_corners():
    for seed in range(6):
        pixels, (row,), _ = augment(item("box"), seed, rotate_deg=30)
        rows, columns = np.nonzero(pixels[..., 0] > 127)
        assert row["mask"] is None
        assert row["x0_px"] <= columns.min() + 1
        assert row["x1_px"] >= columns.max()
        assert row["y0_px"] <= rows.min() + 1
        assert row["y1_px"] >= rows.max()


@pytest.mark.parametrize(
    ("keep_min", "n_kept"),
    [(0.0, 1), (0.25, 1), (0.26, 0), (1.0, 0)],
)
def test_an_object_that_is_mostly_outside_is_dropped(keep_min, n_kept):
    quarter = {"mask": None, "annotator": None, **box_row("coco/1", (-30, -30, 30, 30))}  # a quarter is inside
    _, kept, dropped = augment_image(draw(L_SHAPE), [quarter], dataclasses.replace(STILL, keep_min=keep_min), 0)
    assert len(kept) == n_kept
    assert dropped == ["mostly outside the image"] * (1 - n_kept)
    if kept:
        assert [kept[0][name] for name in BOX] == [0, 0, 30, 30]


def test_an_object_wholly_outside_is_dropped_whatever_keep_min_says():
    away = {"mask": None, "annotator": None, **box_row("coco/1", (-30, -30, -10, -10))}
    _, kept, dropped = augment_image(draw(L_SHAPE), [away], STILL, 0)
    assert kept == []
    assert dropped == ["mostly outside the image"]


def test_a_mask_of_two_parts_keeps_both():
    left, right = [[10, 10], [30, 10], [30, 30], [10, 10]], [[60, 60], [90, 60], [90, 90], [60, 60]]
    both = {"annotator": None, **mask_row("coco/1", left, right)}
    _, (row,), _ = augment_image(draw(L_SHAPE), [both], dataclasses.replace(STILL, flip=1.0), 0)
    assert len(rings_of(row)) == 2
    assert [row[name] for name in BOX] == [WIDTH - 90, 10, WIDTH - 10, 90]


def test_a_part_cut_off_by_the_edge_leaves_pieces_inside():
    # a U whose bottom lies below the image: two legs are left
    u_shape = [[10, 20], [20, 20], [20, 130], [40, 130], [40, 20], [50, 20], [50, 140], [10, 140], [10, 20]]
    _, (row,), _ = augment_image(draw(L_SHAPE), [{"annotator": None, **mask_row("coco/1", u_shape)}], STILL, 0)
    assert len(rings_of(row)) == 2
    assert [row[name] for name in BOX] == [10, 20, 50, HEIGHT]


def test_seeds_differ_by_run_content_and_copy():
    seeds = {make_seed(run, sha, copy) for run in range(3) for sha in ("aa", "bb") for copy in range(4)}
    assert len(seeds) == 24
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert make_seed(0, "aa", 1) == make_seed(0, "aa", 1)


# ---- the picture and the extra ----


def test_the_contact_sheet_shows_pairs(augmented, folder):
    sheet = Image.open(io.BytesIO(draw_contact_sheet(augmented, folder, n_pairs=10, side_px=64)))
    sheet.load()
    assert sheet.size == (8 * 64, 2 * 2 * 64)
    pixels = np.asarray(sheet)
    assert (pixels[128:, 2 * 64 :] == 255).all(), "ten pairs: the rest of the second row is blank"
    assert not (pixels[:128] == 255).all()
    parent = np.asarray(Image.open(folder / "images/00.png").resize((64, 64), Image.Resampling.BOX)).astype(int)
    assert np.abs(pixels[:64, :64].astype(int) - parent).mean() < 10


def test_without_imgaug_the_error_says_how_to_get_it(dataset, split, folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "imgaug", None)
    with pytest.raises(MissingExtraError, match=r"^augment: needs the package imaug, .*'\.\[augment\]'"):
        augment_dataset(dataset, split, findings(), folder, AugmentParams())


def test_objects_of_an_image_of_another_size_are_left_out(dataset, split, folder):
    row = {"code": "IMG002", "version": 1, "severity": "error", "path": min(TRAIN), "score": 0.0, "message": "size"}
    result = augment_dataset(dataset, split, FINDINGS.conform([row]), folder, STILL)
    objects = result.table[result.table["kind"] != "label"]
    assert min(TRAIN) not in set(objects["parent_path"])
    assert min(TRAIN) in set(result.table["parent_path"]), "the image itself is still copied"
    assert result.summary["dropped"]["broken in the parent"] >= 1
