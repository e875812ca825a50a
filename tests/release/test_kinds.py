"""Which step the changes ask for."""

from __future__ import annotations

from typing import Any

import pytest

from datatools.diff.changes import KINDS, Change, Diff, VersionName
from datatools.release.kinds import judge_data, judge_model, needed_kind

NAMES = VersionName("a", None, None), VersionName("b", None, None)
MODEL: dict[str, Any] = {
    "md5": "1", "classes": ["a", "b"], "network": "resnet8", "image_size_px": 64, "data_version": "d1",
    "params": {"epochs": 2}, "augment": {"mode": "offline", "policy": [1]},
}  # fmt: skip
MAJOR = {
    "image removed",
    "image renamed",
    "image changed",
    "split moved",
    "annotation removed",
    "relabelled",
    "moved",
    "reshaped",
}
MINOR = {"image added", "annotation added"}


def diff(*kinds: str) -> Diff:
    return Diff(*NAMES, tuple(Change(kind, "a.png", None, None, None) for kind in kinds))


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_change(kind: str):
    expected = "major" if kind in MAJOR else "minor" if kind in MINOR else "patch"
    reasons = judge_data(diff(kind), ["a"], ["a"])
    assert [(reason.kind, reason.text) for reason in reasons] == [(expected, f"{kind}: 1")]
    assert needed_kind(reasons) == expected


def test_the_most_serious_decides_and_comes_first():
    reasons = judge_data(diff("metadata changed", "image added", "image added", "relabelled"), ["a"], ["a"])
    assert [reason.text for reason in reasons] == ["relabelled: 1", "image added: 2", "metadata changed: 1"]
    assert needed_kind(reasons) == "major"


def test_nothing_changed_is_a_patch():
    assert judge_data(diff(), ["a"], ["a"]) == []
    assert needed_kind([]) == "patch"


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (["a"], ["1 class gone: b"]),
        (["a", "b", "c", "d"], ["2 classes new: c, d"]),
        (["a", "c"], ["1 class gone: b", "1 class new: c"]),
        (["b", "a"], ["the order of the classes, which numbers them"]),
    ],
)
def test_the_class_list_breaks(after: list[str], said: list[str]):
    reasons = judge_data(diff(), ["a", "b"], after)
    assert [(reason.kind, reason.text) for reason in reasons] == [("major", text) for text in said]


@pytest.mark.parametrize(
    ("changes", "kind", "said"),
    [
        ({"classes": ["a"]}, "major", "classes: ['a', 'b'] -> ['a']"),
        ({"network": "resnet18"}, "major", "network: resnet8 -> resnet18"),
        ({"image_size_px": 96}, "major", "input size: 64 -> 96"),
        ({"data_version": "d2"}, "minor", "trained on data d2, before on d1"),
        ({"params": {"epochs": 3}}, "minor", "params.epochs: 2 -> 3"),
        ({"params": None}, "minor", "params.epochs: 2 -> None"),
        ({"augment": {"mode": "online", "policy": [2]}}, "minor", "augment.mode: offline -> online"),
        ({}, "patch", "other weights from the same data and parameters"),
    ],
)
def test_a_model(changes: dict[str, Any], kind: str, said: str):
    reasons = judge_model(MODEL, {**MODEL, "md5": "2", **changes})
    assert [(reason.kind, reason.text) for reason in reasons] == [(kind, said)]


def test_the_same_weights_are_the_same_model():
    assert judge_model(MODEL, {**MODEL, "data_version": "d2"}) == []
