"""Make augmented copies of the training images."""

import sys
from argparse import Namespace

from datatools.augment.contact_sheet import draw_contact_sheet
from datatools.augment.dataset import augment_dataset
from datatools.dataset import load_dataset
from datatools.kept_copies import KeptCopies
from datatools.params import AugmentParams
from datatools.progress import progress
from datatools.schema import AUGMENTED, FINDINGS, SPLIT
from datatools.stage import stage
from datatools.store import load_table, save_bytes, save_json, save_table


@stage("augment", "dataset", "raw", "split", "findings", "out", "picture")
def main(args: Namespace, params: AugmentParams) -> None:
    """Make augmented copies of the training images."""
    dataset = load_dataset(args.dataset)
    split = load_table(args.split / "split.parquet", SPLIT)
    findings = load_table(args.findings, FINDINGS)
    kept = KeptCopies(args.state / "cache" / "augmented.parquet", args.out / "images.tar")
    with progress("augment: images") as tick:
        result = augment_dataset(dataset, split, findings, args.raw, params, tick=tick, kept=kept)
    kept.replace(result.copies)
    save_table(args.out / "annotations.parquet", result.table, AUGMENTED)
    save_json(args.out / "augmented.json", result.summary)
    save_bytes(args.picture, draw_contact_sheet(result.shown, args.raw))


if __name__ == "__main__":
    sys.exit(main())
