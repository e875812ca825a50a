from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datatools.augment.amounts import copies_by_class, count_copies
from datatools.errors import DatatoolsError
from datatools.params import AugmentParams

COUNTS = st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 3000), min_size=1)


def count(labels: dict[str, Any], known: str = "abc", **params: Any) -> dict[str, int]:
    sha256 = {path: hashlib.sha256(path.encode()).hexdigest() for path in labels}
    return count_copies({path: set(names) for path, names in labels.items()}, sha256, AugmentParams(**params), known)


def test_every_image_gets_factor_copies():
    assert count({"1": "a", "2": "b", "3": "ab"}, factor=2) == {"1": 2, "2": 2, "3": 2}


def test_a_class_may_have_a_number_of_its_own():
    assert count({"1": "a", "2": "b", "3": "ab"}, factor=1, factor_per_class={"a": 3, "b": 0}) == {
        "1": 3,
        "2": 0,
        "3": 3,
    }


def test_without_an_augmenter_only_rare_and_chosen_classes_are_repeated():
    assert count({"1": "a", "2": "b"}, preset="none", factor=3) == {"1": 0, "2": 0}
    labels = {"1": "a", "2": "a", "3": "b", "4": "c"}
    copies = count(labels, preset="none", factor=3, balance=1.0, factor_per_class={"c": 2})
    assert copies == {"1": 0, "2": 0, "3": 1, "4": 2}
    assert count({"1": "a"}, preset="none", policy=["blur"], factor=3) == {"1": 3}


def test_an_unknown_class_is_refused():
    with pytest.raises(DatatoolsError, match=r"augment\.factor_per_class has the classes a, b, c\. Got 'cat' instead"):
        count({"1": "a"}, factor_per_class={"cat": 3})


def test_a_known_class_without_training_images_is_no_error():
    assert count({"1": "a"}, factor_per_class={"c": 3}) == {"1": 1}


def test_with_balance_1_all_classes_come_out_even():
    n_images = {"a": 600, "b": 100, "c": 250}
    labels = {f"{name}{number}": name for name, n in n_images.items() for number in range(n)}
    copies = count(labels, factor=1, balance=1.0, copies_max=20)
    totals = {name: sum(1 + copies[path] for path in labels if labels[path] == name) for name in n_images}
    assert totals["a"] == 1200
    assert totals["b"] == 1200
    assert totals["c"] == pytest.approx(1200, abs=40), "3.8 copies an image: four in five get a fourth"


def test_the_choice_of_who_gets_one_more_does_not_move():
    labels = {f"{number}": "a" if number < 80 else "b" for number in range(110)}
    more = {**labels, "new": "a"}
    before, after = count(labels, balance=0.5), count(more, balance=0.5)
    changed = [path for path in labels if before[path] != after[path]]
    assert len(changed) <= 2, "80 to 81 images of the largest class move the number by a hundredth"
    assert len(set(before.values())) > 1
    assert count(dict(reversed(list(labels.items()))), balance=0.5) == before


def test_another_seed_chooses_others():
    labels = {f"{number}": "a" if number < 80 else "b" for number in range(110)}
    assert count(labels, balance=0.5, seed=0) != count(labels, balance=0.5, seed=1)


@given(COUNTS, st.integers(0, 5), st.floats(0, 1), st.integers(0, 20))
def test_rarer_classes_never_get_fewer_copies(n_images: dict[str, int], factor: int, balance: float, cap: int):
    copies = copies_by_class(n_images, AugmentParams(factor=factor, balance=balance, copies_max=cap))
    assert copies.keys() == n_images.keys()
    for one in n_images:
        assert factor - 1e-9 <= copies[one] <= max(factor, cap)
        for other in n_images:
            assert n_images[one] > n_images[other] or copies[one] >= copies[other] - 1e-9


@given(COUNTS, st.integers(0, 5))
def test_without_balance_all_are_alike(n_images: dict[str, int], factor: int):
    assert set(copies_by_class(n_images, AugmentParams(factor=factor)).values()) == {float(factor)}


def test_no_images():
    assert count({}) == {}


def test_balance_stops_at_the_cap_and_factor_does_not():
    labels = {f"{number}": "b" if number == 0 else "a" for number in range(100)}
    assert count(labels, balance=1.0, copies_max=4)["0"] == 4
    assert count(labels, balance=1.0, copies_max=4, factor=6)["0"] == 6
