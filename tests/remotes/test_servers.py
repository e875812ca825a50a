"""S3 (moto) and SFTP (asyncssh) on loopback, and an HTTP front that does S3 harm: named, on time, and resumed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from datatools.errors import DatatoolsError
from datatools.remotes.closure import MISSING, TRUNCATED, UNREADABLE, WRONG
from datatools.remotes.pull import pull
from datatools.remotes.scope import Wanted
from datatools.remotes.session import NotProvenError
from datatools.remotes.verify import verify
from tests.remotes.conftest import send
from tests.remotes.projects import (
    FOLDER,
    N_FILES,
    clone,
    commit,
    files_of,
    flip,
    md5_of,
    objects_of,
    overwrite,
    use_s3,
    use_ssh,
)
from tests.remotes.servers import BUCKET, Harm, front_of, s3_client, ssh_server

N_OBJECTS = N_FILES + 2
VICTIM = f"{FOLDER}/sub/3.png"
LATE_S = 5.0  # beyond the deadline: ending the worker, on a busy machine


@pytest.fixture
def harm() -> Harm:
    return Harm()


@pytest.fixture
def s3_root(fresh: Path, s3: int, harm: Harm) -> Iterator[Path]:
    """A project, not pushed, whose remote is S3 behind a front that does `harm`."""
    with front_of(s3, harm) as port:
        use_s3(fresh, port)
        commit(fresh, "s3")
        client = s3_client(s3)
        for entry in client.list_objects_v2(Bucket=BUCKET).get("Contents", ()):
            client.delete_object(Bucket=BUCKET, Key=entry["Key"])
        yield fresh


def key_of(s3: int, md5: str) -> str:
    entries = s3_client(s3).list_objects_v2(Bucket=BUCKET)["Contents"]
    return next(entry["Key"] for entry in entries if entry["Key"].replace("/", "").endswith(md5))


def test_a_push_resumes_where_the_server_died(s3_root: Path, s3: int, harm: Harm) -> None:
    harm.dies_after = 5
    begun = time.monotonic()
    with pytest.raises(NotProvenError, match=r"^sending to storage: expected an end within 8 s\. Got none"):
        send(s3_root, deadline_s=8.0)
    assert time.monotonic() - begun < 8.0 + LATE_S
    arrived = s3_client(s3).list_objects_v2(Bucket=BUCKET)["KeyCount"]
    assert 0 < arrived <= 5
    harm.dies_after = None
    outcome = send(s3_root)
    assert (outcome.proven, outcome.facts["n_sent"]) == (True, N_OBJECTS - arrived)


def test_a_pull_of_a_server_that_drips_ends_on_time_and_resumes(s3_root: Path, harm: Harm) -> None:
    assert send(s3_root).proven
    other = clone(s3_root, "other")
    harm.drips_after, harm.n_passed = 6, 0
    begun = time.monotonic()
    with pytest.raises(NotProvenError, match="expected an end within 8 s"):
        pull(Wanted(other, deadline_s=8.0, jobs=2))
    assert time.monotonic() - begun < 8.0 + LATE_S
    assert files_of(other) == {}
    kept = len(objects_of(other / ".dvc" / "cache"))
    harm.drips_after = None
    outcome = pull(Wanted(other))
    assert (outcome.proven, outcome.facts["n_fetched"]) == (True, N_OBJECTS - kept)
    assert kept > 0
    assert files_of(other) == files_of(s3_root)


def test_an_object_that_the_server_refuses_is_named(s3_root: Path, harm: Harm) -> None:
    assert send(s3_root).proven
    harm.part = md5_of(s3_root, VICTIM)[2:]
    for harm.status, kind in {403: UNREADABLE, 404: MISSING, 500: UNREADABLE}.items():
        faults = verify(Wanted(s3_root, deadline_s=120.0)).faults
        assert [(fault.kind, fault.paths) for fault in faults] == [(kind, (VICTIM,))]


def test_a_server_that_refuses_everything_is_no_proof(s3_root: Path, harm: Harm) -> None:
    harm.status, harm.to_all = 403, True
    with pytest.raises(NotProvenError, match=r"^listing storage: expected an answer\. Got: PermissionError") as caught:
        verify(Wanted(s3_root))
    assert caught.value.exit_code == 1
    assert isinstance(caught.value, DatatoolsError)


def test_damage_in_s3_and_on_the_way_is_named(s3_root: Path, s3: int, harm: Harm) -> None:
    assert send(s3_root).proven
    client, md5 = s3_client(s3), md5_of(s3_root, VICTIM)
    key, data = key_of(s3, md5), (s3_root / VICTIM).read_bytes()
    client.put_object(Bucket=BUCKET, Key=key, Body=flip(data))
    assert [(fault.kind, fault.paths) for fault in verify(Wanted(s3_root)).faults] == [(WRONG, (VICTIM,))]
    client.put_object(Bucket=BUCKET, Key=key, Body=data[:100])
    commit(s3_root, "receipt")
    other = clone(s3_root, "other")
    assert [(fault.kind, fault.paths) for fault in pull(Wanted(other)).faults] == [(TRUNCATED, (VICTIM,))]
    client.delete_object(Bucket=BUCKET, Key=key)
    outcome = send(s3_root)
    assert (outcome.proven, outcome.facts["n_sent"]) == (True, 1), "DVC would say that everything is up to date"
    harm.flips, harm.part = True, md5[2:]
    assert [fault.paths for fault in pull(Wanted(other)).faults] == [(VICTIM,)]
    assert files_of(other) == {}


def test_ssh(fresh: Path, tmp_path: Path) -> None:
    pytest.importorskip("asyncssh", reason="SSH needs the extra 'ssh'")
    pytest.importorskip("dvc_ssh", reason="SSH needs the extra 'ssh'")
    with ssh_server(tmp_path) as port:
        use_ssh(fresh, port, tmp_path)
        commit(fresh, "ssh")
        assert send(fresh).proven
        place = objects_of(tmp_path / "remote")[md5_of(fresh, VICTIM)]
        overwrite(place, flip(place.read_bytes()))
        assert [(fault.kind, fault.paths) for fault in verify(Wanted(fresh)).faults] == [(WRONG, (VICTIM,))]
        overwrite(place, place.read_bytes()[:7])  # as an upload that was cut off leaves it
        outcome = send(fresh)
        assert (outcome.proven, outcome.facts["n_sent"]) == (True, 1)
        other = clone(fresh, "other")
        assert pull(Wanted(other)).proven
        assert files_of(other) == files_of(fresh)
