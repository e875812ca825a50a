from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from datatools.starting import THRESHOLDS

LOAD = "import sys, gc; found = []; gc.callbacks.append(lambda phase, info: found.append(phase)); {}; print(len(found) // 2)"
SLOW = "import pandas"
STAGE = """
import gc, os, stages.ingest, threadpoolctl
import pyarrow
threads = [library["num_threads"] for library in threadpoolctl.threadpool_info() if library["user_api"] == "blas"]
print(gc.get_threshold(), os.environ["OPENBLAS_NUM_THREADS"], max(threads), pyarrow.default_memory_pool().backend_name)
"""
END = """
import datatools.starting, weakref
class Kept:
    pass
first, last = Kept(), Kept()
first.other, last.other = last, first  # a circle
Kept.__del__ = lambda self: print("searched for")
weakref.finalize(first, print, "ended")
datatools.starting.start_light()
"""


def run(code: str, folder: Path) -> str:
    """What a new process prints."""
    return subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True).stdout


def test_libraries_are_loaded_with_few_searches_for_garbage(tmp_path: Path):
    light = "from datatools.starting import start_light; start_light()"
    before, after = (int(run(LOAD.format(code), tmp_path)) for code in (SLOW, f"{light}; {SLOW}"))
    assert before > 100
    assert after < before / 10


def test_what_was_registered_runs_at_the_end_and_garbage_is_not_searched_for(tmp_path: Path):
    assert run(END, tmp_path) == "ended\n"
    assert "searched for" in run(END.replace("datatools.starting.start_light()", ""), tmp_path)


@pytest.mark.parametrize(
    ("asked", "threads", "pool"),
    [
        ({}, "1 1", "system"),
        (
            {"OPENBLAS_NUM_THREADS": "2", "ARROW_DEFAULT_MEMORY_POOL": "mimalloc"},
            f"2 {min(2, os.cpu_count() or 1)}",
            "mimalloc",
        ),
    ],
)
def test_every_stage_starts_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: dict[str, str], threads: str, pool: str
):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "ARROW_DEFAULT_MEMORY_POOL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in asked.items():
        monkeypatch.setenv(name, value)
    assert run(STAGE, tmp_path) == f"{THRESHOLDS} {threads} {pool}\n"
