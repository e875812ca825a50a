"""What every stage is tested for: a wrong call, and kill -9 in the middle and a rerun."""

from __future__ import annotations

import fcntl
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import yaml

from tests.project import REPO, copy_project, kill_group, outputs, run, start

STAGES = ("ingest", "neighbors", "validate", "split", "augment", "train", "evaluate", "curate", "lift", "report")


def survives_kill(finished: Path, folder: Path, stage: str, after_s: float) -> None:
    """Kill `dvc repro` and the stage `after_s` seconds into its work; the rerun must give the undisturbed bytes."""
    project = copy_project(finished, folder)
    clear_cache(project)
    running = start(project, "dvc", "repro", "--force", "--single-item", stage)
    wait_until_working(project, stage)
    time.sleep(after_s)
    still_running = running.poll() is None
    kill_group(running)
    assert still_running, "the stage was over before the kill: kill it earlier"
    run(project, "dvc", "repro")
    for name in STAGES:
        assert outputs(project, name) == outputs(finished, name), name
    assert not [path for path in (project / "data").rglob(".*") if path.is_file() and path.name != ".gitignore"], (
        "a temporary file stayed"
    )


def clear_cache(project: Path) -> None:
    """Forget kept arrays, so that the work is really done again."""
    for path in (project / ".datatools" / "cache").glob("*.npy"):
        path.unlink()


def wait_until_working(project: Path, stage: str) -> None:
    """Return when the stage's process holds its lock: it has read its parameters and begun."""
    lock = project / ".datatools" / "locks" / f"{stage}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(3000):
        with lock.open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
        time.sleep(0.01)
    raise AssertionError(f"{stage} did not begin")


def refuses_unknown_parameter(
    main: Callable[[Sequence[str]], int], stage: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A key that the stage's section does not have ends the call with one line and exit code 2."""
    command = yaml.safe_load((REPO / "dvc.yaml").read_text())["stages"][stage]["cmd"]
    options = re.findall(r"--[a-z-]+", command)
    params = folder / "params.yaml"
    params.write_text(f"{stage}:\n  no_such_key: 1\n")
    paths = [word for option in options for word in (option, str(folder / option))]
    assert main([*paths, "--params", str(params)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"datatools: error: {params}: {stage} has the keys ") and error.count("\n") == 1
    assert "Got 'no_such_key' instead" in error
