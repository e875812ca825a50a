"""Push a closure so that the remote is proven: hashed here, sent, listed and hashed there, and written down in a receipt."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from datatools.git import find_commit
from datatools.progress import progress
from datatools.project import LAYOUT
from datatools.remotes.checking import Checked, check_cache, check_remotes, list_sizes
from datatools.remotes.closure import MISSING, UNREADABLE, UNSENT, Closure, Fault, find_twins
from datatools.remotes.hashing import Content, Sample
from datatools.remotes.outcome import Outcome, count, size
from datatools.remotes.receipts import (
    Pushed,
    find_forged,
    find_receipt,
    load_known,
    make_receipt,
    save_receipt,
    was_pushed_to,
)
from datatools.remotes.scope import Scope, Wanted, open_scope


@dataclass
class Sent:
    """What went to the remotes."""

    md5s: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    emptied: list[str] = field(default_factory=list)  # remotes with nothing of it, although a receipt names them


def push(wanted: Wanted, sample: Sample, who: str, now: datetime) -> Outcome:
    """Push what the workspace or a revision records, and prove it. A rerun sends only what is not there yet.

    An object that the cache has wrong stops it before anything is sent; one that a remote has wrong is sent again. Raises
    DatatoolsError, NotProvenError.
    """
    with open_scope(wanted) as scope:
        local = check_cache(scope)
        here = local.contents
        absent = {fault.md5: fault for fault in local.faults if fault.kind == MISSING}
        wrong = [fault for fault in local.faults if fault.md5 not in absent]
        known = load_known(wanted.root, scope.closure)
        wrong += [*scope.faults, *find_forged(scope.closure, known, here)]
        if not wrong:
            wrong = _find_nowhere(scope, absent)
        if wrong:
            return _refuse(scope, wrong, "nothing was sent: mend the cache first (`datatools pull`, or `dvc repro`)")
        sent = _send_new(scope, here)
        if sent.failed:
            return _stop(scope, sent)
        to_hash = {md5 for md5 in scope.closure.paths if md5 in sample or md5 in absent}
        there, mended = _prove(scope, here, to_hash)
        faults = [*there.faults, *find_forged(scope.closure, known, {**there.contents, **here})]
        if faults:
            return _refuse(scope, faults, "the remote is not proven and no receipt was written")
        pushed = _describe(scope, here, sample, len(there.contents), who, now)
        path = _write_receipt(scope, {**there.contents, **here}, pushed, bool(sent.md5s or mended))
        return _report(scope, sent, there, mended, sample, path)


def _find_nowhere(scope: Scope, absent: dict[str, Fault]) -> list[Fault]:
    """Objects that are neither in the cache nor on their remote."""
    listed = {
        md5
        for remote, md5s in scope.homes()
        for md5 in list_sizes(scope, remote, [md5 for md5 in md5s if md5 in absent])
    }
    return [
        scope.closure.fault(MISSING, md5, "neither the cache nor the remote has it")
        for md5 in absent
        if md5 not in listed
    ]


def _send_new(scope: Scope, here: dict[str, Content]) -> Sent:
    """Send what the remotes do not list, or list with another size."""
    sent = Sent()
    for remote, md5s in scope.homes():
        listed = list_sizes(scope, remote, md5s)
        if not listed and was_pushed_to(scope.wanted.root, scope.name(remote)):
            sent.emptied.append(scope.name(remote))
        ours = [md5 for md5 in md5s if md5 in here]
        over = [md5 for md5 in ours if md5 in listed and listed[md5] != here[md5].n_bytes]
        _send(scope, remote, [md5 for md5 in ours if md5 not in listed or md5 in set(over)], over, sent)
    return sent


def _send(scope: Scope, remote: str | None, md5s: list[str], over: list[str], sent: Sent) -> None:
    asked = {"remote": remote or scope.wanted.remote, "md5s": md5s, "over": over, "jobs": scope.wanted.jobs}
    with progress(f"sending objects to {scope.name(remote)}", len(md5s)) as tick:
        for md5, said in scope.session.ask("upload", f"sending to {scope.name(remote)}", **asked) if md5s else ():
            if said:
                sent.failed[md5] = said
            else:
                sent.md5s.append(md5)
            tick(1)


def _prove(scope: Scope, here: dict[str, Content], to_hash: set[str]) -> tuple[Checked, list[Fault]]:
    """List and hash the remotes; send what they have wrong once more, and look at that again."""
    sizes = {md5: content.n_bytes for md5, content in here.items()}
    there = check_remotes(scope, sizes, to_hash)
    mendable = [fault for fault in there.faults if fault.md5 in here and fault.kind != UNREADABLE]
    if not mendable:
        return there, []
    again = Sent()
    for remote, md5s in scope.homes():
        bad = {fault.md5 for fault in mendable}
        over = [md5 for md5 in md5s if md5 in bad]
        _send(scope, remote, over, over, again)
    second = check_remotes(scope, sizes, set(again.md5s))
    contents = {**there.contents, **second.contents}
    faults = [fault for fault in there.faults if fault not in mendable] + second.faults
    left = {fault.md5 for fault in second.faults}
    return Checked(contents, faults), [fault for fault in mendable if fault.md5 not in left]


def _describe(scope: Scope, here: dict[str, Content], sample: Sample, n: int, who: str, now: datetime) -> Pushed:
    remotes = tuple(scope.name(remote) for remote, _ in scope.homes())
    commit = scope.wanted.rev or find_commit(scope.wanted.root)
    at = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    return Pushed(who, at, commit, _find_data_version(scope, here), remotes, str(sample), n)


def _find_data_version(scope: Scope, here: dict[str, Content]) -> str | None:
    """The version that the data set's own document names, where the closure has one."""
    path = f"{LAYOUT['dataset']}/dataset.json"
    md5 = next((output.md5 for output in scope.closure.outputs if output.path == path), None)
    if md5 is None or md5 not in here:
        return None
    try:
        document = json.loads(scope.place(md5).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return str(document.get("version")) if isinstance(document, dict) else None


def _write_receipt(scope: Scope, contents: dict[str, Content], pushed: Pushed, is_new: bool) -> Path:
    """A new receipt, unless one says as much already and nothing was sent."""
    found = None if is_new else find_receipt(scope.wanted.root, scope.closure, pushed.remotes, pushed.sample)
    return found or save_receipt(scope.wanted.root, make_receipt(scope.closure, contents, pushed))


def _refuse(scope: Scope, faults: list[Fault], what: str) -> Outcome:
    verdict = f"NOT pushed: {count(len(faults), 'fault')}; {what}"
    return Outcome(verdict, tuple(faults), notes=scope.notes, facts=_facts(scope.closure, 0, None))


def _stop(scope: Scope, sent: Sent) -> Outcome:
    """What went wrong with many objects is told once."""
    hit: dict[str, list[str]] = defaultdict(list)
    for md5, said in sent.failed.items():
        hit[said].append(md5)
    faults = tuple(
        Fault(
            UNSENT,
            md5s[0] if len(md5s) == 1 else "",
            tuple(path for md5 in md5s for path in scope.closure.paths[md5]),
            said,
        )
        for said, md5s in hit.items()
    )
    verdict = f"NOT pushed: {count(len(sent.md5s), 'object')} arrived and stay there; mend that, and run it again to send the rest"
    return Outcome(verdict, faults, notes=scope.notes, facts=_facts(scope.closure, len(sent.md5s), None))


def _report(scope: Scope, sent: Sent, there: Checked, mended: list[Fault], sample: Sample, receipt: Path) -> Outcome:
    names = " and ".join(scope.name(remote) for remote, _ in scope.homes()) or "nothing"
    part = "" if sample.parts == 1 else f" (sample {sample})"
    verdict = (
        f"pushed: {names}: {count(len(sent.md5s), 'object')} sent, {len(there.contents):,} of {len(scope.closure):,} hashed "
        f"there and right{part}, {size(there.n_bytes)}; receipt {receipt.relative_to(scope.wanted.root).as_posix()}"
    )
    warnings = [
        *(
            f"warning: {name} had nothing of this, although a receipt says that it was pushed to: was its drive mounted, and is it "
            "the right place (`dvc remote list`)?"
            for name in sent.emptied
        ),
        *(f"warning: {message}" for message in find_twins(scope.closure)),
    ]
    facts = _facts(scope.closure, len(sent.md5s), receipt.relative_to(scope.wanted.root).as_posix())
    return Outcome(verdict, mended=tuple(mended), notes=(*scope.notes, *warnings), facts=facts)


def _facts(closure: Closure, n_sent: int, receipt: str | None) -> dict[str, object]:
    return {"closure": closure.version, "n_objects": len(closure), "n_sent": n_sent, "receipt": receipt}
