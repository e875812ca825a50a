from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from datatools.params import NeighborsParams
from datatools.schema import PAIRS
from datatools.similarity import duplicates as duplicate_search
from datatools.similarity.duplicates import Placed, find_duplicates, first_of_each_content
from datatools.similarity.verification import Verified
from tests.small_data import image_row, make_images


def row(name, bits, content=None):
    """An image whose hash has the lowest `bits` bits set."""
    return image_row(name, phash=f"{(1 << bits) - 1:064x}", sha256=content or name)


def show(pairs):
    return [(one.path, one.other, one.how, one.hash_bits) for one in pairs.itertuples()]


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch):
    """What comparing pixels gives, by pair of rows: correlation, mirrored, cropped."""
    given: dict[tuple[int, int], tuple[float, bool, bool]] = {}

    def verify(thumbs, pairs):
        found = [given[tuple(pair)] for pair in pairs.tolist()]
        columns = zip(*found, strict=True) if found else ([], [], [])
        return Verified(
            *(np.array(column, dtype=kind) for column, kind in zip(columns, (np.float32, bool, bool), strict=True))
        )

    monkeypatch.setattr(duplicate_search, "verify_pairs", verify)
    return given


def placed(n, candidates=()):
    rows = np.eye(max(n, 1), dtype=np.float32)[:n] * np.float32(0.6)
    rows[:, 0] += 0.8
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return Placed(rows, np.zeros((n, 48, 48), np.uint8), np.array(candidates, dtype=np.int64).reshape(-1, 2))


def test_hashes_alone():
    images = make_images([row("a", 0), row("b", 16), row("c", 33), row("d", 64)])
    pairs = find_duplicates(images, None, NeighborsParams(model="none"))
    assert show(pairs) == [("a", "b", "hash", 16)]
    assert pairs[["similarity", "correlation", "view"]].isna().all(axis=None)
    assert show(find_duplicates(images, None, NeighborsParams(hash_bits=0))) == []


def test_equal_files_are_linked_to_the_first_and_near_ones_to_it_alone():
    images = make_images([row("a", 0, "s"), row("b", 0, "s"), row("c", 0, "s"), row("d", 3), row("e", 3, "s")])
    pairs = find_duplicates(images, None, NeighborsParams())
    assert show(pairs) == [
        ("a", "b", "identical", 0),
        ("a", "c", "identical", 0),
        ("a", "d", "hash", 3),
        ("a", "e", "identical", 0),
    ]


def test_pixels_decide_about_candidates(looks):
    looks |= {
        (0, 1): (0.98, False, False),
        (0, 2): (0.979, False, False),
        (0, 3): (0.981, False, True),  # too little for a crop
        (1, 2): (0.99, True, True),
        (2, 3): (0.985, False, True),
    }
    images = make_images([row("a", 0), row("b", 60), row("c", 120), row("d", 200)])
    pairs = find_duplicates(images, placed(4, sorted(looks)), NeighborsParams())
    assert show(pairs) == [("a", "b", "embedding", 60), ("b", "c", "embedding", 60), ("c", "d", "embedding", 80)]
    assert list(pairs["view"]) == ["same", "mirrored and cropped", "cropped"]
    assert list(pairs["correlation"]) == pytest.approx([0.98, 0.99, 0.985])
    rows = placed(4).embeddings
    assert list(pairs["similarity"]) == pytest.approx([float(rows[i] @ rows[i + 1]) for i in range(3)])


def test_what_hash_and_pixels_find_is_both_and_a_hash_needs_no_pixels(looks):
    looks |= {(0, 1): (0.999, False, False), (0, 2): (0.5, False, False)}
    images = make_images([row("a", 0), row("b", 9), row("c", 16)])
    pairs = find_duplicates(images, placed(3, sorted(looks)), NeighborsParams())
    assert show(pairs) == [("a", "b", "both", 9), ("a", "c", "hash", 16), ("b", "c", "hash", 7)]
    assert pairs["similarity"].notna().all()
    assert pairs["correlation"].notna().tolist() == [True, False, False]


def test_copies_are_as_similar_as_can_be(looks):
    pairs = find_duplicates(make_images([row("a", 0, "s"), row("b", 0, "s")]), placed(1), NeighborsParams())
    assert pairs["similarity"].tolist() == [1.0]


@pytest.mark.parametrize("with_embeddings", [False, True])
def test_no_images(with_embeddings, looks):
    pairs = find_duplicates(make_images([]), placed(0) if with_embeddings else None, NeighborsParams())
    pd.testing.assert_frame_equal(pairs, PAIRS.empty())


def test_the_first_of_each_content():
    images = make_images([row("a", 0, "s"), row("b", 0), row("c", 0, "s"), row("d", 0)])
    assert first_of_each_content(images).tolist() == [0, 1, 3]
