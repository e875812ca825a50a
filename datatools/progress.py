"""Progress of long work on stderr: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SECONDS = 15.0  # between two lines in a log


@contextmanager
def progress(what: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Yield `tick(n)`, which tells on stderr that n more of `total` are done; `what` names the work and its unit."""
    if not sys.stderr.isatty():
        yield _line_now_and_then(what, total)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda n: bar.advance(task, n)


def _line_now_and_then(what: str, total: int | None) -> Callable[[int], None]:
    done, told = 0, time.monotonic()

    def tick(n: int) -> None:
        """Count, and tell when it is time."""
        nonlocal done, told
        done += n
        if time.monotonic() - told >= SECONDS:
            told = time.monotonic()
            sys.stderr.write(f"{what}: {done:,}" + (f" of {total:,}\n" if total else "\n"))

    return tick
