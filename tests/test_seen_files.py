from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datatools.seen_files import SeenFiles, Stamp, stamp_of

NUMBERS = st.integers(-(2**63), 2**63 - 1)
OLD: Stamp = (1, 2, 3, 4, 5)


def keep(file: Path, digests: dict[Stamp, bytes]) -> None:
    seen = SeenFiles(file)
    for stamp, digest in digests.items():
        seen.add(stamp, digest)
    seen.save()


def stamp(path: Path) -> Stamp:
    return stamp_of(os.stat(path))


@given(st.dictionaries(st.tuples(*[NUMBERS] * 3, *[st.integers(-(2**63), 0)] * 2), st.binary(min_size=16, max_size=16)))
def test_what_was_kept_is_found(tmp_path_factory: pytest.TempPathFactory, digests: dict[Stamp, bytes]):
    file = tmp_path_factory.mktemp("seen") / "seen"
    keep(file, digests)
    assert {key: SeenFiles(file).find(key) for key in digests} == digests
    assert SeenFiles(file).find(OLD) == digests.get(OLD)


def test_what_was_not_asked_for_is_forgotten(tmp_path: Path):
    keep(tmp_path / "seen", {OLD: b"a", (9, 9, 9, 9, 9): b"b"})
    seen = SeenFiles(tmp_path / "seen")
    assert seen.find(OLD) == b"a"
    seen.save()
    assert SeenFiles(tmp_path / "seen").find((9, 9, 9, 9, 9)) is None


def test_a_file_that_may_still_change_within_a_tick_is_not_kept(tmp_path: Path):
    fresh = tmp_path / "a"
    fresh.write_bytes(b"1")
    keep(tmp_path / "seen", {stamp(fresh): b"a"})
    assert SeenFiles(tmp_path / "seen").find(stamp(fresh)) is None


def test_other_bytes_of_the_same_size_and_date_are_another_stamp(tmp_path: Path):
    file = tmp_path / "a"
    file.write_bytes(b"1")
    before, times = stamp(file), (os.stat(file).st_atime_ns, os.stat(file).st_mtime_ns)
    file.write_bytes(b"2")
    os.utime(file, ns=times)
    assert stamp(file)[:4] == before[:4]
    assert stamp(file) != before


def test_a_copy_with_its_date_kept_is_another_stamp(tmp_path: Path):
    for name in "ab":
        (tmp_path / name).write_bytes(b"1")
        os.utime(tmp_path / name, ns=(0, 0))
    assert stamp(tmp_path / "a") != stamp(tmp_path / "b")


@pytest.mark.parametrize("data", [b"", b"no zip", b"seen files 1 little\n" + bytes(60)])
def test_a_damaged_file_counts_as_empty(tmp_path: Path, data: bytes):
    (tmp_path / "seen").write_bytes(data)
    assert SeenFiles(tmp_path / "seen").find(OLD) is None
    keep(tmp_path / "seen", {OLD: b"a"})
    assert SeenFiles(tmp_path / "seen").find(OLD) == b"a"


def test_every_flipped_byte_is_noticed_or_harmless(tmp_path: Path):
    keep(tmp_path / "seen", {OLD: b"right"})
    whole = (tmp_path / "seen").read_bytes()
    for at in range(len(whole)):
        (tmp_path / "seen").write_bytes(whole[:at] + bytes([whole[at] ^ 0x40]) + whole[at + 1 :])
        assert SeenFiles(tmp_path / "seen").find(OLD) in (None, b"right")


def test_without_a_file_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    seen = SeenFiles(None)
    seen.add(OLD, b"a")
    seen.save()
    assert seen.find(OLD) is None
    assert not list(tmp_path.iterdir())


def test_nothing_is_written_where_nothing_is_new(tmp_path: Path):
    keep(tmp_path / "seen", {OLD: b"a"})
    before = stamp(tmp_path / "seen")
    seen = SeenFiles(tmp_path / "seen")
    seen.find(OLD)
    seen.save()
    assert stamp(tmp_path / "seen") == before
