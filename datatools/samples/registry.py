"""The samples there are, and laying one out as `data/raw`."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from datatools.errors import DatatoolsError
from datatools.samples import digits

FEWEST = 50  # below this there is no room for every fault
Make = Callable[[Path, Path, int, int, Callable[[int], None] | None], int]


@dataclass(frozen=True)
class Sample:
    """A data set that can be made here: its name, a line about it, number of images, maker, and parameters it needs."""

    name: str
    summary: str
    n_images: int
    make: Make
    params: Mapping[str, str]  # `section.key` -> YAML


SAMPLES = {digits.NAME: Sample(digits.NAME, digits.SUMMARY, 5000, digits.make_digits, digits.PARAMS)}


def find_sample(name: str) -> Sample:
    """The sample called `name`; raises DatatoolsError that lists the known ones."""
    if name not in SAMPLES:
        raise DatatoolsError(f"sample must be one of {', '.join(SAMPLES)}. Got {name!r} instead.")
    return SAMPLES[name]


def make_sample(
    name: str,
    root: Path,
    key: Path,
    seed: int = 0,
    n_images: int | None = None,
    tick: Callable[[int], None] | None = None,
) -> int:
    """Lay out a sample as the folder `root` and its answer key as the file `key`; return the number of images.

    The folder appears whole or not at all. Raises DatatoolsError for an unknown sample, a number of images it does
    not have, and a folder that holds files already: nothing is overwritten.
    """
    sample = find_sample(name)
    n_images = sample.n_images if n_images is None else n_images
    if not FEWEST <= n_images <= sample.n_images:
        raise DatatoolsError(f"sample {name}: images must be in [{FEWEST}, {sample.n_images}]. Got {n_images} instead.")
    if root.exists() and any(root.iterdir()):
        raise DatatoolsError(
            f"{root}: expected an empty or missing folder. Got one with files in it: move them away first."
        )
    part = root.with_name(f".{root.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    n_files = sample.make(part, key, seed, n_images, tick)
    if root.exists():
        root.rmdir()
    part.replace(root)
    return n_files
