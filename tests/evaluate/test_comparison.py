"""Two models on the same images: counts by hand, intervals against a bootstrap written out, and what is called real."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, recall_score

from datatools.evaluate.comparison import (
    compare_confusions,
    compare_counts,
    compare_models,
    find_same_images,
    is_real,
    join_predictions,
    list_cases,
)
from datatools.schema import PREDICTIONS
from tests.small_data import image_row, make_images

CLASSES = ("a", "b", "c")


def table(labels: str, predicted: str, confidence: float = 0.9, start: int = 0) -> pd.DataFrame:
    """PREDICTIONS, a letter an image: 000, 001, ..."""
    paths = [f"{number:03}" for number in range(start, start + len(labels))]
    rows = {"path": paths, "label": list(labels), "predicted": list(predicted), "confidence": confidence}
    return PREDICTIONS.conform(pd.DataFrame(rows))


def compare(before: pd.DataFrame, after: pd.DataFrame, **same: str) -> dict:
    return compare_models(before, after, same or {path: path for path in before["path"]}, CLASSES)


def random_tables(seed: int, n: int = 300) -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(seed)
    truth = rng.choice(list(CLASSES), n)
    guess = [np.where(rng.random(n) < share, rng.choice(list(CLASSES), n), truth) for share in (0.3, 0.2)]
    return table("".join(truth), "".join(guess[0])), table("".join(truth), "".join(guess[1]))


def test_counts_by_hand() -> None:
    found = compare(table("aabb", "abbb"), table("aabb", "aaba"))
    assert found["accuracy"]["before"] == 0.75
    assert found["accuracy"]["after"] == 0.75
    assert found["accuracy"]["value"] == 0.0
    assert (found["accuracy"]["only_before_right"], found["accuracy"]["only_after_right"]) == (1, 1)
    assert found["accuracy"]["p"] == 1.0
    assert not found["accuracy"]["is_real"]
    assert found["images"] == {
        "before": 4, "after": 4, "common": 4, "only_before": 0, "only_after": 0, "relabelled": 0
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_macro_f1_and_recall_are_those_of_scikit_learn(seed: int) -> None:
    before, after = random_tables(seed)
    found = compare(before, after)
    for name, frame in (("before", before), ("after", after)):
        expected = f1_score(frame["label"], frame["predicted"], average="macro")
        assert found["macro_f1"][name] == pytest.approx(expected)
        recalls = dict(zip(CLASSES, recall_score(frame["label"], frame["predicted"], labels=CLASSES, average=None)))
        assert {row["class"]: row[name] for row in found["classes"]} == pytest.approx(recalls)


@pytest.mark.parametrize("seed", range(3))
def test_intervals_are_those_of_a_bootstrap_over_images(seed: int) -> None:
    before, after = random_tables(seed)
    found = compare(before, after)
    rng = np.random.default_rng(99)
    truth, old, new = (np.asarray(column) for column in (after["label"], before["predicted"], after["predicted"]))
    gains, scores = [], []
    for _ in range(1000):
        drawn = rng.integers(0, len(truth), len(truth))
        gains.append((new[drawn] == truth[drawn]).mean() - (old[drawn] == truth[drawn]).mean())
        if len(scores) < 200:
            pair = [f1_score(truth[drawn], guess[drawn], average="macro") for guess in (old, new)]
            scores.append(pair[1] - pair[0])
    for name, values, tolerance in (("accuracy", gains, 0.012), ("macro_f1", scores, 0.025)):
        low, high = np.quantile(values, [0.025, 0.975])
        assert found[name]["low"] == pytest.approx(low, abs=tolerance)
        assert found[name]["high"] == pytest.approx(high, abs=tolerance)


def test_both_are_measured_on_the_labels_of_after() -> None:
    before, after = table("aaaa", "aabb"), table("aabb", "aabb")
    found = compare(before, after)
    assert found["images"]["relabelled"] == 2
    assert found["accuracy"]["before"] == found["accuracy"]["after"] == 1.0
    assert (found["own"]["before"]["accuracy"], found["own"]["after"]["accuracy"]) == (0.5, 1.0)
    assert found["test_labels"]["value"] == 0.5
    assert "is_real" not in found["test_labels"]


def test_only_images_with_the_same_bytes_count() -> None:
    before, after = table("aab", "aaa"), table("aab", "bbb", start=1)
    found = compare(before, after, **{"001": "001"})
    assert found["images"]["common"] == 1
    assert (found["images"]["only_before"], found["images"]["only_after"]) == (2, 2)
    assert found["accuracy"]["before"] == 1.0


def test_same_images_are_known_by_content_and_by_their_old_name() -> None:
    before = make_images([image_row("a", sha256="1"), image_row("b", sha256="2"), image_row("old", sha256="3")])
    after = make_images([image_row("a", sha256="1"), image_row("b", sha256="9"), image_row("new", sha256="3")])
    assert find_same_images(before, after, {"new": "old"}) == {"a": "a", "new": "old"}
    joined = join_predictions(
        table("a", "b").assign(path=["old"]), table("a", "a").assign(path=["new"]), {"new": "old"}
    )
    assert joined[["path", "before", "after"]].to_numpy().tolist() == [["new", "b", "a"]]


def test_without_common_images_nothing_is_claimed() -> None:
    found = compare(table("ab", "ab"), table("ab", "ab", start=9), x="y")
    assert found["accuracy"]["value"] is None
    assert not found["accuracy"]["is_real"]
    assert found["classes"] == found["confusions"] == []


def test_four_heads_in_a_row_are_no_difference() -> None:
    """The bootstrap alone would call 4 against 0 real; five images each way are no difference at all."""
    before, after = table("a" * 200, "b" * 4 + "a" * 196), table("a" * 200, "a" * 200)
    found = compare(before, after)["accuracy"]
    assert found["low"] > 0
    assert found["p"] == 0.125
    assert not found["is_real"]
    clear = compare(table("a" * 200, "b" * 12 + "a" * 188), after)["accuracy"]
    assert clear["is_real"]
    assert clear["value"] == pytest.approx(0.06)


@pytest.mark.parametrize(
    ("low", "high", "p", "expected"),
    [(0.1, 0.2, 0.01, True), (-0.2, -0.1, 0.01, True), (-0.1, 0.1, 0.01, False), (0.1, 0.2, 0.2, False), (None, None, 0.01, False)],
)  # fmt: skip
def test_what_is_real(low: float | None, high: float | None, p: float, expected: bool) -> None:
    assert is_real({"low": low, "high": high, "p": p}) is expected


def test_models_that_differ_by_chance_alone_are_seldom_called_different() -> None:
    rng = np.random.default_rng(5)
    alarms = 0
    for _ in range(100):
        wrong = rng.random((2, 150)) < 0.05
        rows = ["".join(np.where(one, "b", "a")) for one in wrong]
        alarms += compare(table("a" * 150, rows[0]), table("a" * 150, rows[1]))["accuracy"]["is_real"]
    assert alarms <= 8


def test_confusion_cells_that_changed_most_come_first() -> None:
    joined = join_predictions(table("aaabb", "bbaba"), table("aaabb", "aaabb"), {f"00{n}": f"00{n}" for n in range(5)})
    cells = compare_confusions(joined)
    assert cells[0] == {"actual": "a", "predicted": "a", "before": 1, "after": 3, "change": 2}
    assert cells[1] == {"actual": "a", "predicted": "b", "before": 2, "after": 0, "change": -2}
    assert sum(row["change"] for row in cells) == 0
    assert all(row["after"] - row["before"] == row["change"] != 0 for row in cells)


def test_cases_are_sorted_by_how_sure_the_error_was() -> None:
    before = table("aaaa", "bbba").assign(confidence=[0.5, 0.9, 0.7, 0.8])
    after = table("aaaa", "aabb").assign(confidence=[0.6, 0.6, 0.95, None])
    cases = list_cases(join_predictions(before, after, {path: path for path in before["path"]}))
    assert [row["path"] for row in cases["fixed"]] == ["001", "000"]
    assert [row["path"] for row in cases["still_failing"]] == ["002"]
    assert [(row["path"], row["confidence_after"]) for row in cases["newly_failing"]] == [("003", None)]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(*[st.sampled_from(CLASSES)] * 4), min_size=1, max_size=40))
def test_swapping_the_models_turns_the_sign(rows: list[tuple[str, str, str, str]]) -> None:
    labels, _, old, new = ("".join(column) for column in zip(*rows))
    one, other = compare(table(labels, old), table(labels, new)), compare(table(labels, new), table(labels, old))
    assert one["accuracy"]["value"] == pytest.approx(-other["accuracy"]["value"])
    assert one["accuracy"]["p"] == pytest.approx(other["accuracy"]["p"])
    sizes = {kind: len(found) for kind, found in one["cases"].items()}
    assert sizes["fixed"] - sizes["newly_failing"] == round(one["accuracy"]["value"] * len(rows))
    assert len(other["cases"]["fixed"]) == sizes["newly_failing"]


def test_inputs_stay_as_they_were() -> None:
    before, after = random_tables(0, 30)
    copies = before.copy(), after.copy()
    compare(before, after)
    pd.testing.assert_frame_equal(before, copies[0])
    pd.testing.assert_frame_equal(after, copies[1])


def test_a_class_without_images_in_a_resample_has_no_interval() -> None:
    found = compare(table("aaaaaaaaab", "aaaaaaaaab"), table("aaaaaaaaab", "aaaaaaaaaa"))
    rows = {row["class"]: row for row in found["classes"]}
    assert rows["b"]["low"] is None
    assert rows["b"]["difference"] == -1.0
    assert rows["a"]["low"] == 0.0


def test_a_class_that_the_list_does_not_have_is_counted() -> None:
    found = compare(table("xa", "xa"), table("xa", "aa"))
    assert [row["class"] for row in found["classes"]] == ["x", "a"]
    assert found["accuracy"]["value"] == -0.5


def test_counts_alone_say_the_same_as_the_tables() -> None:
    before, after = table("a" * 60, "b" * 9 + "a" * 51), table("a" * 60, "a" * 6 + "b" * 6 + "a" * 48)
    expected = compare(before, after)["accuracy"]
    found = compare_counts(both_right=48, only_before=3, only_after=6, both_wrong=3)
    assert {name: found[name] for name in ("before", "after", "value", "p", "is_real")} == pytest.approx(
        {name: expected[name] for name in ("before", "after", "value", "p", "is_real")}
    )
    assert (found["only_before_right"], found["only_after_right"]) == (3, 6)
