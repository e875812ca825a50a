"""Small data sets to split, written as letters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd
from hypothesis import strategies as st

from datatools.dataset import Dataset
from datatools.params import SplitParams
from datatools.schema import ANNOTATIONS, LEDGER, PAIRS
from datatools.split.run import Split, split_dataset
from tests.small_data import ANNOTATORS, image_row, label_rows, make_images

CLASSES = ("a", "b", "c")
Pair = tuple[str, str]


def name_of(number: int) -> str:
    return f"images/{number:03d}.png"


def make(labels: str, groups: Sequence[object] | None = None, subsets: Sequence[str | None] | None = None) -> Dataset:
    """One image a letter of `labels` (`-`: no label), in `groups` and `subsets` (None: in none)."""
    groups, subsets = groups or [None] * len(labels), subsets or [None] * len(labels)
    images = [
        image_row(name_of(number), group=None if group is None else str(group), subset=subset)
        for number, (group, subset) in enumerate(zip(groups, subsets, strict=True))
    ]
    rows = [
        row
        for number, label in enumerate(labels)
        if label != "-"
        for row in label_rows(name_of(number), dict.fromkeys(ANNOTATORS, label), label)
    ]
    return Dataset(make_images(images), ANNOTATIONS.conform(rows), CLASSES)


def make_pairs(*pairs: tuple[int, int]) -> pd.DataFrame:
    """PAIRS of the images with these numbers."""
    rows = {tuple(sorted(map(name_of, pair))) for pair in pairs if pair[0] != pair[1]}
    return PAIRS.conform([{"path": one, "other": other, "how": "hash", "hash_bits": 3} for one, other in sorted(rows)])


def make_ledger(images: pd.DataFrame, sides: dict[str, str]) -> pd.DataFrame:
    """The ledger of images (by path) that were on these sides."""
    digests = images.set_index("path")["sha256"]
    return LEDGER.conform([{"path": path, "sha256": digests[path], "split": side} for path, side in sides.items()])


def cut(dataset: Dataset, paths: Iterable[str]) -> Dataset:
    """The data set with only these images."""
    chosen = list(paths)
    images, annotations = dataset.images, dataset.annotations
    return Dataset(
        images[images["path"].isin(chosen)].reset_index(drop=True),
        annotations[annotations["path"].isin(chosen)].reset_index(drop=True),
        dataset.classes,
    )


def split(
    dataset: Dataset, pairs: pd.DataFrame | None = None, ledger: pd.DataFrame | None = None, **params: object
) -> Split:
    pairs, ledger = make_pairs() if pairs is None else pairs, LEDGER.empty() if ledger is None else ledger
    return split_dataset(dataset, pairs, ledger, SplitParams(**params))


def sides_of(result: Split) -> dict[str, str]:
    return dict(zip(result.table["path"], result.table["split"], strict=True))


def sizes(dataset: Dataset, **params: object) -> tuple[int, ...]:
    return tuple(split(dataset, **params).certificate["sizes"].values())


@st.composite
def datasets(draw: st.DrawFn, n_min: int = 1, n_max: int = 40) -> tuple[Dataset, pd.DataFrame]:
    """A data set with some groups, and some pairs of near-duplicates."""
    n = draw(st.integers(n_min, n_max))
    some = st.one_of(st.none(), st.integers(1, max(n // 3, 1)))
    numbers = st.integers(0, n - 1)
    return (
        make(draw(st.text("abc-", min_size=n, max_size=n)), draw(st.lists(some, min_size=n, max_size=n))),
        make_pairs(*draw(st.lists(st.tuples(numbers, numbers), max_size=n // 3))),
    )
