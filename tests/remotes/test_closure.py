"""Closures, listings, samples and hashes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datatools.errors import DatatoolsError
from datatools.remotes.closure import (
    LISTING,
    MISSING,
    NAME,
    TRUNCATED,
    UNREADABLE,
    WRONG,
    Fault,
    Output,
    build_closure,
    find_twins,
    parse_listing,
)
from datatools.remotes.hashing import CHUNK, Content, Sample, hash_file, hash_files, parse_sample
from datatools.remotes.scope import judge

A, B, C = (letter * 32 for letter in "abc")
LIST = f"{C}.dir"
FOLDER = Output("data/raw", LIST)


def listing(*pairs: tuple[str, str]) -> bytes:
    return json.dumps([{"md5": md5, "relpath": name} for name, md5 in pairs]).encode()


def test_a_closure_has_outputs_listings_and_files() -> None:
    outputs = [FOLDER, Output("m.bin", B, 7, "other")]
    closure, faults = build_closure(outputs, {LIST: listing(("x.png", A), ("sub/y.png", A), ("z.png", B))})
    assert faults == []
    assert closure.paths == {
        LIST: ("data/raw/",),
        A: ("data/raw/x.png", "data/raw/sub/y.png"),
        B: ("data/raw/z.png", "m.bin"),
    }
    assert closure.homes == {None: {LIST, A, B}, "other": {B}}
    assert closure.n_bytes == {B: 7}


def test_the_version_names_paths_and_objects_in_any_order() -> None:
    one, two = Output("a", A), Output("b", B)
    assert build_closure([one, two], {})[0].version == build_closure([two, one, one], {})[0].version
    assert build_closure([one], {})[0].version != build_closure([Output("a", B)], {})[0].version
    assert build_closure([one], {})[0].version != build_closure([Output("b", A)], {})[0].version


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[1]",
        b"\xff",
        b'[{"relpath": "a"}]',
        listing(("a", "../../x")),
        listing(("a", A.upper())),
        b"[" * 9999,
    ],
)
def test_a_listing_of_another_form_counts_as_empty(data: bytes) -> None:
    rows, faults = parse_listing(FOLDER, data)
    assert rows == []
    assert [fault.kind for fault in faults] == [LISTING]


def test_what_a_listing_must_not_hold() -> None:
    def kinds(*names: str) -> list[str]:
        return [fault.kind for fault in parse_listing(FOLDER, listing(*((name, A) for name in names)))[1]]

    assert kinds("a", "b/c") == []
    assert kinds("a", "a") == [LISTING]
    assert kinds("a", "a/b") == [LISTING]
    assert kinds("../a", "b", "/c") == [NAME, NAME]


@pytest.mark.parametrize(("path", "md5"), [("../x", A), ("/x", A), (".git/x", A), ("x", "../../x"), ("x", "A" * 32)])
def test_outputs_of_a_hostile_pointer_are_faults(path: str, md5: str) -> None:
    closure, faults = build_closure([Output(path, md5)], {})
    assert [fault.kind for fault in faults] == [NAME]
    assert md5 == A or len(closure) == 0, "no place in a cache is made of it"


def test_twins_are_told() -> None:
    closure, faults = build_closure([FOLDER], {LIST: listing(("IMG.png", A), ("img.png", B))})
    assert faults == []
    assert find_twins(closure) == [
        "data/raw/img.png: other systems take it for the same file as data/raw/IMG.png: rename one of the two"
    ]


def test_a_fault_is_one_line_with_the_first_files() -> None:
    fault = Fault("missing", A, ("a\nb", "c", "d", "e", "f"), "it is not in storage")
    assert str(fault) == f"missing: a\\x0ab, c, d and 2 more: it is not in storage [{A}]"


@pytest.mark.parametrize("text", ["", "0/3", "4/3", "1/257", "a/b", "1", "1/0", "-1/3", "1/3/5"])
def test_wrong_samples(text: str) -> None:
    with pytest.raises(DatatoolsError, match="--sample: expected N/T"):
        parse_sample(text or "x")


@given(st.integers(1, 256), st.binary(min_size=16, max_size=16))
def test_every_object_is_in_one_part(parts: int, raw: bytes) -> None:
    assert sum(raw.hex() in Sample(part, parts) for part in range(1, parts + 1)) == 1
    assert raw.hex() in parse_sample(None)


@pytest.mark.parametrize(
    ("content", "said", "n_bytes", "kind"),
    [
        (Content(7, A, "x"), "", None, None),
        (Content(7, C, "x"), "", None, WRONG),
        (Content(0, C, "x"), "", None, TRUNCATED),
        (Content(6, C, "x"), "", 7, TRUNCATED),
        (Content(7, C, "x"), "", 7, WRONG),
        (Content(8, C, "x"), "", 7, WRONG),
        (None, "", 7, MISSING),
        (None, "OSError: no", 7, UNREADABLE),
        (Content(7, A, "x"), "OSError: no", 7, UNREADABLE),
    ],
)
def test_what_was_read_is_judged(content: Content | None, said: str, n_bytes: int | None, kind: str | None) -> None:
    closure, _ = build_closure([Output("a", A)], {})
    fault = judge(closure, A, content, said, "storage", n_bytes)
    assert (fault and fault.kind) == kind
    assert fault is None or (fault.paths, "storage" in fault.text) == (("a",), True)


def test_a_listing_is_judged_by_the_md5_before_its_ending() -> None:
    closure, _ = build_closure([FOLDER], {})
    assert judge(closure, LIST, Content(2, C, "x"), "", "storage") is None


def test_hashes_are_those_of_hashlib(tmp_path: Path) -> None:
    for n, data in enumerate([b"", b"x", b"y" * (CHUNK + 1)]):
        (tmp_path / str(n)).write_bytes(data)
        found = hash_file(tmp_path / str(n))
        assert found.n_bytes == len(data)
        assert found.md5 == hashlib.md5(data).hexdigest()
        assert found.sha256 == hashlib.sha256(data).hexdigest()


def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    places = {
        "a": tmp_path / "a",
        "none": tmp_path / "none",
        "folder": tmp_path,
        **{str(n): tmp_path / "a" for n in range(600)},
    }
    found = dict(hash_files(places, 2))
    assert list(found) == list(places), "in order"
    assert isinstance(found["none"], FileNotFoundError)
    assert isinstance(found["folder"], OSError)
    assert found["599"] == found["a"] == hash_file(tmp_path / "a")
