"""Run the checks that need no model; findings never fail the stage."""

import sys
from argparse import Namespace
from dataclasses import asdict

from datatools.agreement.kappa import measure_agreement
from datatools.checks.runner import run_checks
from datatools.dataset import load_dataset
from datatools.params import ValidateParams
from datatools.schema import FINDINGS, FIX_STATUS, REJECTED
from datatools.stage import stage
from datatools.store import load_table, save_json, save_table


@stage("validate", "dataset", "out", "report")
def main(args: Namespace, params: ValidateParams) -> None:
    """Run the checks that need no model and write their findings."""
    dataset = load_dataset(args.dataset)
    inputs = {
        "images": dataset.images,
        "annotations": dataset.annotations,
        "classes": dataset.classes,
        "ratings": dataset.ratings,
        "rejected": load_table(args.dataset / "rejected.parquet", REJECTED),
        "fixes": load_table(args.dataset / "fixes.parquet", FIX_STATUS),
        "params": params,
    }
    findings, outcomes = run_checks(inputs)
    save_table(args.out, findings, FINDINGS)
    agreement = measure_agreement(dataset.ratings)
    save_json(args.report, {"checks": [asdict(outcome) for outcome in outcomes], "agreement": agreement})


if __name__ == "__main__":
    sys.exit(main())
