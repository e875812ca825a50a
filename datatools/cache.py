"""Arrays kept by what they depend on, in a folder that DVC does not delete."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datatools.store import save_bytes


def load_or_compute(
    folder: Path, depends_on: tuple[Any, ...], compute: Callable[[], NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Return the array kept for `depends_on`, or compute and keep it. A damaged file counts as none.

    `depends_on` is hashed by its `repr`: strings, numbers and containers of them.
    """
    path = folder / f"{hashlib.sha256(repr(depends_on).encode()).hexdigest()}.npy"
    try:
        return np.asarray(np.load(path, allow_pickle=False), dtype=np.float32)
    except (OSError, ValueError, EOFError):
        values = compute()
    buffer = io.BytesIO()
    np.save(buffer, values, allow_pickle=False)
    save_bytes(path, buffer.getvalue())
    return values
