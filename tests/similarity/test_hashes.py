from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datatools.similarity import hashes as hash_search
from datatools.similarity.hashes import count_bits, find_pairs, to_words

unhurried = settings(deadline=None, max_examples=60, database=None)


def to_hex(bits):
    """A 256-bit hash with these bits set."""
    return f"{sum(1 << bit for bit in set(bits)):064x}"


def search(hashes, radius_bits):
    one, other = find_pairs(to_words(hashes), radius_bits)
    return list(zip(one.tolist(), other.tolist(), strict=True))


def brute_force(hashes, radius_bits):
    """All pairs i < j, by walking over them."""
    numbers = [int(text, 16) for text in hashes]
    return [
        (i, j)
        for i in range(len(numbers))
        for j in range(i + 1, len(numbers))
        if (numbers[i] ^ numbers[j]).bit_count() <= radius_bits
    ]


@pytest.mark.parametrize("block", [1, 4, 1024])
@unhurried
@given(hashes=st.lists(st.lists(st.integers(0, 12), max_size=5).map(to_hex), max_size=12), radius=st.integers(0, 4))
def test_equal_to_brute_force(block, hashes, radius):
    whole, hash_search.BLOCK = hash_search.BLOCK, block
    try:
        assert search(hashes, radius) == brute_force(hashes, radius)
    finally:
        hash_search.BLOCK = whole


@pytest.mark.parametrize("batch", [16, 1 << 21])
def test_equal_to_brute_force_where_few_pairs_share_a_part(batch, monkeypatch):
    monkeypatch.setattr(hash_search, "BATCH", batch)
    rng = np.random.default_rng(0)
    seeds = [int.from_bytes(rng.bytes(32), "big") for _ in range(60)]
    hashes = [f"{seeds[i % 60] ^ (1 << int(rng.integers(256))):064x}" for i in range(150)]
    found = search(hashes, 2)
    assert found == brute_force(hashes, 2)
    assert len(found) > 100


@pytest.mark.parametrize(
    ("hashes", "radius", "pairs"),
    [
        ([], 16, []),
        ([to_hex([])], 16, []),
        ([to_hex([]), to_hex(range(16))], 16, [(0, 1)]),  # exactly at the radius
        ([to_hex([]), to_hex(range(17))], 16, []),
        ([to_hex([]), to_hex([]), to_hex([1])], 0, [(0, 1)]),
        ([to_hex([]), to_hex(range(256))], 255, []),
        ([to_hex([]), to_hex(range(256))], 256, [(0, 1)]),
    ],
)
def test_pairs(hashes, radius, pairs):
    assert search(hashes, radius) == pairs


def test_all_256_bits_count():
    for bit in range(256):
        words = to_words([to_hex([]), to_hex([bit])])
        assert find_pairs(words, 0)[0].tolist() == []
        assert count_bits(words, np.array([0]), np.array([1])).tolist() == [1]
