"""How many copies each training image gets: as many for all, more for chosen classes, more for rare ones.

A class c with n_c training images of which the largest class has n_max gets, for each of its images,

    (1 + factor) * (n_max / n_c) ** balance - 1

copies, at least `factor` and at most `copies_max` (or `factor`, where that is more): with `balance` 0 every class gets
`factor`; with 1 all classes come out with equally many images, originals included. `factor_per_class` replaces that
number for the classes it names. Without any augmenter (preset none and no policy) `factor` counts as 0: copies of all that
nothing tells apart would only make the epochs longer; those that `balance` and `factor_per_class` ask for are plain
oversampling. An image of several classes (objects count) gets the copies of the class that asks for most.
Of a number such as 2.4 every image gets 2, and 4 in 10 images a third: those whose own hash says so, so that the choice
does not move when other images come or go.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Collection, Mapping

from datatools.errors import DatatoolsError
from datatools.params import AugmentParams


def count_copies(
    classes_of: Mapping[str, Collection[str]], sha256: Mapping[str, str], params: AugmentParams, known: Collection[str]
) -> dict[str, int]:
    """Copies by path, of the training images with their classes and content. `known` are the classes of the data set.

    Raises DatatoolsError for a class in `factor_per_class` that is not known.
    """
    for name in params.factor_per_class:
        if name not in known:
            raise DatatoolsError(
                f"augment.factor_per_class has the classes {', '.join(known)}. Got {name!r} instead: rename or remove it."
            )
    wanted = copies_by_class(Counter(name for names in classes_of.values() for name in set(names)), params)
    return {
        path: _round(max(wanted[name] for name in names), sha256[path], params.seed)
        for path, names in classes_of.items()
        if names
    }


def copies_by_class(n_images: Mapping[str, int], params: AugmentParams) -> dict[str, float]:
    """Copies per image of each class, of the numbers of training images by class."""
    most = max(n_images.values(), default=0)
    factor = params.factor if params.steps else 0
    cap = max(params.copies_max, factor)
    balanced = {name: min(cap, (1 + factor) * (most / n) ** params.balance - 1) for name, n in n_images.items() if n}
    return balanced | {name: float(n) for name, n in params.factor_per_class.items() if name in balanced}


def _round(n: float, sha256: str, seed: int) -> int:
    return int(n) if n == int(n) else math.floor(n + _share(sha256, seed))


def _share(sha256: str, seed: int) -> float:
    """In [0, 1): an image's own place, by which it gets the last copy or not."""
    digest = hashlib.sha256(f"{seed}/{sha256}/copies".encode()).digest()
    return (int.from_bytes(digest[:8]) >> 11) * 2.0**-53
