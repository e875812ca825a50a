"""What a command works on: the closure of the workspace, of a revision or of every commit, and where its objects lie."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from datatools.dvc_cache import OBJECT
from datatools.errors import DatatoolsError
from datatools.remotes.closure import (
    FOLDER,
    MISSING,
    TRUNCATED,
    UNREADABLE,
    WRONG,
    Closure,
    Fault,
    Output,
    build_closure,
)
from datatools.remotes.hashing import Content, hash_file
from datatools.remotes.session import DEADLINE_S, Deadline, Session

NONE = "no remote"


@dataclass(frozen=True)
class Wanted:
    """What the user asked for; `rev` None is the workspace, `remote` None the default one, `jobs` None what DVC would take."""

    root: Path
    rev: str | None = None
    history: bool = False  # every commit and experiment, and the workspace
    remote: str | None = None
    deadline_s: float = DEADLINE_S
    jobs: int | None = None


@dataclass(frozen=True)
class Scope:
    """The closure, the faults of its listings and names, and notes on what is not looked at."""

    wanted: Wanted
    session: Session
    cache: Path
    closure: Closure
    faults: tuple[Fault, ...]
    notes: tuple[str, ...]
    commits: Mapping[str, Closure]  # "" is the workspace

    def place(self, md5: str) -> Path:
        """Where the cache keeps an object."""
        return object_place(self.cache, md5)

    def homes(self) -> Iterator[tuple[str | None, list[str]]]:
        """Each remote and the objects that belong to it, files before the listings that name them."""
        for remote in sorted(self.closure.homes, key=str):
            yield remote, sorted(self.closure.homes[remote], key=lambda md5: (md5.endswith(FOLDER), md5))

    def name(self, remote: str | None) -> str:
        """What to call a remote."""
        return remote or self.wanted.remote or NONE


@contextmanager
def open_scope(wanted: Wanted) -> Iterator[Scope]:
    """Start a worker and find the closure. Raises DatatoolsError for a wrong call, NotProvenError for a failing remote."""
    if wanted.rev is not None and (wanted.rev.startswith("-") or not wanted.rev.strip() or wanted.rev == "workspace"):
        raise DatatoolsError(f"--rev: expected a Git revision such as main or HEAD~1. Got {wanted.rev!r} instead.")
    with Session(wanted.root, Deadline(wanted.deadline_s), wanted.jobs) as session:
        ((cache_path, default),) = session.ask("place", "the cache")
        cache = Path(cache_path)
        outputs, notes = _read_outputs(session, wanted, default)
        wanted = replace(wanted, remote=wanted.remote or default)
        everything = list(dict.fromkeys(output for of_commit in outputs.values() for output in of_commit))
        listings, faults = _load_listings(session, wanted, cache, everything)
        closure, bad = build_closure(everything, listings)
        single = outputs if wanted.history else {}
        commits = {name: build_closure(of_commit, listings)[0] for name, of_commit in single.items()}
        yield Scope(wanted, session, cache, closure, (*faults, *bad), tuple(notes), commits)


def object_place(cache: Path, md5: str) -> Path:
    """Where the cache keeps an object."""
    return cache / md5[:2] / md5[2:]


def judge(
    closure: Closure, md5: str, content: Content | None, said: str, where: str, n_bytes: int | None = None
) -> Fault | None:
    """What is wrong with an object that was read: None for nothing; `said` is what reading it said, `n_bytes` its right size."""
    if said:
        return closure.fault(UNREADABLE, md5, f"{where} answered: {said}")
    if content is None:
        return closure.fault(MISSING, md5, f"it is not in {where}")
    if content.md5 == md5.removesuffix(FOLDER):
        return None
    right = n_bytes if n_bytes is not None else closure.n_bytes.get(md5)
    if content.n_bytes == 0 or (right is not None and content.n_bytes < right):
        of = f" of {right:,}" if right is not None else ""
        return closure.fault(TRUNCATED, md5, f"{where} has {content.n_bytes:,}{of} bytes of it")
    return closure.fault(WRONG, md5, f"in {where} its MD5 is {content.md5}")


def _read_outputs(session: Session, wanted: Wanted, default: str | None) -> tuple[dict[str, list[Output]], list[str]]:
    outputs: dict[str, list[Output]] = {}
    notes: dict[str, None] = {}
    asked = {"rev": wanted.rev, "history": wanted.history, "remote": wanted.remote}
    for name, shared, left in session.ask("outputs", wanted.rev or "workspace", **asked):
        outputs["" if name == "workspace" else name] = [
            Output(*_plain(row, wanted.remote or default)) for row in shared
        ]
        notes.update({f"not looked at: {path}: {why}": None for path, why in left})
    return outputs, list(notes)


def _plain(row: list[Any], remote: str | None) -> list[Any]:
    """The row of an output without a remote of its own where that is the one asked for anyway."""
    return [*row[:3], None if row[3] == remote else row[3]]


def _load_listings(
    session: Session, wanted: Wanted, cache: Path, outputs: Iterable[Output]
) -> tuple[dict[str, bytes], list[Fault]]:
    """The listings with the right content, of the cache or else of the remote, and a fault for each that neither has."""
    listings: dict[str, bytes] = {}
    absent: dict[str | None, dict[str, Output]] = {}
    for output in outputs:
        if output.md5.endswith(FOLDER) and OBJECT.fullmatch(output.md5) and output.md5 not in listings:
            data = _read_right(object_place(cache, output.md5), output.md5)
            if data is None:
                absent.setdefault(output.remote, {})[output.md5] = output
            else:
                listings[output.md5] = data
    faults: list[Fault] = []
    for remote, named in absent.items():
        where = remote or wanted.remote or NONE
        rows = session.ask("read", where, remote=remote or wanted.remote, md5s=list(named), jobs=session.jobs)
        for md5, said, found, text in rows:
            if found == md5.removesuffix(FOLDER):
                listings[md5] = text.encode("utf-8", "surrogateescape")
                continue
            content = Content(len(text), found, "") if found else None
            alone = build_closure([replace(named[md5], n_bytes=None)], {})[0]
            fault = judge(alone, md5, content, said, f"the cache or {where}")
            faults += [fault] if fault else []
    return listings, faults


def _read_right(place: Path, md5: str) -> bytes | None:
    try:
        return place.read_bytes() if hash_file(place).md5 == md5.removesuffix(FOLDER) else None
    except OSError:
        return None
