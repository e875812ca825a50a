"""Why an image is on no side: the images on different sides that it would link."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from datatools.schema import SIDES
from datatools.split.ledger import UNKNOWN
from datatools.split.links import Links

ALONE = "linked only with images in quarantine"


def describe_quarantine(
    links: Links, sides: NDArray[np.int8], known: NDArray[np.int8], rows: NDArray[np.int64], names: NDArray[np.object_]
) -> list[dict[str, Any]]:
    """path, ledger (the side it has there, or None), links (path, side, how) and reason of each image in `rows`.

    `sides` are those of the finished split by number, UNKNOWN in quarantine. Of each side the first image is named.
    """
    firsts = [links.first_members(sides == side) for side in range(len(SIDES))]
    return [_describe(links, firsts, int(known[row]), int(row), names) for row in rows]


def _describe(
    links: Links, firsts: list[NDArray[np.int64]], known: int, row: int, names: NDArray[np.object_]
) -> dict[str, Any]:
    own = links.members.indices[links.members.indptr[row] : links.members.indptr[row + 1]]
    found = []
    for side, first in zip(SIDES, firsts, strict=True):
        best = min(own, key=lambda link: (first[link], link), default=None)
        if best is not None and first[best] < len(names):
            found.append({"path": str(names[first[best]]), "side": side, "how": str(links.kinds[best])})
    said = " and ".join(f"{link['how']} as {link['path']} ({link['side']})" for link in found) or ALONE
    said = said.replace("near-duplicate as", "near-duplicate of")
    ledger = None if known == UNKNOWN else SIDES[known]
    reason = said if ledger is None else f"assigned to {ledger} before, but {said}"
    return {"path": str(names[row]), "ledger": ledger, "links": found, "reason": reason}
