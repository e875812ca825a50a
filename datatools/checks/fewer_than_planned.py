"""What it finds: a class, or a value of a metadata column, with fewer images than were planned.

Why it matters: what was planned is what the model is to be good at; a gap is cheap to close while images are being collected.

What to do: collect the images that are missing, their number is in the message, or change the plan.

Options: `validate.planned`: images wanted by class (`cat: 500`) or by value of a column of metadata.csv (`background=lab: 100`).
Empty by default: then there is nothing to compare.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterator, Sequence

import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.findings import Finding
from datatools.images_by_class import count_images
from datatools.params import ValidateParams


def find_fewer_than_planned(
    images: pd.DataFrame, annotations: pd.DataFrame, classes: Sequence[str], params: ValidateParams
) -> Iterator[Finding]:
    """Yield a finding for each planned class or slice with fewer images than planned."""
    counts = count_images(annotations) if params.planned else {}
    slices = _count_slices(images) if any("=" in name for name in params.planned) else Counter()
    for name, planned in params.planned.items():
        is_class = name in classes or name in counts
        n = int(counts.get(name, 0)) if is_class else slices[name]
        if n < planned:
            why = "" if is_class or n else ": nothing has this name"
            message = f"{name!r} has {n:,} of {planned:,} planned images{why}; {planned - n:,} are missing"
            yield Finding(message, score=n / planned, subject=name)


def _count_slices(images: pd.DataFrame) -> Counter[str]:
    """Images by `column=value` of their metadata."""
    slices: Counter[str] = Counter()
    for text, n in images["metadata"].value_counts().items():
        for column, value in json.loads(str(text)).items():
            slices[f"{column}={value}"] += int(n)
    return slices


def _off(inputs: Inputs) -> str:
    return "" if inputs["params"].planned else "validate.planned is empty"


def _spoil(inputs: Inputs) -> Inputs:
    planned = {inputs["classes"][0]: 500, "background=lab": 100}
    return {**inputs, "params": dataclasses.replace(inputs["params"], planned=planned)}


CHECK = Check("DST001", "fewer images than planned", "warning", find_fewer_than_planned, _spoil, off=_off)
