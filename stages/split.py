"""Assign every image to train, val or test and certify it; what was assigned before stays."""

import sys
from argparse import Namespace

from datatools.dataset import load_dataset
from datatools.params import SplitParams
from datatools.report.split_page import build_split_report, save_split_report
from datatools.schema import FIX_STATUS, PAIRS, SPLIT
from datatools.split.ledger import load_ledger, save_ledger
from datatools.split.run import split_dataset
from datatools.stage import stage
from datatools.store import load_json, load_table, save_json, save_table


@stage("split", "dataset", "neighbors", "out", "reports")
def main(args: Namespace, params: SplitParams) -> None:
    """Assign every image to train, val or test and certify it; what was assigned before stays."""
    dataset = load_dataset(args.dataset)
    pairs = load_table(args.neighbors / "pairs.parquet", PAIRS)
    search = load_json(args.neighbors / "neighbors.json")
    ledger = load_ledger(args.out / "ledger.csv")
    fixes = load_table(args.dataset / "fixes.parquet", FIX_STATUS)
    result = split_dataset(dataset, pairs, ledger, params, search, fixes)
    report = build_split_report(result.certificate)
    save_ledger(args.out / "ledger.csv", result.ledger)
    save_table(args.out / "split.parquet", result.table, SPLIT)
    save_json(args.out / "certificate.json", result.certificate)
    save_split_report(args.reports, report)


if __name__ == "__main__":
    sys.exit(main())
