"""The list of defects that can be planted: one entry a code, kind, set and way of writing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from quality.board import Board, Writer

Plant = Callable[[Board, int], None]


@dataclass(frozen=True)
class Seed:
    """How one defect is planted.

    `plant(board, n)` plants up to `n` of it. `per_round` are planted in one copy of the data: few where a check follows
    what most of the data do, and where a defect is one of the whole set. `n_images` is how many images a copy has at
    most. `params` and `ingest_params` are changes to ValidateParams and IngestParams.
    """

    code: str
    kind: str
    set: str
    plant: Plant
    write: Writer
    per_round: int = 200
    n_images: int = 100_000
    params: Mapping[str, Any] = field(default_factory=dict)
    ingest_params: Mapping[str, Any] = field(default_factory=dict)


SEEDS: list[Seed] = []


def seed(code: str, kind: str, set: str, *writers: Writer, **more: Any) -> Callable[[Plant], Plant]:
    """Put a function on the list, once for each way of writing."""

    def register(plant: Plant) -> Plant:
        for write in writers:
            form = {"write_coco": "COCO", "write_voc": "VOC"}.get(write.__name__, "")
            SEEDS.append(Seed(code, f"{kind}, {form}" if form else kind, set, plant, write, **more))
        return plant

    return register
