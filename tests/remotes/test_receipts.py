"""Receipts: what they say, how big they are, and what they find."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from datatools.errors import DatatoolsError
from datatools.remotes.closure import FORGED, Closure, Output, build_closure
from datatools.remotes.hashing import Content
from datatools.remotes.receipts import Pushed, find_forged, find_receipt, load_known, make_receipt, save_receipt

PUSHED = Pushed("Rita", "2026-11-22T12:00:00Z", "0123456789ab", "0123456789ab", ("storage",), "1/1", 3)


def content_of(text: str) -> Content:
    data = text.encode()
    return Content(len(data), hashlib.md5(data).hexdigest(), hashlib.sha256(data).hexdigest())


def make_closure(n: int) -> tuple[Closure, dict[str, Content]]:
    contents = {content.md5: content for content in (content_of(str(i)) for i in range(n))}
    outputs = [Output(f"data/{n}.png", md5) for n, md5 in enumerate(contents)]
    return build_closure(outputs, {})[0], contents


@pytest.mark.parametrize("n", [3, 2000])
def test_a_receipt_knows_its_closure(tmp_path: Path, n: int) -> None:
    closure, contents = make_closure(n)
    path = save_receipt(tmp_path, make_receipt(closure, contents, PUSHED))
    assert path.parent == tmp_path / "data" / "receipts"
    known = load_known(tmp_path, closure)
    assert (len(known.objects), len(known.groups), known.n_receipts) == (
        (n, 0, 1) if n == 3 else (0, len({md5[:2] for md5 in contents}), 1)
    )
    assert find_forged(closure, known, contents) == []
    md5 = next(iter(contents))
    forged = {**contents, md5: Content(1, md5, "f" * 64)}
    faults = find_forged(closure, known, forged)
    assert {fault.kind for fault in faults} == {FORGED}
    assert md5 in [fault.md5 for fault in faults]
    assert {fault.md5[:2] for fault in faults} == {md5[:2]}, "no object of another group"


def test_a_group_that_was_hashed_in_part_is_not_judged() -> None:
    closure, contents = make_closure(2000)
    document = make_receipt(closure, contents, PUSHED)
    md5 = next(iter(contents))
    part = {name: content for name, content in contents.items() if name != md5}
    known = type(load_known(Path("/nowhere"), closure))(groups={**document["groups"], md5[:2]: "f" * 64}, n_receipts=1)
    assert find_forged(closure, known, part) == []
    assert find_forged(closure, known, contents) != []


def test_a_receipt_stays_small(tmp_path: Path) -> None:
    contents = {f"{i:032x}"[::-1]: Content(i, f"{i:032x}"[::-1], f"{i:064x}") for i in range(70_000)}
    entries = [{"relpath": f"a/{i}.png", "md5": md5} for i, md5 in enumerate(contents)]
    listing = "0" * 32 + ".dir"
    closure, faults = build_closure([Output("data/raw", listing)], {listing: json.dumps(entries).encode()})
    assert faults == []
    contents[listing] = Content(1, "0" * 32, "0" * 64)
    large = save_receipt(tmp_path, make_receipt(closure, contents, PUSHED)).stat().st_size
    each = save_receipt(tmp_path, make_receipt(*make_closure(512), PUSHED)).stat().st_size
    assert large < 25_000
    assert each < 100_000


def test_objects_are_known_from_receipts_of_other_closures(tmp_path: Path) -> None:
    closure, contents = make_closure(5)
    save_receipt(tmp_path, make_receipt(closure, contents, PUSHED))
    part = build_closure(closure.outputs[:2], {})[0]
    known = load_known(tmp_path, part)
    assert (len(known.objects), known.n_receipts) == (2, 0)
    assert known.n_bytes == {md5: contents[md5].n_bytes for md5 in part.paths}


def test_receipts_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    closure, contents = make_closure(3)
    md5 = next(iter(contents))
    save_receipt(tmp_path, make_receipt(closure, contents, PUSHED))
    save_receipt(tmp_path, make_receipt(closure, {**contents, md5: Content(1, md5, "f" * 64)}, PUSHED))
    with pytest.raises(DatatoolsError, match=f"expected the SHA-256 of {md5} that another receipt has"):
        load_known(tmp_path, closure)


@pytest.mark.parametrize(
    "change", [{"receipt": 2}, {"objects": {"a": "x"}}, {"groups": {"00": 3}}, {"rehashed": {}}, {"closure": None}]
)
def test_another_document_is_refused(tmp_path: Path, change: dict) -> None:
    closure, contents = make_closure(3)
    path = save_receipt(tmp_path, make_receipt(closure, contents, PUSHED))
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(DatatoolsError, match="expected a receipt of version 1"):
        load_known(tmp_path, closure)


def test_a_receipt_is_found_again_unless_it_covers_less(tmp_path: Path) -> None:
    closure, contents = make_closure(3)
    part = save_receipt(tmp_path, make_receipt(closure, contents, replace(PUSHED, sample="1/3")))
    assert find_receipt(tmp_path, closure, ["storage"], "1/3") == part
    assert find_receipt(tmp_path, closure, ["storage"], "1/1") is None
    part.unlink()
    path = save_receipt(tmp_path, make_receipt(closure, contents, PUSHED))
    assert find_receipt(tmp_path, closure, ["storage"], "1/1") == path
    assert find_receipt(tmp_path, closure, ["storage"], "2/3") == path, "all covers a part"
    assert find_receipt(tmp_path, closure, ["other"], "1/1") is None
    assert find_receipt(tmp_path, make_closure(4)[0], ["storage"], "1/1") is None
