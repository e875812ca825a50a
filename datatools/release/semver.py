"""Semantic versions (semver.org, 2.0.0): MAJOR.MINOR.PATCH, and perhaps -PRERELEASE."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from datatools.errors import DatatoolsError

# Section 9 and its grammar; build metadata (+...) is left out: it has no order, and a release must come after another.
PATTERN = re.compile(
    r"v?(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    r"(?:-((?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*)(?:\.(?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*))*))?",
    re.ASCII,
)
KINDS = ("none", "patch", "minor", "major")  # of a step from one version to the next, the smallest first


@functools.total_ordering
@dataclass(frozen=True)
class Semver:
    """A version; ordered as section 11 says."""

    major: int
    minor: int
    patch: int
    pre: str = ""

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}" + (f"-{self.pre}" if self.pre else "")

    def __lt__(self, other: Semver) -> bool:
        return _key(self) < _key(other)

    @property
    def core(self) -> tuple[int, int, int]:
        """Its three numbers."""
        return self.major, self.minor, self.patch


def parse_semver(text: str) -> Semver:
    """The version that `text` is, with or without a v. Raises DatatoolsError."""
    found = PATTERN.fullmatch(text.strip())
    if found is None:
        raise DatatoolsError(
            f"release: expected a semantic version such as 1.2.0 or 2.0.0-rc.1. Got {text!r}: see semver.org."
        )
    major, minor, patch = map(int, found.group(1, 2, 3))
    return Semver(major, minor, patch, found[4] or "")


def bump(version: Semver, kind: str) -> Semver:
    """The next version of a kind of step. Before 1.0.0 nothing is promised (section 4): a major step is a minor one.

    The next of a pre-release of that very step is its release.
    """
    major, minor, patch = version.core
    if kind == "none":
        return version
    if version.pre and _step_of(version) >= KINDS.index(kind):
        return Semver(major, minor, patch)
    if kind == "major" and major:
        return Semver(major + 1, 0, 0)
    return Semver(major, minor, patch + 1) if kind == "patch" else Semver(major, minor + 1, 0)


def _step_of(version: Semver) -> int:
    """The kind of step that a pre-release stands for, as a number of KINDS."""
    return 1 if version.patch else 2 if version.minor or not version.major else 3


def _key(version: Semver) -> tuple[object, ...]:
    """Section 11: a release is after its pre-releases; numbers are before words, and less is before more."""
    parts = [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in version.pre.split(".") if part]
    return *version.core, not version.pre, parts
