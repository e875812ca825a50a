"""Agreement on boxes and masks: CPU seconds at scale, and the same numbers as pycocotools, KaLOS and iaa-od.

    python benchmarks/object_agreement.py [--images N] [--peer-python VENV/bin/python]

Makes images with `--objects` objects each as `--annotators` people would draw them (shifted edges, some missed, some with
another class) and prints the CPU seconds of `measure_object_agreement` for boxes, polygons and run lengths. The peers run in
their own environment (`pip install kalos iaa-od pycocotools`) on the same boxes, on fewer images as they are slow; their
CPU seconds are those of the calculation, without reading files.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from datatools.agreement.objects import measure_object_agreement
from datatools.masks import dump_mask, from_array
from datatools.schema import ANNOTATIONS, IMAGES

SIDE_PX = 512
CLASSES = ("car", "person", "sign")
PEERS = r"""
import json, sys, time
import numpy as np

task = json.load(open(sys.argv[1]))
raters, images, rows = task["annotators"], task["images"], task["rows"]
result = {}
try:
    from kalos.iaa.core import calculate_iaa
    data = {i: {"rater_list": list(raters), "annotations_by_rater": {r: [] for r in raters}} for i in range(len(images))}
    for n, (image, who, label, (x0, y0, x1, y1)) in enumerate(rows):
        item = {"id": n, "rater_id": who, "category_id": label, "bbox": [x0, y0, x1 - x0, y1 - y0], "image_id": image}
        data[image]["annotations_by_rater"][who].append(item)
    start = time.process_time()
    out = calculate_iaa(data, {0: "car", 1: "person", 2: "sign"}, task["method"], "bbox_iou_similarity", "negative_score",
                        task["iou_min"], False, False, False, list(raters))
    result["kalos"] = {"alpha": float(out[1]), "cpu_s": time.process_time() - start}
except Exception as error:
    result["kalos"] = {"error": f"{type(error).__name__}: {error}"}
try:
    import os, tempfile
    import iaa_od
    from iaa_od.metrics import alpha
    from iaa_od.models import GroundTruth
    folder, gts = tempfile.mkdtemp(), []
    for who in raters:
        own = [(n, row) for n, row in enumerate(rows) if row[1] == who]
        file = os.path.join(folder, f"{who}.json")
        json.dump({
            "images": [{"id": i + 1, "file_name": name, "width": 512, "height": 512} for i, name in enumerate(images)],
            "categories": [{"id": i + 1, "name": name} for i, name in enumerate(("car", "person", "sign"))],
            "annotations": [{"id": n + 1, "image_id": row[0] + 1, "category_id": row[2] + 1,
                             "bbox": [row[3][0], row[3][1], row[3][2] - row[3][0], row[3][3] - row[3][1]]} for n, row in own],
        }, open(file, "w"))
        gts.append(GroundTruth.from_file(file, name=who))
    start = time.process_time()
    out = alpha(gts, iou_threshold=task["iou_min"])
    result["iaa-od"] = {"alpha": float(out.alpha), "cpu_s": time.process_time() - start}
except Exception as error:
    result["iaa-od"] = {"error": f"{type(error).__name__}: {error}"}
print(json.dumps(result))
"""


def main() -> None:
    """Print one table of times and, with a peer's Python, one of results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--annotators", type=int, default=3)
    parser.add_argument("--objects", type=int, default=10)
    parser.add_argument("--peer-images", type=int, default=300)
    parser.add_argument("--peer-python", type=Path)
    args = parser.parse_args()
    print("| objects | images | rows | CPU s | F1 | alpha |\n|---|---|---|---|---|---|")
    for kind, n_images in (("box", args.images), ("polygon", args.images), ("run lengths", max(args.images // 10, 1))):
        annotations, images = make_tables(n_images, args.annotators, args.objects, kind)
        start = time.process_time()
        (measured,) = measure_object_agreement(annotations, images)["kinds"]
        cpu_s = time.process_time() - start
        print(
            f"| {kind} | {n_images:,} | {len(annotations):,} | {cpu_s:.1f} | {measured['f1']:.4f} | {measured['alpha']:.4f} |"
        )
    if args.peer_python:
        compare(args)


def make_tables(
    n_images: int, n_annotators: int, n_objects: int, kind: str, seed: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """ANNOTATIONS and IMAGES of people who see the same objects and draw them a little differently."""
    rng = np.random.default_rng(seed)
    shape = (n_images, n_objects)
    corner, size = rng.integers(0, SIDE_PX - 130, (*shape, 2)), rng.integers(20, 120, (*shape, 2))
    label = rng.integers(0, len(CLASSES), shape)
    parts = []
    for number in range(n_annotators):
        box = np.concatenate([corner, corner + size], axis=-1) + rng.integers(-3, 4, (*shape, 4))
        named = np.where(rng.random(shape) < 0.05, rng.integers(0, len(CLASSES), shape), label)
        kept = rng.random(shape) < 0.95
        image, place = np.nonzero(kept)
        columns = {
            name: box[kept][:, axis].astype(float) for axis, name in enumerate(("x0_px", "y0_px", "x1_px", "y1_px"))
        }
        ids = [f"{number}/{i}/{j}" for i, j in zip(image, place, strict=True)]
        row = {
            "annotation_id": ids,
            "path": [f"{i:06d}.png" for i in image],
            "annotator": f"r{number}",
            "source": "a.json",
        }
        parts.append(pd.DataFrame({**row, **columns, "label": np.array(CLASSES)[named[kept]], "kind": "box"}))
    table = pd.concat(parts, ignore_index=True)
    if kind != "box":
        draw = draw_polygon if kind == "polygon" else draw_runs
        corners = table[["x0_px", "y0_px", "x1_px", "y1_px"]].to_numpy()
        table["mask"], table["kind"] = [draw(*box) for box in corners], "mask"
    rows = {
        "path": [f"{i:06d}.png" for i in range(n_images)],
        "width_px": SIDE_PX,
        "height_px": SIDE_PX,
        "attributes": "{}",
    }
    zeros = dict.fromkeys(("n_bytes", "channels", "n_frames"), 0)
    return ANNOTATIONS.conform(table), IMAGES.conform(pd.DataFrame({**rows, **zeros}))


def draw_polygon(x0: float, y0: float, x1: float, y1: float) -> str:
    """An ellipse of 24 points."""
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    points = np.column_stack(
        [(x0 + x1) / 2 + np.cos(angle) * (x1 - x0) / 2, (y0 + y1) / 2 + np.sin(angle) * (y1 - y0) / 2]
    )
    return dump_mask([points.round(2).tolist()])


def draw_runs(x0: float, y0: float, x1: float, y1: float) -> str:
    """An ellipse of pixels."""
    y, x = np.ogrid[:SIDE_PX, :SIDE_PX]
    inside = ((x + 0.5 - (x0 + x1) / 2) / (x1 - x0) * 2) ** 2 + ((y + 0.5 - (y0 + y1) / 2) / (y1 - y0) * 2) ** 2 <= 1
    return from_array(inside).to_json()


def compare(args: argparse.Namespace) -> None:
    """Alpha of boxes by datatools and by the peers, and what it costs them."""
    annotations, images = make_tables(args.peer_images, args.annotators, args.objects, "box", seed=1)
    start = time.process_time()
    (measured,) = measure_object_agreement(annotations, images, n_resamples=0)["kinds"]
    cpu_s = time.process_time() - start
    position = {path: number for number, path in enumerate(images["path"])}
    boxes = annotations[["x0_px", "y0_px", "x1_px", "y1_px"]].to_numpy().tolist()
    columns = zip(annotations["path"], annotations["annotator"], annotations["label"], boxes, strict=True)
    rows = [[position[path], who, CLASSES.index(label), box] for path, who, label, box in columns]
    task = {
        "annotators": sorted(set(annotations["annotator"])),
        "images": list(images["path"]),
        "rows": rows,
        "iou_min": 0.5,
    }
    print(
        f"\n{args.peer_images} images, {len(rows)} boxes\n\n| | alpha, missing as a class | class alpha | CPU s |\n|---|---|---|---|"
    )
    print(f"| datatools | {measured['alpha']:.4f} | {measured['class_alpha']:.4f} | {cpu_s:.2f} |")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "task.json"
        for method in ("greedy", "mgm"):
            file.write_text(json.dumps({**task, "method": method}))
            done = subprocess.run([args.peer_python, "-c", PEERS, file], capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"| peers | {done.stderr.strip().splitlines()[-1]} | | |")
                return
            result = json.loads(done.stdout.splitlines()[-1])
            print(f"| kalos, {method} | {describe(result['kalos'])}")
        peer = result["iaa-od"]
        text = peer.get("error") or f"| {peer['alpha']:.4f} | {peer['cpu_s']:.2f} |"
        print(f"| iaa-od (leaves single boxes out) | {text}")


def describe(peer: dict) -> str:
    """Two cells of the table."""
    return f"{peer['error']} | | |" if "error" in peer else f"{peer['alpha']:.4f} | | {peer['cpu_s']:.2f} |"


if __name__ == "__main__":
    main()
