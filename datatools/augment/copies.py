"""Copies of one training image after the other: decoded once, augmented in batches, encoded, with rows for the table."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from datatools.augment.imgaug_steps import Pipeline, Sample
from datatools.augment.jobs import Job, make_seed
from datatools.augment.packing import Packed, pack_objects
from datatools.augment.settling import settle_objects
from datatools.images import RGB, encode_png
from datatools.kept_copies import Copies
from datatools.policy.steps import Step, hash_policy
from datatools.raw import RawImages
from datatools.schema import CONSENSUS

BATCH, BATCH_PIXELS = 32, 500_000  # samples and pixels in one call of imgaug: fast, and in the processor's caches
CURVE = 8  # pieces that an edge is cut into between two nodes of an elastic grid


@dataclass(frozen=True)
class CopyMaker:
    """Makes the copies of jobs. Call it with a few jobs: it returns their Copies, the same in any company and order."""

    raw: RawImages
    steps: tuple[Step, ...]
    seed: int
    keep_min: float

    @functools.cached_property
    def _pipeline(self) -> Pipeline:
        return Pipeline(self.steps)

    @functools.cached_property
    def _policy(self) -> str:
        return hash_policy(self.steps)

    def __call__(self, jobs: Sequence[Job]) -> list[Copies]:
        """The copies of each job."""
        made = [Copies() for _ in jobs]
        for batch in _batches(self._variants(jobs)):
            seeds = np.array([variant.seed for variant in batch], dtype=np.uint64)
            samples = [variant.sample() for variant in batch]
            self._pipeline.run(samples, seeds)
            for variant, sample in zip(batch, samples, strict=True):
                self._add(made[variant.number], variant, jobs[variant.number], sample)
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

    def _add(self, copies: Copies, variant: _Variant, job: Job, sample: Sample) -> None:
        objects, reasons = settle_objects(
            variant.packed.items, sample.points, sample.masks, sample.size_wh, self.keep_min
        )
        path = f"{job.path}.aug{variant.copy}.png"  # with the parent's suffix: a.png and a.jpg are two parents
        width, height = sample.size_wh
        origin = {
            "path": path,
            "parent_path": job.path,
            "seed": variant.seed,
            "policy": self._policy,
            "source": "augment",
        }
        copies.members.append((path, encode_png(sample.image)))
        copies.sizes.append({"path": path, "width_px": width, "height_px": height})
        if job.label is not None:
            ids = {"annotation_id": f"label/{path}", "parent_annotation_id": f"label/{job.path}"}
            copies.rows.append(
                {**ids, "kind": "label", "label": job.label, "annotator": CONSENSUS, "attributes": "{}", **origin}
            )
        copies.rows += [
            {**row, "annotation_id": f"{row['parent_annotation_id']}/aug{variant.copy}", **origin} for row in objects
        ]
        copies.reasons += [*variant.packed.reasons, *reasons]


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
