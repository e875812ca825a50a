"""Checks of images beside cleanvision: what each flags on the same files, how far they agree, and CPU seconds.

    python benchmarks/image_checks.py [--sets cifar10n,clothing,mnist-png] [--images N] [--peer-python PYTHON]

Each side runs in a process of its own over the same files; counted are CPU seconds (user and system, children too) after
the imports. Ours: `ingest` with one worker, then the checks. cleanvision: `Imagelab.find_issues(n_jobs=1)`, all its issue
types, by the interpreter --peer-python (default: this one); where it cannot be imported the script says so and ends with 2.
For each issue it prints how many images cleanvision flags, how many our check flags by cleanvision's rule (no trait of the
set, no least factor for the size, grey as stored), how many both, and how many findings `validate` shows with its defaults. The exit
status is 1 where a verdict differs on more than one image in 500 (photos are measured at reduced scale: some at the blur
threshold fall on the other side). Three rows only count what the tables say: blurry (cleanvision's score of our facts; IMG011
has a measure of its own), grayscale (mode L; ours asks what is rare in the set) and exact duplicates (every image whose bytes
another one has; ours names the copies). Needs `../shared/data` or DATATOOLS_SHARED.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("DATATOOLS_SHARED", REPO.parent / "shared"))
SUFFIXES = (".jpg", ".jpeg", ".png")
CODES = {
    "dark": "IMG009",
    "light": "IMG010",
    "blurry": "IMG011",
    "low_information": "IMG012",
    "odd_aspect_ratio": "IMG013",
    "odd_size": "IMG014",
    "grayscale": "IMG015",
    "exact_duplicates": "DUP001",
}
MOST_DIFFERING = 0.002


def main() -> int:
    """Print a table for each set and the CPU seconds of both sides."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", default="cifar10n,clothing,mnist-png")
    parser.add_argument("--images", type=int, help="so many images of each set, evenly spread, instead of all")
    parser.add_argument("--peer-python", default=sys.executable, help="an interpreter that can import cleanvision")
    parser.add_argument("--measure", choices=("ours", "theirs"), help=argparse.SUPPRESS)  # what a child process does
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps({"ours": measure_ours, "theirs": measure_theirs}[args.measure](args.folder)))
        return 0
    print(
        "| set | issue | cleanvision | datatools, same rule | both | findings by default |\n|---|---|---|---|---|---|"
    )
    return max(compare(name, args.images, args.peer_python) for name in args.sets.split(","))


def compare(name: str, n_images: int | None, peer_python: str) -> int:
    """Print the rows of one set; returns the exit status."""
    with tempfile.TemporaryDirectory() as folder:
        unpack(name, Path(folder), n_images)
        ours, theirs = run("ours", folder, sys.executable), run("theirs", folder, peer_python)
    n_differing = 0
    for issue in CODES:
        one, other = set(ours["flagged"][issue]), set(theirs["flagged"][issue])
        n_differing = max(n_differing, len(one ^ other))
        counts = (len(other), len(one), len(one & other), ours["findings"][issue])
        print(f"| {name} | {issue} | {' | '.join(f'{count:,}' for count in counts)} |")
    seconds, peer = ours["cpu_s"], theirs["cpu_s"]
    print(f"\n{name}: {ours['images']:,} images here, {theirs['images']:,} there; CPU seconds {seconds:.1f}, "
          f"of which the checks {ours['checks_s']:.2f}; cleanvision {peer:.1f}, {peer / seconds:.1f} times\n", flush=True)  # fmt: skip
    return int(n_differing > MOST_DIFFERING * ours["images"] or ours["images"] != theirs["images"])


def unpack(name: str, folder: Path, n_images: int | None) -> None:
    """Unpack images, evenly spread."""
    with zipfile.ZipFile(SHARED / "data" / f"{name}.zip") as archive:
        names = sorted(path for path in archive.namelist() if path.lower().endswith(SUFFIXES))
        wanted = min(n_images or len(names), len(names))
        archive.extractall(folder, [names[number * len(names) // wanted] for number in range(wanted)])


def run(measure: str, folder: str, python: str) -> dict[str, Any]:
    """What the child process that measures found."""
    command = [python, str(Path(__file__).resolve()), "--measure", measure, "--folder", folder]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode and "No module named 'cleanvision'" in done.stderr:
        print(f"{python}: cleanvision cannot be imported; give --peer-python", file=sys.stderr)
        sys.exit(2)
    if done.returncode:
        sys.exit(done.stderr)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def measure_ours(folder: Path) -> dict[str, Any]:
    """Ingest and check; then check by cleanvision's rules."""
    sys.path.insert(0, str(REPO))
    import numpy as np

    from datatools.checks import image_traits, odd_size
    from datatools.checks.runner import load_checks, needs
    from datatools.ingest import ingest
    from datatools.params import IngestParams, ValidateParams

    checks = {check.code: check for check in load_checks()}
    start = cpu_seconds()
    dataset = ingest(folder, IngestParams(), workers=1).dataset
    read = cpu_seconds()
    inputs = {"images": dataset.images, "annotations": dataset.annotations, "params": ValidateParams()}

    def find(issue: str) -> list[Any]:
        check = checks[CODES[issue]]
        return list(check.find(**{name: inputs[name] for name in needs(check)}))

    findings = {issue: len(find(issue)) for issue in CODES}
    end = cpu_seconds()
    inputs["params"] = ValidateParams(dark_max=0.32, light_min=0.95, information_min_bits=3.0, aspect_ratio_min=0.35)
    image_traits.TRAIT_SHARE, odd_size.LEAST_FACTOR = 1.0, 1.0  # no trait of the set; no least factor
    flagged = {issue: [finding.path for finding in find(issue)] for issue in CODES}
    images = dataset.images
    flagged["grayscale"] = list(images.loc[images["mode"] == "L", "path"])  # ours asks what is rare in the set
    flagged["exact_duplicates"] = list(images.loc[images["sha256"].duplicated(keep=False), "path"])
    edges, flat = (1 - np.exp(-images[name] / 100) for name in ("sharpness", "grey_histogram_std"))
    flagged["blurry"] = list(images.loc[edges + flat.where(flat > 0.18, 0) < 0.29, "path"])  # ours is another measure
    facts = {"images": len(images), "cpu_s": end - start, "checks_s": end - read}
    return {**facts, "findings": findings, "flagged": flagged}


def measure_theirs(folder: Path) -> dict[str, Any]:
    """All of cleanvision's issue types, on one core."""
    from cleanvision import Imagelab

    start = cpu_seconds()
    lab = Imagelab(data_path=str(folder))
    lab.find_issues(n_jobs=1, verbose=False)
    seconds = cpu_seconds() - start
    indices = {issue: lab.issues.index[lab.issues[f"is_{issue}_issue"]] for issue in CODES}
    flagged = {issue: [Path(path).relative_to(folder).as_posix() for path in index] for issue, index in indices.items()}
    return {"images": len(lab.issues), "cpu_s": seconds, "flagged": flagged}


def cpu_seconds() -> float:
    """CPU seconds of this process and of the workers it has waited for."""
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(item.ru_utime + item.ru_stime for item in usage)


if __name__ == "__main__":
    sys.exit(main())
