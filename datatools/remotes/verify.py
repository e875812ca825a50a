"""Is every object of a closure where it should be, and is it what it should be? Nothing is changed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from datatools.errors import DatatoolsError
from datatools.git import list_names
from datatools.remotes.checking import Checked, check_cache, check_remotes, check_workspace, tell_empty
from datatools.remotes.closure import FOLDER, LINK, Fault, find_twins
from datatools.remotes.hashing import Sample
from datatools.remotes.names import find_symlinks
from datatools.remotes.outcome import Outcome, count, size
from datatools.remotes.receipts import find_forged, load_known
from datatools.remotes.scope import Scope, Wanted, open_scope

REMOTE, CACHE, WORKSPACE = "remote", "cache", "workspace"


def verify(wanted: Wanted, where: str = REMOTE, sample: Sample | None = None) -> Outcome:
    """Verify the remote, the cache or the workspace (REMOTE, CACHE, WORKSPACE). Raises DatatoolsError, NotProvenError."""
    sample = sample or Sample()
    with open_scope(wanted) as scope:
        known = load_known(wanted.root, scope.closure)
        checked = _check(scope, where, sample, known.n_bytes)
        faults = [*scope.faults, *checked.faults, *find_forged(scope.closure, known, checked.contents)]
        if where == WORKSPACE:
            faults += find_links(scope)
        n_said = f", {count(known.n_receipts, 'receipt')}" if known.n_receipts else ", no receipt"
        part = "" if sample.parts == 1 or where == WORKSPACE else f" (sample {sample})"
        verdict = (
            f"{'NOT ' if faults else ''}verified: {_name(scope, where)}: {count(len(checked.contents), 'object')} of "
            f"{_number(scope, where):,} hashed and right{part}, {size(checked.n_bytes)}{n_said}"
            + (f"; {count(len(faults), 'fault')}" if faults else "")
        )
        facts = {
            "where": where,
            "closure": scope.closure.version,
            "sample": str(sample),
            "n_objects": len(scope.closure),
            "n_right": len(checked.contents),
            "n_bytes": checked.n_bytes,
            "n_receipts": known.n_receipts,
        }
        twins = [f"warning: {message}" for message in find_twins(scope.closure)]
        empty = tell_empty(scope, faults) if where == REMOTE and len(checked.faults) == len(scope.closure) else ()
        return Outcome(verdict, tuple(faults), notes=(*scope.notes, *twins, *empty), facts=facts)


def find_links(scope: Scope) -> list[Fault]:
    """Folders of the closure's files that are symbolic links in the workspace: a checkout would write through them."""
    every = {path for paths in scope.closure.paths.values() for path in paths} | _list_pointers(scope.wanted.root)
    text = "the folder is a symbolic link, and what is checked out would land where it points to: put a folder there"
    return [
        Fault(LINK, "", (link,), f"{text} (for {path})")
        for link, path in find_symlinks(scope.wanted.root, every).items()
    ]


def _list_pointers(root: Path) -> set[str]:
    """Git's list of the files that record outputs. DVC does not look for them behind links, so nothing would be missed."""
    try:
        return set(list_names(root, "ls-files", "-z", "--", "*.dvc", "dvc.yaml", "*/dvc.yaml"))
    except DatatoolsError:
        return set()  # not under Git


def _check(scope: Scope, where: str, sample: Sample, sizes: Mapping[str, int]) -> Checked:
    if where == CACHE:
        return check_cache(scope, sample)
    if where == WORKSPACE:
        return check_workspace(scope)
    return check_remotes(scope, sizes, {md5 for md5 in scope.closure.paths if md5 in sample})


def _number(scope: Scope, where: str) -> int:
    """Objects that there are to hash; a folder's listing is none of the workspace's files."""
    return sum(where != WORKSPACE or not md5.endswith(FOLDER) for md5 in scope.closure.paths)


def _name(scope: Scope, where: str) -> str:
    if where != REMOTE:
        return f"the {where}"
    return " and ".join(scope.name(remote) for remote, _ in scope.homes()) or "nothing that is shared"
