"""Bootstrap over items, without touching the items: items that were rated alike are one row with a count.

Drawing n items with replacement and counting how many are of each kind is one draw from a multinomial distribution, so
1,000 resamples of 50,000 items with three labels each cost a table of 1,000 x a few hundred numbers. Efron and Tibshirani
(1993), An Introduction to the Bootstrap: percentile interval.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from datatools.agreement.ratings import Codes, Floats

RESAMPLES = 1000
CONFIDENCE = 0.95
BLOCK = 4_000_000  # numbers held at once


def group_alike(item: Codes, code: Codes, n_items: int) -> Codes:
    """A number for each item, equal for items with the same codes. `item` is sorted, `code` sorted within each item."""
    n_of_item = np.bincount(item, minlength=n_items)
    first = np.cumsum(n_of_item) - n_of_item
    width = int(code.max()) + 1 if len(code) else 1
    group = n_of_item.copy()
    for place in range(int(n_of_item.max(initial=0))):
        longer = n_of_item > place
        pairs = group[longer] * width + code[first[longer] + place]
        kinds, number = np.unique(pairs, return_inverse=True)
        group[longer] = number + n_items * (place + 1) + len(n_of_item)
        if len(kinds) == len(number):
            break  # every longer item is of its own kind already
    return np.unique(group, return_inverse=True)[1].astype(np.int64)


def resample(n_of_kind: Codes, n_resamples: int, seed: int) -> Iterator[Floats]:
    """Blocks of resamples, shape (resamples, kinds): how many items of each kind were drawn."""
    rng = np.random.default_rng(seed)
    total, kinds = int(n_of_kind.sum()), len(n_of_kind)
    rows = max(1, min(n_resamples, BLOCK // max(kinds, 1)))
    kind_of_item = np.repeat(np.arange(kinds), n_of_kind) if kinds * 8 > total else None
    for start in range(0, n_resamples, rows):
        size = min(rows, n_resamples - start)
        if kind_of_item is None:
            yield rng.multinomial(total, n_of_kind / total, size=size).astype(np.float64)
        else:
            drawn = (kind_of_item[rng.integers(0, total, total)] for _ in range(size))
            yield np.stack([np.bincount(one, minlength=kinds) for one in drawn]).astype(np.float64)


def interval(
    measure: Callable[[Floats], Floats],
    n_of_kind: Codes,
    n_resamples: int = RESAMPLES,
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> Floats | None:
    """Percentile interval of `measure`, which maps weights (resamples, kinds) to values (resamples, ...).

    Returns the low ends and the high ends, shape (2, ...); None where fewer than two items stand behind it.
    """
    if n_of_kind.sum() < 2 or n_resamples < 1:
        return None
    values = np.concatenate([measure(weights) for weights in resample(n_of_kind, n_resamples, seed)])
    tail = (1.0 - confidence) / 2.0
    return np.quantile(values, [tail, 1.0 - tail], axis=0)


def chance_corrected(observed: Floats, expected: Floats) -> Floats:
    """1 - observed / expected disagreement; where none is expected, 1.0 if none is observed, else 0.0."""
    nothing = expected <= 0.0
    ratio = observed / np.where(nothing, 1.0, expected)
    return np.where(nothing, np.where(observed <= 0.0, 1.0, 0.0), 1.0 - ratio)
