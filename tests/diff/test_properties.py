"""What holds for any two versions: nothing differs from itself, back is there mirrored, order and inputs play no part."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from datatools.dataset import Dataset
from datatools.diff.changes import OPPOSITES, Change
from datatools.diff.compare import compare_versions
from datatools.diff.versions import Version
from datatools.schema import ANNOTATIONS, CONSENSUS, SPLIT
from tests.small_data import box_row, image_row, make_images, mask_row

PATHS = ("a.png", "b.png", "c.png")
LABELS = (None, "circle", "square")
RING = [[0, 0], [9, 0], [9, 9], [0, 9]]


@st.composite
def versions(draw: Any) -> Version:
    """Few images, contents, ids and places, so that much coincides."""
    paths = draw(st.lists(st.sampled_from(PATHS), unique=True))
    contents = [draw(st.sampled_from("xyz")) for _ in paths]
    images = [image_row(path, sha256=sha256 * 64) for path, sha256 in zip(paths, contents, strict=True)]
    rows = [draw(annotations(name, paths)) for name in draw(st.sets(st.integers(0, 6)))] if paths else []
    sides = [draw(st.sampled_from(["train", "test"])) for _ in paths]
    split = SPLIT.conform(pd.DataFrame({"path": paths, "split": sides, "group": paths}))
    return Version("some", None, Dataset(make_images(images), ANNOTATIONS.conform(rows), LABELS[1:]), split)


@st.composite
def annotations(draw: Any, number: int, paths: list[str]) -> dict[str, Any]:
    kind, path = draw(st.sampled_from(["label", "box", "box", "mask", "shape"])), draw(st.sampled_from(paths))
    x, size = draw(st.integers(0, 3)), draw(st.integers(0, 5))
    row = box_row(f"{path if number % 2 else 'id'}#{number}", (x, 0, x + size, 5), path, draw(st.sampled_from(LABELS)))
    if kind == "mask":
        row = mask_row(row["annotation_id"], [[px + x, py + size] for px, py in RING], path=path) | {
            "label": row["label"]
        }
    if kind in ("label", "shape"):
        row = {name: value for name, value in row.items() if not name.endswith("_px")} | {"kind": kind}
    who = draw(st.sampled_from([None, "anna", CONSENSUS if kind == "label" else "ben"]))
    return {**row, "annotator": who, "attributes": draw(st.sampled_from(['{"a": 1}', '{"a":1}', "{}", None]))}


def facts(changes: tuple[Change, ...], names: dict[str, str] | None = None) -> Counter[tuple[Any, ...]]:
    """The changes, each fact once; with `names` those of the mirror: back in time, images by their later name."""
    found: Counter[tuple[Any, ...]] = Counter()
    for change in changes:
        kind, sides = change.kind, [json.dumps(value, sort_keys=True) for value in (change.before, change.after)]
        path = change.path
        if names is not None:
            kind, path, sides = OPPOSITES.get(kind, kind), names.get(path, path), sides[::-1]
        found[kind, path, *sides, tuple(sorted(change.labels)), change.iou] += 1
    return found


@settings(max_examples=15)
@given(versions())
def test_nothing_differs_from_itself(version: Version) -> None:
    diff = compare_versions(version, version)
    assert diff.is_empty and not diff.changes and not diff.slices


@settings(max_examples=40)
@given(versions(), versions())
def test_back_is_there_mirrored(one: Version, other: Version) -> None:
    there, back = compare_versions(one, other), compare_versions(other, one)
    names = {change.before: change.path for change in there.changes if change.kind == "image renamed"}
    assert facts(back.changes, names) == facts(there.changes)
    assert [(row.before, row.after) for row in there.sides] == [(row.after, row.before) for row in back.sides]
    assert there.is_empty == back.is_empty


@settings(max_examples=15)
@given(versions(), versions())
def test_what_is_counted_adds_up(one: Version, other: Version) -> None:
    diff = compare_versions(one, other)
    n = Counter(change.kind for change in diff.changes)
    for what, before, after in (
        ("image", len(one.dataset.images), len(other.dataset.images)),
        ("annotation", len(one.dataset.annotations), len(other.dataset.annotations)),
    ):
        assert before + n[f"{what} added"] - n[f"{what} removed"] == after
    objects = [
        sum((side.dataset.annotations["kind"] != "label") & side.dataset.annotations["label"].notna())
        for side in (one, other)
    ]
    assert objects == [sum(row.objects_before for row in diff.classes), sum(row.objects_after for row in diff.classes)]


@settings(max_examples=15)
@given(versions(), versions(), st.randoms(use_true_random=False))
def test_neither_the_order_of_rows_nor_inputs_matter(one: Version, other: Version, random: Any) -> None:
    copies = [pd.concat([side.dataset.images, side.dataset.annotations]).to_csv() for side in (one, other)]
    expected = compare_versions(one, other)
    assert copies == [pd.concat([side.dataset.images, side.dataset.annotations]).to_csv() for side in (one, other)]
    mixed = [_shuffle(side, random.randrange(1000)) for side in (one, other)]
    assert compare_versions(*mixed).changes == expected.changes


def _shuffle(version: Version, seed: int) -> Version:
    dataset = version.dataset
    tables = [table.sample(frac=1, random_state=seed) for table in (dataset.images, dataset.annotations)]
    assert version.split is not None
    return Version(
        version.name,
        None,
        Dataset(tables[0], tables[1], dataset.classes),
        version.split.sample(frac=1, random_state=seed),
    )
