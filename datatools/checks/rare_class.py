"""What it finds: a class with few images, or with none, in a data set whose other classes have many.

Why it matters: with a handful of images a class cannot be learned, nor its score be measured: a split leaves it out of train
or test, and the accuracy over all classes hides that.

What to do: collect or label more images of it, join it with a class that is alike, or take it out of the class list.

Options: `validate.class_min`: a class with fewer images is rare (default 10), if it also has less than half of the even part,
all images divided by the number of classes. 0 switches the check off. Where more than half of the classes have no image, that is said once: the
list is longer than the data.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.checks.columns import is_among
from datatools.checks.geometry import Objects, unpack
from datatools.findings import Finding
from datatools.images_by_class import count_by_number
from datatools.params import ValidateParams
from datatools.schema import CONSENSUS

SHOWN = 5  # names in a message
SMALLEST = 4  # images of an even part; with fewer, every class is rare


def find_rare_classes(annotations: pd.DataFrame, classes: Sequence[str], params: ValidateParams) -> Iterator[Finding]:
    """Yield a finding for each class with fewer images than `class_min` and than half of the even part."""
    said = unpack(annotations)
    n_of = _count_images(said, classes)
    empty = [name for name, n in n_of.items() if n == 0]
    if not any(n_of.values()):
        return
    if len(empty) > len(n_of) / 2 and params.class_min:
        some = ", ".join(map(repr, empty[:SHOWN])) + (", ..." if len(empty) > SHOWN else "")
        yield Finding(f"{len(empty)} of the {len(n_of)} classes have no image: {some}")
    even = len(said.images[1]) / max(1, len(n_of) - len(empty))
    bar = min(params.class_min, even / 2)
    for name, n in n_of.items():
        if n and n < bar and even >= SMALLEST:
            noun = "image" if n == 1 else "images"
            yield Finding(f"class {name!r} has only {n} {noun}", score=n / params.class_min, subject=name)
        elif n == 0 and params.class_min and len(empty) <= len(n_of) / 2:
            yield Finding(f"class {name!r} has no image", subject=name)


def _count_images(said: Objects, classes: Sequence[str]) -> dict[str, int]:
    """Images of each class of the list."""
    (images, paths), (labels, names) = said.images, said.labels
    is_label, is_vote = said.is_label, is_among(said.annotators, CONSENSUS)
    counts = count_by_number(images, labels, is_label, is_vote, (len(paths), len(names)))
    n_of = dict(zip(names.tolist(), counts.tolist(), strict=True))
    return {name: n_of.get(name, 0) for name in classes}


def _off(inputs: Inputs) -> str:
    return "" if inputs["params"].class_min else "validate.class_min is 0"


def _spoil(inputs: Inputs) -> Inputs:
    return {**inputs, "classes": (*inputs["classes"], "triangle")}


CHECK = Check("LBL007", "rare class", "info", find_rare_classes, _spoil, off=_off)
