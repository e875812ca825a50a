"""Receipts of pushes, `data/receipts/*.json` in Git: which SHA-256 the objects of a closure had when the remote was proven.

DVC names objects by MD5, which somebody who wants to can collide. A receipt has the SHA-256 of each object; of a closure of
more than 512 objects it has one SHA-256 for each of the 256 first bytes of their MD5, over all objects that begin with it, so
that a receipt never has more than some 60 kB. Its name contains its own hash: two receipts never meet in a merge.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datatools.errors import DatatoolsError
from datatools.remotes.closure import FORGED, Closure, Fault
from datatools.remotes.hashing import Content
from datatools.store import load_json, save_bytes

FOLDER = "data/receipts"
VERSION = 1
GROUP_HASH = re.compile(r"[0-9a-f]{64}")
OBJECT_HASH = re.compile(r"[0-9a-f]{64} [0-9]{1,18}")  # SHA-256 and bytes
N_EACH = 512  # objects of a closure up to which each has a line of its own


@dataclass(frozen=True)
class Pushed:
    """What a receipt says of the push: by whom, when (UTC), code commit, data version, remotes' names, what was re-hashed."""

    by: str
    at: str
    commit: str | None
    data_version: str | None
    remotes: tuple[str, ...]
    sample: str
    n_rehashed: int


@dataclass(frozen=True)
class Known:
    """What receipts say of a closure: SHA-256 and size of single objects, SHA-256 of groups by the first digits of the MD5."""

    objects: Mapping[str, str] = field(default_factory=dict)
    groups: Mapping[str, str] = field(default_factory=dict)
    n_bytes: Mapping[str, int] = field(default_factory=dict)
    n_receipts: int = 0


def make_receipt(closure: Closure, contents: Mapping[str, Content], pushed: Pushed) -> dict[str, Any]:
    """The document; `contents` has every object of the closure."""
    each = len(closure) <= N_EACH
    return {
        "receipt": VERSION,
        "closure": closure.version,
        "data_version": pushed.data_version,
        "commit": pushed.commit,
        "remotes": list(pushed.remotes),
        "pushed_at": pushed.at,
        "pushed_by": pushed.by,
        "rehashed": {"sample": pushed.sample, "objects": pushed.n_rehashed},
        "n_objects": len(closure),
        "n_bytes": sum(contents[md5].n_bytes for md5 in closure.paths),
        "outputs": {output.path: output.md5 for output in sorted(closure.outputs, key=lambda output: output.path)},
        "objects": {md5: f"{contents[md5].sha256} {contents[md5].n_bytes}" for md5 in sorted(closure.paths)}
        if each
        else {},
        "groups": {} if each else hash_groups(closure, contents),
    }


def save_receipt(root: Path, document: Mapping[str, Any]) -> Path:
    """Write the receipt, atomically, and return its path."""
    data = (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()
    name = f"{document['closure'][:12]}-{hashlib.sha256(data).hexdigest()[:8]}.json"
    path = root / FOLDER / name
    save_bytes(path, data)
    return path


def find_receipt(root: Path, closure: Closure, remotes: Iterable[str], sample: str) -> Path | None:
    """A receipt of this closure and these remotes that covers as much."""
    for path in sorted((root / FOLDER).glob(f"{closure.version[:12]}-*.json")):
        document = _load(path)
        same = document["closure"] == closure.version and document["remotes"] == list(remotes)
        if same and document["rehashed"]["sample"] in ("1/1", sample):
            return path
    return None


def was_pushed_to(root: Path, remote: str) -> bool:
    """Whether a receipt names the remote."""
    return any(remote in _load(path)["remotes"] for path in sorted((root / FOLDER).glob("*.json")))


def load_known(root: Path, closure: Closure) -> Known:
    """What all receipts say of the objects of the closure. Raises DatatoolsError where two contradict each other."""
    objects: dict[str, str] = {}
    groups: dict[str, str] = {}
    n_bytes: dict[str, int] = {}
    n_receipts = 0
    for path in sorted((root / FOLDER).glob("*.json")):
        document = _load(path)
        said = {md5: facts[:64] for md5, facts in document["objects"].items() if md5 in closure}
        for known, more in (
            (objects, said),
            (groups, document["groups"] if document["closure"] == closure.version else {}),
        ):
            if other := next((key for key, sha256 in more.items() if known.setdefault(key, sha256) != sha256), ""):
                raise DatatoolsError(
                    f"{path}: expected the SHA-256 of {other} that another receipt has. Got another: find out in Git who "
                    "wrote which, and delete the false one."
                )
        n_bytes.update({md5: int(facts[65:]) for md5, facts in document["objects"].items() if md5 in said})
        n_receipts += document["closure"] == closure.version
    return Known(objects, groups, n_bytes, n_receipts)


def find_forged(closure: Closure, known: Known, contents: Mapping[str, Content]) -> list[Fault]:
    """Objects with the right MD5 and another SHA-256 than the receipts say; a group counts when all of it is in `contents`."""
    text = "the MD5 is right, the SHA-256 is not that of the receipt: somebody made another file of the same MD5"
    faults = [
        closure.fault(FORGED, md5, text)
        for md5, content in contents.items()
        if known.objects.get(md5, content.sha256) != content.sha256
    ]
    members = _members(closure) if known.groups else {}
    whole = {prefix: names for prefix, names in members.items() if all(md5 in contents for md5 in names)}
    for prefix, names in whole.items():
        if _hash_group(names, contents) != known.groups.get(prefix):
            text_of_many = f"{text} (this object, or another of the {len(names):,} whose MD5 begins with {prefix})"
            faults += [closure.fault(FORGED, md5, text_of_many) for md5 in names]
    return faults


def hash_groups(closure: Closure, contents: Mapping[str, Content]) -> dict[str, str]:
    """SHA-256 by the first two digits of the MD5, over the sorted lines `md5 sha256 bytes` of the objects."""
    return {prefix: _hash_group(names, contents) for prefix, names in sorted(_members(closure).items())}


def _hash_group(names: Iterable[str], contents: Mapping[str, Content]) -> str:
    lines = (f"{md5} {contents[md5].sha256} {contents[md5].n_bytes}\n" for md5 in sorted(names))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _members(closure: Closure) -> dict[str, list[str]]:
    members: dict[str, list[str]] = defaultdict(list)
    for md5 in closure.paths:
        members[md5[:2]].append(md5)
    return members


def _load(path: Path) -> dict[str, Any]:
    document = load_json(path)
    kinds = {"closure": str, "remotes": list, "rehashed": dict, "objects": dict, "groups": dict}
    whole = isinstance(document, dict) and all(isinstance(document.get(name), kind) for name, kind in kinds.items())
    if not whole or document.get("receipt") != VERSION or not _has_hashes(document):
        raise DatatoolsError(
            f"{path}: expected a receipt of version {VERSION}. Got another document: restore it from Git."
        )
    return document


def _has_hashes(document: Mapping[str, Any]) -> bool:
    forms = {"objects": OBJECT_HASH, "groups": GROUP_HASH}
    texts = ((text, form) for name, form in forms.items() for text in document[name].values())
    return "sample" in document["rehashed"] and all(
        isinstance(text, str) and form.fullmatch(text) for text, form in texts
    )
