"""Read what was brought, apply the fix records, write the canonical tables."""

import sys
from argparse import Namespace

from datatools.dataset import save_dataset
from datatools.fixes.records import load_records
from datatools.ingest import ingest
from datatools.params import IngestParams
from datatools.progress import progress
from datatools.schema import FIX_STATUS, REJECTED
from datatools.stage import stage
from datatools.store import save_table


@stage("ingest", "raw", "fixes", "out")
def main(args: Namespace, params: IngestParams) -> None:
    """Read what was brought, apply the fix records, write the canonical tables."""
    records, broken = load_records(args.fixes)
    with progress("ingest: images") as tick:
        result = ingest(args.raw, params, records, broken, tick=tick, cache=args.state / "cache")
    save_table(args.out / "rejected.parquet", result.rejected, REJECTED)
    save_table(args.out / "fixes.parquet", result.fixes, FIX_STATUS)
    save_dataset(args.out, result.dataset)


if __name__ == "__main__":
    sys.exit(main())
