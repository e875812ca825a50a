"""`datatools card`: the card, the Croissant document and the tables they speak of, in one folder."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from datatools.cards.card import to_card
from datatools.cards.croissant import to_croissant
from datatools.cards.facts import CardFacts, collect_facts
from datatools.errors import DatatoolsError
from datatools.project import Project
from datatools.schema import ANNOTATIONS, Table
from datatools.store import save_json, save_table, save_text

# Groups and metadata stay at home: they may name persons.
CARD_IMAGES = Table(
    "images of the card",
    {
        "path": "string",
        "sha256": "string",
        "n_bytes": "int64",
        "width_px": "int64",
        "height_px": "int64",
        "format": "string",
        "split": "string",
        "label": "string",
        "source": "string",
        "licence": "string",
    },
    ("path",),
)
CARD_ANNOTATIONS = Table(
    "annotations of the card",
    {name: dtype for name, dtype in ANNOTATIONS.columns.items() if name != "attributes"},
    ANNOTATIONS.key,
)
NAMES = ("README.md", "croissant.json", "images.parquet", "annotations.parquet")


@dataclass(frozen=True)
class WrittenCard:
    """What was written, and what is wrong with the licences, in a line each."""

    files: tuple[str, ...]
    warnings: tuple[str, ...]


def write_card(project: Project, folder: Path) -> WrittenCard:
    """Write NAMES to `folder`; the same commit and data give the same bytes.

    Raises DatatoolsError before the first `dvc repro`, for a broken data/sources.yaml, and where `folder` has a README.md that
    is none of ours.
    """
    _check_folder(folder)
    facts = collect_facts(project)
    tables = {"images": (_make_images(facts), CARD_IMAGES), "annotations": (_make_annotations(facts), CARD_ANNOTATIONS)}
    files = {}
    for name, (frame, table) in tables.items():
        save_table(folder / f"{name}.parquet", frame, table)
        files[f"{name}.parquet"] = (folder / f"{name}.parquet").read_bytes()
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    columns: Mapping[str, Mapping[str, str]] = {name: table.columns for name, (_, table) in tables.items()}
    save_json(folder / "croissant.json", to_croissant(facts, files, digests, columns))
    save_text(folder / "README.md", to_card(facts))
    warnings = [f"{conflict.code} ({', '.join(conflict.licences)}): {conflict.message}" for conflict in facts.conflicts]
    return WrittenCard(NAMES, tuple(warnings))


def _check_folder(folder: Path) -> None:
    """A README.md that no card came with is somebody's own."""
    card, croissant = folder / "README.md", folder / "croissant.json"
    if card.exists() and not croissant.exists():
        raise DatatoolsError(
            f"{card}: expected a folder for the card. Got one with a README.md of its own: name another --out."
        )


def _make_images(facts: CardFacts) -> pd.DataFrame:
    names = [name for name in CARD_IMAGES.columns if name in facts.dataset.images.columns and name != "source"]
    images = facts.dataset.images[names].copy()
    paths = images["path"]
    return images.assign(
        split=paths.map(facts.split.set_index("path")["split"]),
        label=paths.map(facts.dataset.labels),
        source=paths.map(facts.sources),
        licence=paths.map({path: licence.id for path, licence in facts.licences.items()}),
    )


def _make_annotations(facts: CardFacts) -> pd.DataFrame:
    return facts.dataset.annotations[list(CARD_ANNOTATIONS.columns)]
