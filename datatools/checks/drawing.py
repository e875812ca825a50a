"""Marks and offers of the checks of boxes and masks."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from datatools.checks.pairs import Floats
from datatools.findings import Mark, Offer


def mark_box(box: Sequence[float] | Floats) -> Mark:
    """A box to draw, from x0, y0, x1, y1."""
    return Mark("box", tuple(map(float, box)))


def mark_polygon(points: Floats) -> Mark:
    """An outline to draw, from (n, 2) points."""
    return Mark("polygon", tuple(np.ravel(points).tolist()))


def mark_line(first: Floats, second: Floats) -> Mark:
    """A line to draw between two points."""
    return Mark("line", (*map(float, first), *map(float, second)))


def mark_point(point: Floats) -> Mark:
    """A point to draw."""
    return Mark("point", tuple(map(float, point)))


def offer_box(before: Floats, after: Floats) -> Offer:
    """The repair of a box."""
    return Offer("move_box", json.dumps(before.tolist()), json.dumps(after.tolist()))
