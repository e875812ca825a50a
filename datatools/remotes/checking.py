"""Hashing a closure where it lies: in the cache, on its remotes, or checked out in the workspace."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from datatools.progress import progress
from datatools.remotes.closure import FOLDER, MISSING, TRUNCATED, WRONG, Fault
from datatools.remotes.hashing import Content, Sample, hash_files
from datatools.remotes.scope import Scope, judge

EVERYTHING = Sample()


@dataclass
class Checked:
    """What was hashed and found right, by MD5, and what was not."""

    contents: dict[str, Content] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    @property
    def n_bytes(self) -> int:
        """Bytes that were hashed and found right."""
        return sum(content.n_bytes for content in self.contents.values())

    def add(
        self, scope: Scope, md5: str, content: Content | None, said: str, where: str, n_bytes: int | None = None
    ) -> None:
        """Sort an object that was read to the right ones or to the faults."""
        fault = judge(scope.closure, md5, content, said, where, n_bytes)
        if fault:
            self.faults.append(fault)
        elif content is not None:
            self.contents[md5] = content


def check_cache(scope: Scope, sample: Sample = EVERYTHING) -> Checked:
    """Hash the objects of the closure in DVC's cache."""
    return _check_files(scope, {md5: scope.place(md5) for md5 in scope.closure.paths if md5 in sample}, "the cache")


def check_remotes(scope: Scope, sizes: Mapping[str, int], md5s: Collection[str]) -> Checked:
    """List each remote for its part of the closure, and hash those of `md5s` that it lists.

    `sizes` are right sizes, of objects that were hashed elsewhere: a listed size that differs is a fault without any hash.
    """
    checked = Checked()
    for remote, names in scope.homes():
        where = scope.name(remote)
        listed = list_sizes(scope, remote, names)
        right = {**scope.closure.n_bytes, **sizes}
        good = [md5 for md5 in names if md5 in listed and listed[md5] == right.get(md5, listed[md5])]
        for md5 in names:
            if md5 not in listed:
                checked.add(scope, md5, None, "", where)
            elif listed[md5] != right.get(md5, listed[md5]):
                kind = TRUNCATED if listed[md5] < right[md5] else WRONG
                text = f"{where} has {listed[md5]:,} of {right[md5]:,} bytes of it"
                checked.faults.append(scope.closure.fault(kind, md5, text))
        hash_remote(scope, remote, [md5 for md5 in good if md5 in md5s], right, checked)
    return checked


def tell_empty(scope: Scope, faults: Collection[Fault]) -> Iterator[str]:
    """A note for faults that are all that was asked of the remotes: each is MISSING there."""
    if faults and all(fault.kind == MISSING for fault in faults):
        names = " and ".join(scope.name(remote) for remote, _ in scope.homes()) or scope.name(None)
        yield (
            f"{names} has nothing of what was asked for: is it the right place (`dvc remote list`), is its drive mounted, and did "
            "somebody push?"
        )


def list_sizes(scope: Scope, remote: str | None, md5s: Iterable[str]) -> dict[str, int]:
    """Bytes of those among `md5s` that the remote lists."""
    asked = {"remote": remote or scope.wanted.remote, "md5s": list(md5s), "jobs": scope.wanted.jobs}
    return dict(scope.session.ask("sizes", f"listing {scope.name(remote)}", **asked)) if asked["md5s"] else {}


def hash_remote(scope: Scope, remote: str | None, md5s: list[str], sizes: Mapping[str, int], checked: Checked) -> None:
    """Fetch and hash objects of a remote into `checked`."""
    asked = {"remote": remote or scope.wanted.remote, "md5s": md5s, "jobs": scope.wanted.jobs}
    where = scope.name(remote)
    with progress(f"hashing objects on {where}", len(md5s)) as tick:
        for md5, said, *facts in scope.session.ask("hashes", f"hashing on {where}", **asked) if md5s else ():
            checked.add(scope, md5, Content(*facts) if facts[1] else None, said, where, sizes.get(md5))
            tick(1)


def check_workspace(scope: Scope) -> Checked:
    """Hash the files of the closure as they are checked out. A listing is no file: its folder is as right as its files."""
    files = {path: md5 for md5, paths in scope.closure.paths.items() if not md5.endswith(FOLDER) for path in paths}
    checked = Checked()
    with progress("hashing files", len(files)) as tick:
        for path, content in hash_files({path: scope.wanted.root / path for path in files}, scope.wanted.jobs):
            scope.session.deadline.left("hashing the workspace")
            fault = _judge_file(scope, files[path], path, content)
            if fault:
                checked.faults.append(fault)
            elif isinstance(content, Content):
                checked.contents[files[path]] = content
            tick(1)
    return checked


def _judge_file(scope: Scope, md5: str, path: str, content: Content | OSError) -> Fault | None:
    if isinstance(content, FileNotFoundError | NotADirectoryError):
        return Fault(MISSING, md5, (path,), "it is not in the workspace")
    said = f"{content.strerror}" if isinstance(content, OSError) else ""
    fault = judge(scope.closure, md5, None if isinstance(content, OSError) else content, said, "the workspace")
    return fault and Fault(fault.kind, md5, (path,), fault.text)


def _check_files(scope: Scope, places: Mapping[str, Path], where: str) -> Checked:
    checked = Checked()
    with progress(f"hashing objects in {where}", len(places)) as tick:
        for md5, content in hash_files(places, scope.wanted.jobs):
            scope.session.deadline.left(f"hashing {where}")
            if isinstance(content, FileNotFoundError):
                checked.add(scope, md5, None, "", where)
            elif isinstance(content, OSError):
                checked.add(scope, md5, None, str(content.strerror), where)
            else:
                checked.add(scope, md5, content, "", where)
            tick(1)
    return checked
