"""Map over images: on all cores here, in order, with progress."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
CHUNK = 64
FEW = 256  # below this, starting processes costs more than it saves


def map_ordered(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    workers: int | None = None,
    tick: Callable[[int], None] | None = None,
) -> Iterator[Result]:
    """Yield `function(item)` for every item, in the order of `items`, whatever the number of workers.

    `function` must be picklable. `workers` None means one process a core this process may use. `tick(n)` is called
    as results come in.
    """
    workers = workers or count_cores()
    if workers <= 1 or len(items) < FEW:
        yield from _ticking(map(function, items), tick)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("fork" if os.name == "posix" else "spawn")) as pool:
        yield from _ticking(pool.map(function, items, chunksize=CHUNK), tick)


def count_cores() -> int:
    """Number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _ticking(results: Iterator[Result], tick: Callable[[int], None] | None) -> Iterator[Result]:
    for result in results:
        if tick is not None:
            tick(1)
        yield result
