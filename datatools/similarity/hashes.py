"""Perceptual hashes that differ in few bits: an exact search that compares few of all pairs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK = 1024
BATCH = 1 << 21  # candidate pairs that are compared at once
LOOKUP_COST = 4  # comparing a pair of a bucket costs about so many times a pair of a full block


def to_words(hashes: Sequence[str]) -> NDArray[np.uint64]:
    """Hex hashes of equal length, a multiple of 16 digits, as rows of 64-bit words `(n, k)`."""
    raw = np.frombuffer(bytes.fromhex("".join(hashes)), dtype=np.uint8)
    return np.ascontiguousarray(raw.reshape(len(hashes), -1 if len(hashes) else 0)).view(np.uint64)


def count_bits(words: NDArray[np.uint64], one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.int64]:
    """Bits in which the rows `one[i]` and `other[i]` differ, int64 (m,)."""
    return np.asarray(np.bitwise_count(words[one] ^ words[other]).sum(axis=1), dtype=np.int64)


def find_pairs(words: NDArray[np.uint64], radius_bits: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the index pairs i < j of rows of `words` (n, k) that differ in at most `radius_bits` bits, sorted.

    Exact. Two rows within the radius agree in at least one of `radius_bits + 1` parts (pigeonhole; multi-index hashing,
    Norouzi, Punjani and Fleet, CVPR 2012), so only rows that share a part are compared; where that would be most of
    them, all are.
    """
    n = len(words)
    if not n:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    if radius_bits >= words.shape[1] * 64:
        return _compare_all(words, radius_bits)
    orders = [_sort_part(words, part, radius_bits + 1) for part in range(radius_bits + 1)]
    n_candidates = sum(int(following.sum()) for _, following in orders)
    if n_candidates * LOOKUP_COST > n * (n - 1) // 2:
        return _compare_all(words, radius_bits)
    found = [pairs for order, following in orders for pairs in _compare_shared(words, order, following, radius_bits)]
    codes = np.unique(np.concatenate([np.zeros(0, np.int64), *found]))
    return codes // n, codes % n


def _sort_part(words: NDArray[np.uint64], part: int, n_parts: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows in the order of every `n_parts`-th bit from `part` on, and how many after each share these bits with it."""
    bits = np.unpackbits(words.view(np.uint8).reshape(len(words), -1), axis=1)[:, part::n_parts]
    packed = np.ascontiguousarray(np.packbits(bits, axis=1))
    keys: NDArray[Any] = packed.view(np.dtype((np.void, packed.shape[1]))).ravel()
    order = np.argsort(keys, kind="stable")
    ends = np.flatnonzero(np.append(keys[order][1:] != keys[order][:-1], True))
    last = np.repeat(ends, np.diff(ends, prepend=-1))
    return order.astype(np.int64), last - np.arange(len(words))


def _compare_shared(
    words: NDArray[np.uint64], order: NDArray[np.int64], following: NDArray[np.int64], radius_bits: int
) -> Iterator[NDArray[np.int64]]:
    """Yield `i * n + j` of the pairs i < j within the radius, among rows that share a part."""
    total = np.cumsum(following)
    cuts = np.searchsorted(total, np.arange(BATCH, int(total[-1]) + BATCH, BATCH), side="left") + 1
    start = 0
    for end in np.unique(np.append(cuts, len(words))):
        rows = np.arange(start, min(int(end), len(words)))
        counts = following[rows]
        first = np.repeat(rows, counts)
        nth = np.arange(len(first)) - np.repeat(np.cumsum(counts) - counts, counts)
        one, other = order[first], order[first + 1 + nth]
        near = np.bitwise_count(words[one] ^ words[other]).sum(axis=1) <= radius_bits
        one, other = one[near], other[near]
        yield np.minimum(one, other) * len(words) + np.maximum(one, other)
        start = int(end)


def _compare_all(words: NDArray[np.uint64], radius_bits: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    lefts, rights = [], []
    for start in range(0, len(words), BLOCK):
        block = words[start : start + BLOCK]
        distance = np.zeros((len(block), len(words) - start), dtype=np.uint16)
        for k in range(words.shape[1]):
            distance += np.bitwise_count(block[:, None, k] ^ words[None, start:, k])
        rows, columns = np.nonzero(distance <= radius_bits)
        upper = columns > rows
        lefts.append(rows[upper] + start)
        rights.append(columns[upper] + start)
    return np.concatenate(lefts), np.concatenate(rights)
