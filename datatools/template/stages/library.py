"""Ask which datatools is installed; every other stage depends on its line of the answer."""

import sys
from collections.abc import Sequence
from pathlib import Path

from datatools.library import update_library


def main(argv: Sequence[str] | None = None) -> int:
    """Write the answer to the file that argv names, and say which stages will run again."""
    line = update_library(Path((sys.argv[1:] if argv is None else argv)[0]))
    if line:
        sys.stdout.write(line + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
