from __future__ import annotations

from datatools.images_by_class import count_images
from datatools.schema import ANNOTATIONS
from tests.small_data import box_row, label_rows


def test_the_vote_counts_and_not_those_it_overruled():
    rows = label_rows("a.png", {"anna": "cat", "ben": "dog"}, "dog") + label_rows("b.png", {"anna": "dog"}, "dog")
    assert count_images(ANNOTATIONS.conform(rows)).to_dict() == {"dog": 2}


def test_objects_count_once_an_image_and_without_a_vote_all_labels_do():
    boxes = [box_row(f"box/{n}", (0, 0, 9, 9), path, "cell") for n, path in enumerate(["a.png", "a.png", "b.png"])]
    assert count_images(ANNOTATIONS.conform(boxes)).to_dict() == {"cell": 2}
    labels = label_rows("a.png", {"anna": "cat", "ben": "dog"})
    assert count_images(ANNOTATIONS.conform([*boxes, *labels])).to_dict() == {"cell": 2, "cat": 1, "dog": 1}
    assert count_images(ANNOTATIONS.empty()).to_dict() == {}


def test_many_classes_are_counted_the_same_way(monkeypatch):
    rows = label_rows("a.png", {"anna": "cat", "ben": "dog"}) + label_rows("b.png", {"anna": "dog"})
    few = count_images(ANNOTATIONS.conform(rows))
    monkeypatch.setattr("datatools.images_by_class.MAX_CELLS", 0)
    assert count_images(ANNOTATIONS.conform(rows)).to_dict() == few.to_dict() == {"cat": 1, "dog": 2}
