"""Images per CPU second: the facts that ingest takes, beside plain loading with Pillow and beside cleanvision's pass.

The row "read, SHA-256, decode" is the part of ours that no measure can save: what the strict decoder needs for each file. "Without what
cleanvision has not" leaves out `edge_step`, our second measure of blur.

    python benchmarks/ingest_throughput.py [--sets cifar10n,clothing,mnist-png] [--images N] [--peer-python PYTHON]

Each side runs in a process of its own over the same files; counted are CPU seconds (user and system, children too) after
the imports. cleanvision runs `Imagelab.find_issues(n_jobs=1)`, all its issue types, by the interpreter --peer-python
(default: this one); where it cannot be imported its column says so. Prints the ratio, what two workers gain in wall time,
and for how many images dark, light, low information, blurry and greyscale come out the same from our facts as from
cleanvision. Then the peak memory of `datatools.ingest.ingest` on 7,000 and 70,000 of the MNIST images, with --memory.
Needs `../shared/data` or DATATOOLS_SHARED.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("DATATOOLS_SHARED", REPO.parent / "shared"))
SUFFIXES = (".jpg", ".jpeg", ".png")
ISSUES = ("dark", "light", "low_information", "blurry", "grayscale")
COMMON = "datatools, without what cleanvision has not"
ABSENT = "not run: cleanvision cannot be imported"


def main() -> None:
    """Print a table of throughput for each set, then one of memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", default="cifar10n,clothing,mnist-png")
    parser.add_argument("--images", type=int, help="so many images of each set, evenly spread, instead of all")
    parser.add_argument("--peer-python", default=sys.executable, help="an interpreter that can import cleanvision")
    parser.add_argument("--memory", action="store_true", help="peak memory instead of throughput")
    parser.add_argument("--measure", help=argparse.SUPPRESS)  # what the child process does
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(MEASURES[args.measure](args.folder)))
    elif args.memory:
        compare_memory()
    else:
        print("| set | side | images per CPU second | ratio to ours | images per second |\n|---|---|---|---|---|")
        for name in args.sets.split(","):
            compare(name, args.images, args.peer_python)


def compare(name: str, n_images: int | None, peer_python: str) -> None:
    """Print the rows of one set, and how far the verdicts agree."""
    with tempfile.TemporaryDirectory() as folder:
        unpack(name, Path(folder), n_images)
        ours = run("one_worker", folder)
        sides = {
            "datatools, 1 worker": ours,
            "datatools, 2 workers": run("two_workers", folder),
            COMMON: run("common_facts", folder),
            "read, SHA-256, decode": run("floor", folder),
            "Pillow: open, convert, asarray": run("pillow", folder),
            "cleanvision": run("cleanvision", folder, peer_python),
        }
    for side, found in sides.items():
        if "per_cpu_second" not in found:
            print(f"| {name} | {side} | {ABSENT} | | |", flush=True)
            continue
        ratio = ours["per_cpu_second"] / found["per_cpu_second"]
        print(f"| {name} | {side} | {found['per_cpu_second']:,.0f} | {ratio:.1f} | {found['per_second']:,.0f} |")
    gain = sides["datatools, 2 workers"]["per_second"] / ours["per_second"]
    print(f"\n{name}: {ours['images']:,} images; two workers are {gain:.2f} times as fast as one", end="")
    if "flagged" in sides["cleanvision"]:
        ratio = sides[COMMON]["per_cpu_second"] / sides["cleanvision"]["per_cpu_second"]
        print(f"; the facts that both have, {ratio:.1f} times as fast as cleanvision", end="")
    print()
    if "flagged" in sides["cleanvision"]:
        print_agreement(ours["flagged"], sides["cleanvision"]["flagged"])
    print(flush=True)


def print_agreement(ours: dict[str, list[str]], theirs: dict[str, list[str]]) -> None:
    """Say for each kind of issue how many images each side flags, and how many both."""
    for issue in ISSUES:
        one, other = set(ours[issue]), set(theirs[issue])
        print(f"{issue}: datatools {len(one)}, cleanvision {len(other)}, both {len(one & other)}")


def compare_memory() -> None:
    """Print the peak memory of ingest on a tenth of MNIST and on all of it."""
    for n_images in (7_000, 70_000):
        with tempfile.TemporaryDirectory() as folder:
            unpack("mnist-png", Path(folder), n_images)
            found = run("memory", folder)
        own, worker = (f"{found[name]:,.0f} MB" for name in ("own_mb", "worker_mb"))
        print(f"ingest of {n_images:,} images: {own}, largest worker {worker}, {found['seconds']:.0f} s", flush=True)


def unpack(name: str, folder: Path, n_images: int | None) -> None:
    """Unpack images, evenly spread, and the lines of train.csv and test.csv that speak of them."""
    with zipfile.ZipFile(SHARED / "data" / f"{name}.zip") as archive:
        names = sorted(path for path in archive.namelist() if path.lower().endswith(SUFFIXES))
        step = len(names) / (n_images or len(names))
        chosen = [names[int(number * step)] for number in range(n_images or len(names))]
        archive.extractall(folder, chosen)
        for table in {"train.csv", "test.csv"}.intersection(archive.namelist()):
            kept, lines = set(chosen), archive.read(table).decode().splitlines()
            rows = [line for line in lines[1:] if line.split(",")[0] in kept]
            (folder / table).write_text("\n".join(["path,label", *rows]) + "\n")


def run(measure: str, folder: str, python: str = sys.executable) -> dict[str, Any]:
    """What the child process that measures found; empty where it failed for want of cleanvision."""
    command = [python, str(Path(__file__).resolve()), "--measure", measure, "--folder", folder]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode and measure == "cleanvision" and "ModuleNotFoundError" in done.stderr:
        return {}
    if done.returncode:
        sys.exit(done.stderr)
    return dict(json.loads(done.stdout.splitlines()[-1]))


# what the child processes do


def start_as_stages_do() -> None:
    """Before anything of ours is imported, and NumPy."""
    sys.path.insert(0, str(REPO))
    from datatools.starting import start_light

    start_light()


def measure_ours(folder: Path, workers: int) -> dict[str, Any]:
    """Take the facts of all files."""
    start_as_stages_do()
    import datatools.images  # noqa: F401  not to be counted, nor to be repeated in each worker
    from datatools.engine import map_ordered
    from datatools.facts import TOGETHER

    paths = list_files(folder)
    batches = [paths[start : start + TOGETHER] for start in range(0, len(paths), TOGETHER)]
    start = take_time()
    facts = [item for batch in map_ordered(read_facts, batches, workers) for item in batch]
    rates = to_rates(len(paths), start)
    flagged = {issue: [path for path, item in zip(paths, facts) if is_flagged(item, issue)] for issue in ISSUES}
    return {**rates, "flagged": {issue: [Path(path).name for path in found] for issue, found in flagged.items()}}


def measure_common(folder: Path) -> dict[str, Any]:
    """Take the facts of all files but for `edge_step`: cleanvision has nothing like it."""
    start_as_stages_do()
    import numpy as np

    from datatools import image_measures

    image_measures._edge_steps = lambda greys: np.ones(len(greys))
    return measure_ours(folder, workers=1)


def read_facts(paths: Sequence[str]) -> list[Any]:
    """Facts of the files, or errors."""
    from datatools.images import compute_facts_of

    return compute_facts_of(map(read_bytes, paths))


def is_flagged(facts: Any, issue: str) -> bool:
    """Whether cleanvision's default thresholds, applied to our facts, call it an issue."""
    flat = 1 - math.exp(-facts.grey_histogram_std / 100)
    verdicts = {
        "dark": facts.brightness_p99 < 0.32,
        "light": 1 - facts.brightness_p5 < 0.05,
        "low_information": facts.entropy_bits < 3,
        "blurry": 1 - math.exp(-facts.sharpness / 100) + (flat if flat > 0.18 else 0) < 0.29,
        "grayscale": facts.is_grey and facts.channels == 1,
    }
    return verdicts[issue]


def measure_floor(folder: Path) -> dict[str, Any]:
    """What comes before any measure: the bytes, their hash, and the pixels at the scale of the measures."""
    start_as_stages_do()
    from datatools import images

    paths = list_files(folder)
    start = take_time()
    for path in paths:
        data = read_bytes(path)
        hashlib.sha256(data).hexdigest()
        images._decode(data, images.SCALED_PX)
    return to_rates(len(paths), start)


def measure_pillow(folder: Path) -> dict[str, Any]:
    """Only load the pixels."""
    import numpy as np
    from PIL import Image

    paths = list_files(folder)
    start = take_time()
    for path in paths:
        np.asarray(Image.open(path).convert("RGB"))
    return to_rates(len(paths), start)


def measure_cleanvision(folder: Path) -> dict[str, Any]:
    """All of cleanvision's issue types, on one core."""
    from cleanvision import Imagelab

    start = take_time()
    lab = Imagelab(data_path=str(folder), verbose=False)
    lab.find_issues(n_jobs=1, verbose=False)
    rates = to_rates(len(lab.issues), start)
    flagged = {issue: lab.issues.index[lab.issues[f"is_{issue}_issue"]] for issue in ISSUES}
    return {**rates, "flagged": {issue: [Path(path).name for path in found] for issue, found in flagged.items()}}


def measure_memory(folder: Path) -> dict[str, float]:
    """Peak resident memory of ingest in this process, and of its largest worker (with what it shares with this one)."""
    start_as_stages_do()
    from datatools.ingest import ingest
    from datatools.params import IngestParams

    start = time.perf_counter()
    ingest(folder, IngestParams())
    own, worker = (resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return {"own_mb": own, "worker_mb": worker, "seconds": time.perf_counter() - start}


MEASURES: dict[str, Callable[[Path], dict[str, Any]]] = {
    "one_worker": functools.partial(measure_ours, workers=1),
    "common_facts": measure_common,
    "two_workers": functools.partial(measure_ours, workers=2),
    "floor": measure_floor,
    "pillow": measure_pillow,
    "cleanvision": measure_cleanvision,
    "memory": measure_memory,
}


def list_files(folder: Path) -> list[str]:
    """All images below the folder, sorted."""
    return sorted(str(path) for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)


def read_bytes(path: str) -> bytes:
    """The bytes of a file."""
    with open(path, "rb") as file:
        return file.read()


def take_time() -> tuple[float, float]:
    """Wall seconds, and CPU seconds of this process and of the workers it has waited for."""
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return time.perf_counter(), sum(item.ru_utime + item.ru_stime for item in usage)


def to_rates(n_images: int, start: tuple[float, float]) -> dict[str, float]:
    """Images per second, by the wall clock and by the CPU."""
    wall, cpu = (end - begin for end, begin in zip(take_time(), start, strict=True))
    return {"images": n_images, "per_second": n_images / wall, "per_cpu_second": n_images / cpu}


if __name__ == "__main__":
    main()
