from __future__ import annotations

import dataclasses
import json
from collections import defaultdict

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datatools.errors import DatatoolsError
from datatools.schema import ANNOTATIONS, CONSENSUS, LEDGER, QUARANTINE, SIDES, SPLIT
from tests.small_data import box_row
from tests.split.builders import (
    CLASSES,
    cut,
    datasets,
    make,
    make_ledger,
    make_pairs,
    name_of,
    sides_of,
    sizes,
    split,
)

unhurried = settings(deadline=None, max_examples=25, database=None)


def crossing(dataset, pairs, sides):
    """Groups and pairs on several sides, counted without the library."""
    seen = defaultdict(set)
    for path, group in zip(dataset.images["path"], dataset.images["group"], strict=True):
        if not pd.isna(group) and sides[path] != QUARANTINE:
            seen[group].add(sides[path])
    found = [group for group, where in seen.items() if len(where) > 1]
    for one, other in zip(pairs["path"], pairs["other"], strict=True):
        if {one, other} <= set(sides) and QUARANTINE not in (sides[one], sides[other]) and sides[one] != sides[other]:
            found.append((one, other))
    return found


@unhurried
@given(datasets(), st.integers(0, 3))
def test_nothing_crosses_and_every_image_has_one_side(data, seed):
    dataset, pairs = data
    result = split(dataset, pairs, seed=seed)
    assert result.table["path"].tolist() == sorted(dataset.images["path"])
    assert set(result.table["split"]) <= set(SIDES), "without a ledger nothing is quarantined"
    assert crossing(dataset, pairs, sides_of(result)) == []
    assert (result.table.groupby("group")["split"].nunique() == 1).all()


@unhurried
@given(datasets(), st.randoms(use_true_random=False))
def test_rows_have_no_order(data, random):
    dataset, pairs = data
    ledger = split(cut(dataset, dataset.images["path"][::3]), pairs).ledger

    def shuffled(frame):
        rows = list(frame.index)
        random.shuffle(rows)
        return frame.loc[rows].reset_index(drop=True)

    turned = dataclasses.replace(dataset, images=shuffled(dataset.images), annotations=shuffled(dataset.annotations))
    one = split(dataset, pairs, ledger, folds=3)
    other = split(turned, shuffled(pairs), shuffled(ledger), folds=3)
    pd.testing.assert_frame_equal(one.table, other.table)
    pd.testing.assert_frame_equal(one.ledger, other.ledger)
    assert {**one.certificate, "pairs_sha256": "", "data_version": ""} == {
        **other.certificate,
        "pairs_sha256": "",
        "data_version": "",
    }


@unhurried
@given(datasets(n_min=4), st.data())
def test_growth_moves_nothing_and_leaks_nothing(data, draw):
    """Any order of arrival, any links that appear later, any ratios and seeds on the way."""
    dataset, pairs = data
    paths = draw.draw(st.permutations(sorted(dataset.images["path"])))
    ledger, known = LEDGER.empty(), {}
    for n in sorted(draw.draw(st.lists(st.integers(1, len(paths)), min_size=1, max_size=4))):
        part = cut(dataset, paths[:n])
        n_pairs = draw.draw(st.integers(0, len(pairs)))
        params = {"seed": draw.draw(st.integers(0, 2)), **draw.draw(st.sampled_from([{}, {"train": 0.2, "test": 0.6}]))}
        result = split(part, pairs.head(n_pairs), ledger, **params)
        sides = sides_of(result)
        assert crossing(part, pairs.head(n_pairs), sides) == []
        assert all(sides[path] in (side, QUARANTINE) for path, side in known.items() if path in sides)
        again = split(part, pairs.head(n_pairs), result.ledger, **params)
        pd.testing.assert_frame_equal(again.table, result.table)
        pd.testing.assert_frame_equal(again.ledger, result.ledger)
        assert again.certificate == result.certificate, "a rerun cannot be told from a first run"
        assert set(map(tuple, ledger.to_numpy())) <= set(map(tuple, result.ledger.to_numpy())), "no line goes"
        ledger = result.ledger
        known |= {path: side for path, side in sides.items() if side != QUARANTINE}
        assert result.certificate["ledger"]["moved"] == 0 and result.certificate["holds"]


@unhurried
@given(datasets(), st.randoms(use_true_random=False))
def test_relabelling_by_a_fix_moves_nothing(data, random):
    dataset, pairs = data
    voted = dataset.annotations["annotator"] == CONSENSUS
    labels = [
        random.choice(CLASSES) if is_vote else label
        for is_vote, label in zip(voted, dataset.annotations["label"], strict=True)
    ]
    fixed = dataclasses.replace(dataset, annotations=ANNOTATIONS.conform(dataset.annotations.assign(label=labels)))
    pd.testing.assert_frame_equal(split(fixed, pairs).table, split(dataset, pairs).table)


@unhurried
@given(st.integers(1, 120), st.integers(0, 5), st.sampled_from([(0.7, 0.2, 0.1), (0.5, 0.25, 0.25), (0.8, 0.2, 0.0)]))
def test_without_groups_it_is_exact_to_rounding(n, seed, ratios):
    labels = "".join(CLASSES[number % 3] for number in range(n))
    params = dict(zip(SIDES, ratios, strict=True))
    certificate = split(make(labels), **params, seed=seed).certificate
    for side, ratio in params.items():
        assert abs(certificate["sizes"][side] - ratio * n) < 2
    for label, row in certificate["per_class"].items():
        assert all(abs(row[side] - params[side] * labels.count(label)) < 1.5 for side in SIDES), (label, row)
    assert {row["why"] for row in certificate["deviations"]} <= {"rounding"}


@pytest.mark.parametrize(
    ("n", "expected"),
    [
        (0, (0, 0, 0)), (1, (1, 0, 0)), (2, (2, 0, 0)), (3, (2, 1, 0)), (4, (3, 1, 0)), (5, (4, 1, 0)), (6, (4, 1, 1)),
        (7, (5, 1, 1)), (8, (5, 2, 1)), (9, (6, 2, 1)), (10, (7, 2, 1)), (11, (8, 2, 1)), (12, (9, 2, 1)),
    ],
)  # fmt: skip
def test_few_images_of_one_class(n, expected):
    """The table of docs/split.md."""
    assert sizes(make("a" * n)) == expected


@pytest.mark.parametrize("n", range(1, 13))
def test_few_images_of_any_class(n):
    found = sizes(make(("abc-" * 3)[:n]))
    assert sum(found) == n
    assert found[0] == max(found)


@pytest.mark.parametrize("n", [1, 2, 9])
def test_train_is_not_empty_even_if_it_should_have_little(n):
    assert sizes(make("a" * n), train=0.05, val=0.05, test=0.9)[0] >= 1


def test_a_class_with_one_image_learns_from_it():
    certificate = split(make("a" * 30 + "b")).certificate
    assert certificate["per_class"]["b"] == {"train": 1, "val": 0, "test": 0}
    assert certificate["largest_class_deviation"] == pytest.approx(0.3)


@pytest.mark.parametrize("size", [15, 25, 40])
def test_a_group_larger_than_a_side_stays_whole(size):
    result = split(make("ab" * 25, ["big"] * size + [None] * (50 - size)))
    sides = sides_of(result)
    assert {sides[name_of(number)] for number in range(size)} == {"train"}
    assert set(sides.values()) == set(SIDES)
    if size == 40:
        assert result.certificate["deviations"][0]["why"].startswith(
            "its largest unit, that of images/000.png, has 20 of"
        )


def test_one_group_of_all_is_one_side():
    assert sizes(make("ab" * 10, ["all"] * 20)) == (20, 0, 0)


@pytest.mark.parametrize("empty", SIDES)
def test_ratio_0_takes_no_image(empty):
    left = [side for side in SIDES if side != empty]
    sides = sides_of(split(make("abc-" * 10), **{empty: 0.0, left[0]: 0.5, left[1]: 0.5}))
    assert set(sides.values()) == set(left)


def test_the_whole_on_one_side():
    assert sizes(make("abc" * 3), train=0.0, val=0.0, test=1.0) == (0, 0, 9)


def test_a_split_that_is_exact_is_said_to_be():
    assert split(make("a" * 10)).certificate["verdict"].endswith("Every class is as the ratios ask.")
    assert (
        split(make("a" * 11)).certificate["verdict"].endswith("Furthest from the ratios: a, by 0.3 of its 11 images.")
    )


@pytest.mark.parametrize(
    ("ratios", "total"), [((0.7, 0.2, 0.2), "1.1"), ((0.5, 0.2, 0.1), "0.8"), ((0.0, 0.0, 0.0), "0")]
)
def test_ratios_that_do_not_add_up(ratios, total):
    message = rf"^params.yaml: split.train \+ val \+ test must be 1\. Got {total} instead: correct one of them\.$"
    with pytest.raises(DatatoolsError, match=message):
        split(make("abc"), **dict(zip(SIDES, ratios, strict=True)))


def test_one_fold_is_none():
    with pytest.raises(DatatoolsError, match=r"split.folds must be 0 \(none\) or at least 2. Got 1 instead"):
        split(make("abc"), folds=1)


def test_the_seed_decides_and_decides_the_same_each_time():
    dataset = make("abc" * 20)
    assert sides_of(split(dataset, seed=1)) == sides_of(split(dataset, seed=1)) != sides_of(split(dataset, seed=2))


def test_no_images():
    result = split(make(""), folds=3)
    assert list(result.table.columns) == list(SPLIT.columns)
    assert result.certificate["sizes"] == dict.fromkeys(SIDES, 0)
    assert result.certificate["holds"] and result.ledger.empty


def test_no_labels_at_all():
    certificate = split(make("-" * 10)).certificate
    assert certificate["sizes"] == {"train": 7, "val": 2, "test": 1}
    assert certificate["largest_class_deviation"] is None


def test_groups_and_near_duplicates_chain():
    #                         w1    w1    w2    w2    -   -   -
    dataset = make("aaaaaaa", ["w1", "w1", "w2", "w2", None, None, None])
    table = split(dataset, make_pairs((1, 2), (5, 6))).table
    assert table["group"].tolist() == [name_of(0)] * 4 + [name_of(4)] + [name_of(5)] * 2


def test_columns_of_the_metadata_group_as_well():
    dataset = make("ab" * 30)
    metadata = [json.dumps({"patient": f"p{number // 4}", "note": ""}) for number in range(60)]
    dataset = dataclasses.replace(dataset, images=dataset.images.assign(metadata=metadata))
    result = split(dataset, group_by=["patient", "note"])
    assert result.table["group"].nunique() == 15
    assert result.table["split"].groupby(np.arange(60) // 4).nunique().max() == 1
    columns = result.certificate["groups_by_column"]
    assert columns["patient"] == {"groups": 15, "crossing": 0} and columns["note"]["groups"] == 0
    with pytest.raises(
        DatatoolsError, match=r"split.group_by takes columns .* \(note, patient\). Got 'Patient' instead"
    ):
        split(dataset, group_by=["Patient"])


def test_boxes_are_spread_as_well():
    """100 images of one class; every fifth has 10 objects of a class that nothing else has."""
    rows = [
        box_row(f"box/{number}/{n}", (0, 0, 2, 2), name_of(number), "b")
        for number in range(0, 100, 5)
        for n in range(10)
    ]
    dataset = make("a" * 100)
    dataset = dataclasses.replace(
        dataset, annotations=ANNOTATIONS.conform(pd.concat([dataset.annotations, ANNOTATIONS.conform(rows)]))
    )
    certificate = split(dataset).certificate
    assert certificate["objects_per_class"] == {"b": {"train": 140, "val": 40, "test": 20}}
    assert certificate["sizes"] == {"train": 70, "val": 20, "test": 10}


def test_a_new_image_that_links_two_sides_is_quarantined_until_the_link_goes():
    dataset = make("a" * 5, ["w", None, None, None, None])
    ledger = make_ledger(dataset.images, {name_of(0): "train", name_of(1): "test"})
    result = split(dataset, make_pairs((2, 0), (2, 1), (3, 1)), ledger)
    sides = sides_of(result)
    assert [sides[name_of(number)] for number in range(4)] == ["train", "test", QUARANTINE, "test"]
    assert result.certificate["quarantined"] == [
        {
            "path": name_of(2),
            "ledger": None,
            "links": [
                {"path": name_of(0), "side": "train", "how": "near-duplicate"},
                {"path": name_of(1), "side": "test", "how": "near-duplicate"},
            ],
            "reason": f"near-duplicate of {name_of(0)} (train) and near-duplicate of {name_of(1)} (test)",
        }
    ]
    assert name_of(2) not in set(result.ledger["path"])
    later = split(dataset, make_pairs((2, 0)), result.ledger)
    assert sides_of(later)[name_of(2)] == "train"


def test_two_old_images_that_turn_out_to_be_linked_leave_the_test_set_whole():
    dataset = make("a" * 4, ["w", None, None, "w"])
    ledger = make_ledger(
        dataset.images, dict(zip(map(name_of, range(4)), ("train", "test", "val", "test"), strict=True))
    )
    result = split(dataset, make_pairs((1, 2)), ledger)
    assert list(sides_of(result).values()) == [QUARANTINE, "test", QUARANTINE, "test"]
    assert [row["ledger"] for row in result.certificate["quarantined"]] == ["train", "val"]
    assert result.certificate["quarantined"][0]["reason"] == (
        f"assigned to train before, but the same group as {name_of(3)} (test)"
    )
    pd.testing.assert_frame_equal(result.ledger, ledger)
    assert list(sides_of(split(make("a" * 4), None, result.ledger)).values()) == ["train", "test", "val", "test"]


def test_other_ratios_move_nothing_and_new_images_fill_up():
    dataset = make("ab" * 20)
    first = split(cut(dataset, map(name_of, range(20))))
    result = split(dataset, None, first.ledger, train=0.1, val=0.3, test=0.6)
    assert {path: sides_of(result)[path] for path in sides_of(first)} == sides_of(first)
    certificate = result.certificate
    assert (certificate["ratios"]["test"], certificate["reached"]["train"]) == (0.6, 0.35)
    assert certificate["sizes"] == {"train": 14, "val": 8, "test": 18}, "val and test come to 1 : 2"
    assert certificate["deviations"][0]["why"].startswith("what was assigned before")


FULL = ["train"] * 6 + ["valid"] * 2 + ["Test"] * 2


@pytest.mark.parametrize("source", ["auto", "predefined"])
def test_the_sides_that_the_data_names_are_kept(source):
    result = split(make("ab" * 6, subsets=[*FULL, None, "trainval"]), source=source)
    assert list(sides_of(result).values())[:10] == ["train"] * 6 + ["val"] * 2 + ["test"] * 2
    assert result.certificate["source"]["used"] == "predefined"
    assert set(list(sides_of(result).values())[10:]) <= set(SIDES)


@pytest.mark.parametrize(
    ("subsets", "params", "why"),
    [
        (FULL, {"source": "own"}, "split.source is own"),
        (["train"] * 8 + ["val"] * 2, {}, "the data names no image for test"),
        (["trainval"] * 10, {}, "the data names no sides"),
    ],
)
def test_when_the_sides_are_our_own(subsets, params, why):
    result = split(make("ab" * 5, subsets=subsets), **params)
    assert result.table["split"].equals(split(make("ab" * 5)).table["split"])
    assert (result.certificate["source"]["used"], result.certificate["source"]["why"]) == ("own", why)


def test_a_side_without_a_ratio_need_not_be_named():
    result = split(make("ab" * 4, subsets=["train"] * 6 + ["val"] * 2), train=0.8, val=0.2, test=0.0)
    assert list(sides_of(result).values()) == ["train"] * 6 + ["val"] * 2


def test_leaks_of_a_predefined_split_are_told_and_not_mended():
    dataset = make("ab" * 5, groups=["w"] + [None] * 8 + ["w"], subsets=FULL)
    result = split(dataset, make_pairs((0, 6)))
    assert list(sides_of(result).values()) == ["train"] * 6 + ["val"] * 2 + ["test"] * 2
    certificate = result.certificate
    assert (certificate["groups_crossing"], certificate["near_duplicates_crossing"], certificate["holds"]) == (
        1,
        1,
        False,
    )
    assert certificate["verdict"].startswith("It leaks: 1 group and 1 pair of near-duplicates on several sides.")
    again = split(dataset, make_pairs((0, 6)), result.ledger)
    pd.testing.assert_frame_equal(again.table, result.table)


def test_a_unit_that_the_data_s_own_sides_cut_is_not_said_to_stay_together():
    sides = ["train"] * 5 + ["test"] * 4 + ["val"]
    result = split(make("a" * 10, groups=["w"] * 9 + [None], subsets=sides))
    [found] = result.certificate["deviations"]
    assert found["why"].startswith("what was assigned before, or the data itself put there")


def test_the_ledger_counts_where_the_data_changes_its_mind():
    dataset = make("ab" * 5, subsets=FULL)
    first = split(dataset)
    moved = make("ab" * 5, subsets=["test", *FULL[1:]])
    result = split(moved, None, first.ledger)
    pd.testing.assert_frame_equal(result.table, first.table)
    assert result.certificate["source"]["differs"] == [{"path": name_of(0), "data": "test", "ledger": "train"}]


@unhurried
@given(datasets(), st.integers(2, 5))
def test_folds_cut_train_and_val_in_whole_units(data, folds):
    dataset, pairs = data
    table = split(dataset, pairs, folds=folds).table
    inside = table["split"].isin(["train", "val"])
    assert table["fold"].notna().equals(inside)
    assert table.loc[inside, "fold"].between(0, folds - 1).all()
    assert (table[inside].groupby("group")["fold"].nunique() == 1).all()


def test_folds_are_even_and_stratified():
    result = split(make("abc" * 40), folds=4)
    inside = result.table.dropna(subset=["fold"])
    assert [row["images"] for row in result.certificate["folds"]] == [27] * 4
    labels = inside["path"].str.extract(r"(\d+)")[0].astype(int) % 3
    assert pd.crosstab(inside["fold"], labels).eq(9).all().all()
    assert split(make("abc" * 40)).table["fold"].isna().all()


def test_the_input_is_unchanged():
    dataset = make("abc-" * 5, ["x", None] * 10, FULL * 2)
    pairs = make_pairs((1, 3))
    ledger = make_ledger(dataset.images, {name_of(1): "val"})
    kept = [frame.copy(deep=True) for frame in (dataset.images, dataset.annotations, pairs, ledger)]
    split(dataset, pairs, ledger)
    for before, after in zip(kept, (dataset.images, dataset.annotations, pairs, ledger), strict=True):
        pd.testing.assert_frame_equal(before, after)
