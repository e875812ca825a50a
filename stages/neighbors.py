"""Embed every image, find its neighbours, and the near-duplicates."""

import sys
from argparse import Namespace

from datatools.params import NeighborsParams
from datatools.progress import progress
from datatools.schema import IMAGES, PAIRS
from datatools.similarity.graph import save_neighbors
from datatools.similarity.run import relate_images
from datatools.stage import stage
from datatools.store import load_table, save_table


@stage("neighbors", "dataset", "raw", "out")
def main(args: Namespace, params: NeighborsParams) -> None:
    """Embed every image, find its neighbours, and the near-duplicates."""
    images = load_table(args.dataset / "images.parquet", IMAGES)
    with progress("neighbors: images", len(images)) as tick:
        result = relate_images(images, args.raw, params, args.state / "cache", tick)
    save_table(args.out / "pairs.parquet", result.pairs, PAIRS)
    save_neighbors(args.out, result.neighbors, result.facts)


if __name__ == "__main__":
    sys.exit(main())
