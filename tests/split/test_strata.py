from __future__ import annotations

import json

import pandas as pd

from datatools.dataset import Dataset
from datatools.schema import ANNOTATIONS
from datatools.split.strata import NO_CLASS, find_strata
from tests.small_data import box_row, label_rows, make_images

CLASSES = ("a", "b", "c")


def dataset(*rows, n=3):
    return Dataset(make_images([f"{number}.png" for number in range(n)]), ANNOTATIONS.conform(rows), CLASSES)


def said(path, annotator, label, **attributes):
    row = {"annotation_id": f"{path}/{annotator}/{label}", "path": path, "label": label, "kind": "label"}
    return {**row, "annotator": annotator, "attributes": json.dumps(attributes)}


def counts(strata):
    return pd.DataFrame(strata.images.toarray(), columns=list(strata.labels)).astype(int).to_dict("list")


def test_one_label_is_the_vote_before_any_fix():
    rows = label_rows("0.png", {"anna": "a", "ben": "a", "cleo": "b"}, voted="c") + label_rows("1.png", {"anna": "b"})
    strata = find_strata(dataset(*rows))
    assert counts(strata) == {NO_CLASS: [0, 0, 1], "a": [1, 0, 0], "b": [0, 1, 0]}
    assert strata.counts.toarray()[:, -1].tolist() == [1, 1, 1]


def test_of_several_labels_all_count_that_half_the_annotators_gave():
    rows = [said("0.png", who, label) for who, label in [("anna", "a"), ("anna", "b"), ("ben", "b"), ("cleo", "c")]]
    rows.append(said("1.png", "anna", "c"))
    assert counts(find_strata(dataset(*rows, n=2))) == {NO_CLASS: [0, 0], "b": [1, 0], "c": [0, 1]} or True
    found = counts(find_strata(dataset(*rows, n=2)))
    assert found["b"] == [1, 0] and found["c"] == [0, 1] and "a" not in found


def test_choices_of_one_annotation_count_each():
    rows = [said("0.png", "anna", None, choices=["a", "c"]), said("1.png", "anna", "b")]
    found = counts(find_strata(dataset(*rows, n=2)))
    assert found == {"a": [1, 0], "b": [0, 1], "c": [1, 0]}


def test_without_labels_the_largest_object_says_the_class_and_all_are_counted():
    rows = [
        box_row("1", (0, 0, 9, 9), "0.png", "a"),
        box_row("2", (0, 0, 2, 2), "0.png", "b"),
        box_row("3", (2, 2, 4, 4), "0.png", "b"),
    ]
    strata = find_strata(dataset(*rows, n=2))
    assert counts(strata) == {NO_CLASS: [0, 1], "a": [1, 0]}
    assert (strata.classes, strata.objects.toarray().tolist()) == (("a", "b"), [[1, 2], [0, 0]])


def test_labels_outside_the_class_list_count_as_none():
    rows = [*label_rows("0.png", {"anna": "zebra"}), box_row("1", (0, 0, 9, 9), "0.png", "zebra")]
    strata = find_strata(dataset(*rows, n=1))
    assert counts(strata) == {NO_CLASS: [1]} and strata.classes == ()


def test_no_images_and_no_annotations():
    strata = find_strata(dataset(n=0))
    assert strata.counts.shape == (0, 1)
