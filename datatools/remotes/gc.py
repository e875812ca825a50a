"""Free disk: take from the cache what a remote was just proven to have and what nothing that is kept needs."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from datatools.dvc_cache import OBJECT
from datatools.errors import DatatoolsError
from datatools.git import ask_git
from datatools.progress import progress
from datatools.remotes.checking import Checked, check_remotes, hash_remote, list_sizes
from datatools.remotes.closure import FOLDER, MISSING
from datatools.remotes.outcome import Outcome, count, size
from datatools.remotes.scope import Scope, Wanted, open_scope

COMMITS, CURRENT = "commits", "workspace"
KEPT = (COMMITS, CURRENT)
N_COMMITS = 10


@dataclass(frozen=True)
class Plan:
    """Bytes by object: of those that may go, and of those that nothing needs but that are only here."""

    going: Mapping[str, int]
    only_here: Mapping[str, int]


def gc(wanted: Wanted, keep: str = COMMITS, yes: bool = False) -> Outcome:
    """Show what would go from the cache, or with `yes` take it away.

    Kept is what the workspace and every commit and experiment needs (`keep` COMMITS), or the workspace alone (CURRENT). What is
    kept is hashed on its remote first, where a fault stops everything; an object goes only if its remote was hashed and
    right in this run. `wanted.history` must be set. Raises DatatoolsError, NotProvenError.
    """
    if keep not in KEPT:
        raise DatatoolsError(f"--keep: expected {' or '.join(KEPT)}. Got {keep!r} instead.")
    with open_scope(wanted) as scope:
        checked = check_remotes(scope, {}, set(scope.closure.paths))
        faults = [*scope.faults, *(fault for fault in checked.faults if fault.kind != MISSING)]
        if faults:
            verdict = f"nothing goes: {count(len(faults), 'fault')} in what is kept; `datatools push` mends the remote"
            return Outcome(f"NOT proven: {verdict}", tuple(faults), notes=scope.notes)
        plan = _plan(scope, keep, checked)
        if yes:
            with progress("removing objects", len(plan.going)) as tick:
                for _ in scope.session.ask("remove", "the cache", md5s=list(plan.going)) if plan.going else ():
                    tick(1)
        return _report(scope, plan, len(checked.faults), yes)


def list_cache(cache: Path) -> Iterator[tuple[str, int]]:
    """(object, bytes) of all objects in the cache."""
    for folder in cache.iterdir() if cache.is_dir() else ():
        if len(folder.name) == 2 and folder.is_dir():
            with os.scandir(folder) as entries:
                for entry in entries:
                    if OBJECT.fullmatch(folder.name + entry.name) and entry.is_file(follow_symlinks=False):
                        yield folder.name + entry.name, entry.stat().st_size


def _plan(scope: Scope, keep: str, checked: Checked) -> Plan:
    needed = scope.closure if keep == COMMITS else scope.commits.get("", scope.closure)
    free = {md5: n_bytes for md5, n_bytes in list_cache(scope.cache) if md5 not in needed}
    loose = [md5 for md5 in free if md5 not in scope.closure]
    listed = list_sizes(scope, None, loose) if loose else {}
    hash_remote(scope, None, [md5 for md5 in loose if listed.get(md5) == free[md5]], free, checked)
    return Plan(
        {md5: n_bytes for md5, n_bytes in free.items() if md5 in checked.contents},
        {md5: n_bytes for md5, n_bytes in free.items() if md5 not in checked.contents},
    )


def _report(scope: Scope, plan: Plan, n_unpushed: int, yes: bool) -> Outcome:
    notes = list(scope.notes)
    if n_unpushed:
        notes.append(
            f"stays: {count(n_unpushed, 'object')} of commits or the workspace that no remote has: `datatools push`"
        )
    if plan.only_here:
        text = f"{count(len(plan.only_here), 'object')}, {size(sum(plan.only_here.values()))}"
        notes.append(f"stays: {text} that no commit needs and no remote has")
    notes += _tell_commits(scope, plan)
    total = f"{count(len(plan.going), 'object')}, {size(sum(plan.going.values()))}"
    verdict = f"gone from the cache: {total}" if yes else f"would go from the cache: {total}"
    if plan.going and not yes:
        verdict += "; --yes does it, `datatools pull --rev REV` brings them back"
    facts = {
        "n_going": len(plan.going),
        "n_bytes": sum(plan.going.values()),
        "n_only_here": len(plan.only_here),
        "done": yes,
    }
    return Outcome(verdict, notes=tuple(notes), facts=facts)


def _tell_commits(scope: Scope, plan: Plan) -> Iterator[str]:
    """A line for each commit whose objects go, by the first commit that has the object; those of no commit last."""
    names = [name for name in scope.commits if name]
    owners = {md5: next((name for name in names if md5 in scope.commits[name]), "") for md5 in plan.going}
    numbers = Counter(owners.values())
    for name in [name for name in names if name in numbers][:N_COMMITS]:
        n_bytes = sum(n for md5, n in plan.going.items() if owners[md5] == name)
        yield f"goes: {count(numbers[name], 'object')}, {size(n_bytes)} of {_describe(scope.wanted.root, name)}"
    if len(numbers) - ("" in numbers) > N_COMMITS:
        yield "goes: objects of more commits"
    if numbers[""]:
        n_listings = sum(md5.endswith(FOLDER) for md5, owner in owners.items() if not owner)
        n_bytes = sum(n for md5, n in plan.going.items() if not owners[md5])
        yield f"goes: {count(numbers[''], 'object')}, {size(n_bytes)} of no commit ({count(n_listings, 'folder listing')})"


def _describe(root: Path, commit: str) -> str:
    return ask_git(root, "log", "-1", "--date=short", "--format=%h %ad %s", commit).strip() or commit[:12]
