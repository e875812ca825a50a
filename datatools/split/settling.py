"""Who stays where it is, who joins it, and who goes to quarantine because it would link two sides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from datatools.split.ledger import UNKNOWN
from datatools.split.links import Bools, Ints, Links

Sides = NDArray[np.int8]


@dataclass(frozen=True)
class Settled:
    """Before anything new is placed. `sides`: by number, UNKNOWN for what is free. `quarantined`: on no side, whatever
    its number says. `units`: the smallest row linked with each image, directly or not."""

    sides: Sides
    quarantined: Bools
    units: Ints


def settle(links: Links, known: Sides, fixed: Bools) -> Settled:
    """Place what is linked with images of `known` sides (UNKNOWN: none yet).

    Where a unit is on one side, all of it goes there. Where it is on several:

    1. Of two known images that are linked directly, the one on the lower side (train, then val) goes to quarantine,
       unless it is `fixed` (the data itself put it there).
    2. A new image joins the side that it is linked with directly, step by step outwards. One that is linked with
       several sides goes to quarantine; of two that join different sides at once and are linked with each other, the
       one on the lower side does.
    3. What is then linked only with quarantined images is quarantined as well.

    The result is a fixed point: with its sides as `known` it comes out again.
    """
    units = links.units()
    lowest, highest = _range_of(units, known)
    sides = np.where((known == UNKNOWN) & (lowest == highest), lowest, known).astype(np.int8)
    quarantined = np.zeros(len(known), dtype=bool)
    spanning = np.flatnonzero(highest > lowest)
    if len(spanning):
        part = _settle_spanning(links.rows(spanning), known[spanning], fixed[spanning])
        sides[spanning], quarantined[spanning] = part
    return Settled(sides, quarantined, units)


def _range_of(units: Ints, known: Sides) -> tuple[Sides, Sides]:
    """The lowest and the highest known side in each image's unit; both UNKNOWN where there is none."""
    n = len(units)
    lowest, highest = np.full(n, 127, dtype=np.int8), np.full(n, UNKNOWN, dtype=np.int8)
    placed = known != UNKNOWN
    np.minimum.at(lowest, units[placed], known[placed])
    np.maximum.at(highest, units[placed], known[placed])
    lowest[highest == UNKNOWN] = UNKNOWN
    return lowest[units], highest[units]


def _settle_spanning(links: Links, known: Sides, fixed: Bools) -> tuple[Sides, Bools]:
    sides = known.copy()
    while True:
        stays = _winners(links, sides, fixed)
        touched = np.stack([links.touched(stays & (sides == side)) for side in range(int(sides.max()) + 1)])
        joins = (sides == UNKNOWN) & (touched.sum(axis=0) == 1)
        candidates = np.where(joins, touched.argmax(axis=0), UNKNOWN).astype(np.int8)
        new = _winners(links, candidates, np.zeros_like(fixed))
        if not new.any():
            return sides, ~stays
        sides[new] = candidates[new]


def _winners(links: Links, sides: Sides, fixed: Bools) -> Bools:
    """Which images on a side keep it: the higher sides first, and of a lower one those that are not linked with them."""
    stays = np.zeros(len(sides), dtype=bool)
    for side in range(int(sides.max(initial=UNKNOWN)), UNKNOWN, -1):
        beaten = links.touched(stays) & ~fixed
        stays |= (sides == side) & ~beaten
    return stays
