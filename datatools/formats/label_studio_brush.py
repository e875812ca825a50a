"""Label Studio's run lengths of brush masks (datatools/formats/label_studio.py is the user's page)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from datatools.formats.rows import BrokenRleError
from datatools.masks import MAX_PIXELS, Rle, from_array

RUN_BITS = (3, 4, 8, 16)


def decode_brush(data: Any, size_hw: tuple[int, int]) -> Rle:
    """The pixels that Label Studio's own run lengths paint: those whose alpha is not 0.

    The bits are those of thi.ng/rle-pack over the image's RGBA bytes: their number (32 bits), word size - 1 (5), four
    run-length sizes - 1 (4 each); then a run is a flag (1: one word for all, 0: a word each), which size (2), its
    length - 1 and the words. Raises BrokenRleError.
    """
    height, width = size_hw
    if height * width > MAX_PIXELS:
        raise BrokenRleError(f"an image of {width} x {height} pixels is larger than {MAX_PIXELS} pixels")
    if not isinstance(data, list) or not all(type(byte) is int and 0 <= byte < 256 for byte in data):
        raise BrokenRleError("rle must be a list of bytes")
    bits = _Bits(bytes(data))
    total, word = bits.read(32), bits.read(5) + 1
    sizes = [bits.read(4) + 1 for _ in range(4)]
    if total != 4 * height * width:
        raise BrokenRleError(f"rle is of {total} bytes, but {width} x {height} pixels have {4 * height * width}")
    painted = np.zeros(height * width, bool)
    at = 0
    while at < total:
        is_run = bits.read(1)
        end = at + 1 + bits.read(sizes[bits.read(2)])
        if end > total:
            raise BrokenRleError("rle paints beyond its image")
        if is_run:
            if bits.read(word):
                painted[at // 4 : end // 4] = True  # byte 4 n + 3 is the alpha of pixel n
        else:
            for byte in range(at, end):
                if bits.read(word) and byte % 4 == 3:
                    painted[byte // 4] = True
        at = end
    return from_array(painted.reshape(size_hw))


def encode_brush(pixels: NDArray[np.bool_]) -> list[int]:
    """Label Studio's run lengths of a mask `(height, width)`; the inverse of decode_brush."""
    flat = pixels.ravel()
    edges = np.concatenate([[0], np.flatnonzero(np.diff(flat)) + 1, [flat.size]])
    parts = [f"{4 * flat.size:032b}", f"{7:05b}", *(f"{size - 1:04b}" for size in RUN_BITS)]
    for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        left = 4 * (end - start)
        while left:
            length = min(left, 1 << RUN_BITS[-1])
            which = next(index for index, size in enumerate(RUN_BITS) if length <= 1 << size)
            parts.append(f"1{which:02b}{length - 1:0{RUN_BITS[which]}b}{255 if flat[start] else 0:08b}")
            left -= length
    text = "".join(parts)
    text += "0" * (-len(text) % 8)
    return list(int(text, 2).to_bytes(len(text) // 8, "big"))


class _Bits:
    """Reads numbers of some bits from bytes."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def read(self, n_bits: int) -> int:
        """The next number; raises BrokenRleError at the end."""
        first, end = self.at, self.at + n_bits
        if end > 8 * len(self.data):
            raise BrokenRleError("rle stops in the middle of a run")
        self.at = end
        chunk = int.from_bytes(self.data[first // 8 : (end + 7) // 8], "big")
        return (chunk >> (-end % 8)) & ((1 << n_bits) - 1)
