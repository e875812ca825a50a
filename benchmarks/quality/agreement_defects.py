"""Annotators who do not agree on the boxes of bccd: anna drew what is there, ben the same with a hand's slip but for what is planted."""

from __future__ import annotations

from quality.board import Board, Row, write_coco, write_table
from quality.label_defects import ANNOTATORS, label_of
from quality.seed import seed

SLIP = 0.015  # of a side, each edge: the IoU of the two boxes is about 0.95


def _draw_twice(board: Board) -> list[tuple[Row, Row]]:
    """Every box of the board is anna's, and has a twin by ben."""
    pairs = []
    number = max(row["id"] for row in board.document["annotations"])
    for row in list(board.document["annotations"]):
        x, y, width, height = row["bbox"]
        left, top, right, bottom = (board.rng.uniform(-SLIP, SLIP) for _ in range(4))
        x0, y0 = max(x + left * width, 0.0), max(y + top * height, 0.0)
        image = board.image_of(row)
        x1 = min(x + width + right * width, image["width"])
        y1 = min(y + height + bottom * height, image["height"])
        number += 1
        twin = {**row, "id": number, "bbox": [x0, y0, x1 - x0, y1 - y0], "annotator": "ben"}
        row["annotator"] = "anna"
        board.document["annotations"].append(twin)
        pairs.append((row, twin))
    return pairs


def _some(board: Board, pairs: list[tuple[Row, Row]], n: int) -> list[tuple[Row, Row]]:
    return board.rng.sample([pair for pair in pairs if min(pair[0]["bbox"][2:]) >= 20], n)


@seed("AGR005", "object that one did not draw", "bccd", write_coco, n_images=60, per_round=60)
def miss_objects(board: Board, n: int) -> None:
    for row, twin in _some(board, _draw_twice(board), n):
        gone, kept = (twin, row) if board.rng.random() < 0.5 else (row, twin)
        board.mark(kept)
        board.document["annotations"].remove(gone)


@seed("AGR005", "object with two classes", "bccd", write_coco, n_images=60, per_round=60)
def name_otherwise(board: Board, n: int) -> None:
    for row, twin in _some(board, _draw_twice(board), n):
        twin["category_id"] = board.rng.choice([label for label in (1, 2, 3) if label != row["category_id"]])
        board.mark(row, twin)


@seed("AGR005", "object drawn with an IoU of 0.55 to 0.7", "bccd", write_coco, n_images=60, per_round=40)
def draw_badly(board: Board, n: int) -> None:
    for row, twin in _some(board, _draw_twice(board), n):
        x, y, width, height = row["bbox"]
        share = board.rng.uniform(0.55, 0.7)
        twin["bbox"] = [x, y, width * share, height] if board.rng.random() < 0.5 else [x, y, width, height * share]
        board.mark(row, twin)


@seed("AGR004", "one draws too few", "bccd", write_coco, n_images=8, per_round=1)
def draw_few(board: Board, n: int) -> None:
    """From 36 % missing on: F1 of 0.78 where the bar is 0.8."""
    pairs = _draw_twice(board)
    share = board.rng.choice([0.36, board.rng.uniform(0.36, 0.9)])
    for _, twin in board.rng.sample(pairs, round(share * len(pairs) + 0.5)):
        board.document["annotations"].remove(twin)
    board.mark_subject("anna and ben", "ben: boxes")  # and what ben never draws any more


@seed("AGR004", "one names half of the objects otherwise", "bccd", write_coco, n_images=8, per_round=1)
def name_half_otherwise(board: Board, n: int) -> None:
    pairs = _draw_twice(board)
    for row, twin in board.rng.sample(pairs, len(pairs) // 2):
        twin["category_id"] = board.rng.choice([label for label in (1, 2, 3) if label != row["category_id"]])
    board.mark_subject("anna and ben")


@seed("AGR006", "no image was rated by two", "clothing", write_table, n_images=30, per_round=1)
def share_out(board: Board, n: int) -> None:
    names = {image["id"]: image["file_name"] for image in board.document["images"]}
    people = ANNOTATORS[: board.rng.choice([2, 3])]
    lines: dict[str, list[str]] = {who: [] for who in people}
    for number, row in enumerate(board.document["annotations"]):
        lines[people[number % len(people)]].append(f"images/{names[row['image_id']]},{label_of(board, row)}")
    for who, rows in lines.items():
        board.texts[f"labels/{who}.csv"] = "\n".join(["path,label", *rows]) + "\n"
    board.mark_subject("all", "no image")
