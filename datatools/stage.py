"""What every stage script shares: paths from argv, its section of params.yaml, one run at a time, one-line errors."""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from datatools.errors import DatatoolsError
from datatools.params import SECTIONS, load_params
from datatools.store import only_one

T = TypeVar("T")
INTERRUPTED = 130  # 128 and the number of SIGINT, as shells have it
STATE = ".datatools"  # beside params.yaml: locks and caches that DVC does not delete


def stage(name: str, *paths: str) -> Callable[[Callable[[argparse.Namespace, Any], None]], Callable[..., int]]:
    """Make `work(args, params)` a stage's `main(argv) -> int`.

    `args` has one Path for each of `paths` (`--raw data/raw` is `args.raw`), `args.params_file` and `args.state`, the
    folder for locks and caches. `params` is the stage's section. Returns 0, or 2 after one line on stderr; 130 after Ctrl-C.
    """

    def decorate(work: Callable[[argparse.Namespace, Any], None]) -> Callable[..., int]:
        """Wrap the stage's work."""

        @functools.wraps(work)
        def main(argv: Sequence[str] | None = None) -> int:
            """Run the stage as a command."""
            args = _parse(name, work.__doc__, paths, argv)
            try:
                params: Any = load_params(args.params_file, SECTIONS[name])
                with only_one(args.state / "locks" / f"{name}.lock"):
                    work(args, params)
            except DatatoolsError as error:
                sys.stderr.write(f"datatools: error: {error}\n")
                return error.exit_code
            except KeyboardInterrupt:  # what the stage holds is closed by now
                sys.stderr.write(f"datatools: {name}: interrupted\n")
                return INTERRUPTED
            return 0

        return main

    return decorate


def _parse(name: str, doc: str | None, paths: Sequence[str], argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"python -m stages.{name}", description=doc)
    for path in paths:
        parser.add_argument(f"--{path.replace('_', '-')}", type=Path, required=True)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), dest="params_file")
    args = parser.parse_args(argv)
    args.state = args.params_file.parent / STATE
    return args
