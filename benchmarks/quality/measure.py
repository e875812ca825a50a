"""Ingest and validate what was planted, and compare what is found with the key."""

from __future__ import annotations

import random
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from datatools.checks.runner import get_check, needs, run_checks
from datatools.findings import to_table
from datatools.ingest import Ingested, ingest
from datatools.params import IngestParams, ValidateParams
from quality.board import Board, Clean, Key
from quality.peers import RULES, Peers, can_ask
from quality.seed import Seed

PLANTED = 200
MAX_ROUNDS = 400
PEER_ROUNDS = 4  # copies that the peers are asked about: they are slow


@dataclass
class Score:
    """Planted and found; `extra` are findings of the code about nothing that was planted, `cross` other codes on it."""

    seed: Seed
    planted: int = 0
    found: int = 0
    extra: int = 0
    missed: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    cross: Counter[str] = field(default_factory=Counter)
    peers: Counter[str] = field(default_factory=Counter)  # tool -> found
    asked: Counter[str] = field(default_factory=Counter)  # tool -> planted where it was asked
    seconds: float = 0.0  # CPU, of this process

    @property
    def recall(self) -> float:
        return self.found / self.planted if self.planted else 0.0


def validate(read: Ingested, params: ValidateParams, code: str = "") -> pd.DataFrame:
    """The findings of all checks that need no model, as the stage `validate` makes them; with `code`, of one check."""
    dataset = read.dataset
    inputs: dict[str, Any] = {
        "images": dataset.images,
        "annotations": dataset.annotations,
        "classes": dataset.classes,
        "ratings": dataset.ratings,
        "rejected": read.rejected,
        "fixes": read.fixes,
        "params": params,
    }
    if code:
        check = get_check(code)
        return to_table(
            check.find(**{name: inputs[name] for name in needs(check)}), code, check.version, check.severity
        )
    findings, _ = run_checks(inputs)
    return findings


def subset(clean: Clean, n_images: int, rng: random.Random) -> Clean:
    """`n_images` images of `clean` by chance, with their annotations."""
    if n_images >= len(clean.files):
        return clean
    names = set(rng.sample(sorted(clean.files), n_images))
    images = [row for row in clean.document["images"] if row["file_name"] in names]
    ids = {row["id"] for row in images}
    rows = [row for row in clean.document["annotations"] if row["image_id"] in ids]
    files = {name: path for name, path in clean.files.items() if name in names}
    return Clean(clean.name, files, {**clean.document, "images": images, "annotations": rows})


def measure(seed: Seed, clean: Clean, work: Path, peers: Peers | None = None, n_planted: int = PLANTED) -> Score:
    """Plant until there are `n_planted`, copy by copy."""
    score, start = Score(seed), time.process_time()
    for number in range(MAX_ROUNDS):
        rng = random.Random(f"{seed.code}/{seed.kind}/{seed.set}/{number}")
        board = Board(subset(clean, seed.n_images, rng), rng)
        seed.plant(board, min(seed.per_round, n_planted))
        folder = work / "round"
        shutil.rmtree(folder, ignore_errors=True)
        keys = seed.write(board, folder)
        if not keys:
            break
        read = ingest(folder, replace(IngestParams(), **seed.ingest_params), workers=1, cache=work / "cache")
        alone = seed.code if number else ""  # the first copy also tells what other checks say about it
        findings = validate(read, replace(ValidateParams(), **seed.params), alone)
        count(score, keys, findings)
        if peers is not None and seed.code in RULES and number < PEER_ROUNDS:
            ask(score, seed, keys, folder, peers)
        if score.planted >= n_planted:
            break
    score.seconds = time.process_time() - start
    return score


def count(score: Score, keys: list[Key], findings: pd.DataFrame) -> None:
    """Add one copy's keys and findings to the score."""
    own = findings[findings["code"] == score.seed.code]
    hit: set[int] = set()
    for row in own.to_dict("records"):
        meant = list(_meant(keys, row))
        fresh = [number for number in meant if number not in hit]
        hit.update(fresh[:1] if _without_id(row) else fresh)
        if not meant:
            score.extra += 1
            score.wrong.append(f"{_text(row['path'])} {_text(row['annotation_id'])} {row['message']}")
    score.planted += len(keys)
    score.found += len(hit)
    score.missed += [str(key) for number, key in enumerate(keys) if number not in hit]
    others = findings[findings["code"] != score.seed.code]
    for row in others.to_dict("records"):
        if not pd.isna(row["path"]) and next(_meant(keys, row), None) is not None:
            score.cross[row["code"]] += 1


def _meant(keys: list[Key], row: dict[str, Any]) -> Iterator[int]:
    """The keys that a finding may be about."""
    path, annotation_id = _text(row["path"]), _text(row["annotation_id"])
    subject = _text(row.get("subject"))
    for number, key in enumerate(keys):
        for key_path, key_id in key.places:
            if path == key_path and (not annotation_id or key_id is None or _same_id(annotation_id, key_id)):
                yield number
                break
        else:
            words = subject or str(row["message"])
            if key.subjects and not path and any(name in words for name in key.subjects):
                yield number


def _same_id(found: str, key_id: str) -> bool:
    return found == key_id or found.endswith(f"#{key_id}") or found.startswith(f"{key_id}@")


def _without_id(row: dict[str, Any]) -> bool:
    return not _text(row["annotation_id"]) and not _text(row.get("subject"))


def _text(value: Any) -> str:
    return "" if value is None or pd.isna(value) else str(value)


def ask(score: Score, seed: Seed, keys: list[Key], folder: Path, peers: Peers) -> None:
    """What the peers find of the same files; each is asked about what it has a rule for."""
    rules = {tool: kinds for tool, kinds in RULES[seed.code].items() if can_ask(tool, seed.code, folder)}
    places = [[path for path, _ in key.places] for key in keys]
    found = peers.look(folder, sorted(rules), places, [list(key.annotations) for key in keys])
    for tool, words in found.items():
        score.asked[tool] += len(keys)
        for said in words:
            score.peers[tool] += any(word.startswith(rules[tool]) for word in said)
