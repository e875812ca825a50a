"""What to say of a label that is none of the classes."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

MOST = 12  # classes that are listed


def refuse_label(label: str | None, classes: Sequence[str]) -> str:
    """The message: the classes, or where they are many those most like it, what came, and how to get a new class."""
    close = difflib.get_close_matches(str(label), classes, n=3, cutoff=0.6)
    listed = classes if len(classes) <= MOST else close or classes[:MOST]
    more = f" or {len(classes) - len(listed)} more" if len(listed) < len(classes) else ""
    new = "a new class comes with `ingest.classes` in params.yaml, which lists all, and `dvc repro`"
    names = ", ".join(name if name.isprintable() else repr(name) for name in listed)
    return f"label must be one of {names}{more}. Got {label!r} instead: {new}."
