"""What must hold before a release: committed, up to date, and a version that comes after all others."""

from __future__ import annotations

from pathlib import Path

from datatools.cards.sources import FILE as SOURCES
from datatools.errors import DatatoolsError
from datatools.git import ask_git
from datatools.project import LAYOUT, Project
from datatools.release.entries import Summary
from datatools.release.semver import Semver, bump
from datatools.release.tags import ARTIFACTS, Release
from datatools.revisions import LOCK, find_stale, load_stages

STAGES = {"data": ("ingest", "split", "validate"), "model": ("ingest", "split", "train", "evaluate")}
COMMITTED = (
    *(LOCK, "dvc.yaml", LAYOUT["params"], LAYOUT["fixes"], LAYOUT["mutes"], SOURCES),
    *(f"{LAYOUT['raw']}.dvc", f"{LAYOUT['split']}/ledger.csv", LAYOUT["metrics"]),
)


def check_artifact(artifact: str) -> None:
    """Raise DatatoolsError for what is no artifact."""
    if artifact not in ARTIFACTS:
        raise DatatoolsError(f"release: expected one of {', '.join(ARTIFACTS)}. Got {artifact!r} instead.")


def check_project(project: Project, artifact: str) -> None:
    """Raise DatatoolsError where what would be released is not committed, or not what `dvc repro` would make."""
    changed = _list_changed(project.root)
    if changed:
        raise DatatoolsError(
            f"release: expected everything committed. Got changes in {', '.join(changed[:5])}: commit them."
        )
    stages = load_stages(project.root)
    missing = [name for name in STAGES[artifact] if name not in stages]
    if missing:
        raise DatatoolsError(f"release: expected a run of the stage {missing[0]}. Got none in {LOCK}: run `dvc repro`.")
    stale = find_stale(project.root, stages, STAGES[artifact])
    if stale:
        raise DatatoolsError(
            f"release: expected results that are up to date. Got: {stale}. Run `dvc repro` and commit."
        )


def check_version(version: Semver, releases: list[Release]) -> None:
    """Raise DatatoolsError where `version` does not come after the last release."""
    if releases and version <= releases[-1].version:
        raise DatatoolsError(
            f"release: expected a version after {releases[-1].version}, the last ({releases[-1].tag}). Got {version}."
        )


def check_kind(version: Semver, before: Semver, summary: Summary, allow: str | None) -> str | None:
    """Raise DatatoolsError where the changes since `before` ask for more than `version` says, unless `allow` says why not.

    The result is `allow` where it was needed.
    """
    needed = bump(before, summary.kind)
    if version.core >= needed.core:
        return None
    if allow and allow.strip():
        return allow.strip()
    first = summary.reasons[0].text if summary.reasons else "nothing in it changed"
    raise DatatoolsError(
        f"release: the changes since {before} are {summary.kind} ({first}): expected {needed} or higher. Got {version}: "
        'take that, or say why not with --allow "...".'
    )


def _list_changed(root: Path) -> list[str]:
    """Files that Git has otherwise, the changelogs apart, and files that a release rests on and that Git has not."""
    if ask_git(root, "rev-parse", "--verify", "--quiet", "HEAD") == "":
        raise DatatoolsError(f"{root}: expected a Git repository with a commit. Got none: a release is a tag of Git.")
    status = ("status", "--porcelain", "-z", "--no-renames")
    changed = ask_git(root, *status, "--untracked-files=no", "--", ".", ":(exclude)CHANGELOG.*.md")
    new = ask_git(root, *status, "--untracked-files=all", "--", *COMMITTED)
    return list(dict.fromkeys(line[3:] for text in (changed, new) for line in text.split("\0") if line[3:]))
