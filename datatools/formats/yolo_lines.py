"""One line of a YOLO label file: from fractions to pixels and back, without losing a digit that counts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from datatools.formats.base import Row, dump_attributes, is_number
from datatools.formats.rows import BrokenBoxError, BrokenRowError, UnknownClassError
from datatools.masks import dump_mask
from datatools.schema import BOX

DECIMALS = 9  # of a pixel, when fractions are multiplied out
DIGITS = (6, 9, 12, 15)  # of a fraction, tried in this order
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)


@dataclass(frozen=True)
class YoloClasses:
    """Class names by number (None: there are no names), and `(keypoints an object, numbers a keypoint)`."""

    names: Mapping[int, str] | None = None
    kpt_shape: tuple[int, int] | None = None

    def label_of(self, number: int) -> str | None:
        """The name of a class number; None where it has none."""
        if self.names is None:
            return f"class_{number}" if number >= 0 else None
        return self.names.get(number)


def to_row(tokens: Sequence[str], size_wh: tuple[int, int] | BrokenRowError, classes: YoloClasses) -> Row:
    """Label, kind, box or mask in pixels, and attributes of one line, split at its blanks.

    `size_wh` in pixels, or the error that says why there is none. Raises BrokenRowError.
    """
    values = [_to_class(tokens[0]), *map(_to_number, tokens[1:])]
    kind, has_score = _kind_of(len(values) - 1, classes.kpt_shape)
    if isinstance(size_wh, BrokenRowError):
        raise size_wh
    label = classes.label_of(int(values[0]))
    attributes: Row = {} if label is not None else {"class_id": int(values[0])}
    if has_score:
        attributes["score"] = values.pop()
    row: Row = {"label": label, "kind": kind, "annotator": None}
    if kind == "mask":
        row["mask"] = dump_mask([_to_points(values[1:], size_wh)])
    else:
        row.update(zip(BOX, _to_box(values[1:5], size_wh), strict=True))
    if kind == "box" and len(values) > 5 and classes.kpt_shape:
        attributes["keypoints"] = _to_points(values[5:], size_wh, classes.kpt_shape[1])
    return {**row, "attributes": dump_attributes(attributes)}


def _to_class(token: str) -> int:
    if not NUMBER.fullmatch(token) or not is_number(float(token)) or float(token) != int(float(token)):
        raise UnknownClassError(f"the class must be a whole number, got {token[:40]!r}")
    return int(float(token))


def _to_number(token: str) -> int | float:
    if not NUMBER.fullmatch(token):
        raise BrokenBoxError(f"{token[:40]!r} is not a number")
    value = float(token)
    if not is_number(value):
        raise BrokenBoxError(f"{token[:40]!r} is too large a number")
    return int(value) if token.lstrip("+-").isdigit() else value


def _kind_of(n: int, kpt_shape: tuple[int, int] | None) -> tuple[str, bool]:
    """The kind of a line with `n` numbers behind the class, and whether the last of them is a confidence."""
    n_pose = 4 + kpt_shape[0] * kpt_shape[1] if kpt_shape else 4
    if n in (4, 5, n_pose, n_pose + 1):
        return "box", n in (5, n_pose + 1)
    if n < 6:
        raise (BrokenBoxError if n < 4 else BrokenRowError)(
            f"a class and 4 numbers make a box, 6 or more a polygon: got {n} behind the class"
        )
    return "mask", n % 2 == 1


def _to_box(values: Sequence[float], size_wh: tuple[int, int]) -> tuple[float, float, float, float]:
    cx, cy, w, h = values
    (x0, x1), (y0, y1) = _to_edges(cx, w, size_wh[0]), _to_edges(cy, h, size_wh[1])
    return x0, y0, x1, y1


def _to_edges(centre: float, length: float, side_px: int) -> tuple[float, float]:
    return _to_px(centre - length / 2, side_px), _to_px(centre + length / 2, side_px)


def _to_points(values: Sequence[float], size_wh: tuple[int, int], dimensions: int = 2) -> list[list[float]]:
    points = [values[start : start + dimensions] for start in range(0, len(values), dimensions)]
    return [[_to_px(point[0], size_wh[0]), _to_px(point[1], size_wh[1]), *point[2:]] for point in points]


def _to_px(fraction: float, side_px: int) -> float:
    return round(fraction * side_px, DECIMALS) + 0.0  # no minus zero


def lines_of(text: str | None) -> list[str]:
    """Lines as an editor counts them; only \\n, \\r\\n and \\r end one."""
    return re.split(r"\r\n|\n|\r", text or "")


def are_points(points: Any, shape: tuple[int, int]) -> bool:
    """Whether `points` are `shape[0]` lists of `shape[1]` numbers each."""
    return (
        isinstance(points, list)
        and len(points) == shape[0]
        and all(isinstance(point, list) and len(point) == shape[1] and all(map(is_number, point)) for point in points)
    )


def fractions_of_edges(low: float, high: float, side_px: int) -> tuple[str, str]:
    """Centre and length as text, with the fewest digits that give the same pixels again."""
    centre, length = (low + high) / 2 / side_px, (high - low) / side_px
    wanted = (round(low, DECIMALS), round(high, DECIMALS))
    for digits in DIGITS:
        short = (round(centre, digits), round(length, digits))
        if _to_edges(*short, side_px) == wanted:
            return _to_text(short[0]), _to_text(short[1])
    return _to_text(centre), _to_text(length)


def to_fraction(value: float, side_px: int) -> str:
    """A coordinate as a fraction in text, with the fewest digits that give the same pixel again."""
    fraction = value / side_px
    for digits in DIGITS:
        if _to_px(round(fraction, digits), side_px) == round(value, DECIMALS):
            return _to_text(round(fraction, digits))
    return _to_text(fraction)


def _to_text(value: float) -> str:
    return str(np.format_float_positional(value + 0.0, trim="-"))


def own_id(path: str | None, line: int) -> str:
    """The annotation id of a line (from 1) in the label file of the image `path`."""
    return f"yolo/{path}#{line}"
