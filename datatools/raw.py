"""The bytes of the images under the data root, whether they lie there as files or were imported and packed."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from datatools.file_reading import UnreadableFileError, read_below
from datatools.images import RGB, UnreadableImageError, decode_image
from datatools.packed import PackedImages, list_batches, merge_packed


class RawImages:
    """Images by path, below the data root `root`."""

    def __init__(self, root: Path, batches: tuple[str, ...]) -> None:
        """`batches`: names of the folders of what was imported."""
        self.root = root
        self._batches = batches
        self._packed = _open_packed(root, batches)

    def __reduce__(self) -> tuple[Any, ...]:
        """A pickle that does not grow with the number of images: one goes with each task of a pool."""
        return RawImages, (self.root, self._batches)

    def packed_paths(self) -> list[str]:
        """Paths of the imported images, sorted."""
        return list(self._packed)

    def is_packed(self, path: str) -> bool:
        """Whether the image is in a shard; otherwise it is a file of its own, if it is there at all."""
        return path in self._packed

    def sha256(self, path: str) -> str | None:
        """SHA-256 of an imported image; None where the file must be read to know."""
        return self._packed.sha256(path) if self.is_packed(path) else None

    def read(self, path: str) -> bytes:
        """The bytes of the image `path`. Raises UnreadableFileError."""
        return self._packed.read(path) if self.is_packed(path) else read_below(self.root, path)

    def decode(self, path: str) -> RGB:
        """The image as uint8 RGB `(height, width, 3)`. Raises UnreadableImageError."""
        try:
            return decode_image(self.read(path))
        except UnreadableFileError as error:
            raise UnreadableImageError(str(error)) from error


def open_raw(root: Path) -> RawImages:
    """The images below `root`; what was imported is listed once a process."""
    return RawImages(root, tuple(folder.name for folder in list_batches(root)))


@functools.lru_cache(maxsize=2)
def _open_packed(root: Path, batches: tuple[str, ...]) -> PackedImages:
    return PackedImages(root, merge_packed(root))
