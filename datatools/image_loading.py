"""Images as one array at training size."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from datatools.engine import map_ordered
from datatools.errors import DatatoolsError
from datatools.images import RGB, UnreadableImageError, decode_image, load_image, resize_image
from datatools.shards import iter_shard


def load_pixels(root: Path, paths: Sequence[str], side_px: int, tick: Callable[[int], None] | None = None) -> RGB:
    """Read the images `paths` below `root` as uint8 `(n, side_px, side_px, 3)`, in their order.

    Takes `n * side_px**2 * 3` bytes of memory. Raises DatatoolsError if a file has changed since ingest.
    """
    pixels = np.empty((len(paths), side_px, side_px, 3), dtype=np.uint8)
    for index, image in enumerate(map_ordered(functools.partial(_load, root, side_px), paths, tick=tick)):
        pixels[index] = image
    return pixels


def load_shard_pixels(shard: Path, paths: Sequence[str], side_px: int) -> RGB:
    """Read the members `paths` of a tar file as uint8 `(n, side_px, side_px, 3)`, in the order of `paths`.

    Raises DatatoolsError when one is not there.
    """
    index = {path: number for number, path in enumerate(paths)}
    pixels = np.empty((len(paths), side_px, side_px, 3), dtype=np.uint8)
    for name, data in iter_shard(shard):
        if name in index:
            pixels[index.pop(name)] = resize_image(decode_image(data), side_px)
    if index:
        raise DatatoolsError(
            f"{shard}: expected the image {next(iter(index))}. Got none of that name: run `dvc repro`."
        )
    return pixels


def _load(root: Path, side_px: int, path: str) -> RGB:
    try:
        return resize_image(load_image(root / path), side_px)
    except UnreadableImageError as error:
        raise DatatoolsError(
            f"{root / path}: expected the image that ingest read. Got: {error}. Run `dvc repro`."
        ) from error
