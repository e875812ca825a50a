"""The curate stage: judge every label by a model that never saw it, and put the worst before a person."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datatools.agreement.consensus import choose_consensus
from datatools.cache import load_or_compute
from datatools.checks.base import BY_CURATE
from datatools.checks.runner import run_checks
from datatools.curate.label_issues import estimate_errors, find_suspects
from datatools.curate.neighbor_labels import count_neighbor_labels, describe_neighbors, summarize_neighbors
from datatools.curate.queue import build_queue, find_confirmed
from datatools.curate.slices import count_slices
from datatools.curate.units import find_units
from datatools.dataset import Dataset
from datatools.findings import concat
from datatools.image_loading import load_pixels
from datatools.params import CurateParams, TrainParams
from datatools.provenance import hash_sources, package_versions
from datatools.similarity.graph import Neighbors


@dataclass(frozen=True)
class Curated:
    """Model-based findings (FINDINGS), the review queue (QUEUE) and a summary in numbers."""

    findings: pd.DataFrame
    queue: pd.DataFrame
    summary: Mapping[str, Any]


def curate(
    dataset: Dataset,
    split: pd.DataFrame,
    pairs: pd.DataFrame,
    neighbors: Neighbors,
    findings: pd.DataFrame,
    fixes: pd.DataFrame,
    root: Path,
    params: CurateParams,
    train: TrainParams,
    cache: Path,
    tick: Callable[[int], None] | None = None,
) -> Curated:
    """Cross-fit over all labelled images, ask cleanlab which labels it doubts, count slices and rank the queue.

    A doubted label that a person has confirmed is counted apart and is no finding.

    Folds keep the groups of the split and near-duplicates (`pairs`, PAIRS) together. What an image's `neighbors` are labelled
    is told in the queue and changes no rank (benchmarks/label_scores.py); an empty graph tells nothing. `findings` are
    those of validate. Probabilities are kept in `cache` by all that they depend on, so that a confirmed label or another
    queue length trains nothing again. `tick(n)` counts epochs of all folds.
    """
    labels = dataset.labels
    units = find_units(split, pairs)
    judged = _judge(dataset, labels, units, root, params, train, cache, tick)
    probs = judged["probs"]
    doubted = find_suspects(labels, probs, dataset.classes)
    is_confirmed = doubted["is_issue"] & doubted["path"].isin(find_confirmed(fixes, labels))
    suspects = doubted.assign(is_issue=doubted["is_issue"] & ~is_confirmed)
    correct = (suspects["suggested"] == suspects["label"]).set_axis(labels.index)
    slices = count_slices(labels, dataset.metadata, correct, params.slice_columns, params.share_min)
    errors = estimate_errors(labels, probs, dataset.classes)
    counted = count_neighbor_labels(labels, neighbors, units, dataset.classes)
    known_by = summarize_neighbors(counted, labels)
    simple = max(known_by["accuracy"] or 0.0, float(labels.value_counts(normalize=True).max()))
    spread = pd.DataFrame({"label": dataset.classes, "spread": judged["spread"]})
    inputs = {
        "images": dataset.images,
        "split": split,
        "pairs": pairs,
        "suspects": suspects,
        "slices": slices,
        "label_errors": {**errors, "accuracy": float(correct.mean()), "simple_accuracy": simple},
        "spread": spread.assign(n=spread["label"].map(labels.value_counts()).fillna(0).astype(int)),
        "curation": params,
    }
    found, _ = run_checks(inputs, only_with=BY_CURATE)
    everything = concat([findings, found])
    consensus = _decide_together(dataset, labels, probs)
    evidence = describe_neighbors(counted)
    queue = build_queue(dataset, suspects, everything, slices, split, fixes, params.queue_max, consensus, evidence)
    summary = {
        "images_judged": len(labels),
        "label_issues": int(suspects["is_issue"].sum()),
        "label_issues_confirmed": int(is_confirmed.sum()),
        "estimated_label_errors": errors,
        "out_of_fold_accuracy": float(correct.mean()),
        "simple_accuracy": simple,
        "folds": params.folds,
        "neighbors": known_by,
        "queue": {str(kind): int(n) for kind, n in queue["kind"].value_counts().items()},
        "slices": slices.to_dict("records"),
    }
    return Curated(found, queue, summary)


def _decide_together(dataset: Dataset, labels: pd.Series, probs: NDArray[np.float32]) -> pd.DataFrame | None:
    """Label and probability of each image by all annotators and the models; None with fewer than two annotators."""
    ratings = dataset.ratings
    if ratings.shape[1] < 2:
        return None
    known = ratings.where(ratings.isin(list(dataset.classes))).reindex(labels.index)
    consensus = choose_consensus(known, probs.astype(np.float64), dataset.classes)
    return pd.DataFrame({"label": consensus.labels, "probability": consensus.probs.max(axis=1)})


def _judge(
    dataset: Dataset,
    labels: pd.Series,
    units: pd.Series,
    root: Path,
    params: CurateParams,
    train: TrainParams,
    cache: Path,
    tick: Callable[[int], None] | None,
) -> dict[str, NDArray[Any]]:
    """What CrossFit holds of the images of `labels`, by name, from the cache or by cross-fitting."""
    groups = units.reindex(labels.index)
    content = dataset.images.set_index("path")["sha256"].reindex(labels.index)
    rows = pd.DataFrame({"label": labels, "group": groups, "sha256": content}).to_csv()
    settings = (dataset.classes, params.folds, params.epochs, params.seed, dataclasses.astuple(train))

    def compute() -> dict[str, NDArray[Any]]:
        """Cross-fit, for want of a kept result."""
        from datatools.learn.device import choose_device

        choose_device(train.device, train.precision)
        from datatools.learn.crossfit import cross_fit
        from datatools.learn.pixels import Examples

        codes = np.array([dataset.classes.index(label) for label in labels], dtype=np.int64)
        paths = list(labels.index)
        pixels = load_pixels(root, paths, train.image_size_px, sha256=dataset.sha256(paths), cache=cache)
        examples = Examples(pixels, codes)
        known = groups.to_numpy(dtype=object)
        fold_by = (params.folds, params.epochs, params.seed, tick)
        return cross_fit(examples, known, len(dataset.classes), train, *fold_by)._asdict()

    return load_or_compute(
        cache, (rows, settings, hash_sources("learn"), package_versions(("torch", "torchvision"))), compute
    )
