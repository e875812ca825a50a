"""Small pictures of images with their outlines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from datatools.images import RGB, decode_image, encode_png
from datatools.params import ReportParams
from datatools.report.summary import summarise
from datatools.report.thumbnails import MAX_DECISIONS, choose_paths, draw_image, draw_thumbnails, shrink_image
from datatools.schema import ANNOTATIONS, FIX_STATUS
from tests.report.builders import make_dataset, make_fix, make_inputs, make_png


def grey(height: int, width: int) -> RGB:
    return np.full((height, width, 3), 128, dtype=np.uint8)


def objects(**values: Any) -> pd.DataFrame:
    return ANNOTATIONS.conform([{"annotation_id": "a", "path": "a.png", "kind": "box", **values}])


def box(*corners: float) -> pd.DataFrame:
    return objects(**dict(zip(("x0_px", "y0_px", "x1_px", "y1_px"), corners, strict=True)))


@pytest.mark.parametrize(
    ("size_hw", "expected_hw"),
    [
        ((64, 64), (128, 128)),
        ((8, 8), (128, 128)),
        ((100, 100), (100, 100)),
        ((192, 192), (192, 192)),
        ((400, 300), (192, 144)),
        ((193, 193), (192, 192)),
        ((1, 5000), (1, 192)),
        ((5000, 1), (192, 1)),
        ((1, 1), (128, 128)),
    ],
)
def test_size(size_hw: tuple[int, int], expected_hw: tuple[int, int]) -> None:
    assert draw_image(grey(*size_hw)).shape == (*expected_hw, 3)


def test_shrinking_by_a_whole_factor_averages_blocks_and_leaves_the_input_alone() -> None:
    image = np.zeros((576, 576, 3), dtype=np.uint8)
    image[::3] = 255
    before = image.copy()
    small = shrink_image(image, 192)
    assert small.shape == (192, 192, 3)
    assert set(np.unique(small)) == {85}
    assert np.array_equal(image, before)


@pytest.mark.parametrize(("height", "width"), [(200, 193), (298, 224), (301, 977), (1, 1000), (700, 3)])
def test_shrinking_by_any_factor_is_the_average_of_the_area(height: int, width: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    small = shrink_image(image, 192)
    rows, columns = small.shape[:2]
    tall = np.repeat(image, rows, axis=0).reshape(rows, height, width, 3).mean(axis=1)  # so many that blocks are whole
    both = np.repeat(tall, columns, axis=1).reshape(rows, columns, width, 3).mean(axis=2)
    assert np.abs(small - both).max() <= 0.5 + 1e-6


def test_a_box_is_drawn_where_it_is() -> None:
    drawn = draw_image(grey(64, 64), box(16, 16, 48, 40))
    assert drawn[32, 60].tolist() == [220, 40, 40]
    assert drawn[60, 60].tolist() == [128, 128, 128]


def test_a_box_shrinks_with_a_large_image() -> None:
    drawn = draw_image(grey(1000, 1000), box(500, 0, 1000, 500))
    assert drawn.shape[0] == 192
    assert drawn[40, 96].tolist() == [220, 40, 40]


def test_a_mask_is_drawn_and_its_box_is_not() -> None:
    square = json.dumps([[[8, 8], [24, 8], [24, 24], [8, 24]]])
    drawn = draw_image(grey(64, 64), box(0, 0, 60, 60).assign(kind="mask", mask=square))
    assert drawn[16, 30].tolist() == pytest.approx([40, 90, 230], abs=16)  # anti-aliased
    assert not (drawn == (220, 40, 40)).all(axis=2).any()


@pytest.mark.parametrize(
    "shape",
    [
        box(float("nan"), 0, 1, 1),
        box(float("inf"), 0, 1, 1),
        objects(),
        objects(mask="not json"),
        objects(mask="7"),
        objects(mask='[[["a", 1]]]'),
        objects(mask="[[[1, 2, 3]]]"),
        objects(mask="[[]]"),
        objects(mask="[[[NaN, 1], [2, 2]]]"),
        objects(mask="[" * 100_000),
    ],
)
def test_broken_shapes_are_not_drawn(shape: pd.DataFrame) -> None:
    assert np.array_equal(draw_image(grey(64, 64), shape), draw_image(grey(64, 64)))


@pytest.mark.parametrize("corners", [(40, 40, 10, 10), (-1e300, -5, 1e300, 90), (70, 70, 90, 90)])
def test_strange_boxes_are_drawn_on_the_edge(corners: tuple[float, ...]) -> None:
    assert draw_image(grey(64, 64), box(*corners)).shape == (128, 128, 3)


def test_images_that_cannot_be_read_have_no_picture(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images/0.png").write_bytes(make_png(16))
    (tmp_path / "images/1.png").write_bytes(make_png(16)[:40])
    (tmp_path / "secret.png").write_bytes(make_png(16))
    root = tmp_path / "images"
    paths = [
        "0.png",
        "1.png",
        "missing.png",
        None,
        "",
        "../secret.png",
        f"{tmp_path}/secret.png",
        "a\x00b.png",
        "0.png",
        "x" * 5000,
    ]
    assert list(draw_thumbnails(make_dataset(), paths, root)) == ["0.png"]


def test_a_photo_is_a_jpeg_as_large_as_asked_for_and_an_icon_a_png_of_squares(tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(encode_png(grey(298, 224)))
    (tmp_path / "icon.png").write_bytes(encode_png(grey(28, 28)))
    drawn = draw_thumbnails(make_dataset(), ["photo.png", "icon.png"], tmp_path)
    larger = draw_thumbnails(make_dataset(), ["photo.png", "icon.png"], tmp_path, side_px=384)
    assert [data[:2] for data in drawn.values()] == [b"\xff\xd8", b"\x89P"]
    assert [decode_image(data).shape[:2] for data in drawn.values()] == [(192, 144), (112, 112)]
    assert [decode_image(data).shape[:2] for data in larger.values()] == [(298, 224), (112, 112)]


def test_thumbnails_carry_the_outlines_of_their_image(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for name in ("images/0.png", "images/x.png"):
        (tmp_path / name).write_bytes(make_png(8))
    drawn = draw_thumbnails(make_dataset(), ["images/0.png", "images/x.png"], tmp_path)
    reds = [bool((decode_image(data) == (220, 40, 40)).all(axis=2).any()) for data in drawn.values()]
    assert reds == [True, False]


def test_the_report_shows_conflicts_then_decisions_then_the_queue() -> None:
    fixes = [make_fix(1, path="images/2.png"), make_fix(2, path="images/5.png", status="conflict")]
    summary = summarise(make_inputs(fixes=FIX_STATUS.conform(fixes)), ReportParams(thumbnails=1))
    assert choose_paths(summary) == ["images/5.png", "images/2.png", "images/0.png"]


def test_only_so_many_decisions_have_a_picture() -> None:
    fixes = FIX_STATUS.conform([make_fix(number, path=f"{number}.png", when=str(number)) for number in range(99)])
    assert len(choose_paths(summarise(make_inputs(fixes=fixes), ReportParams(thumbnails=0)))) == MAX_DECISIONS
