"""The bytes of the images under the data root, whether they lie there as files or were imported and packed."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from datatools.file_reading import BelowReader, UnreadableFileError
from datatools.images import RGB, UnreadableImageError, decode_image
from datatools.packed import PackedImages, list_batches, merge_packed


class RawImages:
    """Images by path, below the data root `root`; a folder is looked up once, where it is when an image of it is first read."""

    def __init__(self, root: Path, batches: tuple[str, ...], packed: PackedImages | None = None) -> None:
        """`batches`: names of the folders of what was imported; `packed` where they were read already."""
        self.root = root
        self._batches = batches
        self._packed = _open_packed(root, batches) if packed is None else packed
        self._reader = BelowReader(root)

    def __reduce__(self) -> tuple[Any, ...]:
        """A pickle that does not grow with the number of images: one goes with each task of a pool."""
        return RawImages, (self.root, self._batches)

    def packed_paths(self) -> list[str]:
        """Paths of the imported images, sorted."""
        return self._packed.paths

    def is_packed(self, path: str) -> bool:
        """Whether the image is in a shard; otherwise it is a file of its own, if it is there at all."""
        return path in self._packed

    def sha256(self, path: str) -> str | None:
        """SHA-256 of an imported image; None where the file must be read to know."""
        return self._packed.sha256(path)

    def sha256_of(self, paths: Sequence[str]) -> pa.Array:
        """SHA-256 of each of the images, null where the file must be read to know."""
        return self._packed.sha256_of(paths)

    def read(self, path: str) -> bytes:
        """The bytes of the image `path`. Raises UnreadableFileError."""
        return self._packed.read(path) if self.is_packed(path) else self._reader.read(path)

    def decode(self, path: str) -> RGB:
        """The image as uint8 RGB `(height, width, 3)`. Raises UnreadableImageError."""
        try:
            return decode_image(self.read(path))
        except UnreadableFileError as error:
            raise UnreadableImageError(str(error)) from error


def open_raw(root: Path, images: pd.DataFrame | None = None) -> RawImages:
    """The images below `root`; what was imported is listed once a process. `images` as merge_packed gives it, if known."""
    packed = None if images is None else PackedImages(root, images)
    return RawImages(root, tuple(folder.name for folder in list_batches(root)), packed)


@functools.lru_cache(maxsize=2)
def _open_packed(root: Path, batches: tuple[str, ...]) -> PackedImages:
    return PackedImages(root, merge_packed(root))
