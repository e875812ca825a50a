"""MD5 and SHA-256 of files in one pass, and the part of a closure that a sample covers."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from datatools.errors import DatatoolsError

CHUNK = 1 << 20
N_PREFIXES = 256  # the first two hex digits of an MD5


@dataclass(frozen=True, slots=True)
class Content:
    """What a file holds."""

    n_bytes: int
    md5: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Sample:
    """Part `part` of `parts` of all objects, by the first two digits of their MD5: the same objects every time."""

    part: int = 1
    parts: int = 1

    def __contains__(self, md5: object) -> bool:
        """Whether the object is in this part."""
        return int(str(md5)[:2], 16) % self.parts == self.part - 1

    def __str__(self) -> str:
        """As the user gave it: N/T."""
        return f"{self.part}/{self.parts}"


def parse_sample(text: str | None) -> Sample:
    """`2/7` as a Sample; None is everything. Raises DatatoolsError."""
    found = re.fullmatch(r"([0-9]{1,3})/([0-9]{1,3})", text or "1/1")
    part, parts = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= part <= parts <= N_PREFIXES:
        raise DatatoolsError(
            f"--sample: expected N/T with 1 <= N <= T <= {N_PREFIXES}, such as 2/7. Got {text!r} instead."
        )
    return Sample(part, parts)


def hash_file(path: Path) -> Content:
    """Size and hashes of the file, read in pieces. Raises OSError."""
    md5, sha256, n_bytes = hashlib.md5(usedforsecurity=False), hashlib.sha256(), 0
    with path.open("rb", buffering=0) as file:
        while piece := file.read(CHUNK):
            md5.update(piece)
            sha256.update(piece)
            n_bytes += len(piece)
    return Content(n_bytes, md5.hexdigest(), sha256.hexdigest())


def hash_files(places: Mapping[str, Path], jobs: int | None = None) -> Iterator[tuple[str, Content | OSError]]:
    """(key, content or why it cannot be read) of each file, on all cores: hashing leaves Python's lock to others."""

    def one(item: tuple[str, Path]) -> tuple[str, Content | OSError]:
        try:
            return item[0], hash_file(item[1])
        except OSError as error:
            return item[0], error

    with ThreadPoolExecutor(jobs or os.cpu_count()) as pool:
        for block in _blocks(places.items()):
            yield from pool.map(one, block)


def _blocks(items: Iterable[tuple[str, Path]], n: int = 256) -> Iterator[list[tuple[str, Path]]]:
    """A pool takes all of an iterable at once; with blocks, leaving the loop early leaves little work behind."""
    block: list[tuple[str, Path]] = []
    for item in items:
        block.append(item)
        if len(block) == n:
            yield block
            block = []
    yield block
