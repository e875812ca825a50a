"""Several names that one annotation gives: where a format allows them, the label is null and its attributes list them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def chosen_names(attributes: Mapping[str, Any]) -> tuple[str, ...]:
    """The names in `choices` (flags, tags, choices of one or several controls) or `labels` (of a region); none if neither."""
    listed = attributes.get("choices", attributes.get("labels"))
    names: list[str] = []
    for item in listed if isinstance(listed, list) else ():
        group = item[1] if isinstance(item, list) and len(item) == 2 and isinstance(item[1], list) else [item]
        names += [name for name in group if isinstance(name, str)]
    return tuple(dict.fromkeys(names))
