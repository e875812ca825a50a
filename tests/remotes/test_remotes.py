"""Push, pull and verify over a folder remote with a real DVC: what is wrong is found by name, and nothing wrong passes."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from datatools.errors import DatatoolsError
from datatools.remotes.closure import FORGED, LINK, LISTING, MISSING, NAME, TRUNCATED, UNSENT, WORKSPACE, WRONG
from datatools.remotes.hashing import Sample
from datatools.remotes.pull import pull
from datatools.remotes.scope import Wanted
from datatools.remotes.verify import CACHE, verify
from datatools.remotes.verify import WORKSPACE as ON_DISK
from datatools.remotes.worker import DiskFullError, _fetched
from tests.remotes.conftest import send
from tests.remotes.projects import (
    FOLDER,
    N_FILES,
    clone,
    commit,
    dvc,
    files_of,
    flip,
    md5_of,
    objects_of,
    overwrite,
    plant_listing,
)

N_OBJECTS = N_FILES + 2  # the model, and the listing of the folder
VICTIM = f"{FOLDER}/sub/3.png"
DAMAGE = {
    WRONG: lambda place, other: overwrite(place, flip(place.read_bytes())),
    TRUNCATED: lambda place, other: overwrite(place, place.read_bytes()[:100]),
    MISSING: lambda place, other: place.unlink(),
    "swapped": lambda place, other: overwrite(place, other.read_bytes()),
}


def damage(store: Path, md5: str, how: str) -> None:
    """Harm one object; swapped: with that of another file."""
    objects = objects_of(store)
    other = next(path for name, path in objects.items() if name != md5 and not name.endswith(".dir"))
    DAMAGE[how](objects[md5], other)


def test_a_push_proves_the_remote_and_a_clone_pulls_it(root: Path, store: Path) -> None:
    receipt = json.loads(next((root / "data" / "receipts").iterdir()).read_text())
    assert (receipt["n_objects"], receipt["remotes"], receipt["pushed_by"]) == (N_OBJECTS, ["storage"], "Rita")
    assert set(receipt["objects"]) == set(objects_of(store)), "also the listing"
    assert "store" not in json.dumps({**receipt, "remotes": []}), "no URL"
    other = clone(root, "other")
    outcome = pull(Wanted(other))
    assert outcome.proven
    assert outcome.facts["n_fetched"] == N_OBJECTS
    assert "1 receipt; " in outcome.verdict
    assert files_of(other) == files_of(root)
    assert "up to date" in dvc(other, "status").stdout, "plain DVC agrees"
    again = pull(Wanted(other))
    assert (again.proven, again.facts["n_fetched"]) == (True, 0)
    assert verify(Wanted(other), ON_DISK).proven
    assert verify(Wanted(other), CACHE).proven


def test_a_push_of_nothing_new_leaves_the_receipt(root: Path) -> None:
    before = {path.name: path.read_bytes() for path in (root / "data" / "receipts").iterdir()}
    outcome = send(root)
    assert (outcome.proven, outcome.facts["n_sent"]) == (True, 0)
    assert {path.name: path.read_bytes() for path in (root / "data" / "receipts").iterdir()} == before


@pytest.mark.parametrize("how", DAMAGE)
def test_damage_on_the_remote_is_named_not_checked_out_and_mended(root: Path, store: Path, how: str) -> None:
    md5 = md5_of(root, VICTIM)
    damage(store, md5, how)
    (fault,) = verify(Wanted(root)).faults
    assert (fault.md5, fault.paths) == (md5, (VICTIM,))
    assert fault.kind == how or how == "swapped"
    other = clone(root, "other")
    outcome = pull(Wanted(other))
    assert [fault.paths for fault in outcome.faults] == [(VICTIM,)]
    assert files_of(other) == {}, "nothing is checked out"
    assert md5 not in objects_of(other / ".dvc" / "cache")
    if how not in (WRONG, MISSING):
        return
    mended = send(root)
    assert [fault.paths for fault in mended.mended] == [(VICTIM,)] or mended.facts["n_sent"] == 1
    assert mended.proven
    again = pull(Wanted(other))
    assert (again.proven, again.facts["n_fetched"]) == (True, 1)
    assert files_of(other) == files_of(root)


def test_the_names_of_an_object_are_all_the_files_it_stands_for(root: Path, store: Path) -> None:
    damage(store, md5_of(root, f"{FOLDER}/twin.png"), WRONG)
    (fault,) = verify(Wanted(root)).faults
    assert fault.paths == (f"{FOLDER}/sub/0.png", f"{FOLDER}/twin.png")


def test_a_damaged_listing_is_named_and_mended(root: Path, store: Path) -> None:
    (md5,) = [name for name in objects_of(store) if name.endswith(".dir")]
    overwrite(objects_of(store)[md5], b"[]")
    other = clone(root, "other")
    outcome = pull(Wanted(other))
    assert [(fault.md5, fault.paths) for fault in outcome.faults] == [(md5, (f"{FOLDER}/",))]
    assert files_of(other) == {}
    assert send(root).proven
    assert pull(Wanted(other)).proven


@pytest.mark.parametrize("keeps_mtime", [False, True])
def test_a_rotten_cache_is_never_pushed(fresh: Path, keeps_mtime: bool) -> None:
    md5 = md5_of(fresh, VICTIM)
    place = objects_of(fresh / ".dvc" / "cache")[md5]
    before = place.stat()
    overwrite(place, flip(place.read_bytes()))
    if keeps_mtime:
        os.utime(place, ns=(before.st_atime_ns, before.st_mtime_ns))
        place.chmod(0o444)
    outcome = send(fresh)
    assert [(fault.kind, fault.paths) for fault in outcome.faults] == [(WRONG, (VICTIM,))]
    assert not (fresh.parents[1] / "store").exists()
    assert not (fresh / "data" / "receipts").exists()
    assert [fault.paths for fault in verify(Wanted(fresh), CACHE).faults] == [(VICTIM,)]


def test_a_rotten_cache_is_mended_by_a_pull_and_kept_aside(root: Path) -> None:
    md5 = md5_of(root, VICTIM)
    place = objects_of(root / ".dvc" / "cache")[md5]
    rotten = flip(place.read_bytes())
    overwrite(place, rotten)
    outcome = pull(Wanted(root))
    assert outcome.proven
    assert [fault.paths for fault in outcome.mended] == [(VICTIM,)]
    assert (root / ".datatools" / "quarantine" / md5).read_bytes() == rotten
    assert verify(Wanted(root), CACHE).proven


def test_an_object_that_only_the_remote_has_needs_no_cache(root: Path) -> None:
    objects_of(root / ".dvc" / "cache")[md5_of(root, VICTIM)].unlink()
    assert send(root, Sample(1, 256)).proven, "it is hashed there, whatever the sample"
    damage(root.parents[1] / "store", md5_of(root, VICTIM), MISSING)
    assert [fault.text for fault in send(root).faults] == ["neither the cache nor the remote has it"]


BAD_NAMES = {
    "../../../escaped.png": "has the part '..'",
    "/escaped.png": "is absolute",
    ".git/hooks/post-checkout": "is in '.git', which Git or DVC owns",
    "C:/escaped.png": "has a drive letter",
    "a/aux.png": "a device on Windows",
    "a\nb.png": "has a control character",
}


def test_a_listing_cannot_name_a_file_elsewhere(root: Path, store: Path) -> None:
    other = clone(root, "other")
    md5 = plant_listing(other, store, [{"md5": md5_of(root, VICTIM), "relpath": name} for name in BAD_NAMES])
    faults = pull(Wanted(other)).faults
    assert [(fault.kind, fault.md5, fault.paths) for fault in faults] == [
        (NAME, md5, (f"{FOLDER}/{name}",)) for name in BAD_NAMES
    ]
    assert [why in fault.text for fault, why in zip(faults, BAD_NAMES.values())] == [True] * len(BAD_NAMES)
    assert files_of(other) == {}
    assert not list(other.parents[1].rglob("escaped.png"))
    assert not any("\n" in str(fault) for fault in faults)


def test_a_listing_that_is_none_is_refused(root: Path, store: Path) -> None:
    for name, entries in {
        "a": [{"md5": "../../../x", "relpath": "a.png"}],
        "b": [{"md5": md5_of(root, VICTIM), "relpath": "a"}, {"md5": md5_of(root, VICTIM), "relpath": "a/b"}],
    }.items():
        other = clone(root, name)
        plant_listing(other, store, entries)
        assert {fault.kind for fault in pull(Wanted(other)).faults} == {LISTING}
        assert files_of(other) == {}


@pytest.mark.parametrize("link", ["data", FOLDER, f"{FOLDER}/sub"])
def test_a_pull_does_not_write_through_a_symbolic_link(root: Path, link: str) -> None:
    other = clone(root, "other")
    outside = root.parents[1] / "outside"
    outside.mkdir()
    place = other / link
    if place.exists():
        shutil.move(place, outside / "before")
        shutil.copytree(outside / "before", outside, dirs_exist_ok=True)
        shutil.rmtree(outside / "before")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(outside, target_is_directory=True)
    before = sorted(outside.rglob("*"))
    outcome = pull(Wanted(other))
    assert [(fault.kind, fault.paths) for fault in outcome.faults] == [(LINK, (link,))]
    assert sorted(outside.rglob("*")) == before
    if link == FOLDER:
        place.unlink()
        assert pull(Wanted(other)).proven


def test_with_keep_going_outputs_without_a_fault_are_checked_out(root: Path, store: Path) -> None:
    damage(store, md5_of(root, VICTIM), WRONG)
    other = clone(root, "other")
    outcome = pull(Wanted(other), keep_going=True)
    assert [fault.paths for fault in outcome.faults] == [(VICTIM,)]
    assert list(files_of(other)) == ["models/m.bin"]
    plant_listing(other, store, [{"md5": md5_of(root, VICTIM), "relpath": "../x"}])
    assert [fault.kind for fault in pull(Wanted(other), keep_going=True).faults] == [NAME, WRONG]
    assert list(files_of(other)) == ["models/m.bin"]


def test_a_changed_file_stays_and_is_told(root: Path) -> None:
    other = clone(root, "other")
    assert pull(Wanted(other)).proven
    (other / VICTIM).unlink()
    (other / VICTIM).write_bytes(b"mine")
    outcome = pull(Wanted(other))
    assert [fault.kind for fault in outcome.faults] == [WORKSPACE]
    assert "3.png" in outcome.faults[0].text
    assert (other / VICTIM).read_bytes() == b"mine"
    assert [fault.paths for fault in verify(Wanted(other), ON_DISK).faults] == [(VICTIM,)]


def test_another_file_of_the_same_md5_is_found_by_the_receipt(root: Path) -> None:
    path = next((root / "data" / "receipts").iterdir())
    document = json.loads(path.read_text())
    md5 = md5_of(root, VICTIM)
    document["objects"][md5] = "0" * 64 + document["objects"][md5][64:]  # as if the true file had been another
    path.write_text(json.dumps(document))
    commit(root, "receipt")
    assert [(fault.kind, fault.paths) for fault in verify(Wanted(root)).faults] == [(FORGED, (VICTIM,))]
    other = clone(root, "other")
    outcome = pull(Wanted(other))
    assert [(fault.kind, fault.paths) for fault in outcome.faults] == [(FORGED, (VICTIM,))]
    assert files_of(other) == {}
    assert md5 not in objects_of(other / ".dvc" / "cache"), "plain DVC would take it from there"
    assert [fault.kind for fault in send(root).faults] == [FORGED]


def test_a_revision_fills_the_cache_alone(root: Path) -> None:
    (root / "models" / "m.bin").unlink()
    (root / "models" / "m.bin").write_bytes(b"second")
    assert dvc(root, "add", "-q", "models/m.bin").returncode == 0
    commit(root, "two")
    assert send(root).proven
    other = clone(root, "other")
    assert pull(Wanted(other, rev="HEAD~1")).proven
    assert files_of(other) == {}
    assert len(objects_of(other / ".dvc" / "cache")) == N_OBJECTS
    assert verify(Wanted(other, rev="HEAD~1"), CACHE).proven
    assert [fault.paths for fault in verify(Wanted(other), CACHE).faults] == [("models/m.bin",)]
    every = verify(Wanted(other, history=True))
    assert (every.proven, every.facts["n_objects"]) == (True, N_OBJECTS + 1)


def test_a_sample_is_a_stable_part_and_the_parts_are_all(root: Path, store: Path) -> None:
    parts = [verify(Wanted(root), sample=Sample(n, 2)).facts["n_right"] for n in (1, 2)]
    assert sum(parts) == N_OBJECTS
    md5 = md5_of(root, VICTIM)
    part = int(md5[:2], 16) % 2 + 1
    damage(store, md5, WRONG)
    assert [bool(verify(Wanted(root), sample=Sample(n, 2)).faults) for n in (1, 2)] == [n == part for n in (1, 2)]


def test_outputs_that_are_not_shared_are_told(root: Path) -> None:
    (root / "models" / "own.bin").write_bytes(b"own")
    assert dvc(root, "add", "-q", "models/own.bin").returncode == 0
    pointer = root / "models" / "own.bin.dvc"
    pointer.write_text(pointer.read_text() + "  push: false\n")
    outcome = send(root)
    assert outcome.proven
    assert outcome.notes == ("not looked at: models/own.bin: push: false keeps it on this machine",)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"remote": "nowhere"}, "nowhere"),
        ({"rev": "nothing"}, "nothing"),
        ({"rev": "-x"}, "expected a Git revision"),
        ({"deadline_s": 0.0}, "expected seconds above 0"),
    ],
)
def test_wrong_calls(root: Path, wanted: dict, message: str) -> None:
    with pytest.raises(DatatoolsError, match=message) as caught:
        verify(Wanted(root, **wanted))
    assert caught.value.exit_code == 2


def test_a_remote_that_takes_nothing_is_told_once(fresh: Path) -> None:
    place = fresh.parents[1] / "store" / "files" / "md5"
    place.mkdir(parents=True)
    for n in range(256):
        (place / f"{n:02x}").symlink_to("nowhere")
    outcome = send(fresh)
    (fault,) = outcome.faults
    assert (fault.kind, fault.md5) == (UNSENT, "")
    assert len(fault.paths) == N_FILES + 3, "all files, the twin among them, and the listing"
    assert str(place) not in fault.text
    assert (
        outcome.verdict == "NOT pushed: 0 objects arrived and stay there; mend that, and run it again to send the rest"
    )


def test_a_remote_with_nothing_of_it_may_be_the_wrong_place(root: Path, store: Path) -> None:
    other = clone(root, "other")
    store.rename(store.with_name("not mounted"))
    for outcome in (verify(Wanted(root)), pull(Wanted(other))):
        assert outcome.faults
        assert outcome.notes[-1].startswith("storage has nothing of what was asked for: is it the right place")
    assert send(root).notes == (
        "warning: storage had nothing of this, although a receipt says that it was pushed to: was its drive mounted, and is "
        "it the right place (`dvc remote list`)?",
    )


def test_a_first_push_to_an_empty_remote_is_nothing_to_warn_of(fresh: Path) -> None:
    assert send(fresh).notes == ()


def test_a_full_disk_here_is_told_as_that(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def no_room(source: str, target: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", source, None, target)

    full = SimpleNamespace(fs=SimpleNamespace(get_file=no_room), oid_to_path=str)
    with (
        pytest.raises(DiskFullError, match="No space left on device for "),
        _fetched(full, "a" * 32, tmp_path / "work"),
    ):
        pass
