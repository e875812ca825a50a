"""Pull in two phases: everything is fetched and hashed, and listings are judged; only then is anything checked out."""

from __future__ import annotations

from datatools.progress import progress
from datatools.remotes.checking import Checked, check_cache, tell_empty
from datatools.remotes.closure import FORGED, MISSING, WORKSPACE, Fault, find_twins
from datatools.remotes.hashing import Content
from datatools.remotes.outcome import Outcome, count, size
from datatools.remotes.receipts import Known, find_forged, load_known
from datatools.remotes.scope import Scope, Wanted, open_scope
from datatools.remotes.verify import find_links

ASIDE = ".datatools/quarantine"


def pull(wanted: Wanted, keep_going: bool = False) -> Outcome:
    """Bring what the workspace records; with `rev`, fill the cache with what that revision records.

    Objects that are wrong, in the cache or as they arrive, go to `.datatools/quarantine`, so that a rerun fetches them again.
    With a fault nothing is checked out, or with `keep_going` the outputs that have none. Files that somebody changed in the
    workspace stay: the pull says which. Raises DatatoolsError, NotProvenError.
    """
    with open_scope(wanted) as scope:
        if scope.faults and not keep_going:
            return _refuse(scope, list(scope.faults), 0)
        known = load_known(wanted.root, scope.closure)
        local = check_cache(scope)
        forged = find_forged(scope.closure, known, local.contents)
        rotten = [fault for fault in local.faults if fault.kind != MISSING]
        bad = {fault.md5 for fault in (*local.faults, *forged)}
        _set_aside(scope, [fault.md5 for fault in (*rotten, *forged)])
        contents = {md5: content for md5, content in local.contents.items() if md5 not in bad}
        fetched = _fetch(scope, bad, known)
        contents.update(fetched.contents)
        faults = [*scope.faults, *fetched.faults, *find_forged(scope.closure, known, contents)]
        _set_aside(scope, [fault.md5 for fault in faults if fault.kind == FORGED])
        links = find_links(scope) if wanted.rev is None else []
        if links or (faults and not keep_going):
            return _refuse(scope, [*faults, *links], len(fetched.contents))
        return _finish(scope, known, contents, len(fetched.contents), faults, [*rotten, *forged])


def _fetch(scope: Scope, md5s: set[str], known: Known) -> Checked:
    """Fetch objects into the cache; each is hashed on its way in."""
    checked = Checked()
    for remote, names in scope.homes():
        wanted = [md5 for md5 in names if md5 in md5s and md5 not in checked.contents]
        asked = {
            "remote": remote or scope.wanted.remote,
            "md5s": wanted,
            "sha256": {md5: known.objects[md5] for md5 in wanted if md5 in known.objects},
            "aside": str(scope.wanted.root / ASIDE),
            "jobs": scope.wanted.jobs,
        }
        where = scope.name(remote)
        with progress(f"fetching objects from {where}", len(wanted)) as tick:
            for md5, said, *facts in scope.session.ask("fetch", f"fetching from {where}", **asked) if wanted else ():
                checked.add(scope, md5, Content(*facts) if facts[1] else None, said, where, known.n_bytes.get(md5))
                tick(1)
    return checked


def _finish(
    scope: Scope, known: Known, contents: dict[str, Content], n_fetched: int, faults: list[Fault], mended: list[Fault]
) -> Outcome:
    """Check out the outputs without a fault, and tell."""
    good = [output.path for output in scope.closure.outputs if not _concerns(output.path, faults)]
    done = f"in the cache for {scope.wanted.rev}, nothing checked out"
    if scope.wanted.rev is None:
        said, stats = _check_out(scope, sorted(set(good)))
        if said:
            text = f"DVC checked out what it could: {said}"
            return _refuse(scope, [*faults, Fault(WORKSPACE, "", (".",), text)], n_fetched, "not all is checked out")
        done = ", ".join(f"{n:,} files {how}" for how, n in stats.items() if n) or "the workspace was up to date"
    if faults:
        text = f"{count(len(good), 'output')} of {len(scope.closure.outputs):,} without a fault: {done}"
        return _refuse(scope, faults, n_fetched, text)
    n_said = count(known.n_receipts, "receipt") if known.n_receipts else "no receipt"
    verdict = (
        f"pulled: {count(n_fetched, 'object')} fetched, {count(len(contents), 'object')} hashed and right, "
        f"{size(sum(content.n_bytes for content in contents.values()))}, {n_said}; {done}"
    )
    twins = [f"warning: {message}" for message in find_twins(scope.closure)]
    return Outcome(verdict, mended=tuple(mended), notes=(*scope.notes, *twins), facts=_facts(scope, n_fetched))


def _concerns(output: str, faults: list[Fault]) -> bool:
    """Whether a fault is about the output or a file in it."""
    return any(path == output or path.startswith(f"{output}/") for fault in faults for path in fault.paths)


def _check_out(scope: Scope, paths: list[str]) -> tuple[str, dict[str, int]]:
    if not paths:
        return "", {}
    (said, stats), *_ = list(scope.session.ask("checkout", "checking out", paths=paths))
    return said, stats


def _set_aside(scope: Scope, md5s: list[str]) -> None:
    if md5s:
        list(scope.session.ask("set_aside", "quarantine", md5s=md5s, aside=str(scope.wanted.root / ASIDE)))


def _refuse(scope: Scope, faults: list[Fault], n_fetched: int, done: str = "nothing was checked out") -> Outcome:
    verdict = f"NOT pulled: {count(len(faults), 'fault')}; {done}; {count(n_fetched, 'object')} fetched and kept"
    notes = (*scope.notes, *(tell_empty(scope, faults) if not n_fetched else ()))
    return Outcome(verdict, tuple(faults), notes=notes, facts=_facts(scope, n_fetched))


def _facts(scope: Scope, n_fetched: int) -> dict[str, object]:
    return {"closure": scope.closure.version, "n_objects": len(scope.closure), "n_fetched": n_fetched}
