"""The FiftyOne App on the review, as a process of its own that ends with us."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from datatools.errors import DatatoolsError
from datatools.review.layout import WORKSPACE
from datatools.review.load import NAME
from datatools.review.mongod import FOLDER
from datatools.review.process import HOST, die_with_parent, free_port, stop_process

PORT = 5151  # FiftyOne's own
N_PORTS = 20  # how many ports from the wanted one on are tried
START_TIMEOUT_S = 120.0  # importing FiftyOne on a cold, busy disk takes most of it
STOP_TIMEOUT_S = 10.0
SERVE = (
    "from pathlib import Path; from datatools.review.serve import serve_app; "
    "serve_app({port}, Path({root!r}), Path({project!r}), {who!r})"
)


@dataclass(frozen=True)
class ReviewApp:
    """An App that answers at `url`."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        """Where the queue is shown, in the order of its ranks."""
        return f"http://{HOST}:{self.port}/datasets/{NAME}?view=queue&workspace={WORKSPACE}"

    @property
    def instructions(self) -> str:
        """What to tell the reviewer."""
        tunnel = f"ssh -L {self.port}:{HOST}:{self.port} {socket.gethostname()}"
        return (
            f"The review queue is open at {self.url}\n"
            f"From another machine: {tunnel}, then open that address.\n"
            "To decide: open an image and press a (accept the suggestion), k (keep the label), r (relabel), x (exclude),\n"
            "e (ask an expert) or u (undo). Each decision is on the disk in data/fixes when the App says `Recorded`.\n"
            "What you change with FiftyOne's own tools (Annotate, the tags `confirm` and `exclude`) stays in the review\n"
            "until `datatools review --save`, here or in a second terminal. Ctrl-C ends the App."
        )

    def wait(self) -> None:
        """Return when the reviewer presses Ctrl-C or the App ends by itself."""
        with contextlib.suppress(KeyboardInterrupt):
            self.process.wait()


@contextlib.contextmanager
def open_app(project: Path, root: Path, port: int = PORT, who: str = "") -> Iterator[ReviewApp]:
    """Serve the review of the folder `project` on 127.0.0.1 until the block ends; images come from below `root`.

    Decisions by key or button are records of `who`; without a name the App refuses them.

    Takes `port` or the next free one. Call it inside run_mongod, after load_review. Raises DatatoolsError when no port
    is free or the App does not start.
    """
    folder = project.resolve() / FOLDER
    port = _next_free_port(port)
    log = folder / "app.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                SERVE.format(port=port, root=str(root.resolve()), project=str(project.resolve()), who=who),
            ],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=_server_environment(folder),
            start_new_session=True,  # Ctrl-C in the terminal must reach us first
            preexec_fn=die_with_parent(signal.SIGKILL),  # it keeps nothing; safe: one thread when the CLI opens the App
        )
    try:
        _wait_until_up(process, port, log)
        yield ReviewApp(port, process)
    finally:
        stop_process(process, STOP_TIMEOUT_S)


def _next_free_port(port: int) -> int:
    for candidate in range(port, port + N_PORTS):
        if free_port(candidate) == candidate:
            return candidate
    raise DatatoolsError(f"--port: expected a free port from {port} to {port + N_PORTS - 1}. Got none: pass another.")


def _server_environment(folder: Path) -> dict[str, str]:
    """Ours, with this library importable, and a home folder inside the project for what FiftyOne writes there."""
    library = str(Path(__file__).resolve().parents[2])
    paths = [library, *filter(None, [os.environ.get("PYTHONPATH")])]
    home = folder / "home"
    home.mkdir(exist_ok=True)
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "HOME": str(home), "FIFTYONE_SERVER": "1"}


def _wait_until_up(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < end and process.poll() is None:
        with (
            contextlib.suppress(urllib.error.URLError, OSError),
            urllib.request.urlopen(f"http://{HOST}:{port}/fiftyone", timeout=5),
        ):
            return
        time.sleep(0.2)
    ended = "no answer" if process.poll() is None else f"exit code {process.returncode}"
    raise DatatoolsError(f"{log}: expected the App to answer on {HOST}:{port}. Got {ended}: read that log.")
