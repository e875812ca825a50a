"""Of a difference the changes that were asked for: of some classes, or of images whose paths match a pattern."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Collection

from datatools.diff.changes import Change, Diff
from datatools.errors import DatatoolsError


def select(diff: Diff, classes: Collection[str] = (), path: str | None = None) -> Diff:
    """The changes that concern one of `classes`, on images that are or were called like the glob `path`.

    What is counted over the whole data set is left out, but for the counts of `classes`. Raises DatatoolsError for a class
    that neither version has.
    """
    if not classes and path is None:
        return diff
    known = {row.label for row in diff.classes}
    unknown = sorted(set(classes) - known)
    if unknown:
        names = ", ".join(sorted(known)) or "none"
        raise DatatoolsError(f"--class: expected a class of either version ({names}). Got {unknown[0]!r} instead.")
    is_asked = _matcher(set(classes), path)
    changes = tuple(change for change in diff.changes if is_asked(change))
    used = {name for change in changes for name in change.fixes}
    return Diff(
        diff.before,
        diff.after,
        changes,
        classes=tuple(row for row in diff.classes if row.label in classes) if path is None else (),
        records=tuple(record for record in diff.records if record.id in used),
    )


def _matcher(classes: set[str], path: str | None) -> Callable[[Change], bool]:
    is_like = re.compile(fnmatch.translate(path or "*")).match

    def is_asked(change: Change) -> bool:
        names = [change.path, change.before] if change.kind == "image renamed" else [change.path]
        return (not classes or not classes.isdisjoint(change.labels)) and any(is_like(str(name)) for name in names)

    return is_asked
