"""Train the classifier, with live metrics and a run record."""

import sys
from argparse import Namespace

from datatools.dataset import load_dataset
from datatools.live import live_metrics
from datatools.params import AugmentParams, TrainParams, load_params
from datatools.schema import AUGMENTED, SPLIT
from datatools.stage import stage
from datatools.store import load_table
from datatools.training_run import AugmentedImages, make_record, save_run, train_on


@stage("train", "dataset", "raw", "split", "augmented", "out", "live")
def main(args: Namespace, params: TrainParams) -> None:
    """Train the classifier, with live metrics and a run record."""
    dataset = load_dataset(args.dataset)
    split = load_table(args.split / "split.parquet", SPLIT)
    table = load_table(args.augmented / "annotations.parquet", AUGMENTED)
    copies = AugmentedImages(args.augmented / "images.tar", table)
    augment = load_params(args.params_file, AugmentParams)
    with live_metrics(args.live) as log:
        trained = train_on(dataset, split, copies, args.raw, params, augment, log, args.state / "cache")
    record = make_record(dataset, trained, params, augment, args.params_file.parent)
    save_run(args.out, trained, dataset, record)


if __name__ == "__main__":
    sys.exit(main())
