"""What a name means: an image, an annotation, a model or a fix record."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pandas as pd

from datatools.errors import DatatoolsError
from datatools.project import LAYOUT
from datatools.trace.models import find_tagged, list_models
from datatools.trace.place import WEIGHTS, Place

IMAGE, ANNOTATION, MODEL, FIX = "image", "annotation", "model", "fix record"
FEWEST = 4  # digits of a hash or id that are a name
SHOWN = 5  # candidates that an error lists
COMPARED = 20_000  # names that are compared with one that is not there
FOLDERS = tuple(f"{LAYOUT[name]}/" for name in ("raw", "images"))


@dataclass(frozen=True)
class Named:
    """A thing with a story: its kind, and path, annotation id, hash of the weights or record id."""

    kind: str
    key: str


def resolve(place: Place, name: str) -> Named:
    """What `name` means. A full name goes before a part of one.

    Raises DatatoolsError that lists what it may mean, or names that are close to it.
    """
    for find in (_find_exact, _find_by_part):
        found = list(dict.fromkeys(find(place, name)))
        if len(found) == 1:
            return found[0]
        if found:
            listed = ", ".join(f"{item.kind} {item.key}" for item in found[:SHOWN])
            more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
            raise DatatoolsError(
                f"trace: expected the name of one thing. Got {name!r}, which may be {listed}{more}: give more of it."
            )
    raise DatatoolsError(
        "trace: expected an image path, an annotation id, a model (file, digest or release) or the id of a fix record. "
        f"Got {name!r}, which none has{_suggest(place, name)}."
    )


def _find_exact(place: Place, name: str) -> Iterator[Named]:
    """An image or annotation that is in the data set, or that was: records and refused files name it."""
    folder = next((folder for folder in FOLDERS if name.startswith(folder)), "")
    path = name.removeprefix(folder)
    if path in _known_paths(place):
        yield Named(IMAGE, path)
    copy = place.copies.loc[place.copies["path"] == path, "parent_path"]
    yield from (Named(IMAGE, str(parent)) for parent in copy.head(1))
    if name in _known_ids(place):
        yield Named(ANNOTATION, name)
    yield from (Named(FIX, name) for item in place.decided if item.record.id == name)
    if name in (WEIGHTS, LAYOUT["models"], "model") and place.past.now:
        md5 = place.past.now.find_out(WEIGHTS)
        yield from [Named(MODEL, md5)] if md5 else []
    if "model@v" in name:
        md5 = find_tagged(place, name)
        yield from [Named(MODEL, md5)] if md5 else []


def _find_by_part(place: Place, name: str) -> Iterator[Named]:
    """A file name, or the first digits of a hash or an id."""
    images = place.dataset.images
    ends = images.loc[images["path"].str.endswith(f"/{name}"), "path"] if name else []
    yield from (Named(IMAGE, str(path)) for path in ends)
    if not re.fullmatch(rf"[0-9a-f]{{{FEWEST},64}}", name.lower()):
        return
    digits = name.lower()
    yield from (Named(IMAGE, str(path)) for path in images.loc[images["sha256"].str.startswith(digits), "path"])
    yield from (Named(FIX, item.record.id) for item in place.decided if item.record.id.startswith(digits))
    for model in list_models(place):
        if model.md5.startswith(digits) or model.sha256.startswith(digits):
            yield Named(MODEL, model.md5)


def _known_paths(place: Place) -> set[str]:
    recorded = (item.record.path for item in place.decided)
    return {
        *_texts(place.dataset.images["path"]),
        *_texts(place.rejected["path"]),
        *(path for path in recorded if path),
    }


def _known_ids(place: Place) -> set[str]:
    recorded = (item.record.annotation_id for item in place.decided)
    listed = _texts(place.dataset.annotations["annotation_id"]), _texts(place.rejected["annotation_id"])
    return {*listed[0], *listed[1], *(name for name in recorded if name)}


def _texts(column: pd.Series) -> list[str]:
    return list(map(str, column.dropna()))


def _suggest(place: Place, name: str) -> str:
    """The names that are closest, in words."""
    known: Iterable[str] = (*_texts(place.dataset.images["path"]), *_texts(place.dataset.annotations["annotation_id"]))
    close = difflib.get_close_matches(name, list(known)[:COMPARED], n=SHOWN, cutoff=0.7)
    return f"; close to it are {', '.join(close)}" if close else f"; an image is {next(iter(known), 'not there yet')}"
