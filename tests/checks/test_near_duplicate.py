from __future__ import annotations

import pytest

from datatools.checks.near_duplicate import find_near_duplicates
from tests.small_data import image_row, make_images


def row(name, bits, **changes):
    """An image whose hash has the lowest `bits` bits set."""
    return image_row(name, phash=f"{(1 << bits) - 1:064x}", duplicate_of="a.png", **changes)


@pytest.mark.parametrize(("bits", "score"), [(0, 0.0), (1, 1 / 256), (16, 1 / 16)])
def test_the_distance_is_counted_and_is_the_score(bits, score):
    (finding,) = find_near_duplicates(make_images([row("a.png", 0), row("b.png", bits)]))
    assert finding.message == f"shows the same picture as a.png ({bits} of 256 hash bits differ)"
    assert (finding.path, finding.score) == ("b.png", score)


def test_links_chain_beyond_the_radius():
    found = find_near_duplicates(make_images([row("a.png", 0), row("b.png", 16), row("c.png", 32)]))
    assert [finding.message.split("(")[1] for finding in found] == ["16 of 256 hash bits differ)", "32 of 256 hash bits differ)"]  # fmt: skip


def test_equal_bytes_are_left_to_the_exact_check():
    assert list(find_near_duplicates(make_images([row("a.png", 0, sha256="s"), row("b.png", 0, sha256="s")]))) == []


def test_images_alone_in_their_cluster():
    assert list(find_near_duplicates(make_images(["a.png", "b.png"]))) == []
