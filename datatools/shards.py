"""Packing image bytes into one tar file (WebDataset convention), so that DVC moves one object and not thousands."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from datatools.store import save_bytes


def save_shard(path: Path, members: Iterable[tuple[str, bytes]]) -> int:
    """Write (name, bytes) pairs as a tar file, in the given order, and return their number.

    Times, owners and modes are fixed: equal members give equal bytes. The file appears whole or not at all.
    """
    buffer = io.BytesIO()
    n_members = 0
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
            n_members += 1
    save_bytes(path, buffer.getvalue())
    return n_members


def iter_shard(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield (name, bytes) of every member, in the order of the file."""
    with tarfile.open(path, mode="r:") as tar:
        for info in tar:
            file = tar.extractfile(info)
            if file is not None:
                yield info.name, file.read()
