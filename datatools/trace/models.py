"""The story of a model: what made it, what it learnt from, what it is worth, and which releases have it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from datatools.dvc_cache import read_cached
from datatools.packed import among
from datatools.provenance import describe_fixes, list_changing
from datatools.release.tags import list_releases
from datatools.schema import CONSENSUS
from datatools.trace.past import State, open_state
from datatools.trace.place import AUGMENTED_TABLE, FACTS, METRICS, SPLIT_TABLE, WEIGHTS, Place

DATASET = ("data/dataset/annotations.parquet", "data/dataset/dataset.json", "data/dataset/fixes.parquet")
Story = dict[str, Any]


@dataclass(frozen=True)
class Model:
    """Weights by their hash in dvc.lock, and the states that have them, oldest first."""

    md5: str
    states: tuple[State, ...]

    @property
    def state(self) -> State:
        """The state that first had it."""
        return self.states[0]

    @cached_property
    def sha256(self) -> str:
        """Of the weights; empty where they are not on this machine."""
        data = read_cached(self.state.root, self.md5)
        return "" if data is None else hashlib.sha256(data).hexdigest()

    @cached_property
    def facts(self) -> Mapping[str, Any] | None:
        """Its model.json; None where it is not on this machine."""
        facts = self.state.load_json(self.state.find_out(FACTS))
        return facts if isinstance(facts, dict) else None

    def describe(self) -> Story:
        """Its weights, the state that first had it, and whether it is the one on disk, as other stories name it."""
        return {**self.state.describe(), "md5": self.md5, "is_current": self.is_current}

    @property
    def is_current(self) -> bool:
        """Whether it is the one on disk."""
        return self.states[-1].commit is None

    @cached_property
    def fixes(self) -> Mapping[str, Any] | None:
        """The fix records in force when it was trained, as `describe_fixes` has them; None where nothing here tells."""
        recorded = (self.facts or {}).get("record", {}).get("fixes")
        return recorded if self._table is None else describe_fixes(self._table)

    @property
    def fix_ids(self) -> frozenset[str] | None:
        """Ids of these records; None where nothing here tells."""
        if self._table is not None:
            return frozenset(list_changing(self._table))
        ids = (self.fixes or {}).get("ids")
        return None if ids is None else frozenset(ids)

    @cached_property
    def _table(self) -> pd.DataFrame | None:
        """What became of the records, where the model learnt from the data set of the same run."""
        state, (annotations, _, fixes) = self.state, DATASET
        if state.find_out(annotations) != state.find_dep("train", annotations):
            return None
        return state.load_rows(state.find_out(fixes), ["id", "status", "op"])


def list_models(place: Place) -> list[Model]:
    """The models that dvc.lock names, oldest first."""
    states: dict[str, list[State]] = {}
    for state in place.past.states:
        md5 = state.find_out(WEIGHTS)
        if md5:
            states.setdefault(md5, []).append(state)
    return [Model(md5, tuple(found)) for md5, found in states.items()]


def find_tagged(place: Place, tag: str) -> str | None:
    """The hash of the weights in a release such as model@v1.0.0."""
    root = place.project.root
    known = next((release for release in list_releases(root, "model") if release.tag == tag), None)
    state = open_state(root, f"refs/tags/{tag}") if known else None
    return state.find_out(WEIGHTS) if state else None


def tell_model(place: Place, md5: str) -> Story:
    """The story of the weights `md5`; what is not on this machine is null, and named in `missing`."""
    model = next((model for model in list_models(place) if model.md5 == md5), None)
    if model is None:  # in a release that is older than what was looked at
        tags = [release.tag for release in list_releases(place.project.root, "model")]
        opened = (open_state(place.project.root, f"refs/tags/{tag}") for tag in tags)
        model = Model(md5, tuple(state for state in opened if state and state.find_out(WEIGHTS) == md5))
    record = (model.facts or {}).get("record", {})
    images = list_learnt(model)
    return {
        "kind": "model",
        "name": WEIGHTS,
        "md5": md5,
        "sha256": model.sha256 or None,
        "is_current": model.is_current,
        "first_in": model.state.describe(),
        "data_version": record.get("data_version"),
        "code_commit": record.get("code_commit"),
        "network": (model.facts or {}).get("model"),
        "image_size_px": (model.facts or {}).get("image_size_px"),
        "classes": (model.facts or {}).get("classes"),
        "params": record.get("params"),
        "augment": record.get("augment"),
        "packages": record.get("packages"),
        "device": record.get("device"),
        "fixes": None if model.fixes is None else dict(model.fixes),
        "n_images": None if images is None else len(images),
        "images": images,  # path -> label
        "n_copies": _count_copies(model),
        "metrics": _load_metrics(model),
        "releases": _list_releases_with(place, md5),
        "missing": [] if model.facts else [f"{FACTS} of {model.state.describe()['commit'] or 'the workspace'}"],
    }


def list_learnt(model: Model, path: str | None = None) -> dict[str, str] | None:
    """The label, as it was then, of each image of the train side, or of the one image `path` if it was there.

    None where the tables are not on this machine.
    """
    state, classes = model.state, (model.facts or {}).get("classes")
    split = state.load_rows(state.find_dep("train", SPLIT_TABLE), ["path", "split"], path)
    names = ["path", "label", "kind", "annotator"]
    rows = state.load_rows(state.find_dep("train", DATASET[0]), names, path)
    if split is None or rows is None or classes is None:
        return None
    is_label = (rows["kind"] == "label") & (rows["annotator"] == CONSENSUS) & rows["label"].isin(classes)
    labels = rows[is_label.fillna(False)].set_index("path")["label"].to_dict()
    train = split.loc[(split["split"] == "train") & among(split["path"], labels), "path"]
    return {str(name): str(labels[name]) for name in sorted(train)}


def _count_copies(model: Model) -> int | None:
    """Augmented copies that it learnt as well; 0 where it was augmented online."""
    if (model.facts or {}).get("record", {}).get("augment", {}).get("mode") == "online":
        return 0
    rows = model.state.load_rows(model.state.find_dep("train", AUGMENTED_TABLE), ["path"])
    return None if rows is None else int(rows["path"].nunique())


def _load_metrics(model: Model) -> Any:
    """The metrics of an evaluation of these very weights."""
    for state in reversed(model.states):
        if state.find_dep("evaluate", WEIGHTS) == model.md5:
            return state.load_committed_json(METRICS)
    return None


def _list_releases_with(place: Place, md5: str) -> list[str]:
    root = place.project.root
    tags = [release.tag for release in list_releases(root, "model")]
    states = {tag: open_state(root, f"refs/tags/{tag}") for tag in tags}
    return [tag for tag, state in states.items() if state and state.find_out(WEIGHTS) == md5]
