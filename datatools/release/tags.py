"""Releases as Git tags, in the form that DVC's model registry reads (GTO): `data@v1.2.0`.

In a Git repository that holds the project below its top, the folder goes before the name: `cells=data@v1.2.0`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from datatools.errors import DatatoolsError
from datatools.git import GitError, ask_git, run_git
from datatools.release.semver import PATTERN, Semver, parse_semver

ARTIFACTS = ("data", "model")
FIELDS = "%(refname:strip=2)%1f%(*objectname)%1f%(objectname)%1f%(creatordate:iso-strict)%1f%(taggername)"


@dataclass(frozen=True)
class Release:
    """A tag: its version, commit, and who made it when."""

    tag: str
    version: Semver
    commit: str
    when: str
    who: str


def tag_prefix(root: Path, artifact: str) -> str:
    """What the tags of an artifact start with, `@v` included."""
    folder = ask_git(root, "rev-parse", "--show-prefix").strip().strip("/")
    return f"{folder}={artifact}@v" if folder else f"{artifact}@v"


def list_releases(root: Path, artifact: str) -> list[Release]:
    """The releases of `artifact` (data or model), lowest version first; none outside Git."""
    prefix = tag_prefix(root, artifact)
    lines = ask_git(root, "for-each-ref", f"--format={FIELDS}", f"refs/tags/{prefix}*").splitlines()
    found = [_to_release(line, prefix) for line in lines]
    return sorted((release for release in found if release), key=lambda release: release.version)


def create_tag(root: Path, tag: str, message: str) -> None:
    """Make an annotated tag on HEAD. Raises DatatoolsError with what Git says."""
    try:
        run_git(root, "tag", "--annotate", "--cleanup=verbatim", "--file=-", tag, "HEAD", stdin=message)
    except GitError as error:
        raise DatatoolsError(f"{tag}: expected Git to make this tag. Got: {error.said}.") from error


def _to_release(line: str, prefix: str) -> Release | None:
    """None for a tag that is no version, as GTO's marks of stages and withdrawals are none."""
    tag, target, own, when, who = line.split("\x1f")
    text = tag.removeprefix(prefix)
    if not PATTERN.fullmatch(text):
        return None
    return Release(tag, parse_semver(text), target or own, when, who)
