"""Which step of a semantic version changes ask for.

For who uses the data, a breaking change is one after which an older score, or a program that reads it, no longer means the same:
something said before is now said otherwise, or is gone. What is only added is minor, what is only said about it a patch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from datatools.diff.changes import KINDS as CHANGES
from datatools.diff.changes import Diff
from datatools.release.semver import KINDS
from datatools.report.words import plural

KIND_OF: Mapping[str, str] = {
    "image added": "minor",
    "annotation added": "minor",
    "metadata changed": "patch",
    "annotator changed": "patch",
    "attributes changed": "patch",
}  # all other changes are major: removed, renamed, relabelled, moved, reshaped, other content, other side


@dataclass(frozen=True)
class Reason:
    """A part of what changed, and the step that it asks for."""

    kind: str  # one of semver.KINDS
    text: str


def judge_data(diff: Diff, classes_before: Sequence[str], classes_after: Sequence[str]) -> list[Reason]:
    """What changed in the data, the most serious first."""
    reasons = [Reason("major", text) for text in _compare_classes(classes_before, classes_after)]
    counts = diff.by_kind
    reasons += [Reason(KIND_OF.get(name, "major"), f"{name}: {counts[name]:,}") for name in CHANGES if name in counts]
    return _sort(reasons)


def judge_model(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Reason]:
    """What changed in the model (stories of datatools.trace.models), the most serious first."""
    if before["md5"] == after["md5"]:
        return []
    reasons = [
        Reason("major", f"{what}: {before[key]} -> {after[key]}")
        for key, what in (("classes", "classes"), ("network", "network"), ("image_size_px", "input size"))
        if before[key] != after[key]
    ]
    if before["data_version"] != after["data_version"]:
        reasons.append(Reason("minor", f"trained on data {after['data_version']}, before on {before['data_version']}"))
    for section in ("params", "augment"):
        reasons += [Reason("minor", text) for text in _compare_params(section, before[section], after[section])]
    return _sort(reasons) or [Reason("patch", "other weights from the same data and parameters")]


def needed_kind(reasons: Sequence[Reason]) -> str:
    """The step that all of them together ask for: at least a patch, as a release is another one."""
    return max((reason.kind for reason in reasons), key=KINDS.index, default="patch")


def _compare_classes(before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    gone, came = [name for name in before if name not in after], [name for name in after if name not in before]
    if gone:
        yield f"{plural(len(gone), 'class', 'classes')} gone: {', '.join(gone)}"
    if came:
        yield f"{plural(len(came), 'class', 'classes')} new: {', '.join(came)}"
    if not gone and not came and list(before) != list(after):
        yield "the order of the classes, which numbers them"


def _compare_params(section: str, before: Any, after: Any) -> Iterator[str]:
    old, new = before or {}, after or {}
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name) and name != "policy":  # its hash tells as much
            yield f"{section}.{name}: {old.get(name)} -> {new.get(name)}"


def _sort(reasons: Sequence[Reason]) -> list[Reason]:
    return sorted(reasons, key=lambda reason: -KINDS.index(reason.kind))
