"""Augmentation throughput: the pipeline of datatools beside imgaug's own, batched and one image at a time, in the same run.

    python benchmarks/augment_throughput.py [--repeats 5] [--images 2000]

Pipeline: flip, affine, brightness, blur, with the same ranges on both sides; images of 32, 64 and 224 px, each also with one
box and one mask. Ours starts from rows of the table and ends with rows: it lays objects out, moves them, clips them,
drops what is mostly outside, and writes run lengths and boxes. imgaug gets lists of arrays, a BoundingBoxesOnImage and a
SegmentationMapsOnImage an image, in batches of --batch, and clips the boxes; its masks stay arrays. Counted are CPU
seconds (user and system) of the fastest of --repeats rounds, the sides taking turns.

Then the stage as a whole on PNG files, decoding and encoding included: wall and CPU seconds with 1 and 2 workers, and that
the bytes are the same; and imgaug's own pool of 2 processes against imgaug alone. On a machine that others use, wall time
says little: so also the CPU seconds of the parent process while two workers run, and what they allow if it does all of them
while the workers wait: the CPU of one worker / (parent + half of the workers').
"""

from __future__ import annotations

import argparse
import hashlib
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from imgaug import augmenters as iaa
from imgaug.augmentables.batches import UnnormalizedBatch
from imgaug.augmentables.bbs import BoundingBox, BoundingBoxesOnImage
from imgaug.augmentables.segmaps import SegmentationMapsOnImage

from datatools.augment.dataset import augment_dataset
from datatools.augment.imgaug_steps import Pipeline, Sample
from datatools.augment.packing import pack_objects
from datatools.augment.settling import settle_objects
from datatools.dataset import Dataset
from datatools.images import encode_png
from datatools.kept_copies import KeptCopies
from datatools.masks import from_array
from datatools.params import AugmentParams
from datatools.policy.steps import parse_policy
from datatools.schema import ANNOTATIONS, BOX, CONSENSUS, FINDINGS, IMAGES, SPLIT

POLICY: list[Any] = [
    {"flip_horizontal": {"p": 0.5}},
    {"affine": {"rotate_deg": [-10, 10], "scale": [0.9, 1.1], "shear_deg": [-6, 6], "translate": [-0.05, 0.05]}},
    {"brightness": {"factor": [0.85, 1.15]}},
    {"blur": {"sigma_px": [0, 1]}},
]
SIDES_PX = {32: 2048, 64: 1024, 224: 160}  # and how many images
GOALS = {"batched": 0.95, "per image, 32 px": 2.0, "wall": 1.8, "CPU": 1.1}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--images", type=int, default=2000, help="of the stage, 224 px")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    print("| images per CPU second | imgaug, one by one | imgaug, batched | datatools | to batched | to one by one |")
    print("|---|---|---|---|---|---|")
    for side_px, n in SIDES_PX.items():
        for with_objects in (False, True):
            compare(side_px, n, with_objects, args.batch, args.repeats)
    print()
    compare_workers(args.images, args.repeats)
    compare_pool(args.batch, args.repeats)


def compare(side_px: int, n: int, with_objects: bool, batch: int, repeats: int) -> None:
    """One row: the three ways over the same images."""
    images = make_images(side_px, n)
    one_by_one, batched = (imgaug_round(images, with_objects, size) for size in (1, batch))
    speeds = [
        n / seconds for seconds in fastest([one_by_one, batched, our_round(images, with_objects, batch)], repeats)
    ]
    name = f"{side_px} px{', box and mask' if with_objects else ''}"
    ratios = f"{speeds[2] / speeds[1]:.2f} | {speeds[2] / speeds[0]:.2f}"
    print(f"| {name} | {' | '.join(f'{speed:,.0f}' for speed in speeds)} | {ratios} |", flush=True)


def make_images(side_px: int, n: int) -> list[Any]:
    """Soft random pictures."""
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, size=(n, 8, 8, 3), dtype=np.uint8)
    return [cv2.resize(image, (side_px, side_px), interpolation=cv2.INTER_CUBIC) for image in coarse]


def make_bitmap(side_px: int) -> Any:
    """A disc in the upper left quarter: bool (side, side)."""
    rows, columns = np.indices((side_px, side_px)) + 0.5
    return np.hypot(rows - 0.35 * side_px, columns - 0.35 * side_px) < 0.15 * side_px


def imgaug_pipeline() -> Any:
    """imgaug's own augmenters with the ranges of POLICY."""
    affine = iaa.Affine(
        rotate=(-10, 10), scale=(0.9, 1.1), shear={"x": (-6, 6)}, mode="edge",
        translate_percent={"x": (-0.05, 0.05), "y": (-0.05, 0.05)},
    )  # fmt: skip
    return iaa.Sequential([iaa.Fliplr(0.5), affine, iaa.Multiply((0.85, 1.15)), iaa.GaussianBlur((0.0, 1.0))])


def imgaug_round(images: list[Any], with_objects: bool, batch: int) -> Callable[[], None]:
    """All images through imgaug, in batches of `batch`; 1: one by one."""
    pipeline, side = imgaug_pipeline(), images[0].shape[0]
    bitmap = make_bitmap(side).astype(np.int32)

    def run() -> None:
        for start in range(0, len(images), batch):
            part = images[start : start + batch]
            if not with_objects and batch == 1:
                pipeline(image=part[0])
            elif not with_objects:
                pipeline(images=part)
            else:
                boxes = [BoundingBoxesOnImage([BoundingBox(*box_of(side))], shape=image.shape) for image in part]
                maps = [SegmentationMapsOnImage(bitmap, shape=image.shape) for image in part]
                _, moved, _ = pipeline(images=part, bounding_boxes=boxes, segmentation_maps=maps)
                for on_image in moved:
                    on_image.remove_out_of_image().clip_out_of_image()

    return run


def our_round(images: list[Any], with_objects: bool, batch: int) -> Callable[[], None]:
    """All images through ours: what CopyMaker does between decoding and encoding."""
    pipeline, side = Pipeline(parse_policy(POLICY)), images[0].shape[0]
    rows = [row for row in make_rows("a.png", side) if row["kind"] != "label"] if with_objects else []

    def run() -> None:
        for start in range(0, len(images), batch):
            part = images[start : start + batch]
            packed = [pack_objects(rows, (side, side)) for _ in part]
            samples = [Sample(image.copy(), one.points, one.masks) for image, one in zip(part, packed, strict=True)]
            pipeline.run(samples, np.arange(start, start + len(part), dtype=np.uint64))
            for sample, one in zip(samples, packed, strict=True):
                settle_objects(one.items, sample.points, sample.masks, sample.size_wh, 0.5)

    return run


def box_of(side_px: int) -> tuple[float, float, float, float]:
    """The box around the disc."""
    return 0.2 * side_px, 0.2 * side_px, 0.5 * side_px, 0.5 * side_px


def make_rows(path: str, side_px: int) -> list[dict[str, Any]]:
    """A label, a box and a run-length mask of one image."""
    common = {**dict.fromkeys(ANNOTATIONS.columns), "path": path, "label": "disc", "attributes": "{}"}
    frame = dict(zip(BOX, box_of(side_px), strict=True))
    mask = from_array(make_bitmap(side_px)).to_json()
    return [
        {**common, "annotation_id": f"label/{path}", "kind": "label", "annotator": CONSENSUS},
        {**common, "annotation_id": f"box/{path}", "kind": "box", **frame},
        {**common, "annotation_id": f"mask/{path}", "kind": "mask", **frame, "mask": mask},
    ]


def fastest(rounds: list[Callable[[], Any]], repeats: int) -> list[float]:
    """CPU seconds of the fastest of `repeats` runs of each, taking turns, after one to warm up."""
    seconds: list[list[float]] = [[] for _ in rounds]
    for number in range(repeats + 1):
        for times, run in zip(seconds, rounds, strict=True):
            start = cpu_seconds()
            run()
            times += [cpu_seconds() - start] if number else []
    return [min(times) for times in seconds]


def cpu_seconds() -> float:
    """User and system time of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def compare_workers(n: int, repeats: int) -> None:
    """The whole stage on PNG files of 224 px with 1 and 2 workers."""
    with tempfile.TemporaryDirectory() as folder:
        root, side = Path(folder), 224
        names = [f"{number:05d}.png" for number in range(n)]
        for name, image in zip(names, make_images(side, n), strict=True):
            (root / name).write_bytes(encode_png(image))
        dataset, split = make_dataset(root, names, side)
        timed: dict[int, list[Times]] = {1: [], 2: []}
        for _ in range(repeats):
            for workers, runs in timed.items():
                runs.append(time_stage(dataset, split, root, workers))
    digests = {run.digest for runs in timed.values() for run in runs}
    wall_1, wall_2 = (min(run.wall for run in runs) for runs in timed.values())
    one, two = (min(runs, key=lambda run: run.cpu) for runs in timed.values())
    allowed = one.cpu / (two.parent + (two.cpu - two.parent) / 2)
    print(
        f"stage, {n:,} PNG files of {side} px: 1 worker {wall_1:.2f} s wall, {one.cpu:.2f} s CPU; 2 workers {wall_2:.2f} s"
    )
    print(f"  wall, {two.cpu:.2f} s CPU: {wall_1 / wall_2:.2f}x as fast for {two.cpu / one.cpu:.2f}x the CPU. "
          f"Bytes of all runs {'are the same' if len(digests) == 1 else 'DIFFER'}.")  # fmt: skip
    print(f"  parent: {two.parent:.2f} s, {two.parent / two.cpu:.1%} of the CPU; were all of it serial, {allowed:.2f}x. "
          f"Writing the tar and syncing it: {two.tar:.2f} s wall more.")  # fmt: skip
    print(f"goals: {GOALS}")


def make_dataset(root: Path, names: list[str], side_px: int) -> tuple[Dataset, pd.DataFrame]:
    """Tables of the images below `root`: a label, a box and a mask each; all on the train side."""
    zeros = {name: 0 for name, kind in IMAGES.columns.items() if kind in ("int64", "float64")}
    size = {"width_px": side_px, "height_px": side_px}
    images = [
        {**zeros, **size, "path": name, "sha256": hashlib.sha256((root / name).read_bytes()).hexdigest()}
        for name in names
    ]
    rows = [row for name in names for row in make_rows(name, side_px)]
    split = SPLIT.conform([{"path": name, "split": "train", "group": name} for name in names])
    return Dataset(IMAGES.conform(images), ANNOTATIONS.conform(rows), ("disc",)), split


class Times(NamedTuple):
    """Seconds of one run, wall and CPU, of these those of the parent process; the wall time of the tar; a digest of all."""

    wall: float
    cpu: float
    parent: float
    tar: float
    digest: str


def time_stage(dataset: Dataset, split: pd.DataFrame, root: Path, workers: int) -> Times:
    """Run the stage once; after all workers have ended. The tar is written after that, and timed apart."""
    with tempfile.TemporaryDirectory(dir=root.parent) as folder:
        kept = KeptCopies(Path(folder) / "index.parquet", Path(folder) / "images.tar")
        params = AugmentParams(policy=POLICY)
        wall, cpu, parent = time.perf_counter(), cpu_seconds(), time.process_time()
        done = augment_dataset(dataset, split, FINDINGS.empty(), root, params, workers, kept=kept)
        wall, cpu, parent = time.perf_counter() - wall, cpu_seconds() - cpu, time.process_time() - parent
        start = time.perf_counter()
        kept.replace(done.copies)
        tar = time.perf_counter() - start
        digest = hashlib.sha256(done.table.to_csv().encode() + (Path(folder) / "images.tar").read_bytes())
    return Times(wall, cpu, parent, tar, digest.hexdigest())


def compare_pool(batch: int, repeats: int) -> None:
    """imgaug's own way to two processes, images of 224 px."""
    images, pipeline = make_images(224, 480), imgaug_pipeline()
    starts = range(0, len(images), batch)

    def alone() -> None:
        for start in starts:
            pipeline.augment_batch_(UnnormalizedBatch(images=images[start : start + batch]))

    def pooled() -> None:
        with pipeline.pool(processes=2, seed=1) as pool:
            pool.map_batches([UnnormalizedBatch(images=images[start : start + batch]) for start in starts])

    one, two = fastest([alone, pooled], max(2, repeats // 2))
    print(f"imgaug's pool of 2 processes, 224 px: {two / one:.2f}x the CPU of imgaug alone")


if __name__ == "__main__":
    main()
