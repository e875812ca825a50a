from __future__ import annotations

import subprocess
import sys
from pathlib import Path

LOAD = "import sys, gc; found = []; gc.callbacks.append(lambda phase, info: found.append(phase)); {}; print(len(found) // 2)"
SLOW = "import pandas"
END = """
import datatools.starting, weakref
class Kept:
    pass
first, last = Kept(), Kept()
first.other, last.other = last, first  # a circle
weakref.finalize(first, print, "ended")
file = open("written.txt", "w")
file.write("all of it")
datatools.starting.collect_seldom()
"""


def run(code: str, folder: Path) -> str:
    """What a new process prints."""
    return subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True).stdout


def test_libraries_are_loaded_with_few_searches_for_garbage(tmp_path: Path):
    light = "from datatools.starting import collect_seldom; collect_seldom()"
    before, after = (int(run(LOAD.format(code), tmp_path)) for code in (SLOW, f"{light}; {SLOW}"))
    assert before > 100
    assert after < before / 10


def test_what_was_open_is_written_and_what_was_registered_runs_at_the_end(tmp_path: Path):
    assert run(END, tmp_path) == "ended\n"
    assert (tmp_path / "written.txt").read_text() == "all of it"


def test_every_stage_starts_so(tmp_path: Path):
    code = (
        "import gc, stages.ingest; from datatools.starting import THRESHOLDS; print(gc.get_threshold() == THRESHOLDS)"
    )
    assert run(f"import sys; sys.path.insert(0, {str(Path(__file__).parents[1])!r}); {code}", tmp_path) == "True\n"
