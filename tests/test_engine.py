from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from datatools import engine
from datatools.engine import count_cores, map_ordered
from datatools.errors import DatatoolsError

REPOSITORY = Path(__file__).resolve().parents[1]
ENDLESS = r"""
import os, time
from datatools.engine import map_ordered

def work(number):
    os.write(1, b"%d\n" % os.getpid())  # in one piece: two processes write
    time.sleep(0.2)

if __name__ == "__main__":
    for _ in map_ordered(work, range(10_000), workers=2):
        pass
"""


def square(number: int) -> int:
    return number * number


def whoami(_: int) -> int:
    time.sleep(0.01)
    return os.getpid()


def refuse(number: int) -> int:
    if number == 3:
        raise ValueError("three")
    return number


def die(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.fixture
def few_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "FEW", 1)
    monkeypatch.setattr(engine, "CHUNK", 2)


@pytest.fixture
def endless() -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """A process in a group of its own that maps with two workers, and the ids of the workers."""
    process = subprocess.Popen(
        [sys.executable, "-c", ENDLESS],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        pids: set[int] = set()
        while len(pids) < 2:
            pids.add(int(process.stdout.readline()))
        yield process, sorted(pids)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


def wait_until(condition: Callable[[], bool], seconds: float = 90) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end and not condition():
        time.sleep(0.02)
    return condition()


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("workers", [None, 1, 2, 3])
@pytest.mark.parametrize("n", [0, 1, 9, 100])
@pytest.mark.usefixtures("few_is_none")
def test_results_come_in_the_order_of_the_items_and_each_ticks(workers: int | None, n: int):
    ticks: list[int] = []
    assert list(map_ordered(square, range(n), workers, ticks.append)) == [i * i for i in range(n)]
    assert ticks == [1] * n


@pytest.mark.usefixtures("few_is_none")
def test_order_holds_where_early_items_take_longest():
    def slow_first(number: int) -> int:
        time.sleep(0.2 if number == 0 else 0)
        return number

    assert list(map_ordered(slow_first, range(200), workers=2)) == list(range(200))


@pytest.mark.usefixtures("few_is_none")
def test_two_workers_are_two_other_processes():
    found = set(map_ordered(whoami, range(40), workers=2))
    assert os.getpid() not in found
    assert len(found) == 2


def test_few_items_stay_in_this_process():
    assert set(map_ordered(whoami, range(8), workers=2)) == {os.getpid()}


def test_one_worker_is_this_process():
    assert set(map_ordered(whoami, range(engine.FEW), workers=1)) == {os.getpid()}


@pytest.mark.usefixtures("few_is_none")
def test_the_function_is_inherited_and_not_pickled():
    table = list(range(100))
    found = map_ordered(lambda number: table[number], range(100), workers=2)  # no lambda can be pickled
    assert list(found) == table


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.usefixtures("few_is_none")
def test_an_error_in_a_worker_reaches_the_caller(workers: int):
    with pytest.raises(ValueError, match="three"):
        list(map_ordered(refuse, range(6), workers))
    assert not multiprocessing.active_children()


@pytest.mark.usefixtures("few_is_none")
def test_a_killed_worker_is_one_line_that_says_what_to_do():
    expected = (
        r"^2 worker processes: expected each to finish\. Got one that was killed, most likely by the system for want "
        r"of memory: run again with more memory or on fewer cores \(`taskset -c 0 \.\.\.`\)\.$"
    )
    with pytest.raises(DatatoolsError, match=expected):
        list(map_ordered(die, range(100), workers=2))
    assert not multiprocessing.active_children()


@pytest.mark.usefixtures("few_is_none")
def test_few_results_wait_for_a_slow_caller(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(engine, "LARGEST_CHUNK", 2)
    made = multiprocessing.get_context("fork").Value("i", 0)

    def count(number: int) -> int:
        with made.get_lock():
            made.value += 1
        return number

    results = map_ordered(count, range(10_000), workers=2)
    next(results)
    time.sleep(0.3)
    assert 0 < made.value <= 2 * engine.IN_FLIGHT * 2
    results.close()  # type: ignore[attr-defined]


@pytest.mark.usefixtures("few_is_none")
def test_cheap_items_travel_in_larger_chunks(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(engine, "LARGEST_CHUNK", 50)
    sizes: list[int] = []
    run = engine._run_chunk

    class Pool(engine.ProcessPoolExecutor):
        def submit(self, function, /, *args, **kwargs):  # type: ignore[no-untyped-def]
            assert function is run
            sizes.append(len(args[0]))
            return super().submit(function, *args, **kwargs)

    monkeypatch.setattr(engine, "ProcessPoolExecutor", Pool)
    assert list(map_ordered(square, range(2000), workers=2)) == [i * i for i in range(2000)]
    assert (sizes[0], max(sizes), sizes[-1], sum(sizes)) == (2, 50, 1, 2000)


@pytest.mark.usefixtures("few_is_none")
def test_no_process_is_left_when_the_caller_stops():
    results = map_ordered(whoami, range(1000), workers=2)
    next(results)
    assert multiprocessing.active_children()
    results.close()  # type: ignore[attr-defined]
    assert not multiprocessing.active_children()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("to_group", [True, False], ids=["Ctrl-C in a terminal", "a signal to the parent"])
def test_no_process_is_left_after_an_interrupt(endless: tuple[subprocess.Popen[str], list[int]], to_group: bool):
    process, pids = endless
    (os.killpg if to_group else os.kill)(process.pid, signal.SIGINT)
    assert process.wait(90) != 0
    assert wait_until(lambda: not any(map(is_running, pids)))


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGTERM])
def test_no_process_is_left_after_the_parent_is_killed(
    endless: tuple[subprocess.Popen[str], list[int]], signal_number: int
):
    process, pids = endless
    assert all(map(is_running, pids))
    os.kill(process.pid, signal_number)
    assert process.wait(90) == -signal_number
    assert wait_until(lambda: not any(map(is_running, pids)))


def test_there_is_at_least_one_core():
    assert 1 <= count_cores() <= (os.cpu_count() or 1)
