"""Assign every image to train, val or test and certify it."""

import sys
from argparse import Namespace

from datatools.dataset import load_dataset
from datatools.params import SplitParams
from datatools.schema import SPLIT
from datatools.split import split_dataset
from datatools.stage import stage
from datatools.store import save_json, save_table


@stage("split", "dataset", "out")
def main(args: Namespace, params: SplitParams) -> None:
    """Assign every image to train, val or test and certify it."""
    result = split_dataset(load_dataset(args.dataset), params)
    save_table(args.out / "split.parquet", result.table, SPLIT)
    save_json(args.out / "certificate.json", result.certificate)


if __name__ == "__main__":
    sys.exit(main())
