from __future__ import annotations

import pytest

from datatools.checks.near_duplicate import find_near_duplicates
from datatools.schema import PAIRS


def pair(names, bits, **values):
    return {"path": names[0], "other": names[1], "how": "hash", "hash_bits": bits, **values}


def find(*pairs):
    return list(find_near_duplicates(PAIRS.conform(pairs)))


@pytest.mark.parametrize(("bits", "score"), [(0, 0.0), (1, 1 / 256), (16, 1 / 16)])
def test_the_distance_is_counted_and_is_the_score(bits, score):
    (finding,) = find(pair("ab", bits))
    assert finding.message == f"shows the same picture as a ({bits} of 256 hash bits differ)"
    assert (finding.path, finding.score) == ("b", score)


def test_what_pixels_show_is_said():
    looks = {"how": "embedding", "similarity": 0.8123, "correlation": 0.995, "view": "mirrored and cropped"}
    (finding,) = find(pair("ab", 120, **looks))
    assert finding.message == (
        "shows the same picture as a (mirrored and cropped, pixels agree by 0.995, similarity 0.81)"
    )
    assert finding.score == pytest.approx(0.005)


def test_each_image_is_named_once_with_the_one_it_is_most_like():
    found = find(pair("ac", 9), pair("bc", 4), pair("ab", 16))
    assert [(one.path, one.message.split(" (")[0][-1]) for one in found] == [("b", "a"), ("c", "b")]


def test_equal_bytes_are_left_to_the_exact_check():
    assert find(pair("ab", 0, how="identical")) == []


def test_no_pairs():
    assert find() == []
