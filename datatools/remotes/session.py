"""Calls to DVC and its remotes in a process of their own, which one deadline for the whole command ends."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from datatools.errors import DatatoolsError

DEADLINE_S = 3600.0
LIBRARY = Path(__file__).parents[2]
# -P keeps the project's folder off the path: a dvc.py that somebody put there is not DVC.
START = "import sys; root, library = sys.argv[1:]; sys.path.insert(0, library); from datatools.remotes.worker import serve; serve(root)"


class NotProvenError(DatatoolsError):
    """A remote refused, failed or ran out of time: nothing is proven, and nothing needs to be called otherwise."""

    exit_code = 1


class Deadline:
    """A moment after which a command ends."""

    def __init__(self, seconds: float) -> None:
        if not seconds > 0:
            raise DatatoolsError(f"--deadline: expected seconds above 0. Got {seconds:g} instead.")
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def left(self, what: str) -> float:
        """Seconds that are left; raises NotProvenError where there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise NotProvenError(
                f"{what}: expected an end within {self.seconds:g} s. Got none: what is done stays, so run it again, or with "
                "a longer --deadline."
            )
        return left


class Session:
    """A worker of the project in `root`; a context manager that ends it, whatever it is doing."""

    def __init__(self, root: Path, deadline: Deadline, jobs: int | None = None) -> None:
        self.deadline = deadline
        self.jobs = jobs
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  `close` closes it
        command = [sys.executable, "-P", "-c", START, str(root), str(LIBRARY)]
        self._process = subprocess.Popen(
            command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said, start_new_session=True
        )
        self._answers: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()

    def __enter__(self) -> Session:
        """Wait until the worker has opened the project. Raises DatatoolsError, NotProvenError."""
        try:
            list(self._rows("DVC"))
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End the worker."""
        self.close()

    def close(self) -> None:
        """End the worker and all that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._said.close()

    def ask(self, do: str, what: str, **arguments: Any) -> Iterator[list[Any]]:
        """The rows of `worker.Worker.<do>(**arguments)`; `what` names the work in errors.

        Raises DatatoolsError for a wrong call, NotProvenError where the remote fails or time is up.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"do": do, **arguments}).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # `_rows` tells why
        yield from self._rows(what)

    def _rows(self, what: str) -> Iterator[list[Any]]:
        while True:
            try:
                line = self._answers.get(timeout=self.deadline.left(what))
            except queue.Empty:
                self.close()
                self.deadline.left(what)
                continue
            message: dict[str, Any] = {"failed": self._last_words()} if line is None else json.loads(line)
            if "row" in message:
                yield list(message["row"])
            elif "end" in message:
                return
            elif "refused" in message:
                raise DatatoolsError(f"{what}: {message['refused']}")
            elif "full" in message:
                raise NotProvenError(
                    f"{what}: expected room on this machine. Got: {message['full']}. Make room, then run it again: what is done "
                    "stays."
                )
            else:
                raise NotProvenError(
                    f"{what}: expected an answer. Got: {message['failed']}. See that the remote answers and lets you in, then "
                    "run it again: what is done stays."
                )

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._answers.put(line)
        self._answers.put(None)

    def _last_words(self) -> str:
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "the process ended"
