"""The closure of a revision: every object that its outputs stand for, and the files that each object stands for."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from datatools.dvc_cache import OBJECT
from datatools.file_names import find_collisions, printable
from datatools.remotes.names import judge_path

FILE = re.compile(r"[0-9a-f]{32}")
FOLDER = ".dir"  # ends the name of an object that lists the files of a folder
# What can be wrong with an object.
MISSING, WRONG, TRUNCATED, UNREADABLE, FORGED = "missing", "wrong content", "truncated", "unreadable", "forged"
LISTING, NAME, LINK, WORKSPACE = "bad listing", "bad name", "symbolic link", "workspace"
UNSENT = "not sent"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is not as recorded: the object (empty: none) and the files that it stands for."""

    kind: str
    md5: str
    paths: tuple[str, ...]
    text: str

    def __str__(self) -> str:
        """One line: kind, the first three files, what was found, the object."""
        named = ", ".join(printable(path) for path in self.paths[:3]) or "-"
        more = f" and {len(self.paths) - 3:,} more" if len(self.paths) > 3 else ""
        return f"{self.kind}: {named}{more}: {printable(self.text)}" + (f" [{self.md5}]" if self.md5 else "")


@dataclass(frozen=True, slots=True)
class Output:
    """A file or folder that DVC keeps: POSIX path below the project, object, size where recorded, remote of its own."""

    path: str
    md5: str
    n_bytes: int | None = None
    remote: str | None = None


@dataclass(frozen=True)
class Closure:
    """All objects of some outputs. `paths`: the files of an object, a folder's listing with / at its end."""

    outputs: tuple[Output, ...]
    paths: Mapping[str, tuple[str, ...]]
    homes: Mapping[str | None, frozenset[str]]  # objects by the remote they belong to; None: the default one
    n_bytes: Mapping[str, int] = field(default_factory=dict)  # of objects whose size is recorded

    def __contains__(self, md5: object) -> bool:
        """Whether the object belongs to it."""
        return md5 in self.paths

    def __len__(self) -> int:
        """Its objects, listings included."""
        return len(self.paths)

    def fault(self, kind: str, md5: str, text: str) -> Fault:
        """A fault of one object, with the files it stands for."""
        return Fault(kind, md5, self.paths.get(md5, ()), text)

    @property
    def version(self) -> str:
        """SHA-256 that names these outputs: equal paths and objects, equal version."""
        lines = sorted({f"{output.md5} {output.path}\n" for output in self.outputs})
        return hashlib.sha256("".join(lines).encode()).hexdigest()


def build_closure(outputs: Sequence[Output], listings: Mapping[str, bytes]) -> tuple[Closure, list[Fault]]:
    """The closure of `outputs`, and what is wrong with their listings and names.

    `listings` has the listing objects by MD5, each with the content of that MD5; one that is not there stays unopened.
    """
    paths: dict[str, dict[str, None]] = {}
    homes: dict[str | None, set[str]] = {}
    sizes: dict[str, int] = {}
    faults: list[Fault] = []
    opened: dict[str, list[tuple[str, str]]] = {}
    for output in outputs:
        home = homes.setdefault(output.remote, set())
        faults += _judge_output(output)
        if not OBJECT.fullmatch(output.md5):
            continue
        is_folder = output.md5.endswith(FOLDER)
        paths.setdefault(output.md5, {})[f"{output.path}/" if is_folder else output.path] = None
        home.add(output.md5)
        if output.n_bytes is not None and not is_folder:
            sizes[output.md5] = output.n_bytes
        if output.md5 not in opened and output.md5 in listings:
            opened[output.md5], found = parse_listing(output, listings[output.md5])
            faults += found
        for name, md5 in opened.get(output.md5, ()):
            paths.setdefault(md5, {})[f"{output.path}/{name}"] = None
            home.add(md5)
    return Closure(
        tuple(outputs),
        {md5: tuple(names) for md5, names in paths.items()},
        {remote: frozenset(names) for remote, names in homes.items()},
        sizes,
    ), faults


def parse_listing(output: Output, data: bytes) -> tuple[list[tuple[str, str]], list[Fault]]:
    """(name below the folder, MD5) of every file in a listing, and a fault for what it must not hold.

    With a fault of its own form the listing counts as empty.
    """
    try:
        entries = json.loads(data)
    except (ValueError, RecursionError):
        entries = None
    rows = [_read_entry(entry) for entry in entries] if isinstance(entries, list) else [None]
    listed = [row for row in rows if row is not None]
    if len(listed) < len(rows):
        text = "expected a list of files, each with relpath and md5. Got another document"
        return [], [Fault(LISTING, output.md5, (f"{output.path}/",), text)]
    return listed, _judge_names(output, [name for name, _ in listed])


def find_twins(closure: Closure) -> list[str]:
    """Messages on files that other systems take for one another (case, accents); the first ten."""
    collisions = find_collisions({path for paths in closure.paths.values() for path in paths if not path.endswith("/")})
    return [f"{printable(path)}: {printable(message)}" for path, message in list(collisions.items())[:10]]


def _judge_output(output: Output) -> Iterable[Fault]:
    if why := judge_path(output.path):
        yield Fault(NAME, "", (output.path,), f"the output's path {why}")
    if not OBJECT.fullmatch(output.md5):
        yield Fault(NAME, "", (output.path,), f"expected an MD5 in lower-case hex digits. Got {output.md5[:60]!r}")


def _judge_names(output: Output, names: list[str]) -> list[Fault]:
    faults = [
        Fault(NAME, output.md5, (f"{output.path}/{name}",), f"the path in the listing {why}")
        for name in names
        if (why := judge_path(name))
    ]
    once = set(names)
    if len(once) < len(names):
        faults.append(Fault(LISTING, output.md5, (f"{output.path}/",), "it lists a path twice"))
    for name in once:
        parents = (name[:at] for at, letter in enumerate(name) if letter == "/")
        if both := next((parent for parent in parents if parent in once), ""):
            path = f"{output.path}/{both}"
            faults.append(Fault(LISTING, output.md5, (path,), "the listing has it both as a file and as a folder"))
    return faults


def _read_entry(entry: Any) -> tuple[str, str] | None:
    name, md5 = (entry.get("relpath"), entry.get("md5")) if isinstance(entry, dict) else (None, None)
    return (name, md5) if isinstance(name, str) and isinstance(md5, str) and FILE.fullmatch(md5) else None
