from __future__ import annotations

import time

import pytest

from datatools.checks.label_variants import edit_distance, find_label_variants, is_slip, plain_form
from datatools.findings import Offer
from datatools.schema import ANNOTATIONS
from tests.small_data import box_row


def find(counts, classes=None):
    rows = [box_row(f"{label}/{n}", (0, 0, 9, 9), label=label) for label, count in counts.items() for n in range(count)]
    return list(find_label_variants(ANNOTATIONS.conform(rows), tuple(counts) if classes is None else classes))


@pytest.mark.parametrize(
    "variant",
    ["Traffic light", "traffic_light", "traffic-light", "TrafficLight", " traffic  light", "traffic\u00a0light",
     "ｔraffic light", "TRAFFIC‑LIGHT"],
)  # fmt: skip
def test_capitals_blanks_hyphens_and_wide_letters_are_one_class(variant: str):
    (finding,) = find({"traffic light": 5, variant: 2})
    assert finding.offer == Offer("relabel", variant, "traffic light")
    assert finding.subject == f"{variant!r} and 'traffic light'"
    assert finding.message == f"{variant!r} and 'traffic light' are one class: 2 and 5 annotations"


def test_the_name_in_the_class_list_is_the_right_one():
    (finding,) = find({"cat": 50}, ("Cat",))
    assert finding.offer == Offer("relabel", "cat", "Cat")
    (finding,) = find({"Cat": 1}, ("cat", "Cat"))
    assert (finding.offer, finding.subject) == (None, "'cat' and 'Cat'")


@pytest.mark.parametrize(
    ("common", "rare"),
    [("platelets", "platlets"), ("platelet", "platelets"), ("horse", "hosre"), ("elephant", "elephent"),
     ("refrigerator", "refrigirater"), ("traffic light", "trafic light"), ("Truck", "truckk")],
)  # fmt: skip
def test_a_slip_of_the_keyboard(common: str, rare: str):
    (finding,) = find({common: 100, rare: 5})
    assert finding.offer is None
    assert finding.subject == f"{rare!r} and {common!r}"
    assert find({common: 100, rare: 6}) == []


@pytest.mark.parametrize(
    ("common", "rare"),
    [("cat", "bat"), ("cat", "cats"), ("shirt", "skirt"), ("house", "mouse"), ("horse", "house"), ("train", "brain"),
     ("symmetric", "asymmetric"), ("normal", "abnormal"), ("class 1", "class 2"), ("plate", "plane"), ("A", "a"),
     ("mask", "masks"), ("bicycle", "tricycle"), ("7", "1"), ("male", "female"), ("n0211", "n0212"), ("1-11", "11-1"),
     ("left", "right"), ("hypertension", "hypotension"), ("with mask", "without mask"), ("x1", "X1")],
)  # fmt: skip
def test_classes_that_are_only_alike(common: str, rare: str):
    assert find({common: 200, rare: 2}) == []


def test_plain_form_and_distance():
    assert plain_form("Type_1 - B") == plain_form("type 1b") == "type1b"
    assert plain_form("1_11") != plain_form("11_1")
    assert [edit_distance("abcd", other) for other in ("abcd", "abdc", "bcd", "xabcd", "axyd", "dcba")] == [
        0,
        1,
        1,
        1,
        2,
        3,
    ]
    assert edit_distance("", "ab") == edit_distance("ab", "") == 2
    assert not is_slip("abc", "abcd")


def test_three_names_of_one_class_are_two_pairs():
    assert sorted(finding.offer.before for finding in find({"dog": 9, "Dog": 2, "DOG": 1})) == ["DOG", "Dog"]


def test_many_classes_take_no_time():
    names = {f"{a}{b}{c}graphical thing": 1 for a in "bcdfg" for b in "aeiou" for c in "lmnprst" for _ in "x"}
    start = time.perf_counter()
    assert find(names) == []
    assert time.perf_counter() - start < 5
