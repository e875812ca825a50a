"""Run the checks that need no model; findings never fail the stage."""

import sys
from argparse import Namespace

from datatools.agreement.measure import measure_dataset
from datatools.checks.runner import load_checks, run_checks
from datatools.dataset import load_dataset
from datatools.mutes import load_mutes
from datatools.params import ValidateParams
from datatools.progress import progress
from datatools.report.validation import report_validation, save_validation
from datatools.schema import FINDINGS, FIX_STATUS, PAIRS, REJECTED
from datatools.stage import stage
from datatools.store import load_table, save_json, save_table


@stage("validate", "dataset", "raw", "neighbors", "mutes", "out", "reports")
def main(args: Namespace, params: ValidateParams) -> None:
    """Run the checks that need no model and write their findings."""
    dataset = load_dataset(args.dataset)
    rejected = load_table(args.dataset / "rejected.parquet", REJECTED)
    inputs = {
        "images": dataset.images,
        "annotations": dataset.annotations,
        "classes": dataset.classes,
        "ratings": dataset.ratings,
        "rejected": rejected,
        "fixes": load_table(args.dataset / "fixes.parquet", FIX_STATUS),
        "pairs": load_table(args.neighbors / "pairs.parquet", PAIRS),
        "params": params,
    }
    with progress("validate: checks", len(load_checks())) as tick:
        findings, outcomes = run_checks(inputs, tick=tick)
    save_json(args.state / "validate_seconds.json", {outcome.code: outcome.seconds for outcome in outcomes})
    agreement, mutes = measure_dataset(dataset, params.iou_min), load_mutes(args.mutes)
    report = report_validation(dataset, findings, outcomes, rejected, agreement, mutes, args.raw, args.params_file)
    save_table(args.out, findings, FINDINGS)
    save_validation(args.reports, report)
    sys.stderr.write(f"validate: {report.summary['verdict']}\n")


if __name__ == "__main__":
    sys.exit(main())
