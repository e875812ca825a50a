"""The sides that the data itself names: train, val and test folders, lists or columns of what a team brings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datatools.params import SplitParams
from datatools.schema import SIDES, side_called
from datatools.split.ledger import UNKNOWN


@dataclass(frozen=True)
class Declared:
    """The side of each image as the data says (a number of SIDES or UNKNOWN), whether that counts, and why."""

    sides: NDArray[np.int8]
    counts: bool
    why: str


def read_declared(images: pd.DataFrame, params: SplitParams) -> Declared:
    """What IMAGES.subset says, and whether `params.source` lets it count.

    `auto` lets it count if it names an image for every side that is to have any: a set that brings only train and val
    needs a test side of ours. Names that are no side (trainval, a list of two) say nothing.
    """
    codes, names = pd.factorize(images["subset"])
    sides = np.array([*map(side_of, names), UNKNOWN], dtype=np.int8)[codes]  # null has the last code
    if params.source == "own":
        return Declared(sides, False, "split.source is own")
    n_named = int((sides != UNKNOWN).sum())
    if params.source == "predefined":
        return Declared(
            sides, True, f"split.source is predefined: the data names the side of {n_named:,} of {len(sides):,} images"
        )
    missing = [name for number, name in enumerate(SIDES) if getattr(params, name) > 0 and not (sides == number).any()]
    if not n_named:
        return Declared(sides, False, "the data names no sides")
    if missing:
        return Declared(sides, False, f"the data names no image for {' and '.join(missing)}")
    return Declared(sides, True, f"the data names the side of {n_named:,} of {len(sides):,} images")


def side_of(subset: str) -> int:
    """The number of the side that a subset's name means: `Validation`, `train2017`; UNKNOWN for any other name."""
    name = side_called(subset)
    return UNKNOWN if name is None else SIDES.index(name)
