"""Write the report: Markdown, JSON and one HTML page."""

import sys
from argparse import Namespace

from datatools.params import ReportParams
from datatools.report.build import build_report, save_report
from datatools.report.collect import ReportPaths, load_inputs
from datatools.stage import stage

PATHS = tuple(ReportPaths.__dataclass_fields__)


@stage("report", *PATHS, "raw", "out")
def main(args: Namespace, params: ReportParams) -> None:
    """Write the report: Markdown, JSON and one HTML page."""
    paths = ReportPaths(**{name: getattr(args, name) for name in PATHS})
    inputs = load_inputs(paths, name=args.params_file.resolve().parent.name)
    save_report(args.out, build_report(inputs, params, args.raw))


if __name__ == "__main__":
    sys.exit(main())
