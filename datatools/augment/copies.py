"""Copies of one training image after the other: decoded once, augmented in batches, encoded, with what their objects became."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from datatools.augment.imgaug_steps import Pipeline, Sample
from datatools.augment.jobs import Job, make_seed
from datatools.augment.packing import Packed, pack_objects
from datatools.augment.settling import settle_objects
from datatools.images import RGB, encode_png
from datatools.policy.steps import Step
from datatools.raw import RawImages
from datatools.schema import BOX

BATCH, BATCH_PIXELS = 32, 500_000  # samples and pixels in one call of imgaug: fast, and in the processor's caches
CURVE = 8  # pieces that an edge is cut into between two nodes of an elastic grid


class Copy(NamedTuple):
    """One copy: its number, seed and size, the PNG file, its objects and why others were dropped.

    `objects` is JSON, a list `[parent's annotation_id, x0, y0, x1, y1, mask, attributes]` each, `dropped` a JSON list of
    reasons; None where there is nothing to say.
    """

    number: int
    seed: int
    width_px: int
    height_px: int
    file: bytes
    objects: str | None
    dropped: str | None


@dataclass(frozen=True)
class CopyMaker:
    """Makes the copies of jobs. Call it with a few jobs: the same in any company and order."""

    raw: RawImages
    steps: tuple[Step, ...]
    seed: int
    keep_min: float

    @functools.cached_property
    def _pipeline(self) -> Pipeline:
        return Pipeline(self.steps)

    def __call__(self, jobs: Sequence[Job]) -> list[list[Copy]]:
        """The copies of each job."""
        made: list[list[Copy]] = [[] for _ in jobs]
        for batch in _batches(self._variants(jobs)):
            seeds = np.array([variant.seed for variant in batch], dtype=np.uint64)
            samples = [variant.sample() for variant in batch]
            self._pipeline.run(samples, seeds)
            for variant, sample in zip(batch, samples, strict=True):
                made[variant.number].append(self._finish(variant, sample))
        return made

    def _variants(self, jobs: Sequence[Job]) -> Iterator[_Variant]:
        for number, job in enumerate(jobs):
            image = self.raw.decode(job.path)
            packed = self._pack(job, image)
            for copy in range(job.n_copies):
                yield _Variant(number, copy, make_seed(self.seed, job.sha256, copy), image, packed)

    def _pack(self, job: Job, image: RGB) -> Packed:
        height, width = image.shape[:2]
        bends = [step.ranges["smoothness"][0] for step in self.steps if step.name == "elastic"]
        return pack_objects(job.objects, (width, height), min(bends) * min(height, width) / CURVE if bends else None)

    def _finish(self, variant: _Variant, sample: Sample) -> Copy:
        rows, reasons = settle_objects(variant.packed.items, sample.points, sample.masks, sample.size_wh, self.keep_min)
        objects = [[row[name] for name in _KEPT] for row in rows]
        dropped = [*variant.packed.reasons, *reasons]
        file = encode_png(sample.image)
        return Copy(variant.copy, variant.seed, *sample.size_wh, file, _to_json(objects), _to_json(dropped))


_KEPT = ("parent_annotation_id", *BOX, "mask", "attributes")


def _to_json(values: Sequence[object]) -> str | None:
    return json.dumps(values) if values else None


@dataclass(frozen=True)
class _Variant:
    """One copy to be: of the job `number`, the copy `copy` of it."""

    number: int
    copy: int
    seed: int
    image: RGB
    packed: Packed

    def sample(self) -> Sample:
        """With pixels of its own, which imgaug changes in place; points and masks it replaces."""
        return Sample(self.image.copy(), self.packed.points, self.packed.masks)


def _batches(variants: Iterator[_Variant]) -> Iterator[list[_Variant]]:
    batch: list[_Variant] = []
    n_pixels = 0
    for variant in variants:
        batch.append(variant)
        n_pixels += variant.image.shape[0] * variant.image.shape[1]
        if len(batch) >= BATCH or n_pixels >= BATCH_PIXELS:
            yield batch
            batch, n_pixels = [], 0
    if batch:
        yield batch
