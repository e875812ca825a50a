"""Where the images came from and under which licence: `data/sources.yaml`, a file that people write and Git keeps.

A source is called as in the import (`datatools import --name`), or, for images that lie in data/raw as they are, as their
annotation file. `*` and `?` stand for any characters; the first entry that fits an image counts.

    coco-2017:
      licence: CC-BY-4.0           # an SPDX id, the address of a licence, or words of your own
      title: COCO 2017 val
      url: https://cocodataset.org
      attribution: COCO Consortium
      note: annotations only; every image has a licence of its own
    "*":
      images: scans/*              # only these paths
      licence: unknown

Where the data says the licence of a single image, as COCO does, that goes before what is said of its source.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from datatools.batches import merge_batches
from datatools.cards.licences import Licence, parse_licence
from datatools.errors import DatatoolsError
from datatools.ingest import bring
from datatools.packed import list_batches

FILE = "data/sources.yaml"
ALSO = {"license": "licence"}  # as much of the world spells it


@dataclass(frozen=True)
class SourceNote:
    """An entry of data/sources.yaml."""

    name: str  # a pattern
    licence: str
    title: str = ""
    url: str = ""
    attribution: str = ""
    note: str = ""
    images: str = "*"  # a pattern of paths


def load_sources(file: Path) -> tuple[SourceNote, ...]:
    """The entries of `file`; none where there is no such file. Raises DatatoolsError that names the entry."""
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        said = " ".join(str(error).split())
        raise DatatoolsError(f"{file}: expected sources as YAML. Got: {said}. Mend that place.") from error
    if document is None:
        return ()
    if not isinstance(document, dict):
        raise DatatoolsError(
            f"{file}: expected the names of sources. Got a {type(document).__name__}: see docs/provenance.md."
        )
    return tuple(_parse_entry(str(name), values, f"{file}: {name}") for name, values in document.items())


def name_sources(images: pd.DataFrame, raw: Path) -> pd.Series:
    """The name of the source of each image, index `path`: that of its import, else its annotation file."""
    names = images.set_index("path")["source"].fillna("folder")
    if not raw.is_dir() or not list_batches(raw):
        return names
    imported = merge_batches(raw).image_source
    return pd.Series([imported.get(path, name) for path, name in names.items()], index=names.index, dtype="string")


def name_licences(images: pd.DataFrame, names: pd.Series, notes: Sequence[SourceNote], raw: Path) -> dict[str, Licence]:
    """The licence of each image by path: the image's own, else that of its source, else unknown."""
    own = _own_licences(images, raw)
    return {
        path: own.get(path) or parse_licence(note.licence if (note := find_note(notes, name, path)) else None)
        for path, name in names.items()
    }


def find_note(notes: Sequence[SourceNote], name: str, path: str) -> SourceNote | None:
    """The first entry that fits an image of the source `name`."""
    for note in notes:
        if fnmatch.fnmatchcase(name, note.name) and fnmatch.fnmatchcase(path, note.images):
            return note
    return None


def _own_licences(images: pd.DataFrame, raw: Path) -> dict[str, Licence]:
    """The licences that the data itself gives single images: a text, or COCO's number in its file's list."""
    said = images[images["attributes"].str.contains('"licen[sc]e"', regex=True, na=False)]
    numbers: Mapping[str, Mapping[int, str]] | None = None
    found: dict[str, Licence] = {}
    for path, source, text in said[["path", "source", "attributes"]].itertuples(index=False):
        values = json.loads(text)
        value = values.get("license", values.get("licence"))
        if isinstance(value, int):
            numbers = _load_coco_licences(raw) if numbers is None else numbers
            value = numbers.get(str(source), {}).get(value)
        if isinstance(value, str) and value.strip():
            found[str(path)] = parse_licence(value)
    return found


def _load_coco_licences(raw: Path) -> dict[str, dict[int, str]]:
    """Number -> address or name of each licence that a COCO file lists, by file; empty where the data is not here."""
    if not raw.is_dir():
        return {}
    files = bring(raw, "auto").content.extras.get("coco", {})
    return {name: _list_licences(document) for name, document in files.items() if isinstance(document, Mapping)}


def _list_licences(document: Mapping[str, Any]) -> dict[int, str]:
    listed = document.get("licenses")
    rows = [row for row in listed if isinstance(row, Mapping)] if isinstance(listed, list) else []
    return {row["id"]: str(row.get("url") or row.get("name") or "") for row in rows if isinstance(row.get("id"), int)}


def _parse_entry(name: str, values: Any, where: str) -> SourceNote:
    known = [field.name for field in dataclasses.fields(SourceNote)][1:]
    if not isinstance(values, dict):
        raise DatatoolsError(f"{where}: expected licence, title, url, ... Got {values!r}: see docs/provenance.md.")
    named = {ALSO.get(str(key), str(key)): value for key, value in values.items()}
    unknown = sorted(set(named) - set(known))
    if unknown:
        raise DatatoolsError(f"{where}: keys are {', '.join(known)}. Got {unknown[0]!r} instead.")
    if "licence" not in named:
        raise DatatoolsError(f"{where}: expected a licence, such as CC-BY-4.0 or unknown. Got none.")
    wrong = next((key for key, value in named.items() if not isinstance(value, str)), None)
    if wrong:
        raise DatatoolsError(f"{where}: {wrong} must be a text. Got {named[wrong]!r} instead: put it in quotes.")
    return SourceNote(name, **named)
