from __future__ import annotations

import dataclasses
import hashlib
from collections import defaultdict

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datatools.dataset import Dataset
from datatools.errors import DatatoolsError
from datatools.params import SplitParams
from datatools.schema import ANNOTATIONS, CONSENSUS, SIDES, SPLIT
from datatools.split import join_groups, split_dataset

from .small_data import ANNOTATORS, image_row, label_rows, make_images

CLASSES = ("a", "b", "c")
unhurried = settings(deadline=None, max_examples=40, database=None)


def make(labels, groups=None, clusters=None):
    """One image a letter of `labels` (`-`: no label); `groups` and `clusters` say who belongs together (None: alone)."""
    n = len(labels)
    names = [f"images/{number:03d}.png" for number in range(n)]
    groups, clusters = groups or [None] * n, clusters or [None] * n
    first = {}
    for name, cluster in zip(names, clusters, strict=True):
        first.setdefault(cluster, name)
    images = [
        image_row(name, group=group and str(group), duplicate_of=name if cluster is None else first[cluster])
        for name, group, cluster in zip(names, groups, clusters, strict=True)
    ]
    rows = [
        row
        for name, label in zip(names, labels, strict=True)
        if label != "-"
        for row in label_rows(name, dict.fromkeys(ANNOTATORS, label), label)
    ]
    return Dataset(make_images(images), ANNOTATIONS.conform(rows), CLASSES)


@st.composite
def datasets(draw):
    n = draw(st.integers(1, 40))
    some = st.one_of(st.none(), st.integers(1, max(n // 3, 1)))
    return make(
        draw(st.text("abc-", min_size=n, max_size=n)),
        draw(st.lists(some, min_size=n, max_size=n)),
        draw(st.lists(some, min_size=n, max_size=n)),
    )


def sides_of(dataset, **params):
    table = split_dataset(dataset, SplitParams(**params)).table
    return dict(zip(table["path"], table["split"], strict=True))


def sizes(dataset, **params):
    return tuple(split_dataset(dataset, SplitParams(**params)).certificate["sizes"].values())


@unhurried
@given(datasets(), st.integers(0, 3))
def test_nothing_crosses_and_every_image_has_one_side(dataset, seed):
    table = split_dataset(dataset, SplitParams(seed=seed)).table
    assert table["path"].tolist() == sorted(dataset.images["path"])
    assert set(table["split"]) <= set(SIDES)
    side = dict(zip(table["path"], table["split"], strict=True))
    for column in ("group", "duplicate_of"):
        seen = defaultdict(set)
        for path, unit in zip(dataset.images["path"], dataset.images[column], strict=True):
            if not pd.isna(unit):
                seen[unit].add(side[path])
        assert all(len(found) == 1 for found in seen.values())
    assert (table.groupby("group")["split"].nunique() == 1).all()


@unhurried
@given(datasets(), st.randoms(use_true_random=False))
def test_rows_have_no_order(dataset, random):
    images, annotations = list(dataset.images.index), list(dataset.annotations.index)
    random.shuffle(images)
    random.shuffle(annotations)
    turned = dataclasses.replace(
        dataset,
        images=dataset.images.loc[images].reset_index(drop=True),
        annotations=dataset.annotations.loc[annotations].reset_index(drop=True),
    )
    one, other = split_dataset(dataset, SplitParams()), split_dataset(turned, SplitParams())
    pd.testing.assert_frame_equal(one.table, other.table)
    assert one.certificate == other.certificate


@unhurried
@given(datasets(), st.integers(0, 3))
def test_the_certificate_counted_again(dataset, seed):
    params = SplitParams(seed=seed)
    result = split_dataset(dataset, params)
    side = dict(zip(result.table["path"], result.table["split"], strict=True))
    label = dict.fromkeys(side, "(none)") | dict(dataset.labels.items())
    counts = {name: dict.fromkeys(SIDES, 0) for name in sorted(set(label.values()))}
    for path, name in label.items():
        counts[name][side[path]] += 1
    off = [
        abs(n / sum(row.values()) - getattr(params, where))
        for name, row in counts.items()
        if name != "(none)"
        for where, n in row.items()
    ]
    text = "path,split,group\n" + "".join(
        f"{path},{side[path]},{group}\n"
        for path, group in zip(result.table["path"], result.table["group"], strict=True)
    )
    assert result.certificate == {
        "ratios": {"train": 0.7, "val": 0.2, "test": 0.1},
        "sizes": {name: sum(row[name] for row in counts.values()) for name in SIDES},
        "per_class": counts,
        "largest_class_deviation": pytest.approx(max(off, default=0.0), abs=5.1e-5),
        "groups": len(set(result.table["group"])),
        "groups_crossing": 0,
        "near_duplicates_crossing": 0,
        "seed": seed,
        "assignment_sha256": hashlib.sha256(text.encode()).hexdigest(),
    }


@unhurried
@given(datasets(), st.randoms(use_true_random=False))
def test_relabelling_by_a_fix_moves_nothing(dataset, random):
    voted = dataset.annotations["annotator"] == CONSENSUS
    annotations = dataset.annotations.assign(
        label=[random.choice(CLASSES) if is_vote else label for is_vote, label in zip(voted, dataset.annotations["label"], strict=True)]
    )  # fmt: skip
    fixed = dataclasses.replace(dataset, annotations=ANNOTATIONS.conform(annotations))
    pd.testing.assert_frame_equal(
        split_dataset(fixed, SplitParams()).table, split_dataset(dataset, SplitParams()).table
    )


@unhurried
@given(st.integers(30, 120), st.integers(0, 5), st.sampled_from([(0.7, 0.2, 0.1), (0.5, 0.25, 0.25), (0.8, 0.2, 0.0)]))
def test_sizes_and_classes_are_near_the_ratios(n, seed, ratios):
    labels = "".join(CLASSES[number % 3] for number in range(n))
    params = dict(zip(SIDES, ratios, strict=True))
    certificate = split_dataset(make(labels), SplitParams(**params, seed=seed)).certificate
    for side, ratio in params.items():
        assert abs(certificate["sizes"][side] - ratio * n) <= 1.5
    for label, row in certificate["per_class"].items():
        assert all(abs(row[side] - params[side] * labels.count(label)) <= 2 for side in SIDES)


@pytest.mark.parametrize(
    ("n", "expected"),
    [(1, (1, 0, 0)), (2, (2, 0, 0)), (3, (2, 1, 0)), (5, (4, 1, 0)), (10, (7, 2, 1)), (12, (9, 2, 1))],
)
def test_few_images_of_one_class(n, expected):
    assert sizes(make("a" * n)) == expected


@pytest.mark.parametrize("n", range(1, 13))
def test_few_images_of_any_class(n):
    found = sizes(make(("abc-" * 3)[:n]))
    assert sum(found) == n
    assert found[0] == max(found)


def test_a_class_with_one_image_learns_from_it():
    dataset = make("a" * 30 + "b")
    result = split_dataset(dataset, SplitParams())
    assert result.certificate["per_class"]["b"] == {"train": 1, "val": 0, "test": 0}
    assert result.certificate["largest_class_deviation"] == pytest.approx(0.3)


@pytest.mark.parametrize("size", [15, 25, 40])
def test_a_group_larger_than_a_side_stays_whole(size):
    groups = ["big"] * size + [None] * (50 - size)
    sides = sides_of(make("ab" * 25, groups))
    assert {sides[f"images/{number:03d}.png"] for number in range(size)} == {"train"}
    assert set(sides.values()) == set(SIDES)


def test_one_group_of_all_is_one_side():
    assert sizes(make("ab" * 10, ["all"] * 20)) == (20, 0, 0)


@pytest.mark.parametrize("empty", SIDES)
def test_ratio_0_takes_no_image(empty):
    left = [side for side in SIDES if side != empty]
    params = {empty: 0.0, left[0]: 0.5, left[1]: 0.5}
    sides = sides_of(make("abc-" * 10), **params)
    assert set(sides.values()) == set(left)


def test_the_whole_on_one_side():
    assert sizes(make("abc" * 3), train=0.0, val=0.0, test=1.0) == (0, 0, 9)


@pytest.mark.parametrize(
    ("ratios", "total"), [((0.7, 0.2, 0.2), "1.1"), ((0.5, 0.2, 0.1), "0.8"), ((0.0, 0.0, 0.0), "0")]
)
def test_ratios_that_do_not_add_up(ratios, total):
    params = SplitParams(**dict(zip(SIDES, ratios, strict=True)))
    message = rf"^params.yaml: split.train \+ val \+ test must be 1\. Got {total} instead: correct one of them\.$"
    with pytest.raises(DatatoolsError, match=message):
        split_dataset(make("abc"), params)


def test_ratios_that_add_up_but_for_rounding():
    assert sum(sizes(make("abc" * 5), train=0.6, val=0.3, test=0.1)) == 15


def test_the_seed_decides_and_decides_the_same_each_time():
    dataset = make("abc" * 20)
    assert sides_of(dataset, seed=1) == sides_of(dataset, seed=1)
    assert sides_of(dataset, seed=1) != sides_of(dataset, seed=2)


def test_no_images():
    result = split_dataset(make(""), SplitParams())
    assert list(result.table.columns) == list(SPLIT.columns)
    assert result.certificate["sizes"] == dict.fromkeys(SIDES, 0)


def test_no_labels_at_all():
    certificate = split_dataset(make("-" * 10), SplitParams()).certificate
    assert certificate["sizes"] == {"train": 7, "val": 2, "test": 1}
    assert certificate["largest_class_deviation"] == 0


def test_groups_and_clusters_chain():
    #            w1    w1    w2    w2    -   -   -      writers
    #                  d1    d1                d2  d2   near-duplicates
    images = make(
        "aaaaaaa", ["w1", "w1", "w2", "w2", None, None, None], [None, "d1", "d1", None, None, "d2", "d2"]
    ).images
    units = join_groups(images).tolist()
    assert units == ["images/000.png"] * 4 + ["images/004.png"] + ["images/005.png"] * 2


def test_the_input_is_unchanged():
    dataset = make("abc-" * 5, ["x", None] * 10)
    images, annotations = dataset.images.copy(deep=True), dataset.annotations.copy(deep=True)
    split_dataset(dataset, SplitParams())
    pd.testing.assert_frame_equal(dataset.images, images)
    pd.testing.assert_frame_equal(dataset.annotations, annotations)
