"""Images as one array at training size."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from datatools.engine import map_ordered
from datatools.images import RGB, decode_image, load_image, resize_image
from datatools.shards import iter_shard


def load_pixels(root: Path, paths: Sequence[str], side_px: int, tick: Callable[[int], None] | None = None) -> RGB:
    """Read the images `paths` below `root` as uint8 `(n, side_px, side_px, 3)`, in their order.

    Takes `n * side_px**2 * 3` bytes of memory. Raises UnreadableImageError if a file has changed since ingest.
    """
    pixels = np.empty((len(paths), side_px, side_px, 3), dtype=np.uint8)
    for index, image in enumerate(map_ordered(functools.partial(_load, root, side_px), paths, tick=tick)):
        pixels[index] = image
    return pixels


def load_shard_pixels(shard: Path, paths: Sequence[str], side_px: int) -> RGB:
    """Read the members `paths` of a tar file as uint8 `(n, side_px, side_px, 3)`, in the order of `paths`."""
    index = {path: number for number, path in enumerate(paths)}
    pixels = np.empty((len(paths), side_px, side_px, 3), dtype=np.uint8)
    for name, data in iter_shard(shard):
        if name in index:
            pixels[index[name]] = resize_image(decode_image(data), side_px)
    return pixels


def _load(root: Path, side_px: int, path: str) -> RGB:
    return resize_image(load_image(root / path), side_px)
