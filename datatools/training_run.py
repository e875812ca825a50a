"""From the tables to a trained classifier and its run record, and from a classifier to predictions on one side."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datatools.dataset import Dataset
from datatools.errors import DatatoolsError
from datatools.git import find_commit
from datatools.image_loading import load_pixels, load_shard_pixels
from datatools.params import AugmentParams, TrainParams
from datatools.policy.draws import Seeds, mix
from datatools.policy.steps import hash_policy
from datatools.provenance import package_versions
from datatools.schema import CONSENSUS

if TYPE_CHECKING:
    from datatools.learn.online import OnlinePolicy
    from datatools.learn.training import Prediction, Trained

PACKAGES = ("datatools", "numpy", "torch", "torchvision")


@dataclasses.dataclass(frozen=True)
class AugmentedImages:
    """The tar file of the augmented copies and their AUGMENTED table."""

    shard: Path
    table: pd.DataFrame


def train_on(
    dataset: Dataset,
    split: pd.DataFrame,
    augmented: AugmentedImages,
    root: Path,
    params: TrainParams,
    augment: AugmentParams,
    log: Callable[[dict[str, Any]], None] | None = None,
    cache: Path | None = None,
) -> Trained:
    """Train on the train side, stop on the validation side's loss.

    With `augment.mode` offline its augmented copies are learnt as well; online its images are augmented anew in every epoch,
    and copies, should there be any, are left out.

    Raises DatatoolsError when a side has no labelled image or a GPU was demanded and there is none, and
    MissingExtraError without torch.
    """
    from datatools.learn.device import choose_device

    choose_device(params.device, params.precision)  # before any image is read: a wrong call should fail at once
    from datatools.learn.pixels import Examples
    from datatools.learn.training import train_classifier

    pixels, codes = _load_side(dataset, split, "train", root, params.image_size_px, cache)
    online = plan_online(dataset, split, params, augment) if augment.mode == "online" else None
    rows = augmented.table[(augmented.table["kind"] == "label") & (augmented.table["annotator"] == CONSENSUS)]
    if len(rows) and online is None:
        copies = load_shard_pixels(augmented.shard, list(rows["path"]), params.image_size_px, cache)
        pixels, codes = np.concatenate([pixels, copies]), np.concatenate([codes, _codes(rows["label"], dataset)])
    train = Examples(pixels, codes)
    val = Examples(*_load_side(dataset, split, "val", root, params.image_size_px, cache))
    return train_classifier(train, val, len(dataset.classes), params, log, online)


def plan_online(dataset: Dataset, split: pd.DataFrame, params: TrainParams, augment: AugmentParams) -> OnlinePolicy:
    """What online augmentation does to the labelled images of the train side, in their order.

    An image's seed is a function of its content and the two sections' seeds: what happens to it in an epoch depends on
    nothing else, not on its name either. Raises DatatoolsError when there is no such image.
    """
    from datatools.learn.online import OnlinePolicy

    sha256 = dataset.sha256(list(_labels_of(dataset, split, "train").index))
    seeds: Seeds = np.array([int(digest[:16], 16) for digest in sha256], dtype=np.uint64)
    seeds = mix(mix(seeds, augment.seed), params.seed)
    return OnlinePolicy(augment.steps, seeds, augment.mixup, augment.cutmix)


def make_record(
    dataset: Dataset, trained: Trained, params: TrainParams, augment: AugmentParams, folder: Path
) -> Mapping[str, Any]:
    """What made the model: parameters, data version, fix records, code commit of `folder`, seed, device and package versions.

    Its `augment` is that section with the steps of the policy, as the preset or the list has them, and `policy_hash`, which
    names them.
    """
    return {
        "data_version": dataset.version,
        "fixes": dataset.facts.get("fixes"),
        "code_commit": find_commit(folder),
        "params": dataclasses.asdict(params),
        "augment": _describe(augment),
        "seed": params.seed,
        "device": dataclasses.asdict(trained.device),
        "best_epoch": trained.best_epoch,
        "epochs": len(trained.history),
        "packages": package_versions(PACKAGES),
    }


def save_run(folder: Path, trained: Trained, dataset: Dataset, record: Mapping[str, Any]) -> None:
    """Write model.safetensors and model.json, with the classes and the run record, under `folder`."""
    from datatools.learn.weights import save_model

    save_model(folder, trained, dataset.classes, dict(record))


def load_run(folder: Path, params: TrainParams) -> Trained:
    """Read what save_run wrote, on the device that `params` asks for; raises DatatoolsError."""
    from datatools.learn.device import choose_device

    choose_device(params.device, params.precision)
    from datatools.learn.weights import load_model

    return load_model(folder, params.device, params.precision).trained


def predict_side(
    dataset: Dataset, split: pd.DataFrame, side: str, root: Path, trained: Trained, cache: Path | None = None
) -> tuple[pd.Series, Prediction]:
    """Return the labels (index path) of a side and what the model says of its images, in the same order.

    Raises DatatoolsError when the side has no labelled image.
    """
    from datatools.learn.training import predict

    pixels, _ = _load_side(dataset, split, side, root, trained.image_size_px, cache)
    return _labels_of(dataset, split, side), predict(trained, pixels)


def _describe(augment: AugmentParams) -> dict[str, Any]:
    policy = [
        {step.name: {"p": step.p, **{name: list(ends) for name, ends in step.ranges.items()}}} for step in augment.steps
    ]
    return {**dataclasses.asdict(augment), "policy": policy, "policy_hash": hash_policy(augment.steps)}


def _labels_of(dataset: Dataset, split: pd.DataFrame, side: str) -> pd.Series:
    labels = dataset.labels
    chosen = labels[labels.index.isin(split.loc[split["split"] == side, "path"])]
    if chosen.empty:
        raise DatatoolsError(
            f"split {side}: expected labelled images. Got none: bring more labelled images, or raise split.{side} in params.yaml."
        )
    return chosen


def _load_side(
    dataset: Dataset, split: pd.DataFrame, side: str, root: Path, side_px: int, cache: Path | None
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    labels = _labels_of(dataset, split, side)
    paths = list(labels.index)
    pixels = load_pixels(root, paths, side_px, sha256=dataset.sha256(paths), cache=cache)
    return pixels, _codes(labels, dataset)


def _codes(labels: pd.Series, dataset: Dataset) -> NDArray[np.int64]:
    return np.asarray(pd.Index(dataset.classes).get_indexer(pd.Index(labels)), dtype=np.int64)
