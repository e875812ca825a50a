"""What makes a process start and end quickly.

A third of what PyTorch and Matplotlib take to start goes to searches for garbage that is not there: a module is no garbage, and
when the process ends all of it goes anyway. A tenth of a second goes to threads that NumPy starts for linear algebra, one a
core; our products are small, so these only wait for each other. Arrow's own allocator takes 30 MB more than the system's, which
is no slower here.
"""

from __future__ import annotations

import atexit
import functools
import gc
import os
import sys

# Python's own are 700, 10 and 10: importing pandas alone is some 400 searches. Twice these figures gain no more.
THRESHOLDS = 50_000, 20, 20


@functools.cache
def start_light() -> None:
    """Search for garbage seldom, let NumPy and SciPy work in one thread, and Arrow allocate as all others do.

    The last two where OPENBLAS_NUM_THREADS and ARROW_DEFAULT_MEMORY_POOL are not set. To be called before NumPy is imported.
    At the end there is no search: what only that would end stays as it is, such as a file that is open in a module or in a
    circle of objects. Close files by `with`. PyTorch with MKL and faiss keep their threads; child processes inherit the two
    variables, forked ones the rest, too.
    """
    gc.set_threshold(*THRESHOLDS)
    atexit.register(_leave_garbage)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")


def _leave_garbage() -> None:
    if "triton" not in sys.modules:  # its bindings print a list of all that was left
        gc.freeze()
