"""Near-duplicates by perceptual hash: clusters of images that show the same picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

BLOCK = 1024


def cluster_hashes(hashes: Sequence[str], radius_bits: int) -> NDArray[np.int64]:
    """Return a cluster number for each hex hash: hashes within `radius_bits` (Hamming) are linked, links chain.

    The search is exact over all pairs: shape `(n,)`, numbers by first appearance. Time grows with n squared, memory
    with n.
    """
    if not len(hashes):
        return np.zeros(0, dtype=np.int64)
    words = _to_words(hashes)
    left, right = find_pairs(words, radius_bits)
    links = coo_matrix((np.ones(len(left), dtype=np.int8), (left, right)), shape=(len(hashes), len(hashes)))
    _, clusters = connected_components(links, directed=False)
    return np.asarray(clusters, dtype=np.int64)


def find_pairs(words: NDArray[np.uint64], radius_bits: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the index pairs i < j of rows of `words` (n, k) that differ in at most `radius_bits` bits."""
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


def hamming(one: str, other: str) -> int:
    """Number of bits in which two hex hashes of equal length differ."""
    return (int(one, 16) ^ int(other, 16)).bit_count()


def _to_words(hashes: Sequence[str]) -> NDArray[np.uint64]:
    raw = np.frombuffer(bytes.fromhex("".join(hashes)), dtype=np.uint8)
    return np.ascontiguousarray(raw.reshape(len(hashes), -1)).view(np.uint64)
