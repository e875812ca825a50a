from __future__ import annotations

import copy
import itertools
import json
import math
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datatools.agreement.alpha import krippendorff_alpha
from datatools.agreement.comparison import UNNAMED, compare_objects, find_unused_classes
from datatools.agreement.objects import THRESHOLDS, measure_object_agreement, measure_pairs
from datatools.schema import ANNOTATIONS
from tests.small_data import box_row, image_row, label_rows, make_images, mask_row

EXACT = {"rel": 0, "abs": 1e-12}
unhurried = settings(deadline=None, max_examples=60, database=None)
NEAR, FAR = (0, 0, 10, 10), (30, 30, 40, 40)


NUMBERS = itertools.count()


def row(who, xyxy, label="car", path="a.png"):
    return {**box_row(f"{next(NUMBERS):05d}", xyxy, path, label), "annotator": who}


def measure(rows, images=("a.png", "b.png"), **options):
    options = {"n_resamples": 0, **options}
    return measure_object_agreement(ANNOTATIONS.conform(rows), make_images(images), **options)["kinds"]


def numbers_of(value):
    if isinstance(value, dict):
        return [number for item in value.values() for number in numbers_of(item)]
    if isinstance(value, list):
        return [number for item in value for number in numbers_of(item)]
    return [value] if isinstance(value, float) else []


# ---- by hand ----


def example():
    """Anna and Ben on two images.

    a.png: anna car 0..10, ben car 0..8 of it (IoU 0.8); anna car at 30, ben bus there (IoU 1); anna a car at 50 that ben
    has not. b.png: ben a bus that anna has not, and both the same car (IoU 1).
    """
    return [
        row("anna", NEAR), row("ben", (0, 0, 10, 8)), row("anna", FAR), row("ben", FAR, "bus"),
        row("anna", (50, 0, 60, 10)), row("ben", (50, 0, 60, 10), "bus", "b.png"),
        row("anna", NEAR, path="b.png"), row("ben", NEAR, path="b.png"),
    ]  # fmt: skip


def test_boxes_by_hand():
    """Units: (car, car), (car, bus), (car, -), (-, bus), (car, car): 3 matches, 4 objects of anna, 4 of ben.

    alpha with `-` as a label: 10 values, car 6, bus 2, - 2. Observed: 3 units differ, 2 each = 6. Expected:
    (100 - 36 - 4 - 4) / 9 = 56/9. alpha = 1 - 54/56 = 1/28.
    class_alpha: 6 values, car 5, bus 1. Observed 2; expected (36 - 25 - 1) / 5 = 2. alpha = 0.
    IoU 0.8, 1, 1: mean 14/15; Dice 8/9, 1, 1: mean 26/27. At 0.85 and above the first match is gone: F1 4/8.
    """
    (kind,) = measure(example())
    (pair,) = kind["pairs"]
    f1_50_95 = (7 * 0.75 + 3 * 0.5) / 10
    expected = {
        "annotators": ["anna", "ben"], "images": 2, "objects": [4, 4], "matched": 3, "precision": 0.75, "recall": 0.75,
        "f1": 0.75, "f1_same_class": 0.5, "mean_iou": 14 / 15, "mean_dice": 26 / 27, "alpha": 1 / 28,
        "alpha_interval": None, "class_alpha": 0.0, "class_alpha_interval": None, "f1_50_95": f1_50_95,
    }  # fmt: skip
    assert pair.keys() == expected.keys()
    for name, value in expected.items():
        assert pair[name] == (pytest.approx(value, **EXACT) if isinstance(value, float) else value), name
    for name in ("f1", "mean_iou", "mean_dice", "alpha", "class_alpha", "f1_50_95"):
        assert kind[name] == pytest.approx(expected[name], **EXACT)
    assert (kind["kind"], kind["images"], kind["objects"], kind["distinct_objects"]) == ("box", 2, 8, 5)
    assert kind["thresholds"] == {f"{level:.2f}": pytest.approx(0.75 if level <= 0.8 else 0.5) for level in THRESHOLDS}


def test_classes_and_annotators_by_hand():
    (kind,) = measure(example())
    car, bus = sorted(kind["classes"], key=lambda item: -item["n"])
    assert (car["label"], car["n"], bus["label"], bus["n"]) == ("car", 6, "bus", 2)
    assert (car["same"], car["confused"], car["missing"]) == pytest.approx((4 / 6, 1 / 6, 1 / 6))
    assert car["confused_with"] == [{"label": "bus", "n": 1}]
    assert car["mean_iou"] == pytest.approx(0.9)
    assert (bus["same"], bus["confused"], bus["missing"], bus["mean_iou"]) == (0.0, 0.5, 0.5, None)
    anna, ben = kind["annotators"]
    assert anna == {
        "annotator": "anna", "images": 2, "objects": 4, "precision": 0.75, "recall": 0.75, "f1": 0.75,
        "same_class": pytest.approx(2 / 3), "mean_iou": pytest.approx(14 / 15),
    }  # fmt: skip
    assert {**ben, "annotator": "anna"} == anna


def test_masks_by_hand():
    """A square of 100, and its lower left half (50): IoU 0.5, Dice 2/3. The second is the same run lengths twice."""
    square, half = [[0, 0], [10, 0], [10, 10], [0, 10]], [[0, 0], [10, 0], [0, 10]]
    runs = {"kind": "mask", "mask": json.dumps({"size": [4, 4], "counts": [5, 2, 2, 2, 5]})}
    rows = [
        {**mask_row("1", square), "annotator": "anna"}, {**mask_row("2", half), "annotator": "ben"},
        {**row("anna", NEAR, path="b.png"), **runs}, {**row("ben", NEAR, path="b.png"), **runs},
    ]  # fmt: skip
    (kind,) = measure(rows)
    assert kind["kind"] == "mask"
    assert kind["pairs"][0]["matched"] == 2
    assert kind["mean_iou"] == pytest.approx(0.75)
    assert kind["mean_dice"] == pytest.approx(5 / 6)
    (kind,) = measure(rows, iou_min=0.51)
    assert kind["f1"] == 0.5


def test_three_annotators_by_hand():
    """Anna and Ben draw a car where Chloe draws a bus; Ben alone draws another car.

    Units: (car, car, bus), (-, car, -). alpha: 6 values, car 3, bus 1, - 2. Observed: (9 - 4 - 1) / 2 + (9 - 1 - 4) / 2 = 4;
    expected (36 - 9 - 1 - 4) / 5 = 22/5; alpha = 1 - 20/22. class_alpha: values car 2, bus 1: observed 2,
    expected (9 - 4 - 1) / 2 = 2: 0. F1: 3 matches; each of 4 objects is shown to 2 others: 6 / 8.
    """
    (kind,) = measure([row("anna", NEAR), row("ben", NEAR), row("chloe", NEAR, "bus"), row("ben", FAR)])
    assert kind["alpha"] == pytest.approx(1 / 11, **EXACT)
    assert kind["class_alpha"] == pytest.approx(0.0, **EXACT)
    assert kind["f1"] == 0.75
    assert [pair["f1"] for pair in kind["pairs"]] == pytest.approx([2 / 3, 1.0, 2 / 3])
    ben = kind["annotators"][1]
    assert (ben["precision"], ben["recall"]) == (0.5, 1.0)


def test_precision_and_recall_take_the_first_as_the_reference():
    (kind,) = measure([row("anna", NEAR), row("anna", FAR), row("ben", NEAR)])
    assert (kind["pairs"][0]["precision"], kind["pairs"][0]["recall"]) == (1.0, 0.5)


# ---- who saw what ----


def images_compared(rows, images=("a.png", "b.png")):
    return {
        comparison.kind: comparison.paths
        for comparison in compare_objects(ANNOTATIONS.conform(rows), make_images(images))
    }


def test_who_left_no_row_on_an_image_did_not_see_it():
    rows = [row("anna", NEAR), row("ben", NEAR), row("ben", FAR, path="b.png")]
    assert images_compared(rows) == {"box": ("a.png",)}
    assert measure(rows)[0]["f1"] == 1.0


def test_the_record_may_say_who_saw_it():
    rows = [row("anna", NEAR), row("ben", NEAR), row("ben", FAR, path="b.png")]
    stated = image_row("b.png", attributes=json.dumps({"annotators": ["anna", "zoe"]}))
    assert images_compared(rows, ["a.png", stated]) == {"box": ("a.png", "b.png")}
    (kind,) = measure(rows, ["a.png", stated])
    assert kind["f1"] == pytest.approx(2 / 3)
    assert [item["annotator"] for item in kind["annotators"]] == ["anna", "ben"]


@pytest.mark.parametrize("value", ["anna", None, {"anna": 1}, [1, None]])
def test_a_record_that_says_nothing_of_use(value):
    rows = [row("anna", NEAR), row("ben", FAR, path="b.png")]
    assert images_compared(rows, ["a.png", image_row("b.png", attributes=json.dumps({"annotators": value}))]) == {}


def test_a_label_from_the_same_source_shows_that_the_image_was_seen():
    rows = [row("anna", NEAR), row("ben", NEAR), row("ben", FAR, path="b.png")]
    (label,) = label_rows("b.png", {"anna": "empty"})
    assert images_compared([*rows, {**label, "source": "annotations.json"}]) == {"box": ("a.png", "b.png")}
    assert images_compared([*rows, label]) == {"box": ("a.png",)}, "labels of a table are another task"


def test_labels_by_others_are_no_reason_to_miss_their_boxes():
    rows = [row(None, NEAR), *label_rows("a.png", {"anna": "car", "ben": "car"}, "car")]
    assert measure(rows) == []


def test_boxes_and_masks_are_compared_apart():
    ring = [[0, 0], [10, 0], [10, 10], [0, 10]]
    assert measure([row("anna", NEAR), {**mask_row("m", ring), "annotator": "ben"}]) == []


def test_a_null_annotator_is_one_unnamed_source():
    (kind,) = measure([row(None, NEAR), row("anna", NEAR), row(None, FAR)])
    assert kind["pairs"][0]["annotators"] == ["anna", UNNAMED]
    assert kind["f1"] == pytest.approx(2 / 3)


@pytest.mark.parametrize("name", ["model", "model:yolo8", "consensus"])
def test_models_and_the_vote_are_no_annotators(name):
    assert measure([row("anna", NEAR), row(name, FAR)]) == []


def test_annotations_without_an_image_take_no_part():
    assert measure([row("anna", NEAR, path="gone.png"), row("ben", NEAR, path="gone.png")]) == []


# ---- at the end of the formulas ----


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [row("anna", NEAR), row("anna", FAR, path="b.png")],
        [row("anna", NEAR), row("ben", FAR, path="b.png")],
        label_rows("a.png", {"anna": "car", "ben": "bus"}),
    ],
    ids=["nothing", "one annotator", "no common image", "labels only"],
)
def test_nothing_to_compare(rows):
    assert measure(rows) == []
    assert (
        json.dumps(measure_object_agreement(ANNOTATIONS.conform(rows), make_images([])))
        == '{"iou_min": 0.5, "kinds": []}'
    )


def test_no_object_with_an_area():
    empty = (5, 5, 5, 9)
    (kind,) = measure([row("anna", empty), row("ben", empty), row("ben", (1, 1, np.nan, 2))])
    (pair,) = kind["pairs"]
    assert (kind["objects"], kind["without_area"], kind["distinct_objects"]) == (0, 3, 0)
    assert (pair["f1"], pair["f1_same_class"], pair["alpha"], kind["alpha"], kind["f1_50_95"]) == (1.0,) * 5
    assert (pair["precision"], pair["mean_iou"], pair["class_alpha"], kind["mean_dice"]) == (None,) * 4
    assert kind["classes"] == []


def test_one_draws_nothing_with_an_area():
    (kind,) = measure([row("anna", NEAR), row("ben", (5, 5, 5, 9))])
    (pair,) = kind["pairs"]
    assert (pair["f1"], pair["precision"], pair["recall"], pair["mean_iou"]) == (0.0, None, 0.0, None)
    assert pair["alpha"] == 0.0  # values car 1, - 1: observed 2, expected 2


def test_one_class_and_one_missed_object():
    """Why alpha with `-` as a label is not held against the bar: 99 of 100 in common, and it is 0.

    200 values, 199 car and 1 `-`: observed 2, expected (40000 - 39601 - 1) / 199 = 2.
    """
    rows = [row(who, (8 * n, 0, 8 * n + 7, 7)) for n in range(100) for who in ("anna", "ben") if n or who == "anna"]
    (pair,) = measure(rows)[0]["pairs"]
    assert pair["f1"] == pytest.approx(198 / 199)
    assert pair["class_alpha"] == 1.0
    assert pair["alpha"] == pytest.approx(0.0, **EXACT)


def test_labels_may_be_null():
    (kind,) = measure([row("anna", NEAR, None), row("ben", NEAR, None), row("ben", FAR)])
    assert [item["label"] for item in kind["classes"]] == ["car", None]
    assert kind["class_alpha"] == 1.0


# ---- properties ----

box = st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(1, 8), st.integers(1, 8)).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)
item = st.tuples(st.sampled_from(["p.png", "q.png", "r.png"]), box, st.sampled_from(["car", "bus"]))
people = st.lists(st.lists(item, min_size=1, max_size=8, unique_by=lambda x: (x[0], x[1])), min_size=2, max_size=4)
NAMES = ("anna", "ben", "chloe", "dora")


def tables_of(given_people, names=NAMES, order=None):
    rows = [
        {**box_row(f"{name}/{number}", xyxy, path, label), "annotator": name}
        for name, items in zip(names, given_people, strict=False)
        for number, (path, xyxy, label) in enumerate(items)
    ]
    table = ANNOTATIONS.conform(rows)
    return table if order is None else table.iloc[order.sample(range(len(table)), len(table))]


def measured(table, **options):
    kinds = measure_object_agreement(table, make_images(["p.png", "q.png", "r.png"]), iou_min=0.3, **options)["kinds"]
    return kinds[0] if kinds else None


def same(one, other):
    """Whether two reports are equal but for the last digits of their numbers."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == pytest.approx(other, **EXACT) if isinstance(one, float) else one == other


@unhurried
@given(people)
def test_every_number_is_one(given_people):
    kind = measured(tables_of(given_people), n_resamples=20)
    if kind is None:
        return
    json.dumps(kind, allow_nan=False)
    assert all(math.isfinite(number) and -1 <= number <= 1 for number in numbers_of(kind))
    for pair in kind["pairs"]:
        assert pair["f1_same_class"] <= pair["f1"]
        assert pair["matched"] <= min(pair["objects"])
    for entry in kind["classes"]:
        assert entry["same"] + entry["confused"] + entry["missing"] == pytest.approx(1.0)
    falling = list(kind["thresholds"].values())
    assert falling == sorted(falling, reverse=True)


@unhurried
@given(people, st.randoms(use_true_random=False))
def test_rows_have_no_order(given_people, random):
    plain, mixed = tables_of(given_people), tables_of(given_people, order=random)
    assert same(measured(plain, n_resamples=20), measured(mixed, n_resamples=20))


@unhurried
@given(people, st.permutations(NAMES))
def test_names_play_no_part(given_people, names):
    """Only the order of pairs and annotators, and with it which of two is the reference, follows the names."""
    one, other = (
        measured(tables_of(given_people), n_resamples=20),
        measured(tables_of(given_people, names), n_resamples=20),
    )
    if one is None:
        assert other is None
        return
    known = dict(zip(names, NAMES, strict=True))
    pairs = {frozenset(map(known.get, pair.pop("annotators"))): pair for pair in other.pop("pairs")}
    for pair in one.pop("pairs"):
        twin = pairs.pop(frozenset(pair.pop("annotators")))
        if pair["objects"] != twin["objects"]:
            twin["objects"].reverse()
        if (pair["precision"], pair["recall"]) != (twin["precision"], twin["recall"]):
            twin["precision"], twin["recall"] = twin["recall"], twin["precision"]
        assert same(pair, twin)
    assert not pairs
    renamed = [{**entry, "annotator": known[entry["annotator"]]} for entry in other.pop("annotators")]
    assert same(one.pop("annotators"), sorted(renamed, key=lambda entry: entry["annotator"]))
    assert same(one, other)


@unhurried
@given(st.lists(item, min_size=1, max_size=8, unique_by=lambda x: (x[0], x[1])), st.integers(2, 4))
def test_who_draws_the_same_agrees(items, n):
    kind = measured(tables_of([items] * n), n_resamples=20)
    for entry in (kind, *kind["pairs"]):
        names = ("f1", "f1_50_95", "mean_iou", "mean_dice", "alpha", "class_alpha")
        assert [entry[name] for name in names] == pytest.approx([1.0] * 6)
        assert entry["alpha_interval"] in (None, [1.0, 1.0])
    assert kind["distinct_objects"] == len(items)
    assert all(entry["same"] == 1.0 for entry in kind["classes"])


@unhurried
@given(people)
def test_alpha_equals_krippendorffs_of_a_table_of_units(given_people):
    table, images = tables_of(given_people), make_images(["p.png", "q.png", "r.png"])
    for comparison in compare_objects(table, images, 0.3):
        saw = set(zip(comparison.saw_image.tolist(), comparison.saw_by.tolist(), strict=True))
        objects, units = comparison.objects, []
        for unit in range(comparison.unit.max() + 1):
            rows = np.flatnonzero(comparison.unit == unit)
            image = int(objects.image[rows[0]])
            names = {int(objects.annotator[r]): comparison.labels[objects.label[r]] for r in rows}
            units.append([names.get(a, "-" if (image, a) in saw else None) for a in range(len(comparison.annotators))])
        frame = pd.DataFrame(units, dtype="string")
        kind = measured(table, n_resamples=0)
        assert kind["alpha"] == pytest.approx(krippendorff_alpha(frame), **EXACT)
        classes = krippendorff_alpha(frame.replace("-", pd.NA))
        assert kind["class_alpha"] == (None if classes is None else pytest.approx(classes, **EXACT))


# ---- intervals ----


def crowd(n_images, seed=0):
    """Names and rows: three objects an image; each of two annotators misses one in ten and errs on the class of one in ten."""
    rng = np.random.default_rng(seed)
    names, rows = [f"{n:03d}.png" for n in range(n_images)], []
    for path, n in itertools.product(names, range(3)):
        label = rng.choice(["car", "bus"])
        for who in ("anna", "ben"):
            if rng.random() < 0.9:
                given_label = label if rng.random() < 0.9 else rng.choice(["car", "bus"])
                rows.append(row(who, (20 * n, 0, 20 * n + 10, 10), given_label, path))
    return names, rows


def test_intervals_hold_the_value_repeat_with_the_seed_and_narrow_with_more_images():
    widths = []
    for n_images in (20, 200):
        names, rows = crowd(n_images)
        (kind,) = measure(rows, names, n_resamples=300, seed=3)
        for entry in (kind, kind["pairs"][0]):
            low, high = entry["alpha_interval"]
            assert low <= entry["alpha"] <= high
            assert entry["class_alpha_interval"][0] <= entry["class_alpha"] <= entry["class_alpha_interval"][1]
        widths.append(high - low)
        assert measure(rows, names, n_resamples=300, seed=3) == [kind]
        assert measure(rows, names, n_resamples=300, seed=4) != [kind]
    assert widths[1] < widths[0] / 2


def test_one_image_has_no_interval():
    (kind,) = measure([row("anna", NEAR), row("ben", NEAR)], n_resamples=50)
    assert kind["alpha_interval"] is None


# ---- classes that one never draws; what is kept ----


def test_unused_classes():
    rows = [row("anna", NEAR), row("ben", NEAR), row("anna", FAR, "bus"), row("anna", (50, 0, 60, 10), "sign")]
    rows += [row("ben", FAR, "truck")]  # where anna says bus: another name, not a class never drawn
    (comparison,) = compare_objects(ANNOTATIONS.conform(rows), make_images(["a.png"]))
    found = [
        (comparison.annotators[who], comparison.labels[what], n) for who, what, n in find_unused_classes(comparison)
    ]
    assert found == [("ben", "sign", 1)]


def test_a_comparison_is_made_once_and_again_when_something_changed():
    table, images = ANNOTATIONS.conform(example()), make_images(["a.png", "b.png"])
    first = compare_objects(table, images)
    assert compare_objects(table, images) is first
    assert compare_objects(table, images, 0.9) is not first
    assert len(compare_objects(table, make_images(["a.png"]))[0].paths) == 1
    table.loc[0, "x1_px"] = 500.0
    assert measure_pairs(compare_objects(table, images)[0])[0]["matched"] == 2


def test_inputs_are_unchanged():
    table, images = ANNOTATIONS.conform(example()), make_images(["a.png", "b.png"])
    before = copy.deepcopy((table, images))
    measure_object_agreement(table, images)
    pd.testing.assert_frame_equal(table, before[0])
    pd.testing.assert_frame_equal(images, before[1])


def test_counts_add_up():
    names, rows = crowd(30)
    (kind,) = measure(rows, names)
    drawn = Counter(entry["annotator"] for entry in rows)
    assert sum(drawn.values()) == kind["objects"] + kind["without_area"]
    assert sum(entry["n"] for entry in kind["classes"]) == sum(sum(pair["objects"]) for pair in kind["pairs"])
    assert kind["distinct_objects"] == kind["objects"] - kind["pairs"][0]["matched"]
