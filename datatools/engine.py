"""Map over images: on all cores here, in order, with progress and in bounded memory."""

from __future__ import annotations

import gc
import math
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from typing import Any, TypeVar

from datatools.errors import DatatoolsError

Item = TypeVar("Item")
Result = TypeVar("Result")
FEW = 32  # below this, starting processes costs more than it saves
CHUNK, LARGEST_CHUNK = 4, 512  # items that a process gets at first, and at most, at a time
CHUNK_SECONDS = 0.05  # what a chunk should take: long against sending it, short against waiting for the last one
IN_FLIGHT = 4  # chunks a process that are sent and not yet given out, so that memory does not grow with `items`

_function: Callable[[Any], Any]  # of this worker process


def map_ordered(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    workers: int | None = None,
    tick: Callable[[int], None] | None = None,
) -> Iterator[Result]:
    """Yield `function(item)` for every item, in the order of `items`, whatever the number of workers.

    `function` goes to each process once: inherited where processes are forked, so that it may hold large objects;
    elsewhere it must be picklable. Items and results always are. `workers` None means one process a core this process
    may use; 1 means this process. `tick(n)` is called as results come in. At most a few chunks of results wait for a
    slow caller. An error of `function` reaches the caller; raises DatatoolsError when a process was killed. No process
    outlives the iteration, nor this process.
    """
    workers = workers or count_cores()
    alone = workers <= 1 or len(items) < FEW
    for result in map(function, items) if alone else _map_in_processes(function, items, workers):
        if tick is not None:
            tick(1)
        yield result


def count_cores() -> int:
    """Number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _map_in_processes(function: Callable[[Item], Result], items: Sequence[Item], workers: int) -> Iterator[Result]:
    context = get_context("fork" if os.name == "posix" else "spawn")
    pool = ProcessPoolExecutor(workers, context, _start_worker, (function,))
    waiting: deque[Future[tuple[list[Result], float]]] = deque()
    start, size = 0, CHUNK
    try:
        while waiting or start < len(items):
            while start < len(items) and len(waiting) < IN_FLIGHT * workers:
                share = math.ceil((len(items) - start) / (2 * workers))  # small chunks at the end: all finish together
                stop = start + min(size, share)
                waiting.append(pool.submit(_run_chunk, items[start:stop]))
                start = stop
            results, seconds = waiting.popleft().result()
            size = max(1, min(LARGEST_CHUNK, int(len(results) * CHUNK_SECONDS / max(seconds, 1e-9))))
            yield from results
    except BrokenProcessPool as error:
        raise DatatoolsError(
            f"{workers} worker processes: expected each to finish. Got one that was killed, most likely by the system "
            "for want of memory: run again with more memory or on fewer cores (`taskset -c 0 ...`)."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _start_worker(function: Callable[[Any], Any]) -> None:
    global _function
    _function = function
    gc.freeze()  # what was inherited is never searched for garbage, and so its memory stays shared with the parent
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends its workers
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A worker waits for work on a pipe that stays open when the parent is killed."""
    parent = parent_process()
    assert parent is not None, "this is a child process"
    parent.join()
    os._exit(1)


def _run_chunk(items: Sequence[Any]) -> tuple[list[Any], float]:
    start = time.perf_counter()
    return [_function(item) for item in items], time.perf_counter() - start
