from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from datatools.similarity.kept import KeptEmbeddings

D, SIDE = 3, 4


def digest(number):
    return hashlib.sha256(str(number).encode()).hexdigest()


def content(number):
    rng = np.random.default_rng(number)
    return rng.random(D, dtype=np.float32), rng.integers(0, 256, (SIDE, SIDE), dtype=np.uint8)


def add(kept, numbers):
    rows, thumbs = zip(*map(content, numbers), strict=True)
    kept.add([digest(number) for number in numbers], np.stack(rows), np.stack(thumbs))


def holds(kept, number):
    found = kept.find(digest(number))
    if found is None:
        return False
    assert all(np.array_equal(one, other) for one, other in zip(found, content(number), strict=True))
    assert (found[0].dtype, found[1].dtype) == (np.float32, np.uint8)
    return True


def open_kept(folder: Path, key: str = "model") -> KeptEmbeddings:
    return KeptEmbeddings(folder, key, D, SIDE)


def test_what_was_added_is_found_now_and_later(tmp_path: Path):
    kept = open_kept(tmp_path)
    assert not holds(kept, 0)
    add(kept, range(3))
    add(kept, range(3, 5))
    for known in (kept, open_kept(tmp_path)):
        assert [holds(known, number) for number in range(6)] == [True] * 5 + [False]


def test_another_key_is_kept_apart(tmp_path: Path):
    add(open_kept(tmp_path), [1])
    assert not holds(open_kept(tmp_path, "other"), 1)


@pytest.mark.parametrize("cut", [1, 10, 40, 50])
def test_a_torn_record_is_written_over(tmp_path: Path, cut: int):
    add(open_kept(tmp_path), range(3))
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-cut])
    kept = open_kept(tmp_path)
    assert [holds(kept, number) for number in range(3)] == [True, True, False]
    add(kept, [2, 3])
    assert all(holds(open_kept(tmp_path), number) for number in range(4))


@pytest.mark.parametrize("place", [0, 31, 32, 45, 60, 63])
def test_a_changed_byte_anywhere_costs_that_image_again(tmp_path: Path, place: int):
    add(open_kept(tmp_path), range(3))
    (file,) = tmp_path.iterdir()
    data = bytearray(file.read_bytes())
    data[len(data) // 3 + place] ^= 1
    file.write_bytes(data)
    kept = open_kept(tmp_path)
    assert [holds(kept, number) for number in range(3)] == [True, False, True]
    add(kept, [1])
    assert all(holds(open_kept(tmp_path), number) for number in range(3))


def test_two_runs_may_add_in_turn(tmp_path: Path):
    one, other = open_kept(tmp_path), open_kept(tmp_path)
    add(one, [0, 1])
    add(other, [2])
    add(one, [3])
    assert all(holds(known, number) for known in (one, open_kept(tmp_path)) for number in range(4))
    assert all(holds(other, number) for number in range(3))


def test_kill_9_leaves_whole_records(tmp_path: Path):
    code = f"""
        import sys
        sys.path.insert(0, {str(Path(__file__).parents[2])!r})
        from tests.similarity.test_kept import add, open_kept
        from pathlib import Path
        kept = open_kept(Path({str(tmp_path / "cache")!r}))
        for number in range(100_000):
            add(kept, [number])
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)])
    while (
        not (tmp_path / "cache").exists() or sum(file.stat().st_size for file in (tmp_path / "cache").iterdir()) < 500
    ):
        assert process.poll() is None
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    kept = open_kept(tmp_path / "cache")
    n = next(number for number in range(100_000) if kept.find(digest(number)) is None)
    assert n > 3
    assert all(holds(kept, number) for number in range(n))
    add(kept, [n])
    assert holds(open_kept(tmp_path / "cache"), n)
