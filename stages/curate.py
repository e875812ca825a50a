"""Judge every label by a model that never saw it, and rank what a person should look at."""

import sys
from argparse import Namespace

from datatools.curate.run import curate
from datatools.dataset import load_dataset
from datatools.params import CurateParams, TrainParams, load_params
from datatools.progress import progress
from datatools.schema import FINDINGS, FIX_STATUS, PAIRS, QUEUE, SPLIT
from datatools.similarity.graph import load_neighbors
from datatools.stage import stage
from datatools.store import load_table, save_json, save_table


@stage("curate", "dataset", "raw", "split", "neighbors", "findings", "out", "queue", "report")
def main(args: Namespace, params: CurateParams) -> None:
    """Judge every label by a model that never saw it, and rank what a person should look at."""
    dataset = load_dataset(args.dataset)
    split = load_table(args.split / "split.parquet", SPLIT)
    pairs = load_table(args.neighbors / "pairs.parquet", PAIRS)
    neighbors = load_neighbors(args.neighbors)
    findings = load_table(args.findings, FINDINGS)
    fixes = load_table(args.dataset / "fixes.parquet", FIX_STATUS)
    train = load_params(args.params_file, TrainParams)
    with progress("curate: epochs of all folds", params.folds * params.epochs) as tick:
        given = (dataset, split, pairs, neighbors, findings, fixes, args.raw, params, train, args.state / "cache")
        result = curate(*given, tick)
    save_table(args.out, result.findings, FINDINGS)
    save_table(args.queue, result.queue, QUEUE)
    save_json(args.report, result.summary)


if __name__ == "__main__":
    sys.exit(main())
