"""What all pages share: one environment that escapes every text and makes it visible."""

from __future__ import annotations

import base64
import functools
from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from datatools.report import words

LONGEST = 400  # characters of one text


def render(template: str, filters: Mapping[str, Callable[..., Any]], values: Mapping[str, Any]) -> str:
    """The page of `template` in datatools/report/, with `filters` of its own beside count, percent, plural, moment."""
    environment = _environment().overlay()
    environment.filters = {**environment.filters, **filters}
    return environment.get_template(template).render(**values)


def to_data_uri(data: bytes) -> Markup:
    """A picture, PNG or JPEG, as the address of itself: a page is one file."""
    kind = "jpeg" if data.startswith(b"\xff\xd8") else "png"
    return Markup(f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}")


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("datatools", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    shared = {"count": words.count, "percent": words.percent, "moment": words.moment, "plural": words.plural}
    environment.filters |= shared
    return environment


def _finalize(value: Any) -> Any:
    """Every text on a page is made visible before it is escaped; Markup is what our own modules built."""
    if value is None:
        return words.NONE
    return words.visible(value, LONGEST) if type(value) is str else value
