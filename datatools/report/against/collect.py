"""Everything the report against a base says, as one document for JSON, and what its pictures are drawn from."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from datatools.checks.runner import load_titles
from datatools.dataset import Dataset
from datatools.diff.changes import Change, Diff
from datatools.diff.compare import compare_versions
from datatools.diff.versions import Version, read_version
from datatools.errors import DatatoolsError
from datatools.evaluate.comparison import find_same_images
from datatools.gate import find_renamed, make_baseline
from datatools.mutes import Mute, parse_mutes
from datatools.params import ReportParams, load_params
from datatools.project import LAYOUT, Project
from datatools.report.against.data import summarise_diff, summarise_findings, summarise_versions
from datatools.report.against.model import Maps, align_versions, load_lift, summarise_models
from datatools.report.against.verdict import write_verdict
from datatools.report.summary import to_plain
from datatools.report.words import plural
from datatools.split.promises import list_promises
from datatools.version_files import VersionFiles, open_files

SCHEMA = 1
Section = dict[str, Any]


@dataclass(frozen=True)
class Against:
    """A report in numbers and words (`document`), and what pictures need beside it."""

    document: Section
    diff: Diff
    datasets: tuple[Dataset, Dataset]
    maps: Maps | None = None
    base: VersionFiles | None = None
    n_thumbnails: int = 0
    same: Mapping[str, str] = field(default_factory=dict)  # path after -> path before, of images with the same bytes


def collect_against(project: Project, base: str, head: str | None = None) -> Against:
    """Compare the Git revision `base` with `head`, or with the workspace. Raises DatatoolsError.

    Nothing is checked out. What one of them lacks (findings, a certificate, predictions) is said and left out; without
    data sets there is nothing to report.
    """
    files = open_files(project.root, base), open_files(project.root, head)
    versions = read_version(project, files[0]), read_version(project, files[1])
    params = load_params(project.params, ReportParams)
    diff = compare_versions(*versions)
    images = versions[0].dataset.images, versions[1].dataset.images
    same = find_same_images(*images, find_renamed(images[1], images[0]))
    datasets = versions[0].dataset, versions[1].dataset
    maps = align_versions(*files, same, list(images[1]["path"]))
    document: Section = {
        "schema": SCHEMA,
        "title": params.title or project.root.resolve().name,
        "versions": summarise_versions(diff),
        "data": summarise_diff(diff),
        "findings": _findings(versions, diff, _mutes(files[1])),
        "split": _split(files[1]),
        "model": summarise_models(*files, datasets, (versions[0].split, versions[1].split), same),
        "map": None if maps is None else _describe_map(maps, diff),
        "lift": load_lift(files[1], versions[1].data),
    }
    plain: Section = to_plain(document)
    plain["cost"] = list_costs(plain)
    plain = {"schema": SCHEMA, "title": plain["title"], "verdict": write_verdict(plain), **plain}
    return Against(plain, diff, datasets, maps, files[0], params.thumbnails, same)


def from_diff(diff: Diff, title: str = "Data diff") -> Section:
    """The document of a diff alone: no split, no model."""
    document: Section = {
        "schema": SCHEMA,
        "title": title,
        "versions": summarise_versions(diff),
        "data": summarise_diff(diff),
        "findings": summarise_findings(diff, load_titles()),
    }
    return {"schema": SCHEMA, "title": title, "verdict": write_verdict(document), **document}


def list_costs(document: Section) -> list[Section]:
    """What the change cost, as far as it is recorded: name and text."""
    data, model = document["data"], document["model"] or {}
    rows = [("Bytes of the images added", f"{data['bytes_added']:,}")]
    rows.append(("Images with another label", f"{data['relabelled_images']:,}"))
    decided = sum(row["n"] for row in data["decisions"])
    people = sorted({row["who"] for row in data["decisions"]})
    rows.append(
        ("Decisions of people", f"{decided:,}" + (f", by {plural(len(people), 'person', 'people')}" if people else ""))
    )
    run = model.get("runs", {}).get("after", {})
    if "epochs" in run:
        device = run.get("device")
        kind = device.get("name") or device.get("kind") if isinstance(device, dict) else device
        rows.append(("Epochs of the training", f"{run['epochs']:,}" + (f" on {kind}" if kind else "")))
    return [{"what": what, "text": text} for what, text in rows]


def _findings(versions: tuple[Version, Version], diff: Diff, mutes: tuple[Mute, ...]) -> Section | None:
    before, after = versions
    known = None
    if before.findings is not None:
        known = make_baseline(before.name, before.findings, before.dataset.images, before.checks)
    today = datetime.datetime.now(datetime.UTC).date()
    found = summarise_findings(diff, load_titles(), after.dataset.images, known, mutes, today)
    unjudged = [version.name for version in versions if version.model_codes is None]
    return {**found, "unjudged": unjudged[0]} if found and len(unjudged) == 1 else found


def _mutes(files: VersionFiles) -> tuple[Mute, ...]:
    text = files.read_text(LAYOUT["mutes"])
    return parse_mutes(text, LAYOUT["mutes"]) if text else ()


def _split(files: VersionFiles) -> Section | None:
    try:
        certificate = files.load_json(f"{LAYOUT['split']}/certificate.json")
    except DatatoolsError:
        return None
    if not isinstance(certificate, dict) or "groups_by_column" not in certificate:
        return None
    promises = [{"name": row.name, "kept": row.kept, "text": row.text} for row in list_promises(certificate)]
    names = ("verdict", "holds", "sizes", "ratios", "reached", "quarantine", "data_version")
    return {"promises": promises, **{name: certificate.get(name) for name in names}}


def _describe_map(maps: Maps, diff: Diff) -> Section:
    """How well the two maps fit, how they were laid on each other, and how many of their images are marked as what."""
    marks, found = mark_images(diff.changes), maps.alignment
    on_map = [marks[path] for path in found.after.index if path in marks]
    return {
        "view": maps.view,
        "method": "restarted" if maps.is_restarted else "procrustes",
        "before": len(maps.before),
        "after": len(found.after),
        "common": len(found.moved),
        "residual": found.residual,
        "moved_median": float(found.moved.median()) if len(found.moved) else None,
        "marked": {name: on_map.count(name) for name in ("added", "relabelled", "moved side", "changed")},
    }


def mark_images(changes: tuple[Change, ...]) -> dict[str, str]:
    """What is marked on the map for each image that changed: added, relabelled, moved side or changed, the first that holds."""
    names = {"image added": "added", "relabelled": "relabelled", "split moved": "moved side"}
    ranks = {name: rank for rank, name in enumerate((*names.values(), "changed"))}
    marks: dict[str, str] = {}
    for change in changes:
        name = names.get(change.kind, "changed")
        if change.kind != "image removed" and ranks[name] < ranks.get(marks.get(change.path, ""), len(ranks)):
            marks[change.path] = name
    return marks
