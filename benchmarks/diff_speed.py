"""Seconds and memory for the difference of two versions of a large data set, beside Datumaro's compare in the same run.

    python benchmarks/diff_speed.py --peer-python PYTHON [--annotations 100000 1000000] [--peer-most 1000000]

The boxes of bccd, repeated on images of other names, are committed twice to a project with Git and a DVC cache; between the
two commits 4 of 1,000 annotations were edited (relabelled, moved, removed, added, a fourth each) and 1 of 1,000 images went.
Ours is the command `datatools diff v1..v2`, from start to the printed table: Git, the tables of both revisions from the
cache with their hashes checked, images, annotations, split, findings, records. Datumaro imports the same two versions as
COCO files and runs its EqualityComparator, which tells equal from different annotations; it has no relabelled and no moved.
Each side runs in a process of its own; CPU seconds are user and system of it and its children, memory is its peak.
--peer-python is an interpreter that can import datumaro (default: this one); above --peer-most annotations it is not run.
Needs `../shared/data` or DATATOOLS_SHARED.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("DATATOOLS_SHARED", REPO.parent / "shared"))
GOALS = {100_000: 5.0, 1_000_000: 60.0}  # wall seconds on 2 cores
EDITED = 0.001  # of all annotations, each kind
CLASSES = ("Platelets", "RBC", "WBC")
OURS = "import sys; sys.path.insert(0, {repo!r}); from datatools.cli.commands import main; main()"
Measured = dict[str, Any]


def main() -> None:
    """Make the versions, run both sides and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-python", default=sys.executable, help="an interpreter that can import datumaro")
    parser.add_argument("--annotations", type=int, nargs="+", default=list(GOALS))
    parser.add_argument("--peer-most", type=int, default=1_000_000)
    parser.add_argument("--make", type=int, help=argparse.SUPPRESS)  # what the child processes do
    parser.add_argument("--peer", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.make:
        make(args.folder, args.make)
        return
    if args.peer:
        compare_with_datumaro(args.folder)
        return
    print("| annotations | side | differences | wall s | CPU s | peak MB | ratio of CPU s | goal |")
    print("|---" * 8 + "|")
    for n_annotations in args.annotations:
        with tempfile.TemporaryDirectory() as folder:
            measure(Path(folder), n_annotations, args.peer_python if n_annotations <= args.peer_most else "")


def measure(folder: Path, n_annotations: int, peer_python: str) -> None:
    """Two rows of the table."""
    me = str(Path(__file__).resolve())
    subprocess.run([sys.executable, me, "--make", str(n_annotations), "--folder", str(folder)], check=True)
    command = [sys.executable, "-c", OURS.format(repo=str(REPO)), "diff", "v1..v2"]
    run(command, folder / "project")  # what the page cache and compiled modules make faster, they do for both
    own = run(command, folder / "project")
    differences = own["text"].splitlines()[1]
    peer = run([peer_python, me, "--peer", "--folder", str(folder)], folder) if peer_python else {}
    goal = f"{GOALS[n_annotations]:.0f} s" if n_annotations in GOALS else ""
    if peer:
        numbers = f"{peer['wall']:.1f} | {peer['cpu']:.1f} | {peer['mb']:,.0f} | | |"
        print(f"| {n_annotations:,} | Datumaro | {peer['text'].splitlines()[-1]} | {numbers}")
    ratio = f"{peer['cpu'] / own['cpu']:.1f}" if peer else ""
    numbers = f"{own['wall']:.1f} | {own['cpu']:.1f} | {own['mb']:,.0f} | {ratio} | {goal} |"
    print(f"| {n_annotations:,} | datatools | {differences} | {numbers}", flush=True)


def run(command: list[str], folder: Path) -> Measured:
    """Wall and CPU seconds, peak memory and output of a command."""
    with tempfile.TemporaryFile("w+") as out:
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        text = out.read()
    if process.returncode and "No module named 'datumaro'" in text:
        return {}
    if process.returncode:
        sys.exit(text)
    return {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "mb": usage.ru_maxrss / 1024, "text": text}


# what the child processes do


def make(folder: Path, n_annotations: int) -> None:
    """A project with the commits v1 and v2, and both versions as COCO files."""
    sys.path.insert(0, str(REPO))
    images, before = repeat_bccd(folder, n_annotations)
    now, after = edit(images, before)
    root = folder / "project"
    (root / ".dvc").mkdir(parents=True)
    for name, text in {"dvc.yaml": "stages: {}\n", "params.yaml": "{}\n", ".gitignore": "/.dvc\n"}.items():
        (root / name).write_text(text)
    git(root, "init", "-q")
    for name, tables in {"v1": (images, before), "v2": (now, after)}.items():
        commit(root, name, *tables)
        write_coco(folder / name, *tables)


def repeat_bccd(folder: Path, n_annotations: int) -> tuple[Any, Any]:
    """IMAGES and ANNOTATIONS of bccd, as often as it takes."""
    import numpy as np
    import pandas as pd

    from datatools.schema import ANNOTATIONS, IMAGES
    from datatools.source import read_source
    from datatools.tree import open_tree

    with zipfile.ZipFile(SHARED / "data" / "bccd.zip") as archive:
        archive.extractall(folder / "bccd")
    content = read_source(open_tree(folder / "bccd"), "auto").content
    times = range(-(-n_annotations // len(content.annotations)))
    rows = pd.concat(
        [
            content.annotations.assign(
                **{name: f"{n:03d}/" + content.annotations[name] for name in ("path", "annotation_id")}
            )
            for n in times
        ]
    ).head(n_annotations)
    paths = np.sort(rows["path"].unique())
    sha256 = [hashlib.sha256(path.encode()).hexdigest() for path in paths]
    facts = {"n_bytes": 20_000, "width_px": 640, "height_px": 480, "channels": 3, "n_frames": 1, "format": "JPEG"}
    images = pd.DataFrame({"path": paths, "sha256": sha256, **facts, "metadata": '{"lab": "a"}', "attributes": "{}"})
    return IMAGES.conform(images), ANNOTATIONS.conform(rows)


def edit(images: Any, annotations: Any) -> tuple[Any, Any]:
    """The tables of the second version."""
    import numpy as np
    import pandas as pd

    from datatools.schema import ANNOTATIONS

    random = np.random.default_rng(0)
    chosen = random.permutation(len(annotations))[: 4 * int(EDITED * len(annotations))].reshape(4, -1)
    now = annotations.copy()
    relabelled, moved, removed, added = chosen
    labels = now["label"].to_numpy(object).copy()
    labels[relabelled] = [CLASSES[(CLASSES.index(label) + 1) % 3] for label in labels[relabelled]]
    boxes = now[["x0_px", "x1_px"]].to_numpy(float).copy()
    boxes[moved] += 2.0
    now = now.assign(label=pd.array(labels, "string"), x0_px=boxes[:, 0], x1_px=boxes[:, 1])
    new = now.iloc[added]
    new = new.assign(annotation_id="new/" + new["annotation_id"], x0_px=new["x0_px"] / 2, y0_px=new["y0_px"] / 2)
    gone = set(images["path"].sample(int(EDITED * len(images)), random_state=0))
    now = pd.concat([now.drop(index=now.index[removed]), new])
    return images[~images["path"].isin(gone)], ANNOTATIONS.conform(now[~now["path"].isin(gone)])


def commit(root: Path, name: str, images: Any, annotations: Any) -> None:
    """One run of the pipeline as Git and the DVC cache keep it."""
    import numpy as np
    import pandas as pd

    from datatools.findings import Finding, to_table
    from datatools.schema import ANNOTATIONS, FINDINGS, FIX_STATUS, IMAGES, SPLIT
    from datatools.store import save_json, save_table

    data = root / "data"
    save_table(data / "dataset/images.parquet", images, IMAGES)
    save_table(data / "dataset/annotations.parquet", annotations, ANNOTATIONS)
    save_table(data / "dataset/fixes.parquet", FIX_STATUS.empty(), FIX_STATUS)
    save_json(data / "dataset/dataset.json", {"version": name, "classes": list(CLASSES)})
    sides = np.array(["train", "val", "test"])[pd.util.hash_array(images["path"].to_numpy(object)) % 3]
    save_table(data / "split/split.parquet", images[["path"]].assign(split=sides, group=images["path"]), SPLIT)
    tiny = annotations[pd.util.hash_array(annotations["annotation_id"].to_numpy(object)) % 100 == 0]
    names = zip(tiny["path"], tiny["annotation_id"], strict=True)
    found = [Finding("3.1 px wide", path, annotation_id) for path, annotation_id in names]
    save_table(data / "findings/validate.parquet", to_table(found, "BOX006", 1, "warning"), FINDINGS)
    outs = [store(root, path) for path in sorted(data.rglob("*.*")) if path.is_file()]
    (root / "dvc.lock").write_text(json.dumps({"schema": "2.0", "stages": {"ingest": {"outs": outs}}}))
    (root / ".gitignore").write_text("/.dvc\n/data\n")
    git(root, "add", "-A")
    git(root, "commit", "-qm", name)
    git(root, "tag", name)


def store(root: Path, path: Path) -> dict[str, str]:
    """Put a file into the DVC cache; what dvc.lock says of it."""
    md5 = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    cached = root / ".dvc/cache/files/md5" / md5[:2] / md5[2:]
    cached.parent.mkdir(parents=True, exist_ok=True)
    path.rename(cached)
    return {"path": path.relative_to(root).as_posix(), "hash": "md5", "md5": md5}


def git(root: Path, *arguments: str) -> None:
    """Run Git as somebody."""
    who = ("-c", "user.name=bench", "-c", "user.email=bench@example.org")
    subprocess.run(["git", "-C", str(root), *who, *arguments], check=True)


def write_coco(folder: Path, images: Any, annotations: Any) -> None:
    """A version as Datumaro reads it."""
    numbers = {path: number for number, path in enumerate(images["path"], 1)}
    ids = {name: hash_id(name) for name in annotations["annotation_id"]}
    rows = zip(*(annotations[name].tolist() for name in ("annotation_id", "path", "label")), strict=True)
    boxes = annotations[["x0_px", "y0_px", "x1_px", "y1_px"]].to_numpy(float).tolist()
    objects = [
        {
            "id": ids[name],
            "image_id": numbers[path],
            "category_id": CLASSES.index(label) + 1,
            "iscrowd": 0,
            "bbox": [x0, y0, x1 - x0, y1 - y0],
            "area": (x1 - x0) * (y1 - y0),
            "segmentation": [],
        }
        for (name, path, label), (x0, y0, x1, y1) in zip(rows, boxes, strict=True)
    ]
    document = {
        "images": [{"id": n, "file_name": path, "width": 640, "height": 480} for path, n in numbers.items()],
        "categories": [{"id": n, "name": name} for n, name in enumerate(CLASSES, 1)],
        "annotations": objects,
    }
    (folder / "images").mkdir(parents=True)
    (folder / "annotations").mkdir()
    (folder / "annotations" / "instances_all.json").write_text(json.dumps(document))


def hash_id(name: str) -> int:
    """A number that an annotation keeps from version to version."""
    return int(hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()[:12], 16)


def compare_with_datumaro(folder: Path) -> None:
    """Datumaro imports both versions and compares them."""
    from datumaro import Dataset
    from datumaro.components.comparator import EqualityComparator

    sides = [Dataset.import_from(str(folder / name), "coco_instances") for name in ("v1", "v2")]
    for side in sides:
        side.init_cache()
    found = EqualityComparator().compare_datasets(*sides)
    extra = len(found["a_extra_items"]) + len(found["b_extra_items"])
    print(f"{len(found['mismatches']):,} annotations without an equal one, {extra:,} images")


if __name__ == "__main__":
    main()
