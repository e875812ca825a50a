"""What makes a process start and end quickly. A third of what PyTorch and Matplotlib take to start goes to searches for garbage
that is not there: a module is no garbage, and when the process ends all of it goes anyway."""

from __future__ import annotations

import atexit
import gc

# Python's own are 700, 10 and 10: importing pandas alone is some 400 searches. Twice these figures gain no more.
THRESHOLDS = 50_000, 20, 20


def collect_seldom() -> None:
    """Search for garbage seldom, and not at all at the end. Objects that nothing refers to go at once, as ever."""
    gc.set_threshold(*THRESHOLDS)
    atexit.register(gc.freeze)
