from __future__ import annotations

import pytest

from datatools.checks.conflicting_duplicates import find_conflicting_duplicates
from datatools.schema import ANNOTATIONS, PAIRS
from tests.small_data import image_row, label_rows, make_images


def labelled(labels, source="vote"):
    """`{"a.png": "cat"}` as consensus rows; None is an image without label."""
    rows = [row for path, label in labels.items() if label for row in label_rows(path, {}, label)]
    return ANNOTATIONS.conform([{**row, "source": source} for row in rows])


def find(labels, source="vote", near=(), **same):
    """Findings where all images share the values `same`; `near`: the numbers of two images, and their hash bits."""
    images = make_images([image_row(path, **same) for path in labels])
    named = [(f"i{one:02}.png", f"i{other:02}.png", bits) for one, other, bits in near]
    pairs = [{"path": one, "other": other, "how": "hash", "hash_bits": bits} for one, other, bits in named]
    return list(find_conflicting_duplicates(images, labelled(labels, source), PAIRS.conform(pairs)))


CHAIN = [(n, n + 1, 1) for n in range(9)]


@pytest.mark.parametrize("pairs", [[], [{"path": "i00.png", "other": "i04.png", "how": "identical", "hash_bits": 0}]])
def test_a_pair_names_both_each_with_the_other(pairs):
    labels = {"i00.png": "cat", "i04.png": "dog"}
    images = make_images([image_row(path, sha256="s") for path in labels])
    one, other = find_conflicting_duplicates(images, labelled(labels), PAIRS.conform(pairs))
    assert one.message == "labelled 'cat', but i04.png with the same bytes is labelled 'dog'"
    assert other.message == "labelled 'dog', but i00.png with the same bytes is labelled 'cat'"
    assert [(found.path, found.annotation_id, found.score) for found in (one, other)] == [
        ("i00.png", "label/i00.png", 0.0),
        ("i04.png", "label/i04.png", 0.0),
    ]


def test_near_duplicates_have_their_own_words_and_score():
    one, _ = find({"i00.png": "cat", "i04.png": "dog"}, near=[(0, 4, 4)])
    assert (
        one.message == "labelled 'cat', but i04.png with the same picture (4 of 256 hash bits differ) is labelled 'dog'"
    )
    assert one.score == 4 / 256


@pytest.mark.parametrize(
    ("labels", "named"),
    [
        ("aaab", [3]),
        ("baa", [0]),
        ("aabb", [0, 1, 2, 3]),
        ("abc", [0, 1, 2]),
        ("aabc", [0, 1, 2, 3]),  # half is no majority
        ("aaabc", [3, 4]),
        ("aaa", []),
        ("a", []),
        ("a-", []),  # one without label
    ],
)
@pytest.mark.parametrize("same", [{"sha256": "s"}, {"near": CHAIN}])
def test_the_majority_is_not_named(labels, named, same):
    given = {f"i{n:02}.png": label if label != "-" else None for n, label in enumerate(labels)}
    assert [int(found.path[1:3]) for found in find(given, **same)] == named


def test_the_nearest_image_of_another_label_is_named():
    near = [(0, 12, 9), (8, 12, 4), (12, 30, 5)]
    found = find({"i00.png": "cat", "i08.png": "cat", "i12.png": "dog", "i30.png": "cat"}, near=near)
    assert [one.message.split("but ")[1].split(" with")[0] for one in found] == ["i08.png"]


def test_images_that_are_linked_by_way_of_others():
    one, *_ = find({"i00.png": "cat", "i01.png": "cat", "i02.png": "dog", "i03.png": "dog"}, near=CHAIN)
    assert one.message == "labelled 'cat', but i02.png with the same picture (by way of others) is labelled 'dog'"
    assert one.score == 0.1


def test_equal_bytes_go_before_near_duplicates_and_each_image_is_named_once():
    found = find({"i00.png": "cat", "i01.png": "dog"}, sha256="s", near=[(0, 1, 0)])
    assert [one.path for one in found] == ["i00.png", "i01.png"]
    assert all("same bytes" in one.message for one in found)


def test_labels_summed_up_from_objects_count_for_equal_bytes_alone():
    labels = {"i00.png": "cat", "i01.png": "dog"}
    assert len(find(labels, "objects", sha256="s")) == 2
    assert find(labels, "objects", near=[(0, 1, 3)]) == []


def test_what_single_annotators_said_is_no_conflict():
    images = make_images([image_row(path, sha256="s") for path in ("a.png", "b.png")])
    rows = label_rows("a.png", {"anna": "cat", "ben": "dog"}, "cat") + label_rows("b.png", {"ben": "dog"}, "cat")
    assert list(find_conflicting_duplicates(images, ANNOTATIONS.conform(rows), PAIRS.empty())) == []


def test_unlike_images_and_none():
    assert find({"i00.png": "cat", "i01.png": "dog"}) == []
    assert find({}) == []
