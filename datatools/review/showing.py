"""Showing in the App what the records say: label, decision and tags of each sample, brought in line whenever asked."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from datatools.review.sitting import Standing

if TYPE_CHECKING:
    import fiftyone as fo

DECIDED, ASKED, DISPUTED = "decided", "asked", "disputed"
TAGS = (DECIDED, ASKED, DISPUTED)
FIELDS = ("id", "tags", "label.label", "loaded_label", "decision", "deciders")


def show_standings(review: fo.Dataset, standings: Mapping[str, Standing]) -> int:
    """Write into `review` what `standings` (sample id -> Standing) say and it does not show yet; returns how many samples.

    The label of a sample with an edit that is not saved is left alone. Each sample is written in one step, so a kill leaves
    it as it was or as it should be.
    """
    changes = {}
    for row in zip(*review.values(list(FIELDS)), strict=True):
        shown = dict(zip(FIELDS, row, strict=True))
        standing = standings.get(shown["id"])
        wanted = {} if standing is None else _changes(shown, standing)
        if wanted:
            changes[shown["id"]] = wanted
    if changes:
        for sample in review.select(list(changes)).iter_samples(autosave=False):
            _write(sample, changes[sample.id])
    return len(changes)


def is_up(uri: str) -> bool:
    """Whether anything listens at a database address; asked first, as the database's own client waits for 15 s."""
    parts = urlsplit(uri)
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((parts.hostname or "", parts.port or 0)) == 0


def _changes(shown: Mapping[str, Any], standing: Standing) -> dict[str, Any]:
    tags = [tag for tag in shown["tags"] or [] if tag not in TAGS]
    flags = (standing.is_decided, standing.is_asked, standing.is_disputed)
    tags += [tag for tag, holds in zip(TAGS, flags, strict=True) if holds]
    wanted = {"tags": tags, "decision": standing.words or None, "deciders": list(standing.people)}
    if shown["label.label"] == shown["loaded_label"]:
        wanted["loaded_label"] = standing.label
    same = {**shown, "tags": shown["tags"] or [], "deciders": shown["deciders"] or []}
    return {name: value for name, value in wanted.items() if same[name] != value}


def _write(sample: fo.Sample, values: Mapping[str, Any]) -> None:
    import fiftyone as fo

    for name, value in values.items():
        sample[name] = value
    if "loaded_label" in values:
        label = values["loaded_label"]
        if label is None or sample.label is None:
            sample.label = None if label is None else fo.Classification(label=label)
        else:
            sample.label.label = label
    sample.save()
