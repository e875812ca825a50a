"""The seeding of benchmarks/validation_quality.py: defects are where the key says, and the rest of the data is as it was."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

from quality import agreement_defects, box_defects, image_defects, label_defects, mask_defects  # noqa: E402, F401
from quality.board import Board, Clean, Key, numbered, write_coco, write_table, write_voc  # noqa: E402
from quality.clean import REAL_FAULTS  # noqa: E402
from quality.measure import Score, count, measure, subset  # noqa: E402
from quality.peers import RULES, TOOLS  # noqa: E402
from quality.seed import SEEDS, Seed  # noqa: E402

from datatools.masks import from_array  # noqa: E402

N_IMAGES, WIDTH, HEIGHT = 12, 96, 80
LABELS = ("Platelets", "RBC", "WBC")


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Clean:
    """Twelve pictures of noise with four boxes and round masks each."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    document: dict = {"images": [], "annotations": [], "categories": numbered(LABELS)}
    files = {}
    for number in range(1, N_IMAGES + 1):
        name = f"{number:04d}.jpg"
        files[name] = folder / name
        Image.fromarray(rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)).save(files[name])
        document["images"].append({"id": number, "file_name": name, "width": WIDTH, "height": HEIGHT})
        for part in range(4):
            x, y = 4 + 46 * (part % 2), 4 + 38 * (part // 2)
            ys, xs = np.ogrid[:HEIGHT, :WIDTH]
            mask = (xs - x - 15) ** 2 + (ys - y - 15) ** 2 <= 15**2
            rle = from_array(mask)
            x0, y0, x1, y1 = rle.bounds() or (0, 0, 0, 0)
            document["annotations"].append(
                {"id": len(document["annotations"]) + 1, "image_id": number, "category_id": 2 if part else 1,
                 "bbox": [x0, y0, x1 - x0, y1 - y0], "area": float(mask.sum()), "iscrowd": 0,
                 "segmentation": json.loads(rle.to_json())}
            )  # fmt: skip
    return Clean("small", files, document)


def board_of(clean: Clean, seed: int = 1) -> Board:
    return Board(clean, random.Random(seed))


def without_masks(clean: Clean) -> Clean:
    rows = [{key: row[key] for key in row if key != "segmentation"} for row in clean.document["annotations"]]
    return Clean(clean.name, clean.files, {**clean.document, "annotations": rows})


@pytest.mark.parametrize("code", ["BOX001", "BOX002", "BOX003"])
@pytest.mark.parametrize("write", [write_coco, write_voc])
def test_what_is_planted_is_found_and_nothing_else(clean: Clean, tmp_path: Path, code: str, write) -> None:
    seed = next(seed for seed in SEEDS if seed.code == code and seed.write is write)
    score = measure(seed, without_masks(clean), tmp_path, n_planted=10)
    assert (score.planted, score.found, score.extra) == (10, 10, 0)


@pytest.mark.parametrize("code", ["MSK002", "MSK003"])
def test_masks_are_spoilt_where_the_key_says(clean: Clean, tmp_path: Path, code: str) -> None:
    seed = next(seed for seed in SEEDS if seed.code == code)
    score = measure(seed, clean, tmp_path, n_planted=10)
    assert (score.planted, score.found, score.extra) == (10, 10, 0)


def test_a_check_that_does_not_see_the_defect_has_recall_0(clean: Clean, tmp_path: Path) -> None:
    swap = next(seed for seed in SEEDS if seed.code == "BOX001" and seed.write is write_coco)
    score = measure(Seed("MSK001", "boxes, no masks", "small", swap.plant, write_coco), clean, tmp_path, n_planted=10)
    assert (score.planted, score.found, score.recall) == (10, 0, 0.0)
    assert len(score.missed) == 10 and score.cross["BOX001"] == 10


def test_planting_changes_neither_the_clean_data_nor_what_is_not_in_the_key(clean: Clean) -> None:
    before = json.dumps(clean.document)
    board = board_of(clean)
    box_defects.swap_corners(board, 5)
    changed = {
        new["id"]
        for old, new in zip(clean.document["annotations"], board.document["annotations"], strict=True)
        if old != new
    }
    assert changed == {number for _, numbers, _ in board.spoilt for number in numbers} and len(changed) == 5
    assert json.dumps(clean.document) == before


def test_the_same_seed_plants_the_same(clean: Clean) -> None:
    one, two, other = (board_of(clean, number) for number in (1, 1, 2))
    for board in (one, two, other):
        box_defects.repeat_box(board, 6)
    assert one.document == two.document and one.spoilt == two.spoilt
    assert one.document != other.document


def test_annotations_are_spread_over_the_images_first(clean: Clean) -> None:
    rows = board_of(clean).annotations(N_IMAGES)
    assert len({row["image_id"] for row in rows}) == N_IMAGES


def test_a_subset_keeps_the_annotations_of_its_images(clean: Clean) -> None:
    few = subset(clean, 3, random.Random(0))
    assert len(few.files) == 3 and few.n_annotations == 12
    assert {row["image_id"] for row in few.document["annotations"]} == {row["id"] for row in few.document["images"]}


def findings(*rows: tuple[str, str | None, str | None, str | None]) -> pd.DataFrame:
    columns = ["code", "path", "annotation_id", "subject"]
    return pd.DataFrame(rows, columns=columns).assign(message="", severity="error")


def test_a_finding_without_annotation_counts_for_one_defect_of_its_image() -> None:
    keys = [Key((("a.png", "coco/1"),)), Key((("a.png", "coco/2"),))]
    score = Score(Seed("BOX001", "", "", lambda *_: None, write_coco))
    count(score, keys, findings(("BOX001", "a.png", None, None), ("BOX001", "b.png", None, None)))
    assert (score.planted, score.found, score.extra) == (2, 1, 1)


def test_a_finding_on_either_of_two_places_counts_once() -> None:
    keys = [Key((("a.png", "coco/1"), ("a.png", "coco/2")))]
    score = Score(Seed("BOX005", "", "", lambda *_: None, write_coco))
    both = findings(("BOX005", "a.png", "coco/2", None), ("BOX005", "a.png", "coco/1", None))
    count(score, keys, both)
    assert (score.found, score.extra) == (1, 0)


def test_a_defect_of_the_set_is_found_by_its_subject() -> None:
    keys = [Key(subjects=("dress", "Dress"))]
    score = Score(Seed("LBL004", "", "", lambda *_: None, write_table))
    count(score, keys, findings(("LBL004", None, None, "Dress"), ("LBL004", None, None, "Hat")))
    assert (score.found, score.extra) == (1, 1)


def test_planted_pictures_are_beyond_the_thresholds(clean: Clean) -> None:
    dark, light = board_of(clean), board_of(clean)
    image_defects.darken(dark, 5)
    image_defects.lighten(light, 5)
    for board, low, high, percentile in ((dark, 0.0, 0.32, 99), (light, 0.95, 1.01, 5)):
        for names, _, _ in board.spoilt:
            pixels = np.asarray(board.open(names[0])).astype(float)
            level = np.percentile(np.sqrt(pixels**2 @ [0.241, 0.691, 0.068]) / 255, percentile)
            assert low <= level < high


def test_tables_name_every_image_once(clean: Clean, tmp_path: Path) -> None:
    board = board_of(without_masks(clean))
    board.document["annotations"] = board.document["annotations"][::4]
    label_defects.drop_label(board, 4)
    keys = write_table(board, tmp_path)
    lines = (tmp_path / "labels.csv").read_text().splitlines()
    assert len(lines) == 1 + N_IMAGES - 4 and len(keys) == 4
    assert not {key.places[0][0] for key in keys} & {line.split(",")[0] for line in lines}


def test_every_seed_and_rule_has_the_form_of_a_code() -> None:
    codes = {seed.code for seed in SEEDS}
    assert set(RULES) <= codes and all(set(rules) <= set(TOOLS) for rules in RULES.values())
    assert len({(seed.code, seed.kind, seed.set) for seed in SEEDS}) == len(SEEDS)
    assert {seed.set for seed in SEEDS} <= set(REAL_FAULTS)
