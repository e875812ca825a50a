"""Boxes that are wrong, planted in bccd: from gross to just beyond the documented threshold."""

from __future__ import annotations

import math

from datatools.params import ValidateParams
from quality.board import Board, Row, write_coco, write_voc
from quality.seed import seed

LIMIT = 1.02  # "just beyond" a threshold: 2 % of it
PARAMS = ValidateParams()  # the documented thresholds are its defaults
DIFFERENT = (1 - PARAMS.duplicate_iou) / LIMIT  # 1 - IoU of two boxes around one object


def _wide(row: Row) -> bool:
    return min(row["bbox"][2:]) >= 20


@seed("BOX001", "corners swapped", "bccd", write_coco, write_voc)
def swap_corners(board: Board, n: int) -> None:
    for row in board.annotations(n, _wide):
        x, y, width, height = row["bbox"]
        way = board.rng.choice("xyb")
        if way != "y":
            x, width = x + width, -width
        if way != "x":
            y, height = y + height, -height
        if way != "b" and board.rng.random() < 0.2:  # by one pixel only
            width, height = (-1.0, height) if way == "x" else (width, -1.0)
        row["bbox"] = [x, y, width, height]
        if board.rng.random() < 0.5:
            row["area"] = abs(width * height)
        board.mark(row)


@seed("BOX002", "over the edge", "bccd", write_coco)
def move_outside(board: Board, n: int) -> None:
    for row in board.annotations(n, _wide):
        _reach_over(board, row, board.rng.choice([PARAMS.tolerance_px * LIMIT, 1.0, *_far(board)]), SIDES)


@seed("BOX002", "over the edge", "bccd", write_voc)
def move_outside_in_pixels(board: Board, n: int) -> None:
    """Whole pixels, and not left or above: an xmin of 0 or less says that a file counts from 0."""
    for row in board.annotations(n, _wide):
        _reach_over(board, row, float(round(board.rng.choice([1.0, *_far(board)]))), SIDES[2:])


SIDES = ("left", "top", "right", "bottom", "beyond")


def _far(board: Board) -> tuple[float, float]:
    return board.rng.uniform(1, 30), board.rng.uniform(30, 900)


def _reach_over(board: Board, row: Row, over: float, sides: tuple[str, ...]) -> None:
    x, y, width, height = row["bbox"]
    image = board.image_of(row)
    side = board.rng.choice(sides)
    if side == "left":
        x, width = -over, x + width + over
    elif side == "top":
        y, height = -over, y + height + over
    elif side == "right":
        width = image["width"] - x + over
    elif side == "bottom":
        height = image["height"] - y + over
    else:
        x = image["width"] + over
    row["bbox"] = [x, y, width, height]
    board.mark(row)


@seed("BOX003", "no area", "bccd", write_coco, write_voc)
def flatten(board: Board, n: int) -> None:
    for row in board.annotations(n, _wide):
        way = board.rng.choice("whb")
        if way != "h":
            row["bbox"][2] = 0.0
        if way != "w":
            row["bbox"][3] = 0.0
        board.mark(row)


@seed("BOX004", "null, text or number missing", "bccd", write_coco)
def break_coordinates(board: Board, n: int) -> None:
    for row in board.annotations(n):
        at = board.rng.randrange(4)
        bad = board.rng.choice([None, "NaN", "nan", "inf", "", "missing"])
        if bad == "missing":
            del row["bbox"][at]
        else:
            row["bbox"][at] = bad
        board.mark(row)


@seed("BOX004", "nan, inf or corner missing", "bccd", write_voc)
def break_corners(board: Board, n: int) -> None:
    for row in board.annotations(n):
        x, y, width, height = row["bbox"]
        row["corners"] = {"xmin": x + 1, "ymin": y + 1, "xmax": x + width, "ymax": y + height}
        at = board.rng.choice(list(row["corners"]))
        bad = board.rng.choice(["nan", "NaN", "inf", "-inf", "", "missing"])
        if bad == "missing":
            del row["corners"][at]
        else:
            row["corners"][at] = bad
        board.mark(row)


@seed("BOX004", "NaN or Infinity as JSON tokens", "bccd", write_coco, per_round=20)
def write_nan_tokens(board: Board, n: int) -> None:
    for row in board.annotations(n):
        row["bbox"][board.rng.randrange(4)] = board.rng.choice([math.nan, math.inf, -math.inf])
        board.mark(row)


@seed("BOX005", "same object twice", "bccd", write_coco, write_voc)
def repeat_box(board: Board, n: int) -> None:
    for row in board.annotations(n, _wide):
        x, y, width, height = row["bbox"]
        change = board.rng.choice([0.0, DIFFERENT, board.rng.uniform(0, DIFFERENT)])
        box = [x, y, width * (1 - change), height]
        if board.rng.random() < 0.5:
            box = [x + width * change, y, width * (1 - change), height]
        board.mark(row, board.add(row, bbox=box))


@seed("BOX006", "tiny", "bccd", write_coco)
def shrink(board: Board, n: int) -> None:
    for row in board.annotations(n, _wide):
        side = board.rng.choice([PARAMS.box_min_px / LIMIT, 1.0, board.rng.uniform(0.1, PARAMS.box_min_px)])
        for at in board.rng.choice([(2,), (3,), (2, 3)]):
            row["bbox"][at] = side
        board.mark(row)


@seed("BOX006", "one pixel wide", "bccd", write_voc)
def shrink_to_pixel(board: Board, n: int) -> None:
    for row in board.annotations(n, _wide):
        for at in board.rng.choice([(2,), (3,), (2, 3)]):
            row["bbox"][at] = 1.0
        board.mark(row)


@seed("BOX007", "whole image", "bccd", write_coco, write_voc, per_round=20)
def cover_all(board: Board, n: int) -> None:
    for row in board.annotations(n):
        image = board.image_of(row)
        width, height = image["width"], image["height"]
        cut = board.rng.choice([0, 0, board.rng.randrange(0, int((1 - PARAMS.box_cover_max) / LIMIT * width))])
        row["bbox"] = [float(cut), 0.0, float(width - cut), float(height)]
        board.mark(row)


@seed("BOX008", "very long or large for its class", "bccd", write_coco, per_round=20, params={"box_shape_limit": 6.0})
def stretch(board: Board, n: int) -> None:
    """Red cells; not at the edge of the image, where the check passes boxes over."""
    for row in board.annotations(n, lambda row: row["category_id"] == 2 and _wide(row)):
        image = board.image_of(row)
        width, height = image["width"] - 10.0, image["height"] - 10.0
        thin = board.rng.uniform(5, 20)
        row["bbox"] = board.rng.choice(
            [[5.0, 100.0, width, thin], [100.0, 5.0, thin, height], [5.0, 5.0, width, height], [50.0, 60.0, 4.0, 4.0]]
        )
        board.mark(row)
