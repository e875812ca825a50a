from __future__ import annotations

import pytest

from datatools.checks.rare_class import find_rare_classes
from datatools.params import ValidateParams
from datatools.schema import ANNOTATIONS
from tests.small_data import label_rows


def said(counts, classes=None, class_min=10):
    rows = [
        row
        for label, n in counts.items()
        for i in range(n)
        for row in label_rows(f"{label}{i}.png", {"a": label}, label)
    ]
    params = ValidateParams(class_min=class_min)
    return [
        finding.message for finding in find_rare_classes(ANNOTATIONS.conform(rows), classes or tuple(counts), params)
    ]


def test_a_class_with_few_images_and_one_with_none():
    assert said({"cat": 50, "dog": 9, "owl": 1}) == [
        "class 'dog' has only 9 images",
        "class 'owl' has only 1 image",
    ]
    assert said({"cat": 50, "dog": 10}, ("cat", "dog", "owl")) == ["class 'owl' has no image"]


def test_in_a_small_data_set_every_class_is_small():
    assert said({"cat": 8, "dog": 8, "owl": 5}) == []
    assert said({"cat": 3, "dog": 1}) == []


def test_a_list_that_is_longer_than_the_data_is_said_once():
    assert said({"cat": 50}, ("cat", "a", "b")) == ["2 of the 3 classes have no image: 'a', 'b'"]
    many = tuple("abcdefg")
    assert said({"cat": 50}, ("cat", *many)) == ["7 of the 8 classes have no image: 'a', 'b', 'c', 'd', 'e', ..."]


@pytest.mark.parametrize(("class_min", "n"), [(0, 0), (5, 1), (20, 2)])
def test_the_bar(class_min, n):
    assert len(said({"cat": 90, "dog": 9, "owl": 4}, class_min=class_min)) == n


def test_no_annotations():
    assert said({}, ("cat",)) == []
