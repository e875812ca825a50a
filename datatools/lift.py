"""What the fixes bought: the classifier's accuracy with and without them, on one and the same corrected test set.

Two classifiers are trained on each seed: on the train and val labels without the fix records (`before`) and with them
(`after`). Both are measured on the test labels as they are corrected now: their difference is the lift. A test set that was
corrected moves the figure by itself, so that is told apart: the `before` classifier on the old and on the corrected test labels.

**Interval.** The two classifiers of a seed are compared image by image. The 95 % interval is the percentile interval (Efron and
Tibshirani, 1993, An Introduction to the Bootstrap, chapter 13) of a bootstrap that draws images and seeds with replacement,
each on its own, and multiplies their weights: the pigeonhole bootstrap (Owen, 2007, Annals of Applied Statistics 1(2):
386-411), whose variance is at worst somewhat too large, never too small. With one seed it speaks of the images only.

Images that somebody excluded are in neither: what that bought is not measured.

**In the pipeline.** The stage `lift` measures where `lift.seeds` in params.yaml says so; else it writes what changed and why
nothing was measured. DVC does not see a Git branch move: the result names the commit that `before` was when it was measured.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datatools import git
from datatools.agreement.resampling import CONFIDENCE, resample
from datatools.cache import load_or_compute
from datatools.dataset import Dataset, load_dataset
from datatools.errors import DatatoolsError
from datatools.fixes.apply import find_reverted, refold
from datatools.fixes.committed import load_committed_records
from datatools.fixes.records import FixRecord, load_records
from datatools.packed import among
from datatools.params import AugmentParams, LiftParams, TrainParams, load_params
from datatools.policy.steps import hash_policy
from datatools.project import Project
from datatools.provenance import decoder_version, hash_module, hash_sources, package_versions
from datatools.schema import AUGMENTED, FIX_STATUS, SIDES, SPLIT
from datatools.store import load_table
from datatools.training_run import PACKAGES, AugmentedImages, predict_side, train_on

SCHEMA = 1
RESAMPLES = 2000  # the ends of a 95 % interval then rest on 50 resamples each
Codes = NDArray[np.int64]


@dataclass(frozen=True)
class LiftPaths:
    """Where the pipeline keeps what is compared: folders, but for `params`; `cache` keeps the trainings' predictions."""

    root: Path
    params: Path
    cache: Path
    dataset: Path
    fixes: Path
    raw: Path
    split: Path
    augmented: Path


@dataclass(frozen=True)
class Versions:
    """The data set without (`old`) and with (`new`) the fixes to measure, the images of each side, and what is told of them."""

    old: Dataset
    new: Dataset
    sides: Mapping[str, frozenset[str]]
    split: pd.DataFrame
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Trial:
    """What all trainings share."""

    split: pd.DataFrame
    copies: AugmentedImages
    root: Path
    params: TrainParams
    augment: AugmentParams
    cache: Path


def measure_lift(
    project: Project, before: str | None = None, n_seeds: int = 3, tick: Callable[[int], None] | None = None
) -> dict[str, Any]:
    """Train and compare as the module says; the result is a document for JSON.

    `before` is a Git revision: the fix records that it had count in both classifiers. Without it, none does in `before`.
    Seeds are train.seed, train.seed + 1, ... Every training is kept by what it depends on. `tick(1)` follows each training.
    Raises DatatoolsError for an unknown revision and for a side without labelled images.
    """
    if n_seeds < 1:
        raise DatatoolsError(f"--seeds must be at least 1. Got {n_seeds} instead.")
    names = ("root", "params", "dataset", "fixes", "raw", "split", "augmented")
    paths = LiftPaths(**{name: getattr(project, name) for name in names}, cache=project.state / "cache")
    return _measure(_load_versions(paths, before), paths, n_seeds, tick)


def run_lift(paths: LiftPaths, params: LiftParams) -> dict[str, Any]:
    """The document of the stage `lift`: as measure_lift gives it, or with `measured` false and `why_not` without training.

    `why_not` is `no records`, `no label changed` or, for `seeds` 0, `not asked`. Raises DatatoolsError as measure_lift does.
    """
    versions = _load_versions(paths, params.before or None)
    why_not = _find_reason(versions.facts, params.seeds)
    if why_not:
        return {**versions.facts, "measured": False, "why_not": why_not, "seeds": []}
    return _measure(versions, paths, params.seeds, None)


def _find_reason(facts: Mapping[str, Any], n_seeds: int) -> str:
    """Why not to measure; empty where there is something to measure and it was asked for."""
    if not facts["n_records"]:
        return "no records"
    if not any(facts["n_changed"].values()):
        return "no label changed"
    return "" if n_seeds else "not asked"


def _load_versions(paths: LiftPaths, before: str | None) -> Versions:
    records = load_records(paths.fixes)[0]
    base = [] if before is None else load_committed_records(paths.root, before)
    dataset = load_dataset(paths.dataset)
    split = load_table(paths.split / "split.parquet", SPLIT)
    sides = {side: frozenset(split.loc[split["split"] == side, "path"]) for side in SIDES}
    status = load_table(paths.dataset / "fixes.parquet", FIX_STATUS)
    old, new = (
        dataclasses.replace(dataset, annotations=refold(dataset.annotations, status, some)) for some in (base, records)
    )
    facts = {
        "schema": SCHEMA,
        "before": before,
        "before_commit": None if before is None else resolve_commit(paths.root, before),
        "n_records": len({record.id for record in records} - {record.id for record in base}),
        "n_excluded": _count_excluded(records, base),
        "data_version": dataset.version,
        "n_changed": {side: count_changed(old, new, members) for side, members in sides.items()},
    }
    return Versions(old, new, sides, split, facts)


def _measure(versions: Versions, paths: LiftPaths, n_seeds: int, tick: Callable[[int], None] | None) -> dict[str, Any]:
    old, new, sides = versions.old, versions.new, versions.sides
    trial = _load_trial(paths, versions.split)
    learnt = _mix(old, new, sides["train"] | sides["val"])
    measured_on, truth = _test_labels(old, new, sides["test"])
    seeds = [trial.params.seed + number for number in range(n_seeds)]
    predicted: dict[str, list[Codes]] = {"before": [], "after": []}
    for seed in seeds:
        for name, taught in (("before", learnt), ("after", new)):
            predicted[name].append(_predict(taught, new, measured_on, trial, seed))
            if tick:
                tick(1)
    found = {"measured": True, "seeds": seeds, "n_test": len(measured_on), **compare(predicted, truth)}
    return {**versions.facts, **found}


def resolve_commit(root: Path, revision: str) -> str:
    """The commit that `revision` (branch, tag, commit) is now. Raises DatatoolsError where it is none."""
    commit = git.resolve_commit(root, revision)
    if commit is None:
        raise DatatoolsError(f"before: expected a Git revision such as main or HEAD~1. Got {revision!r} instead.")
    return commit


def compare(predicted: dict[str, list[Codes]], truth: dict[str, Codes]) -> dict[str, Any]:
    """Accuracies (mean and standard deviation over seeds) and differences with their intervals.

    `predicted` has under before and after a class code per test image for each seed, `truth` the old and the new codes (-1: no
    class). `lift` is after less before, both on the new labels; `test_labels` is before on the new less before on the old
    labels; `apparent`, their sum, is what two reports, one before and one after all fixes, would show.
    """
    guesses = {name: np.stack(codes) for name, codes in predicted.items()}
    hits = {
        "before_old": guesses["before"] == truth["old"],
        "before": guesses["before"] == truth["new"],
        "after": guesses["after"] == truth["new"],
    }
    pairs = {"lift": ("after", "before"), "test_labels": ("before", "before_old"), "apparent": ("after", "before_old")}
    return {
        "accuracy": {name: _describe(hit.mean(axis=1)) for name, hit in hits.items()},
        **{name: find_difference(hits[one], hits[other]) for name, (one, other) in pairs.items()},
        "confidence": CONFIDENCE,
        "resamples": RESAMPLES,
    }


def find_difference(one: NDArray[np.bool_], other: NDArray[np.bool_], n_resamples: int = RESAMPLES) -> dict[str, float]:
    """`value`, `low` and `high` of the mean of `one` less `other`, both `(seeds, images)`; see the module for the interval."""
    gain = one.astype(np.int64) - other
    kinds, n_of_kind = np.unique(gain, axis=1, return_counts=True)
    n_seeds, n_images = gain.shape
    rng = np.random.default_rng(0)
    means = []
    for weights in resample(n_of_kind.astype(np.int64), n_resamples, seed=1):
        drawn = rng.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), size=len(weights))
        means.append(((drawn @ kinds) * weights).sum(axis=1) / (n_seeds * n_images))
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(np.concatenate(means), [tail, 1 - tail])
    return {"value": float(gain.mean()), "low": float(low), "high": float(high)}


def count_changed(old: Dataset, new: Dataset, paths: frozenset[str]) -> int:
    """How many of the images `paths` have another label in `new` than in `old`."""
    labels = pd.DataFrame({"old": old.labels, "new": new.labels})
    labels = labels[among(pd.Series(labels.index), paths)]
    return int((labels["old"].fillna("") != labels["new"].fillna("")).sum())


def _load_trial(paths: LiftPaths, split: pd.DataFrame) -> Trial:
    copies = load_table(paths.augmented / "annotations.parquet", AUGMENTED)
    return Trial(
        split,
        AugmentedImages(paths.augmented / "images.tar", copies),
        paths.raw,
        load_params(paths.params, TrainParams),
        load_params(paths.params, AugmentParams),
        paths.cache,
    )


def _mix(old: Dataset, new: Dataset, paths: frozenset[str]) -> Dataset:
    """`new` with the annotations of `old` on the images `paths`."""
    rows = [
        old.annotations[among(old.annotations["path"], paths)],
        new.annotations[~among(new.annotations["path"], paths)],
    ]
    return dataclasses.replace(new, annotations=pd.concat(rows, ignore_index=True))


def _test_labels(old: Dataset, new: Dataset, paths: frozenset[str]) -> tuple[list[str], dict[str, Codes]]:
    labels = new.labels
    labels = labels[labels.index.isin(paths)]
    before = old.labels.reindex(labels.index)
    classes = pd.Index(new.classes)
    codes = {"old": classes.get_indexer(pd.Index(before)), "new": classes.get_indexer(pd.Index(labels))}
    return list(labels.index), {name: np.asarray(values, np.int64) for name, values in codes.items()}


def _predict(taught: Dataset, measured: Dataset, paths: Sequence[str], trial: Trial, seed: int) -> Codes:
    """Class codes of the test images by a classifier that learnt from `taught`; kept by what they depend on."""
    params = dataclasses.replace(trial.params, seed=seed)
    copies = _label_copies(trial.copies, taught)

    def compute() -> dict[str, Codes]:
        """Train and predict."""
        trained = train_on(taught, trial.split, copies, trial.root, params, trial.augment, cache=trial.cache)
        labels, said = predict_side(measured, trial.split, "test", trial.root, trained, trial.cache)
        assert list(labels.index) == list(paths), "another test set than was measured"
        return {"codes": said.probs.argmax(axis=1).astype(np.int64)}

    key = _key(taught, paths, copies.table, trial, params)
    return load_or_compute(trial.cache, key, compute)["codes"]


def _key(
    taught: Dataset, paths: Sequence[str], copies: pd.DataFrame, trial: Trial, params: TrainParams
) -> tuple[Any, ...]:
    labels = taught.labels
    sides = trial.split.set_index("path")["split"].reindex(labels.index)
    learnt = labels[sides.isin(["train", "val"])]
    given = zip(taught.sha256(list(learnt.index)), learnt, sides[learnt.index], strict=True)
    names = ["path", "label", "parent_path", "seed", "policy"]
    return (
        "lift", decoder_version(), hash_sources("learn"), hash_module("training_run"), package_versions(PACKAGES),
        list(given), taught.classes, taught.sha256(paths), copies[names].astype(str).to_numpy().tolist(),
        dataclasses.asdict(params), dataclasses.asdict(trial.augment), hash_policy(trial.augment.steps),
    )  # fmt: skip


def _label_copies(copies: AugmentedImages, taught: Dataset) -> AugmentedImages:
    """The augmented copies with the labels that their parents have in `taught`; without those whose parent has none."""
    table = copies.table
    label = table["parent_path"].map(taught.labels.to_dict()).astype("string")
    is_label = table["kind"] == "label"
    table = table.assign(label=table["label"].where(~is_label, label))
    return dataclasses.replace(copies, table=table[~is_label | label.notna()].reset_index(drop=True))


def _count_excluded(records: Sequence[FixRecord], base: Sequence[FixRecord]) -> int:
    """Images that a record took out which `base` did not have."""
    known, reverted = {record.id for record in base}, find_reverted(records)
    last = {
        record.path: record for record in records if record.op in ("exclude", "include") and record.id not in reverted
    }
    return sum(record.op == "exclude" and record.id not in known for record in last.values())


def _describe(values: NDArray[np.float64]) -> dict[str, float]:
    """Mean and, of two values or more, standard deviation over seeds."""
    return {"mean": float(values.mean()), "std": float(values.std(ddof=1)) if len(values) > 1 else float("nan")}
