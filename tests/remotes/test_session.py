"""The worker: it ends with its parent and with the deadline, and what it cannot do is told."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from datatools.errors import DatatoolsError
from datatools.remotes.pull import pull
from datatools.remotes.scope import Wanted
from datatools.remotes.session import Deadline, NotProvenError, Session
from tests.project import BIN
from tests.remotes.projects import clone, files_of, make_project, objects_of

SECONDS = 60.0


def test_a_deadline_is_above_zero() -> None:
    for seconds in (0.0, -1.0, float("nan")):
        with pytest.raises(DatatoolsError, match="expected seconds above 0"):
            Deadline(seconds)


def test_a_folder_without_dvc_is_a_wrong_call(tmp_path: Path) -> None:
    with pytest.raises(DatatoolsError) as caught, Session(tmp_path, Deadline(SECONDS)):
        pass
    assert caught.value.exit_code == 2


def test_what_a_crashed_worker_said_last_is_told(fresh: Path) -> None:
    with Session(fresh, Deadline(SECONDS)) as session:
        os.kill(session._process.pid, signal.SIGKILL)
        with pytest.raises(NotProvenError, match=r"^the cache: expected an answer\. Got: the process ended"):
            list(session.ask("place", "the cache"))


def test_time_that_is_up_ends_the_worker(fresh: Path) -> None:
    with Session(fresh, Deadline(SECONDS)) as session:
        session.deadline = Deadline(0.001)
        time.sleep(0.01)
        with pytest.raises(NotProvenError, match=r"^the cache: expected an end within 0\.001 s"):
            list(session.ask("place", "the cache"))
    assert session._process.poll() is not None


def test_a_python_file_of_the_project_is_not_run(fresh: Path) -> None:
    (fresh / "dvc.py").write_text("raise SystemExit('somebody else')\n")
    with Session(fresh, Deadline(SECONDS)) as session:
        assert len(list(session.ask("place", "the cache"))) == 1


def kill_when(command: list[str], root: Path, is_time: object) -> None:
    """kill -9 the command alone, not what it started, as soon as `is_time()`."""
    process = subprocess.Popen(command, cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + SECONDS
    while not is_time():  # type: ignore[operator]
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < end
        time.sleep(0.005)
    process.kill()
    process.wait()


def count_settled(folder: Path) -> int:
    """How many objects there are once nobody adds any."""
    n = -1
    while n != (n := len(objects_of(folder))):
        time.sleep(0.5)
    return n


def test_push_and_pull_survive_kill_9(tmp_path: Path) -> None:
    root = make_project(tmp_path, n_files=2000, n_bytes=1000)
    store = tmp_path / "store"
    datatools = [str(BIN / "datatools")]
    kill_when([*datatools, "push"], root, lambda: len(objects_of(store)) > 100)
    arrived = count_settled(store)
    assert 100 < arrived < 2002, "what the killed one started does not go on"
    assert not any(md5.endswith(".dir") for md5 in objects_of(store)), "the listing comes last"
    assert not (root / "data" / "receipts").exists()
    subprocess.run([*datatools, "push"], cwd=root, check=True, capture_output=True)
    assert len(objects_of(store)) == 2002
    other = clone(root, "other")
    cache = other / ".dvc" / "cache"
    kill_when([*datatools, "pull"], other, lambda: len(objects_of(cache)) > 100)
    assert 100 < count_settled(cache) < 2002
    assert files_of(other) == {}
    outcome = pull(Wanted(other))
    assert outcome.proven
    assert files_of(other) == files_of(root)
    left = cache / "datatools"
    assert not any(left.iterdir()), "what the killed one left is cleared"
