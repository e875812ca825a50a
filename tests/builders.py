"""Small inputs that several tests build: images, image folders, COCO documents, fix records."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from datatools.dataset import label_id
from datatools.fixes.records import FixRecord
from datatools.images import encode_png

WHEN = "2026-07-01T12:00:{:02d}.000000Z"


def make_png(seed: int = 0, width_px: int = 12, height_px: int = 10) -> bytes:
    """Noise as PNG: two seeds are two pictures, far apart for the perceptual hash too."""
    noise = np.random.default_rng(seed).integers(0, 256, size=(height_px, width_px, 3))
    return encode_png(noise.astype(np.uint8))


def lay_out(root: Path, files: Mapping[str, bytes | str]) -> Path:
    """Write `files` (path below `root` -> content) and return `root`."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def make_coco(*annotations: Any, images: Any = None, categories: Any = None) -> dict[str, Any]:
    """A COCO document: image 1 is a.png, image 2 is b.png; category 3 is cat, category 7 is dog."""
    return {
        "images": images
        or [
            {"id": 1, "file_name": "a.png", "width": 12, "height": 10},
            {"id": 2, "file_name": "b.png", "width": 12, "height": 10},
        ],
        "categories": categories or [{"id": 7, "name": "dog"}, {"id": 3, "name": "cat"}],
        "annotations": list(annotations),
    }


def make_object(**changes: Any) -> dict[str, Any]:
    """One good COCO annotation, with `changes`; a change to None takes the key away."""
    item = {"id": 1, "image_id": 1, "category_id": 3, "bbox": [1, 2, 3, 4], **changes}
    return {key: value for key, value in item.items() if value is not None}


def coco_text(*annotations: Any, **parts: Any) -> str:
    """make_coco as JSON."""
    return json.dumps(make_coco(*annotations, **parts))


def make_record(op: str, second: int = 0, path: str = "a.png", **fields: Any) -> FixRecord:
    """A fix record at a second of a fixed minute; relabel and confirm are about the image's label."""
    if op in ("relabel", "confirm"):
        fields = {"annotation_id": label_id(path), **fields}
    if op != "revert":
        fields = {"path": path, **fields}
    return FixRecord(op, fields.pop("who", "ann"), WHEN.format(second), fields.pop("why", "looked"), **fields)
