"""The report against a base as one HTML page that needs no network: pictures and style are inside, foreign text is escaped."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from datatools.findings import Mark
from datatools.report.against.cards import Card
from datatools.report.against.markdown import list_caveats, write_alignment
from datatools.report.against.verdict import WORDS, judge, points, write_difference
from datatools.report.faults import Point, corners_of
from datatools.report.lift_words import to_verdict
from datatools.report.pages import render, to_data_uri
from datatools.report.words import OPS, is_number

Section = Mapping[str, Any]
MAX_ROWS = 200  # of a table; the rest is in changes.json
STATES = {"good": "good", "look": "look", "same": "same", "changed": "changed", "unknown": "unknown"}


def to_html(
    document: Section,
    cards: Sequence[Card] = (),
    pictures: Mapping[str, bytes] | None = None,
    thumbnails: Mapping[str, bytes] | None = None,
) -> str:
    """The page. `pictures` are PNGs by name (confusion, map), `thumbnails` PNGs of test images by path."""
    model = document.get("model")
    values = {
        "model": None,
        "findings": None,
        "split": None,
        "map": None,
        "lift": None,
        "cost": [],
        **document,
        "cards": cards,
        "pictures": {name: to_data_uri(data) for name, data in (pictures or {}).items()},
        "thumbnails": {path: to_data_uri(data) for path, data in (thumbnails or {}).items()},
        "caveats": list_caveats(model) if model and "missing" not in model else [],
        "alignment": write_alignment(document["map"]) if document.get("map") else "",
        "lift_verdict": to_verdict(document["lift"]) if document.get("lift") else "",
        "states": STATES,
        "words": WORDS,
        "ops": OPS,
        "max_rows": MAX_ROWS,
    }
    filters: dict[str, Callable[..., Any]] = {
        "points": points,
        "judge": judge,
        "difference": write_difference,
        "around": _around,
        "shape": _to_points,
        "corners": corners_of,
        "size": lambda value: f"{value:.2f}" if is_number(value) else "-",
    }
    return render("against/page.html", filters, values)


def _around(row: Section) -> str:
    return f"{points(row['low'])} to {points(row['high'])}" if is_number(row["low"]) else "-"


def _to_points(shape: Mark | Sequence[Point]) -> Markup:
    """`x,y x,y ...` for SVG: numbers only, so it needs no escaping."""
    corners = corners_of(shape) if isinstance(shape, Mark) else shape
    return Markup(" ".join(f"{x:.1f},{y:.1f}" for x, y in corners))
