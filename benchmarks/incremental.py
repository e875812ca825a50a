"""What a small change costs: nothing changed, one label, 1 % of the images, on the 30,000 images of cifar10n.

    python benchmarks/incremental.py [--images 30000]

Makes a project with `datatools init --from`, runs the pipeline once (training cut down to one epoch: it is not what is
measured), then changes one thing at a time and runs it again. Prints CPU seconds (user and system, all children) of every
stage, and how many images were decoded. Compares the tables after the changes with those of a run from an empty cache.
Needs `../shared/data` or DATATOOLS_SHARED.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import sqlite3
import sys
import tempfile
import zipfile
from pathlib import Path

import pandas as pd
from small_files import REPO, SHARED, cpu_of

sys.path.insert(0, str(REPO))

from datatools.init import set_params

TRAINING = ("train", "curate")
STAGES = ("library", "ingest", "validate", "split", "augment", "train", "evaluate", "curate", "report")
QUICK = {"train.epochs": "1", "curate.epochs": "1", "curate.folds": "2", "train.model": "resnet8"}


def main() -> None:
    """Run the changes one after the other and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=30_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source = lay_out(Path(folder) / "cifar", args.images)
        cpu_of(Path(folder), ["datatools", "init", "project", "--from", "cifar", "--name", "cifar"])
        project = Path(folder) / "project"
        params = project / "params.yaml"
        params.write_text(set_params(params.read_text(), QUICK))
        rows = {"first run": run(project), "nothing changed": {"all": cpu_of(project, ["dvc", "repro", "-q"])}}
        label_a_change(project)
        rows["one label (a fix record)"] = run(project)
        change_images(source, args.images // 100)
        cpu_of(project, ["datatools", "import", "../cifar", "--name", "cifar"])
        cpu_of(project, ["dvc", "add", "-q", "data/raw"])
        rows["1 % of the images"] = run(project)
        warm = digest_tables(project)
        shutil.rmtree(project / ".datatools" / "cache")
        cpu_of(project, ["dvc", "repro", "-q", "-f", "-s", "ingest"])
        print_table(args.images, rows)
        print(f"\ntables equal to those of a run from an empty cache: {warm == digest_tables(project)}", flush=True)


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


def run(project: Path) -> dict[str, float]:
    """CPU seconds of each stage's own work, of DVC around it, and how many images were newly decoded."""
    before = n_known(project)
    idle = cpu_of(project, ["dvc", "repro", "-q", "-s", "library"])
    cpu = {stage: cpu_of(project, ["dvc", "repro", "-q", "-s", stage]) - idle for stage in STAGES[1:]}
    return {**cpu, "all": sum(cpu.values()) + idle, "decoded": n_known(project) - before}


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


def print_table(n_images: int, rows: dict[str, dict[str, float]]) -> None:
    """One row a change."""
    print(f"\n{n_images:,} images, CPU s\n")
    print("| change | " + " | ".join(STAGES[1:]) + " | all | without training | newly decoded |")
    print("|---" * (len(STAGES) + 3) + "|")
    for name, cpu in rows.items():
        cells = [f"{cpu[stage]:.2f}" if stage in cpu else "" for stage in STAGES[1:]]
        outside = cpu["all"] - sum(cpu.get(stage, 0.0) for stage in TRAINING)
        print(
            f"| {name} | " + " | ".join(cells) + f" | {cpu['all']:.2f} | {outside:.2f} | {cpu.get('decoded', 0):,.0f} |"
        )


if __name__ == "__main__":
    main()
