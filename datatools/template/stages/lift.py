"""Measure what the fixes bought, where params.yaml asks for it."""

import sys
from argparse import Namespace

from datatools.lift import LiftPaths, run_lift
from datatools.params import LiftParams
from datatools.stage import stage
from datatools.store import save_json

FOLDERS = ("dataset", "fixes", "raw", "split", "augmented")


@stage("lift", *FOLDERS, "out")
def main(args: Namespace, params: LiftParams) -> None:
    """Measure what the fixes bought, where params.yaml asks for it."""
    folders = {name: getattr(args, name) for name in FOLDERS}
    file = args.params_file
    save_json(args.out, run_lift(LiftPaths(file.parent, file, args.state / "cache", **folders), params))


if __name__ == "__main__":
    sys.exit(main())
