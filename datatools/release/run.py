"""`datatools release`: check, compare with the last release, write the changelog and an annotated tag."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

import yaml

from datatools.diff.compare import compare_versions
from datatools.diff.versions import load_version
from datatools.errors import DatatoolsError
from datatools.git import ask_git
from datatools.project import Project
from datatools.release.changelog import add_entry, changelog_path
from datatools.release.checks import check_artifact, check_kind, check_project, check_version
from datatools.release.entries import Summary, describe_diff, describe_metrics, write_entry, write_message
from datatools.release.kinds import judge_data, judge_model, needed_kind
from datatools.release.semver import parse_semver
from datatools.release.tags import Release, create_tag, list_releases, tag_prefix
from datatools.trace.models import find_tagged, tell_model
from datatools.trace.past import SHORT
from datatools.trace.place import WEIGHTS, Place


@dataclass(frozen=True)
class Done:
    """A release: its tag, its changelog entry, what a person does next."""

    tag: str
    entry: str
    next_steps: tuple[str, ...]


def make_release(
    project: Project,
    artifact: str,
    version: str,
    today: datetime.date,
    against: str | None = None,
    allow: str | None = None,
    dry_run: bool = False,
) -> Done:
    """Release `artifact` (data or model) as `version`; with `dry_run` nothing is written.

    It is compared with the release `against`, else with the last one. `allow` says why a smaller step than the changes ask for is
    right; it is kept in changelog and tag. Raises DatatoolsError for what is not committed or out of date, a version that does not come
    after the last, and a step that is too small.
    """
    check_artifact(artifact)
    wanted = parse_semver(version)
    check_project(project, artifact)
    releases = list_releases(project.root, artifact)
    check_version(wanted, releases)
    before = _choose(releases, against, artifact)
    summary = (_summarise_data if artifact == "data" else _summarise_model)(project, before)
    reason = check_kind(wanted, before.version, summary, allow) if before else None
    tag = f"{tag_prefix(project.root, artifact)}{wanted}"
    entry = write_entry(artifact, str(wanted), today.isoformat(), summary, reason)
    file = changelog_path(project.root, artifact)
    if not dry_run:
        add_entry(file, artifact, entry)
        create_tag(project.root, tag, write_message(artifact, str(wanted), summary, reason))
    return Done(tag, entry, (*_check_declared(project, artifact), *_list_next(tag, file.name, dry_run)))


def _choose(releases: list[Release], against: str | None, artifact: str) -> Release | None:
    if against is None:
        return releases[-1] if releases else None
    found = next((release for release in releases if against in (release.tag, str(release.version))), None)
    if found is None:
        known = ", ".join(release.tag for release in releases[-5:]) or "none yet"
        raise DatatoolsError(f"--against: expected a release of the {artifact} ({known}). Got {against!r} instead.")
    return found


def _summarise_data(project: Project, before: Release | None) -> Summary:
    now = load_version(project, None)
    facts = {"data": str(now.data or now.dataset.version), "commit": _head(project)}
    if before is None:
        dataset = now.dataset
        counts = {
            "images": len(dataset.images),
            "annotations": len(dataset.annotations),
            "classes": len(dataset.classes),
        }
        return Summary("", "none", (), facts, [", ".join(f"{n:,} {name}" for name, n in counts.items()) + "."])
    then = load_version(project, f"refs/tags/{before.tag}")
    diff = compare_versions(then, now)
    reasons = judge_data(diff, then.dataset.classes, now.dataset.classes)
    return Summary(before.tag, needed_kind(reasons), reasons, facts, describe_diff(diff))


def _summarise_model(project: Project, before: Release | None) -> Summary:
    place = Place(project)
    md5 = place.past.now.find_out(WEIGHTS) if place.past.now else None
    if md5 is None:
        raise DatatoolsError(f"release: expected {WEIGHTS}. Got none in dvc.lock: run `dvc repro`.")
    now = tell_model(place, md5)
    facts = {
        name: str(now[key]) for name, key in (("data", "data_version"), ("code", "code_commit"), ("weights MD5", "md5"))
    }
    then = tell_model(place, tagged) if before and (tagged := find_tagged(place, before.tag)) else None
    if before is None or then is None:
        return Summary("", "none", (), facts, describe_metrics(None, now["metrics"]))
    if not (then["classes"] and now["classes"]):
        raise DatatoolsError(
            f"release: expected model.json of {before.tag} in the cache. Got none: run `dvc fetch --all-tags`."
        )
    reasons = judge_model(then, now)
    return Summary(before.tag, needed_kind(reasons), reasons, facts, describe_metrics(then["metrics"], now["metrics"]))


def _head(project: Project) -> str:
    """The commit that the tag is put on."""
    return ask_git(project.root, "rev-parse", "HEAD").strip()[:SHORT]


def _check_declared(project: Project, artifact: str) -> list[str]:
    """A word where dvc.yaml, as that of an older project, does not say what the tags are of."""
    try:
        document = yaml.safe_load((project.root / "dvc.yaml").read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        document = None
    declared = (document.get("artifacts") if isinstance(document, dict) else None) or {}
    if artifact in declared:
        return []
    return [f"note: dvc.yaml names no artifact {artifact}: `dvc artifacts get` needs one, see docs/provenance.md"]


def _list_next(tag: str, file: str, dry_run: bool) -> tuple[str, ...]:
    if dry_run:
        return (f"dry run: {file} and the tag {tag} were not written",)
    return (
        f"tagged {tag}; the entry is in {file}: commit it",
        f"next: datatools push && git push origin HEAD {tag}",
    )
