"""The interval around a share. scipy.stats has it too, but takes most of a second to import."""

from __future__ import annotations

import math


def wilson_interval(hits: int, n: int, confidence: float) -> tuple[float, float]:
    """Wilson's score interval (1927) of the share `hits` / `n`, n > 0, at level `confidence`: both ends, 0 to 1.

    The same bits as `scipy.stats.binomtest(hits, n).proportion_ci(confidence, "wilson")`; Newcombe 1998, method 3.
    """
    from scipy.special import ndtri

    z, share = float(ndtri(0.5 + 0.5 * confidence)), hits / n
    scale = 2 * (n + z**2)
    middle = (2 * n * share + z**2) / scale
    half = z / scale * math.sqrt(4 * n * share * (1 - share) + z**2)
    return 0.0 if hits == 0 else middle - half, 1.0 if hits == n else middle + half
