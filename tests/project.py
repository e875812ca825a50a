"""A small DVC project of its own for tests: the real stages and library on a few images with quick settings."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from filelock import FileLock

REPO = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
N_IMAGES = 160
QUICK = {
    "train": {"epochs": 2, "image_size_px": 32, "batch_size": 32, "device": "cpu", "precision": "fp32"},
    "curate": {"folds": 2, "epochs": 2},
    "report": {"thumbnails": 6, "title": "test"},
}


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project after an undisturbed `dvc repro`. Tests that change it take `copy_project` of it.

    Where several workers run the tests, the first makes it and the others wait for it.
    """
    pytest.importorskip("torch", reason="the pipeline needs the extra 'train'")
    base = tmp_path_factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, done = base / "finished", base / "finished.done"
    with FileLock(base / "finished.lock"):
        if not done.exists():
            make_project(folder)
            run(folder, "dvc", "repro")
            done.touch()
    return folder


def copy_project(finished: Path, folder: Path) -> Path:
    """A copy to change, cache included."""
    shutil.copytree(finished, folder, symlinks=True)
    return folder


def make_project(folder: Path) -> Path:
    """Lay out pipeline, library, quick params and a small sample in `folder`, under Git and DVC."""
    shutil.copytree(REPO, folder, ignore=_only_project)
    shutil.copytree(REPO / "data" / "fixes", folder / "data" / "fixes", ignore=shutil.ignore_patterns("*.jsonl"))
    shutil.copy(REPO / "data" / "mutes.yaml", folder / "data")
    params = yaml.safe_load((folder / "params.yaml").read_text())
    for section, values in QUICK.items():
        params[section].update(values)
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    run(folder, "git", "init", "-q", "-b", "main")
    run(folder, "git", "config", "user.name", "Rita Reviewer")
    run(folder, "git", "config", "user.email", "rita@example.org")
    run(folder, "dvc", "init", "-q", "-f")
    shutil.copy(REPO / ".dvc" / "config", folder / ".dvc" / "config")
    run(folder, "datatools", "sample", "make", "digits", "--images", str(N_IMAGES))
    run(folder, "dvc", "add", "-q", "data/raw")
    run(folder, "git", "add", "-A")
    run(folder, "git", "commit", "-qm", "start")
    return folder


def run(folder: Path, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command of the environment in `folder`; a failure shows what it printed."""
    done = subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done


def start(folder: Path, *command: str) -> subprocess.Popen[bytes]:
    """Start a command in a process group of its own."""
    log = (folder / ".datatools-test.log").open("ab")
    return subprocess.Popen(
        command, cwd=folder, env=environment(folder), stdout=log, stderr=log, start_new_session=True
    )


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """kill -9 the process and everything it started."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def environment(folder: Path) -> dict[str, str]:
    """PATH with the environment's commands, and the project's own library before the installed one."""
    return {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(folder)}


def _only_project(folder: str, names: list[str]) -> set[str]:
    if Path(folder) != REPO:
        return {name for name in names if name == "__pycache__"}
    return set(names) - {"datatools", "stages", "dvc.yaml", "params.yaml", ".dvcignore", ".gitattributes", ".gitignore"}


def outputs(folder: Path, stage: str) -> dict[str, bytes]:
    """Every output file of a stage with its bytes."""
    declared = yaml.safe_load((folder / "dvc.yaml").read_text())["stages"][stage]["outs"]
    names = [next(iter(item)) if isinstance(item, dict) else item for item in declared]
    files = [
        file
        for name in names
        for file in ([folder / name] if (folder / name).is_file() else (folder / name).rglob("*"))
    ]
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files if file.is_file()}
