from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datatools import duplicates
from datatools.duplicates import cluster_hashes, hamming

unhurried = settings(deadline=None, max_examples=60, database=None)


def to_hex(bits):
    """A 256-bit hash with these bits set."""
    return f"{sum(1 << bit for bit in set(bits)):064x}"


def brute_force(hashes, radius_bits):
    """Clusters by walking over all pairs, numbered by first appearance."""
    numbers = [-1] * len(hashes)
    for start in range(len(hashes)):
        if numbers[start] >= 0:
            continue
        numbers[start], todo = max(numbers) + 1, [start]
        while todo:
            here = todo.pop()
            for other in range(len(hashes)):
                if numbers[other] < 0 and bin(int(hashes[here], 16) ^ int(hashes[other], 16)).count("1") <= radius_bits:
                    numbers[other] = numbers[here]
                    todo.append(other)
    return numbers


@pytest.mark.parametrize("block", [1, 4, 1024])
@unhurried
@given(hashes=st.lists(st.lists(st.integers(0, 12), max_size=5).map(to_hex), max_size=12), radius=st.integers(0, 4))
def test_equal_to_brute_force(block, hashes, radius):
    whole, duplicates.BLOCK = duplicates.BLOCK, block
    try:
        assert cluster_hashes(hashes, radius).tolist() == brute_force(hashes, radius)
    finally:
        duplicates.BLOCK = whole


def test_equal_to_brute_force_over_more_than_a_block_of_wide_hashes(monkeypatch):
    monkeypatch.setattr(duplicates, "BLOCK", 64)
    rng = np.random.default_rng(0)
    seeds = [int.from_bytes(rng.bytes(32), "big") for _ in range(60)]
    hashes = [f"{seeds[i % 60] ^ (1 << int(rng.integers(256))):064x}" for i in range(150)]
    assert cluster_hashes(hashes, 2).tolist() == brute_force(hashes, 2)
    assert len(set(cluster_hashes(hashes, 2))) == 60


@pytest.mark.parametrize(
    ("hashes", "radius", "clusters"),
    [
        ([], 16, []),
        ([to_hex([])], 16, [0]),
        ([to_hex([]), to_hex(range(16))], 16, [0, 0]),  # exactly at the radius
        ([to_hex([]), to_hex(range(17))], 16, [0, 1]),
        ([to_hex([]), to_hex(range(32)), to_hex(range(16))], 16, [0, 0, 0]),  # the middle one links the ends
        ([to_hex([]), to_hex([]), to_hex([1])], 0, [0, 0, 1]),
        ([to_hex([255]), to_hex([0]), to_hex([255])], 0, [0, 1, 0]),
        ([to_hex([]), to_hex(range(256))], 255, [0, 1]),
    ],
)
def test_clusters(hashes, radius, clusters):
    result = cluster_hashes(hashes, radius)
    assert result.tolist() == clusters
    assert result.dtype == np.int64


def test_all_256_bits_count():
    for bit in range(256):
        assert cluster_hashes([to_hex([]), to_hex([bit])], 0).tolist() == [0, 1], bit


@pytest.mark.parametrize(("one", "other", "n"), [("00", "00", 0), ("00", "ff", 8), ("0f", "1e", 2)])
def test_hamming(one, other, n):
    assert hamming(one, other) == hamming(other, one) == n
