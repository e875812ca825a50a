"""What many images of a set have in common is no fault of each: it is said once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd

from datatools.findings import Finding

TRAIT_SHARE, TRAIT_MIN = 0.2, 20
TRAIT_SCORE = 0.9  # worth knowing, nothing to mend image by image


def each_or_once(
    odd: pd.DataFrame, n_images: int, say: Callable[[Any], Finding], trait: str, subject: str, least: int = TRAIT_MIN
) -> Iterator[Finding]:
    """Yield `say(row)` for each row of `odd` (of IMAGES), or one finding about the set.

    What more than a fifth of the images have, and more than `least`, is no fault of an image but a trait of the set. `trait`
    completes "70 of 100 images ..."; `subject` names the trait from one version of the data to the next.
    """
    if len(odd) > max(least, TRAIT_SHARE * n_images):
        share = f"{len(odd):,} of {n_images:,} images ({len(odd) / n_images:.0%})"
        yield Finding(
            f"{share} {trait}: a trait of the set, as in {odd['path'].min()}", None, None, TRAIT_SCORE, subject
        )
    else:
        yield from map(say, odd.itertuples())
