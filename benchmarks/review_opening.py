"""Opening the review of a large data set: wall seconds, beside FiftyOne loading the data set itself in the same run.

    python benchmarks/review_opening.py [--images 100000] [--annotations 1000000] [--queue 1000] [--peer-images 2000]

Made tables: a label and boxes for each image, spread evenly; the queued images are hard links to one picture, the others have
no file, which neither side opens. Ours reads tables, records and queue from the disk and makes the App's data set
(prepare_review), once from nothing and once more with nothing changed, then serves the App until it answers. FiftyOne's own
way is to add every image with its labels as samples: it is timed on --peer-images of them and scaled by their number,
which leaves out what grows faster than that. Both write into the same mongod. Needs the extra `review`.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from datatools.dataset import Dataset, label_id, save_dataset
from datatools.fixes.records import FixRecord, append_records
from datatools.project import Project
from datatools.review.app import open_app
from datatools.review.mongod import run_mongod
from datatools.review.run import prepare_review
from datatools.schema import ANNOTATIONS, BOX, CONSENSUS, FIX_STATUS, IMAGES, QUEUE
from datatools.store import save_table

SIDE = 64
CLASSES = tuple(f"class{number:02}" for number in range(20))
MOST_SECONDS = 60.0
N_RECORDS = 200  # made since the last run


def make_tables(n_images: int, n_annotations: int) -> Dataset:
    """Images, a label of each, and boxes up to `n_annotations` rows."""
    paths = np.array([f"images/{number:07}.png" for number in range(n_images)], dtype=object)
    classes = np.array(CLASSES, dtype=object)
    labels = pd.DataFrame({"annotation_id": [label_id(path) for path in paths], "path": paths, "kind": "label"})
    labels = labels.assign(label=classes[np.arange(n_images) % 20], annotator=CONSENSUS, attributes="{}")
    n_boxes = n_annotations - n_images
    image = np.arange(n_boxes) % n_images
    boxes = pd.DataFrame({"annotation_id": [f"coco/{n}" for n in range(n_boxes)], "path": paths[image], "kind": "box"})
    boxes = boxes.assign(label=classes[(image + np.arange(n_boxes) // n_images) % 20], attributes="{}")
    boxes[BOX] = np.random.default_rng(0).uniform((0, 0, 32, 32), (32, 32, 64, 64), (n_boxes, 4))
    images = pd.DataFrame({"path": paths, "sha256": [f"{n:064x}" for n in range(n_images)], "n_bytes": 1000})
    images = images.assign(width_px=SIDE, height_px=SIDE, channels=3, n_frames=1, metadata="{}")
    return Dataset(IMAGES.conform(images), ANNOTATIONS.conform(pd.concat([labels, boxes])), CLASSES)


def make_project(folder: Path, dataset: Dataset, n_queue: int) -> Project:
    """A project as `dvc repro` leaves it: tables, a queue spread over the images, and some records made since."""
    project = Project(folder)
    step = max(1, len(dataset.images) // n_queue)
    chosen = dataset.images["path"].tolist()[::step][:n_queue]
    labels = dict(dataset.labels.items())
    rows = [
        {"rank": rank, "path": path, "annotation_id": label_id(path), "kind": "label", "label": labels[path],
         "suggested": CLASSES[(CLASSES.index(labels[path]) + 1) % 20], "score": rank / n_queue, "codes": "LBL003",
         "reason": "a model that never saw it says another class"}
        for rank, path in enumerate(chosen, start=1)
    ]  # fmt: skip
    link_images(project.raw, chosen)
    save_dataset(project.dataset, dataset)
    save_table(project.dataset / "fixes.parquet", FIX_STATUS.empty(), FIX_STATUS)
    save_table(project.queue, QUEUE.conform(rows), QUEUE)
    when = "2026-01-01T00:00:00.000000Z"
    records = [
        FixRecord("confirm", "Ann", when, "right", path, label_id(path), labels[path]) for path in chosen[:N_RECORDS]
    ]
    append_records(project.fixes / "ann.jsonl", records)
    return project


def link_images(root: Path, paths: list[str]) -> None:
    """One picture under many names."""
    first = root / paths[0]
    first.parent.mkdir(parents=True)
    Image.fromarray(np.random.default_rng(1).integers(0, 255, (SIDE, SIDE, 3), np.uint8)).save(first)
    for path in paths[1:]:
        os.link(first, root / path)


def load_with_fiftyone(dataset: Dataset, root: Path, n_images: int) -> float:
    """Seconds in which FiftyOne takes in the first `n_images` with their label and boxes, from tables in memory."""
    import fiftyone as fo

    paths = dataset.images["path"].tolist()[:n_images]
    rows = dataset.annotations[dataset.annotations["path"].isin(paths)]
    start = time.perf_counter()
    full = fo.Dataset("peer", persistent=True)
    objects = dict(iter(rows[rows["kind"] == "box"].groupby("path")))
    labels = dict(dataset.labels.loc[paths].items())
    samples = []
    for path in paths:
        found = objects[path]
        corners = found[BOX].to_numpy(float) / SIDE
        boxes = [
            fo.Detection(label=label, bounding_box=[x0, y0, x1 - x0, y1 - y0])
            for label, (x0, y0, x1, y1) in zip(found["label"].tolist(), corners.tolist(), strict=True)
        ]
        label = fo.Classification(label=labels[path])
        samples.append(fo.Sample(filepath=str(root / path), label=label, boxes=fo.Detections(detections=boxes)))
    full.add_samples(samples, progress=False)
    return time.perf_counter() - start


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("images", 100_000), ("annotations", 1_000_000), ("queue", 1_000), ("peer-images", 2_000)):
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    dataset = make_tables(args.images, args.annotations)
    with tempfile.TemporaryDirectory() as folder:
        project = make_project(Path(folder), dataset, args.queue)
        print(f"{len(dataset.images)} images, {len(dataset.annotations)} annotations, a queue of {args.queue}")
        start = time.perf_counter()
        with run_mongod(project.root):
            import fiftyone  # noqa: F401

            imported = time.perf_counter()
            files = prepare_review(project, "Ann")
            prepared = time.perf_counter()
            prepare_review(project, "Ann")
            again = time.perf_counter()
            with open_app(project.root, files, 5700, "Ann"):
                served = time.perf_counter()
            peer_s = load_with_fiftyone(dataset, project.raw, args.peer_images)
    ours_s = served - again + prepared - start
    full_s = peer_s * args.images / args.peer_images
    print(f"mongod and import of FiftyOne {imported - start:6.1f} s")
    print(f"prepare_review, from nothing  {prepared - imported:6.1f} s")
    print(f"prepare_review, unchanged     {again - prepared:6.1f} s")
    print(f"serve until the App answers   {served - again:6.1f} s")
    print(f"in all, at the first opening  {ours_s:6.1f} s (at most {MOST_SECONDS:.0f})")
    print(f"FiftyOne's own loading        {full_s:6.1f} s: {peer_s:.1f} s for {args.peer_images} images, scaled")
    print(f"ratio, loading alone          {full_s / (prepared - imported):6.1f}")
    print(f"peak memory                   {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:6.1f} GiB")
    return int(ours_s > MOST_SECONDS)


if __name__ == "__main__":
    raise SystemExit(main())
