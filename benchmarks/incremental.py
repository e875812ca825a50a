"""What a small change costs: nothing changed, one label, 1 % of the images, on the 30,000 images of cifar10n.

    python benchmarks/incremental.py [--images 30000] [--label-only] [--floor] [--keep FOLDER]

Makes a project with `datatools init --from`, runs the pipeline once (training cut down to one epoch: it is not what is
measured), then changes one thing at a time and runs it again. Prints CPU seconds (user and system, all children) of every
stage, a dash for one that did not run, and how many images were decoded. Compares the tables after the changes with those of
a run from an empty cache. Needs `../shared/data` or DATATOOLS_SHARED.

--floor measures in the same run what no code of ours could save: DVC's own work when nothing changed, and for each stage that
one label made run, outside training, a process that only imports the libraries the stage cannot do without and reads the
tables it depends on. --keep copies the finished first run to FOLDER, or takes it from there: minutes less the next time.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from small_files import BIN, REPO, SHARED, cpu_of

sys.path.insert(0, str(REPO))

from datatools.init import set_params

TRAINING = ("train", "curate")
STAGES = (
    "library", "ingest", "neighbors", "validate", "split", "augment", "train", "evaluate", "curate", "lift", "report"
)  # fmt: skip
QUICK = {"train.epochs": "1", "curate.epochs": "1", "curate.folds": "2", "train.model": "resnet8"}
SKIPPED = "didn't change, skipping"  # what DVC says of a stage
TABLES = "numpy, pandas, pyarrow.parquet"
LIBRARIES = {"evaluate": f"{TABLES}, torch, openTSNE, matplotlib.backends.backend_agg", "lift": "yaml"}
READ = """
import datatools.starting
datatools.starting.start_light()
import sys, {libraries}
for path in sys.argv[1:]:
    pyarrow.parquet.read_table(path).to_pandas() if path.endswith("parquet") else numpy.load(path)
"""
Row = dict[str, float]


def main() -> None:
    """Run the changes one after the other and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=30_000)
    parser.add_argument("--label-only", action="store_true", help="no other images, no comparison with an empty cache")
    parser.add_argument("--floor", action="store_true", help="what the stages cannot do without")
    parser.add_argument("--keep", type=Path, help="folder for the finished first run")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        rows = make_project(place, args.images, args.keep)
        project = place / "project"
        rows["nothing changed"] = {"all": cpu_of(project, ["dvc", "repro", "-q"])}
        label_a_change(project)
        rows["one label (a fix record)"] = run(project)
        floor = measure_floor(project, rows["one label (a fix record)"]) if args.floor else None
        is_same = None if args.label_only else change_the_images(place, args.images, rows)
    print_table(args.images, rows)
    if floor is not None:
        print_floor(floor, rows["one label (a fix record)"])
    if is_same is not None:
        print(f"\ntables equal to those of a run from an empty cache: {is_same}", flush=True)


def make_project(folder: Path, n_images: int, keep: Path | None) -> dict[str, Row]:
    """A project that has run once, in `folder`/project: a new one, whose first run is returned, or the one kept before."""
    if keep is not None and (keep / "project").exists():
        shutil.copytree(keep, folder, symlinks=True, dirs_exist_ok=True)
        cpu_of(folder / "project", ["dvc", "repro", "-q"])  # DVC hashes the copy; other code than the one before runs
        return {}
    lay_out(folder / "cifar", n_images)
    cpu_of(folder, ["datatools", "init", "project", "--from", "cifar", "--name", "cifar"])
    project = folder / "project"
    params = project / "params.yaml"
    params.write_text(set_params(params.read_text(), QUICK))
    rows = {"first run": run(project)}
    if keep is not None:
        shutil.copytree(folder, keep, symlinks=True, dirs_exist_ok=True)
    return rows


def change_the_images(folder: Path, n_images: int, rows: dict[str, Row]) -> bool:
    """Measure 1 % of other images; whether the tables are those of a run from an empty cache."""
    project = folder / "project"
    change_images(folder / "cifar", n_images // 100)
    cpu_of(project, ["datatools", "import", "../cifar", "--name", "cifar"])
    cpu_of(project, ["dvc", "add", "-q", "data/raw"])
    rows["1 % of the images"] = run(project)
    warm = digest_tables(project)
    shutil.rmtree(project / ".datatools" / "cache")
    cpu_of(project, ["dvc", "repro", "-q", "-f", "-s", "ingest"])
    return warm == digest_tables(project)


def lay_out(folder: Path, n_images: int) -> Path:
    """The first images of cifar10n and their labels by three annotators."""
    with zipfile.ZipFile(SHARED / "data" / "cifar10n.zip") as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))[:n_images]
        archive.extractall(folder, names)
        archive.extract("labels.csv", folder)
    table = pd.read_csv(folder / "labels.csv", dtype=str)
    table[table["path"].isin(names)].to_csv(folder / "labels.csv", index=False)
    return folder


def label_a_change(project: Path) -> None:
    """One label by a person."""
    dataset = pd.read_parquet(project / "data" / "dataset" / "annotations.parquet")
    row = dataset[(dataset["annotator"] == "consensus") & (dataset["label"] == "cat")].iloc[0]
    command = ["datatools", "fix", row["path"], "--label", "dog", "--why", "benchmark", "--who", "bench"]
    cpu_of(project, command)


def change_images(source: Path, n_images: int) -> None:
    """Other bytes in so many images: each takes the picture of the next, with a comment at its end."""
    files = sorted(source.rglob("*.jpg"))
    for number, file in enumerate(files[:n_images]):
        file.write_bytes(files[-1 - number].read_bytes() + b"\xff\xfe\x00\x06more")


def run(project: Path) -> Row:
    """CPU seconds of each stage's own work, of DVC around it, and how many images were newly decoded; NaN: did not run."""
    before = n_known(project)
    idle = cpu_of(project, ["dvc", "repro", "-q", "-s", "library"])
    cpu = {stage: run_stage(project, stage, idle) for stage in STAGES[1:]}
    total = sum(seconds for seconds in cpu.values() if not math.isnan(seconds))
    return {**cpu, "all": total + idle, "decoded": n_known(project) - before}


def run_stage(project: Path, stage: str, idle_s: float) -> float:
    """CPU seconds of one stage without DVC's own; NaN where DVC had no reason to run it."""
    said = ""

    def repro() -> None:
        nonlocal said
        command = [str(BIN / "dvc"), "repro", "-s", stage]
        environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
        done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"dvc repro -s {stage}: {done.stderr or done.stdout}")
        said = done.stdout + done.stderr

    seconds = cpu_of_children(repro)
    return math.nan if SKIPPED in said else seconds - idle_s


def cpu_of_children(work: Callable[[], Any]) -> float:
    """CPU seconds, user and system, of the processes that `work` starts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure_floor(project: Path, measured: Row) -> Row:
    """What is left when every stage outside training that ran does nothing but import libraries and read tables."""
    stages = yaml.safe_load((project / "dvc.yaml").read_text())["stages"]
    floor = {"DVC": cpu_of(project, ["dvc", "repro", "-q"])}
    for stage in STAGES[1:]:
        if stage in TRAINING or math.isnan(measured[stage]):
            continue
        # What ingest reads is as large as what it writes; lift is off and would only have to see that.
        paths = {"ingest": stages[stage]["outs"], "lift": []}.get(stage, stages[stage]["deps"])
        tables = [path for path in paths if str(path).endswith((".parquet", ".npy", ".npz"))]
        code = READ.format(libraries=LIBRARIES.get(stage, TABLES))
        floor[stage] = min(cpu_of(project, [sys.executable, "-c", code, *tables]) for _ in range(2))
    return floor


def n_known(project: Path) -> int:
    """Images whose facts are kept."""
    file = project / ".datatools" / "cache" / "images.sqlite"
    if not file.exists():
        return 0
    with sqlite3.connect(file) as connection:
        return int(connection.execute("select count(*) from kept").fetchone()[0])


def digest_tables(project: Path) -> str:
    """One hash over what ingest wrote."""
    files = sorted((project / "data" / "dataset").glob("*"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files if file.is_file())).hexdigest()


def print_table(n_images: int, rows: dict[str, Row]) -> None:
    """One row a change."""
    print(f"\n{n_images:,} images, CPU s; -: did not run\n")
    print("| change | " + " | ".join(STAGES[1:]) + " | all | without training | newly decoded |")
    print("|---" * (len(STAGES) + 3) + "|")
    for name, cpu in rows.items():
        cells = [write(cpu.get(stage)) for stage in STAGES[1:]]
        print(
            f"| {name} | " + " | ".join(cells) + f" | {cpu['all']:.2f} | {outside_training(cpu):.2f} | "
            f"{cpu.get('decoded', 0):,.0f} |"
        )


def print_floor(floor: Row, measured: Row) -> None:
    """Both sums, and the floor of each stage."""
    parts = ", ".join(f"{name} {seconds:.2f}" for name, seconds in floor.items())
    ours = outside_training(measured)
    print(f"\none label, outside training: {ours:.2f} CPU s, the floor {sum(floor.values()):.2f} ({parts})")


def outside_training(cpu: Row) -> float:
    """CPU seconds of all stages that do not train, DVC's own included."""
    trained = [cpu.get(stage, 0.0) for stage in TRAINING]
    return cpu["all"] - sum(seconds for seconds in trained if not math.isnan(seconds))


def write(seconds: float | None) -> str:
    """Two decimals; nothing where it was not measured, a dash where the stage did not run."""
    return "" if seconds is None else "-" if math.isnan(seconds) else f"{seconds:.2f}"


if __name__ == "__main__":
    main()
