"""A small clean data set made by hand, and single rows of every table to spoil it with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from datatools.dataset import Dataset, label_id
from datatools.params import CurateParams, ValidateParams
from datatools.schema import ANNOTATIONS, BOX, CONSENSUS, FIX_STATUS, IMAGES, PAIRS, REJECTED, SPLIT

Row = dict[str, Any]
CLASSES = ("circle", "square", "star")
ANNOTATORS = ("anna", "ben", "chloe")
WIDTH_PX, HEIGHT_PX = 64, 48
SQUARE = [[10, 10], [30, 10], [30, 30], [10, 30], [10, 10]]


def image_row(path: str, **changes: Any) -> Row:
    """One row of IMAGES: 64 x 48 px, alone in its cluster, of no group."""
    digest = hashlib.sha256(path.encode()).hexdigest()
    row = {"path": path, "sha256": digest, "phash": digest, "n_bytes": 100, "channels": 3}
    row |= {"format": "PNG", "mode": "RGB", "exif_orientation": 1}
    row |= {"n_frames": 1, "is_grey": False, "brightness_p5": 0.1, "brightness_p99": 0.9, "entropy_bits": 7.0}
    row |= {"sharpness": 40.0, "edge_step": 0.8, "grey_histogram_std": 5.0, "attributes": "{}"}
    row |= {"width_px": WIDTH_PX, "height_px": HEIGHT_PX, "metadata": "{}", "source": "folder"}
    return {**row, **changes}


def make_images(rows: Iterable[Row | str]) -> pd.DataFrame:
    return IMAGES.conform([image_row(row) if isinstance(row, str) else row for row in rows])


def label_rows(path: str, given: Mapping[str, str], voted: str | None = None) -> list[Row]:
    """The annotators' labels of an image and, where `voted` is given, the label of the vote."""
    everyone = {**given, **({CONSENSUS: voted} if voted is not None else {})}
    return [
        {"annotation_id": label_id(path, who), "path": path, "label": label, "kind": "label", "annotator": who,
         "source": "vote" if who == CONSENSUS else f"{who}.csv", "attributes": "{}"}
        for who, label in everyone.items()
    ]  # fmt: skip


def box_row(annotation_id: str, xyxy: Sequence[float], path: str = "a.png", label: str | None = "circle") -> Row:
    row = {"annotation_id": annotation_id, "path": path, "label": label, "kind": "box", "attributes": "{}"}
    return {**row, **dict(zip(BOX, map(float, xyxy), strict=True)), "source": "annotations.json"}


def mask_row(annotation_id: str, *rings: Any, path: str = "a.png", label: str = "circle", box: Any = None) -> Row:
    """A mask of polygons, each a list of [x, y]; its box is `box` or the bounds of the points."""
    xs, ys = [x for ring in rings for x, _ in ring], [y for ring in rings for _, y in ring]
    bounds = box or ((min(xs), min(ys), max(xs), max(ys)) if xs else (0, 0, 0, 0))
    return {**box_row(annotation_id, bounds, path, label), "kind": "mask", "mask": json.dumps(rings)}


def boxes(*corners: Sequence[float]) -> pd.DataFrame:
    """ANNOTATIONS with these xyxy boxes on a.png, called box/0, box/1, ..."""
    return ANNOTATIONS.conform([box_row(f"box/{number}", xyxy) for number, xyxy in enumerate(corners)])


def masks(*rings: Any) -> pd.DataFrame:
    """ANNOTATIONS with one mask of one polygon each on a.png, called mask/0, mask/1, ..."""
    return ANNOTATIONS.conform([mask_row(f"mask/{number}", ring) for number, ring in enumerate(rings)])


def ratings(**given: str) -> pd.DataFrame:
    """`ratings(anna="aab", ben="a-b")`: a row a letter, one letter a label, `-` for not rated."""
    index = pd.Index([f"{number:02d}.png" for number in range(len(next(iter(given.values()))))], name="path")
    columns = {name: [None if letter == "-" else letter for letter in text] for name, text in given.items()}
    return pd.DataFrame(columns, index=index, dtype="string")


def fix_rows(*rows: Row) -> pd.DataFrame:
    """FIX_STATUS with these rows."""
    common = {"op": "relabel", "status": "applied", "who": "dora", "when": "2026-01-01", "why": "seen", "message": ""}
    return FIX_STATUS.conform([{"id": f"{number:04x}", **common, **row} for number, row in enumerate(rows)])


def slice_table(*rows: tuple[Any, ...]) -> pd.DataFrame:
    """Slices as count_slices gives them: (column, value, n, n_wanted, accuracy)."""
    frame = pd.DataFrame(rows, columns=["column", "value", "n", "n_wanted", "accuracy"])
    return frame.assign(share=frame["n"] / 24, is_rare=frame["n"] < frame["n_wanted"])


def split_table(images: pd.DataFrame) -> pd.DataFrame:
    """A split that keeps the groups of make_dataset together: w0 and w1 in test and val, the rest in train."""
    sides = images["group"].map({"w0": "test", "w1": "val"}).fillna("train")
    return SPLIT.conform(pd.DataFrame({"path": images["path"], "split": sides, "group": images["group"]}))


def suspect_table(*rows: tuple[Any, ...]) -> pd.DataFrame:
    """Suspects as find_suspects gives them: (path, label, suggested, score, is_issue)."""
    frame = pd.DataFrame(rows, columns=["path", "label", "suggested", "score", "is_issue"])
    return frame.assign(confidence=0.9).astype({"is_issue": bool, "score": float})


def make_dataset() -> Dataset:
    """24 images of three classes; three annotators who agree; a box and a closed polygon on every second image."""
    names = [f"images/{number:02d}.png" for number in range(24)]
    labels = {name: CLASSES[number // 8] for number, name in enumerate(names)}
    rows: list[Row] = []
    for number, (name, label) in enumerate(labels.items()):
        rows += label_rows(name, dict.fromkeys(ANNOTATORS, label), label)
        if number % 2:
            rows.append(box_row(f"coco/box{number:02d}", (4, 4, 40, 44), name, label))
            rows.append(mask_row(f"coco/mask{number:02d}", SQUARE, path=name, label=label))
    images = [
        image_row(
            name, declared_width_px=WIDTH_PX, declared_height_px=HEIGHT_PX, group=f"w{number % 6}",
            metadata=json.dumps({"background": "paper" if number % 3 else "grid", "writer": f"w{number % 6}"}),
        )
        for number, name in enumerate(names)
    ]  # fmt: skip
    return Dataset(make_images(images), ANNOTATIONS.conform(rows), CLASSES)


def make_inputs() -> dict[str, Any]:
    """Every input that a check may ask for, of a data set without any defect."""
    dataset = make_dataset()
    labels = dataset.labels
    return {
        "images": dataset.images,
        "annotations": dataset.annotations,
        "rejected": REJECTED.empty(),
        "fixes": FIX_STATUS.empty(),
        "classes": dataset.classes,
        "ratings": dataset.ratings,
        "params": ValidateParams(),
        "pairs": PAIRS.empty(),
        "suspects": suspect_table(*((path, label, label, 0.95, False) for path, label in labels.items())),
        "split": split_table(dataset.images),
        "label_errors": {"n": 24, "rate": 0.02, "low": 0.0, "high": 0.05, "accuracy": 0.9, "simple_accuracy": 0.8},
        "spread": pd.DataFrame({"label": CLASSES, "n": 40, "spread": (0.9, 1.0, 1.1)}),
        "curation": CurateParams(),
        "slices": slice_table(*(("label", name, 8, 2, 0.9) for name in CLASSES), ("background", "grid", 8, 3, 1.0)),
    }
