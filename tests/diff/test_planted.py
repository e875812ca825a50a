"""Edits of every kind planted in a small data set: each is named, none is invented."""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from datatools.dataset import Dataset
from datatools.diff.changes import KINDS
from datatools.diff.compare import compare_versions
from datatools.diff.versions import Version
from datatools.masks import from_array
from datatools.schema import ANNOTATIONS, SIDES, SPLIT
from tests.diff.planting import plant, to_fact
from tests.small_data import box_row, label_rows, make_images, mask_row

CLASSES = ("circle", "square", "star")


def make_version(n_images: int = 120, objects: bool = True) -> Version:
    """Images with five objects each, some of them masks; or with the label of one annotator and its vote."""
    random = np.random.default_rng(5)
    rows = []
    paths = [f"{number:03d}.png" for number in range(n_images)]
    for path in paths:
        if not objects:
            label = str(random.choice(CLASSES))
            rows += label_rows(path, {"anna": label}, label)
            continue
        for number in range(5):
            x0, y0 = 60.0 * number + random.uniform(0, 5), random.uniform(0, 5)
            x1, y1, label = x0 + random.uniform(10, 40), y0 + random.uniform(10, 40), str(random.choice(CLASSES))
            ring = [[x0, y0], [x1, y0], [x1, y1]]
            made = box_row(f"file/{path}#{number}", (x0, y0, x1, y1), path, label)
            if number == 3:
                made = mask_row(f"file/{path}#{number}", ring, path=path, label=label)
            if number == 4:
                shape = np.zeros((20, 20), bool)
                shape[: int(x0) % 7 + 2, :5] = True
                made = {**made, "kind": "mask", "mask": from_array(shape).to_json()}
            rows.append(made)
    split = pd.DataFrame({"path": paths, "split": [SIDES[n % 3] for n in range(n_images)], "group": paths})
    dataset = Dataset(make_images(paths), ANNOTATIONS.conform(rows), CLASSES)
    return Version("before", "0" * 40, dataset, SPLIT.conform(split))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("objects", [True, False])
def test_every_planted_edit_is_named_and_none_is_invented(objects: bool, seed: int) -> None:
    before = make_version(objects=objects)
    after, key = plant(before, 80, seed)
    diff = compare_versions(before, after)
    found = Counter(map(to_fact, diff.changes))
    assert found - key == Counter(), "invented"
    assert key - found == Counter(), "missed"
    assert diff.by_kind == {kind: n for kind in KINDS if (n := sum(fact[0] == kind for fact in key.elements()))}


def test_all_kinds_are_planted() -> None:
    _, key = plant(make_version(), 80, 0)
    assert {fact[0] for fact in key} == set(KINDS)


def test_the_order_of_the_rows_plays_no_part() -> None:
    before = make_version()
    after, _ = plant(before, 80, 1)
    shuffled = [
        dataclasses.replace(
            side,
            dataset=dataclasses.replace(
                side.dataset,
                images=side.dataset.images.sample(frac=1, random_state=1),
                annotations=side.dataset.annotations.sample(frac=1, random_state=2),
            ),
            split=side.split.sample(frac=1, random_state=3),
        )
        for side in (before, after)
    ]
    assert compare_versions(*shuffled).changes == compare_versions(before, after).changes
