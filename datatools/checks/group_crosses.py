"""What it finds: a group (a writer, a patient, a recording) with images on more than one side of the split.

Why it matters: the model has seen the test image's twin in training, so the test score is too good, often by a lot.

What to do: run `dvc repro split`; it keeps groups together. If the split was edited by hand or came with the data, mend it
there.

Options: `ingest.group_column` names the column of the groups.
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.checks.sides import find_crossing
from datatools.findings import Finding


def find_crossing_groups(images: pd.DataFrame, split: pd.DataFrame) -> Iterator[Finding]:
    """Yield a finding for each group on several sides, named by the group."""
    for group, sides, path in find_crossing(images.set_index("path")["group"], split):
        yield Finding(f"group {group!r} is on {sides}, such as {path}", subject=group)


def _spoil(inputs: Inputs) -> Inputs:
    images = inputs["images"].copy()
    images["group"] = "one"
    return {**inputs, "images": images}


CHECK = Check("SPL001", "group on several sides of the split", "error", find_crossing_groups, _spoil)
