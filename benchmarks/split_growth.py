"""A data set that grows in ten steps: who moves, what leaks, how even the classes are, beside scikit-learn and FiftyOne.

    python benchmarks/split_growth.py [--sets clothing cifar10n] [--images N] [--embeddings] [--skip-fiftyone] [--possible SECONDS]
        [--orders N]

Data: clothing (3,781 photos, groups: the person who sent them) and cifar10n (30,000), from `../shared/data` or
DATATOOLS_SHARED. Images arrive a tenth at a time: in a random order, so that people go on sending; of clothing also
person by person. The near-duplicates
come from an exact search over perceptual hashes (16 of 256 bits; with --embeddings also over embeddings and pixels), once
over all images. Every tool splits 7:2:1 at every step; ours keeps its ledger, the others are run again, as they must be:
scikit-learn's train_test_split (stratified by class) and StratifiedGroupKFold (10 folds; groups: the senders, or each image
its own), FiftyOne's random_split. compute_leaky_splits is given the hashes as vectors of +1 and -1, so that its cosine
distance of 0.125 is our 16 bits, and looks at FiftyOne's last split.

Printed, over all ten steps: samples that changed sides, groups and pairs on two sides (the most at one step), how far a
class's share of a side was from its share of the data, in points (the most at one step, at the first and at the last), CPU
seconds (user and system) of all splits. FiftyOne's are without those of its database, a process of its own.

With --possible, for sets with groups, also step by step the least that any assignment of whole units reaches, by integer
programming (HiGHS, so many seconds a problem): made anew, and with what our ledger has. Each side's size may then be off by
as much as ours is, and by a tenth. Printed is the best assignment found, in brackets what is proved to be out of reach.

One order of arrival is chance. With --orders, ours alone over so many random orders: the mean over the orders of the worst of the
ten steps, its 90th percentile, the share of orders that stay within 2 points, the same from the second step on, and how far a
side's size was off at most. With --possible as well, in how many orders no split of the first step, nor of the second after our
first, is within 2 points, as HiGHS proves in so many seconds.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import Bounds, LinearConstraint, milp
from small_files import REPO, SHARED

sys.path.insert(0, str(REPO))

from datatools.dataset import Dataset
from datatools.ingest import ingest
from datatools.params import IngestParams, NeighborsParams, SplitParams
from datatools.schema import LEDGER, QUARANTINE, SIDES
from datatools.similarity.run import relate_images
from datatools.split.run import Split, split_dataset

STEPS = 10
RATIOS = dict(zip(SIDES, (0.7, 0.2, 0.1), strict=True))
GROUPS = {"clothing": "sender_id", "cifar10n": ""}
BITS = 16
SHARES = "class shares off, in points: most, first, last"
Splitter = Callable[[Dataset], pd.Series]  # path -> side


def main() -> None:
    """Print a table for each set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=GROUPS, default=list(GROUPS))
    parser.add_argument("--images", type=int, default=30_000, help="at most so many of a set")
    parser.add_argument("--embeddings", action="store_true", help="near-duplicates by embeddings and pixels as well")
    parser.add_argument("--skip-fiftyone", action="store_true")
    parser.add_argument("--orders", type=int, default=0, metavar="N", help="ours alone over so many random orders")
    parser.add_argument("--possible", type=float, default=0, metavar="SECONDS", help="what is possible at each step")
    args = parser.parse_args()
    for name in args.sets:
        with tempfile.TemporaryDirectory() as folder:
            measure_set(name, Path(folder), args)


def measure_set(name: str, folder: Path, args: argparse.Namespace) -> None:
    """Take a set in, find its near-duplicates once, let every tool split it as it grows."""
    dataset = take_in(name, folder / "raw", args.images)
    params = NeighborsParams() if args.embeddings else NeighborsParams(model="none", hash_bits=BITS)
    related = relate_images(dataset.images, folder / "raw", params, folder / "cache")
    pairs = related.pairs
    groups = dataset.images["group"].nunique()
    print(f"\n{name}: {len(dataset.images):,} images, {groups:,} groups, {len(pairs):,} pairs of near-duplicates")
    if args.orders:
        show_orders(dataset, pairs, args.orders, args.possible)
        return
    with fiftyone_in(folder, args.skip_fiftyone) as tool:
        for order in ("image by image", "group by group") if groups else ("image by image",):
            print(f"\n{order}\n\n| tool | moved | groups crossing | pairs crossing | quarantined | {SHARES} | CPU s |")
            print("|---|---|---|---|---|---|---|", flush=True)
            steps = grow(dataset, order == "group by group")
            print(measure("datatools, ledger", steps, pairs, Ours(pairs)), flush=True)
            print(measure("train_test_split", steps, pairs, split_randomly), flush=True)
            print(measure("StratifiedGroupKFold", steps, pairs, split_in_folds), flush=True)
            if tool:
                print(measure("FiftyOne random_split", steps, pairs, tool.split), flush=True)
                print(tool.find_leaks(dataset, pairs), flush=True)
                tool.clear()
            if args.possible and groups:
                show_possible(steps, pairs, args.possible)


def take_in(name: str, root: Path, n_images: int) -> Dataset:
    """The first images of a set as the stage ingest takes them in."""
    with zipfile.ZipFile(SHARED / "data" / f"{name}.zip") as archive:
        names = sorted(item for item in archive.namelist() if item.endswith(".jpg"))[:n_images]
        archive.extractall(root, names)
        table = pd.read_csv(archive.open("labels.csv"), dtype=str)
    columns = {"clothing": ["path", "label"], "cifar10n": ["path", "annotator_1", "annotator_2", "annotator_3"]}[name]
    table = table[table["path"].isin(names)]
    table[columns].to_csv(root / "labels.csv", index=False)
    if GROUPS[name]:
        table[["path", GROUPS[name]]].to_csv(root / "metadata.csv", index=False)
    return ingest(root, IngestParams(group_column=GROUPS[name])).dataset


def grow(dataset: Dataset, by_group: bool, seed: int = 0) -> list[Dataset]:
    """The data set at each step: images in a random order, or groups in one, the images of each in a row."""
    rng, paths = np.random.default_rng(seed), dataset.images["path"].to_numpy(object)
    order = rng.permutation(len(paths))
    if by_group:
        groups, _ = pd.factorize(dataset.images["group"])
        order = np.argsort(rng.permutation(groups.max() + 1)[groups], kind="stable")
    arrived = paths[order]
    return [_cut(dataset, set(arrived[: len(paths) * step // STEPS])) for step in range(1, STEPS + 1)]


def _cut(dataset: Dataset, paths: set[str]) -> Dataset:
    images, annotations = dataset.images, dataset.annotations
    kept = images[images["path"].isin(paths)].reset_index(drop=True)
    return Dataset(kept, annotations[annotations["path"].isin(paths)].reset_index(drop=True), dataset.classes)


def measure(tool: str, steps: list[Dataset], pairs: pd.DataFrame, split: Splitter) -> str:
    """One line of the table."""
    before, seconds = pd.Series(dtype=object), 0.0
    moved, groups, crossing, held, off = 0, [], [], 0, []
    for dataset in steps:
        with cpu() as spent:
            sides = split(dataset)
        seconds += spent[0]
        both = before.index.intersection(sides.index)
        moved += int((before[both] != sides[both]).sum())
        before = sides
        placed = sides[sides != QUARANTINE]
        held = len(sides) - len(placed)
        groups.append(count_groups(dataset, placed))
        crossing.append(count_pairs(pairs, placed))
        off.append(measure_classes(dataset.labels, placed))
    shares = f"{max(off):.1f}, {off[0]:.1f}, {off[-1]:.1f}"
    return f"| {tool} | {moved:,} | {max(groups):,} | {max(crossing):,} | {held} | {shares} | {seconds:.1f} |"


def count_groups(dataset: Dataset, sides: pd.Series) -> int:
    """Groups on more than one side."""
    where = dataset.images.set_index("path")["group"].dropna().to_frame().join(sides.rename("side"), how="inner")
    return int((where.groupby("group")["side"].nunique() > 1).sum())


def count_pairs(pairs: pd.DataFrame, sides: pd.Series) -> int:
    """Pairs of which both are there and on different sides."""
    one, other = pairs["path"].map(sides), pairs["other"].map(sides)
    return int((one.notna() & other.notna() & (one != other)).sum())


def measure_classes(labels: pd.Series, sides: pd.Series) -> float:
    """The largest difference between a class's share of a side and its share of all, in points."""
    table = pd.crosstab(labels, sides.reindex(labels.index))
    return float(
        (table / table.sum()).sub(table.sum(axis=1) / table.to_numpy().sum(), axis=0).abs().to_numpy().max() * 100
    )


def show_orders(dataset: Dataset, pairs: pd.DataFrame, n_orders: int, seconds: float) -> None:
    """A line for each way of arriving."""
    print(
        f"\n| over {n_orders} orders | worst: mean | 90 % | within 2 | from the 2nd step: mean | 90 % | within 2 ",
        end="",
    )
    print("| size off | impossible: 1st step | 2nd | CPU s |\n|---|---|---|---|---|---|---|---|---|---|---|")
    for by_group in (False, True) if dataset.images["group"].notna().any() else (False,):
        with cpu() as spent:
            found = [follow(grow(dataset, by_group, seed), pairs) for seed in range(n_orders)]
        off = np.array([[step.off for step in steps] for steps in found])
        cells = [summarise(off.max(axis=1)), summarise(off[:, 1:].max(axis=1))]
        cells.append(f"{max(step.size_off for steps in found for step in steps):.1f}")
        for number in (0, 1):
            bounds = [steps[number].find_bound(seconds) for steps in found] if seconds else []
            cells.append(f"{sum(bound > 2 for bound in bounds)}" if bounds else "")
        order = "group by group" if by_group else "image by image"
        print(f"| {order} | {' | '.join(cells)} | {spent[0]:.0f} |", flush=True)


def summarise(worst: Any) -> str:
    """Mean, 90th percentile and how many are within 2 points."""
    return f"{worst.mean():.1f} | {np.quantile(worst, 0.9):.1f} | {(worst <= 2).mean():.0%}"


@dataclass(frozen=True)
class Step:
    """One step of ours: `off` and `size_off` in points, and the problem: `counts` (n_units, n_classes), the side that a
    unit had before (-1: none), and how far a side's size is off from its part, as a share of it."""

    off: float
    size_off: float
    counts: Any
    fixed: Any
    width: float

    def find_bound(self, seconds: float) -> float:
        """No assignment of whole units is nearer than this, in points."""
        return find_least(self.counts, self.fixed, self.width, seconds)[1]


def follow(steps: list[Dataset], pairs: pd.DataFrame) -> list[Step]:
    """Split step by step with the ledger."""
    ours, before, found = Ours(pairs), pd.Series(dtype=object), []
    for dataset in steps:
        table = ours.split(dataset).table.set_index("path")
        units, sides = table["group"].astype(object), table["split"].astype(object)
        counts = pd.crosstab(units, dataset.labels.reindex(units.index))
        known = before.groupby(units.reindex(before.index)).first().map(SIDES.index)
        fixed = known.reindex(counts.index).fillna(-1).to_numpy(int)
        size_off = sides.value_counts(normalize=True).reindex(SIDES).fillna(0) - pd.Series(RATIOS)
        width = max((size_off / pd.Series(RATIOS)).abs().max(), 0.1) + 1e-9
        off = measure_classes(dataset.labels, sides[sides != QUARANTINE])
        found.append(Step(off, float(size_off.abs().max() * 100), counts.to_numpy(float), fixed, width))
        before = sides
    return found


def show_possible(steps: list[Dataset], pairs: pd.DataFrame, seconds: float) -> None:
    """A line a step: the least deviation possible beside ours."""
    print("\n| images | units | of them new | possible anew | possible after our steps before | ours |")
    print("|---|---|---|---|---|---|")
    for step in follow(steps, pairs):
        anew, after = (
            "{:.2f} ({:.2f})".format(*find_least(step.counts, chosen, step.width, seconds))
            for chosen in (np.full(len(step.fixed), -1), step.fixed)
        )
        n_images, n_new = int(step.counts.sum()), (step.fixed < 0).sum()
        print(f"| {n_images:,} | {len(step.fixed)} | {n_new} | {anew} | {after} | {step.off:.2f} |", flush=True)


def find_least(counts: Any, fixed: Any, width: float, seconds: float) -> tuple[float, float]:
    """The least largest deviation in points found, and a bound below which there is none.

    `counts` (n_units, n_classes); `fixed` is a unit's side, or -1. The deviation is a quotient: linear in the assignment for
    a given value of it, so that Dinkelbach's iteration comes to it (Management Science 13, 1967).
    """
    ratios, shares, n = np.array(list(RATIOS.values())), counts.sum(axis=0) / counts.sum(), len(counts)
    aims, sizes = ratios * counts.sum(), counts.sum(axis=1)
    room = np.maximum(aims * width, 1)
    lower = np.eye(len(ratios))[fixed] * (fixed >= 0)[:, None]  # -1 takes the last row, times 0
    upper = np.where(fixed[:, None] >= 0, lower, 1.0)
    least, bound = 1.0, 0.0
    for step in range(3):
        t = 0.0 if not step else least
        off = np.concatenate(
            [sign * (counts - sizes[:, None] * shares) - t * sizes[:, None] for sign in (1, -1)], axis=1
        )
        per_side = np.kron(np.eye(len(ratios)), off.T)  # variables: side by side, all units; last what is brought down
        classes = np.column_stack([per_side, -np.repeat(aims, off.shape[1])])
        once = np.column_stack([np.tile(np.eye(n), len(ratios)), np.zeros(n)])
        sized = np.column_stack([np.kron(np.eye(len(ratios)), sizes), np.zeros(len(ratios))])
        result = milp(
            np.append(np.zeros(n * len(ratios)), 1.0),
            integrality=np.append(np.ones(n * len(ratios)), 0),
            bounds=Bounds(np.append(lower.T.ravel(), -1), np.append(upper.T.ravel(), 1)),
            constraints=[
                LinearConstraint(classes, ub=0),
                LinearConstraint(once, 1, 1),
                LinearConstraint(sized, aims - room, aims + room),
            ],
            options={"time_limit": seconds},
        )
        if result.x is None:
            return float("nan") if least == 1 else least * 100, bound * 100
        bound = bound if step else max(result.mip_dual_bound, 0) / (1 + width)
        chosen = result.x[:-1].reshape(len(ratios), n).round()
        found = chosen @ counts
        now = float(np.abs(found / found.sum(axis=1, keepdims=True) - shares).max())
        if now >= least - 1e-6:
            break
        least = now
    return least * 100, bound * 100


class Ours:
    """datatools: the ledger goes from step to step."""

    def __init__(self, pairs: pd.DataFrame) -> None:
        self.pairs, self.ledger = pairs, LEDGER.empty()

    def __call__(self, dataset: Dataset) -> pd.Series:
        """path -> side."""
        return self.split(dataset).table.set_index("path")["split"].astype(object)

    def split(self, dataset: Dataset) -> Split:
        """Split, certify, and keep the ledger."""
        result = split_dataset(dataset, self.pairs, self.ledger, SplitParams(**RATIOS))
        self.ledger = result.ledger
        return result


def split_randomly(dataset: Dataset) -> pd.Series:
    """scikit-learn's train_test_split, twice; classes with too few images for stratification go without."""
    from sklearn.model_selection import train_test_split

    labels = dataset.labels
    common = labels.map(labels.value_counts()).ge(20)
    strata = labels.where(common, "rare")
    paths = labels.index.to_numpy(object)
    train, rest = train_test_split(paths, train_size=RATIOS["train"], stratify=strata, random_state=0)
    val_share = RATIOS["val"] / (RATIOS["val"] + RATIOS["test"])
    val, test = train_test_split(rest, train_size=val_share, stratify=strata[rest], random_state=0)
    return to_sides(train, val, test)


def split_in_folds(dataset: Dataset) -> pd.Series:
    """scikit-learn's StratifiedGroupKFold: one fold of ten is test, two are val."""
    from sklearn.model_selection import StratifiedGroupKFold

    labels = dataset.labels
    known = dataset.images.set_index("path")["group"].reindex(labels.index)
    groups = known.fillna(pd.Series(labels.index, index=labels.index))
    folds = StratifiedGroupKFold(10, shuffle=True, random_state=0).split(labels, labels, groups)
    parts = [labels.index[chosen].to_numpy(object) for _, chosen in folds]
    return to_sides(np.concatenate(parts[3:]), np.concatenate(parts[1:3]), parts[0])


def to_sides(*parts: Any) -> pd.Series:
    """path -> side of the paths of train, val and test."""
    return pd.concat([pd.Series(side, index=part, dtype=object) for side, part in zip(SIDES, parts, strict=True)])


class FiftyOne:
    """FiftyOne with a database of its own below a folder; the samples need no picture."""

    def __init__(self, fiftyone: Any) -> None:
        self.fiftyone, self.dataset, self.last = fiftyone, fiftyone.Dataset(), pd.Series(dtype=object)

    def split(self, dataset: Dataset) -> pd.Series:
        """random_split of all samples again: a tag for each side."""
        import fiftyone.utils.random

        known = set(self.dataset.values("filepath"))
        new = [f"/{path}" for path in dataset.labels.index if f"/{path}" not in known]
        self.dataset.add_samples([self.fiftyone.Sample(filepath=path) for path in new], progress=False)
        self.dataset.untag_samples(list(SIDES))
        fiftyone.utils.random.random_split(self.dataset, RATIOS, seed=0)
        paths, tags = self.dataset.values(["filepath", "tags"])
        self.last = pd.Series([tag[0] for tag in tags], index=[path[1:] for path in paths], dtype=object)
        return self.last

    def clear(self) -> None:
        """Start anew."""
        self.dataset, self.last = self.fiftyone.Dataset(), pd.Series(dtype=object)

    def find_leaks(self, dataset: Dataset, pairs: pd.DataFrame) -> str:
        """compute_leaky_splits on the last split, given the hashes as vectors."""
        from fiftyone.brain import compute_leaky_splits

        digests = dataset.images.set_index("path")["phash"].reindex(
            [path[1:] for path in self.dataset.values("filepath")]
        )
        bits = np.unpackbits(np.frombuffer(bytes.fromhex("".join(digests)), np.uint8).reshape(len(digests), -1), axis=1)
        vectors = bits.astype(np.float32) * 2 - 1
        with cpu() as spent:
            index = compute_leaky_splits(
                self.dataset, splits=list(SIDES), embeddings=vectors, threshold=2 * BITS / 256, progress=False
            )
            found = {path[1:] for path in index.leaks_view().values("filepath")}
        one, other = pairs["path"].map(self.last), pairs["other"].map(self.last)
        crossing = pairs[(one != other) & one.notna() & other.notna()]
        true = set(crossing["path"]) | set(crossing["other"])
        said = f"says {len(found):,} samples leak; {len(true & found):,} of the {len(true):,} that do"
        return f"| FiftyOne compute_leaky_splits | {said} | | | | | {spent[0]:.1f} |"


@contextmanager
def fiftyone_in(folder: Path, skip: bool) -> Iterator[FiftyOne | None]:
    """Start our mongod below `folder` and FiftyOne on it."""
    if skip:
        yield None
        return
    from datatools.review.mongod import run_mongod

    with run_mongod(folder):
        import fiftyone

        yield FiftyOne(fiftyone)


@contextmanager
def cpu() -> Iterator[list[float]]:
    """CPU seconds of this process while in the block."""
    spent = [0.0]
    start = _cpu()
    yield spent
    spent[0] = _cpu() - start


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
