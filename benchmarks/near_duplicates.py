"""Near-duplicates beside the named peers: planted copies found, other pairs told, CPU seconds; same files, same run.

    python benchmarks/near_duplicates.py [--peer-python PYTHON] [--planted N] [--sets clothing cifar10n] [--keep FOLDER]

Data: clothing (3,781 photos) and the first 10,000 images of cifar10n (`../shared/data` or DATATOOLS_SHARED). Of N different
images each a copy is written, one of four kinds in turn: JPEG quality 50; cropped to 90 % of both sides at a random place;
mirrored; brightness times 0.7 or 1.3. The last three are saved as JPEG quality 90.

Peers are imported by the interpreter --peer-python: imagededup (PHash; its CNN needs weights from a download and is not
run) and cleanvision. FiftyOne Brain runs here, on its own mongod, and gets our embeddings. Each side runs in a process
of its own with all threads held to one; counted is its CPU time (user and system) after imports. "Found" is the share of
planted copies that are told as a pair with their original, directly. "Other pairs" are all other pairs told: false merges,
and copies that were in the data before (clothing has 1 that is sure, cifar10n some dozens: look at them with --show FILE).
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import os
import resource
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

REPO = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("DATATOOLS_SHARED", REPO.parent / "shared"))
SETS = {"clothing": None, "cifar10n": 10_000}
KINDS = ("jpeg", "crop", "flip", "brightness")
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
Pairs = list[tuple[str, str]]


def main() -> None:
    """Plant, run every side, print a table for each set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-python", default=sys.executable, help="an interpreter that can import the peers")
    parser.add_argument("--planted", type=int, default=1000)
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--sides", nargs="+", default=list(SIDES), choices=list(SIDES))
    parser.add_argument("--show", type=Path, help="write every side's other pairs there, as JSON")
    parser.add_argument("--side", nargs=2, help=argparse.SUPPRESS)  # what a child process does
    args = parser.parse_args()
    if args.side:
        print(json.dumps(SIDES[args.side[0]](Path(args.side[1]))))
        return
    others: dict[str, Any] = {}
    for name in args.sets:
        with tempfile.TemporaryDirectory() as folder:
            planted = plant(name, Path(folder), args.planted)
            n = len(list((Path(folder) / "images").iterdir()))
            print(f"\n{name}: {n:,} images, {len(planted):,} of them planted\n")
            print("| side | found | " + " | ".join(KINDS) + " | other pairs | encode, CPU s | search, CPU s |")
            print("|---|" + "---|" * (len(KINDS) + 4))
            for side in args.sides:
                found = run(side, Path(folder), args.peer_python)
                print(row(side, found, planted), flush=True)
                others[f"{name} {side}"] = other_pairs(found.get("pairs", []), planted)
    if args.show:
        args.show.write_text(json.dumps(others, indent=1))


def plant(name: str, folder: Path, n: int) -> dict[tuple[str, str], str]:
    """Write the images and the copies to `folder`/images; returns the kind of each pair (original, copy)."""
    from datatools.images import decode_image, encode_jpeg

    rng = np.random.default_rng(0)
    images = folder / "images"
    images.mkdir()
    with zipfile.ZipFile(SHARED / "data" / f"{name}.zip") as archive:
        names = sorted(item for item in archive.namelist() if item.startswith("images/") and item.endswith(".jpg"))
        names = names[: SETS[name]]
        for item in names:
            (images / Path(item).name).write_bytes(archive.read(item))
    planted = {}
    for number, chosen in enumerate(rng.permutation(len(names))[:n]):
        original, kind = Path(names[chosen]).name, KINDS[number % len(KINDS)]
        image = decode_image((images / original).read_bytes())
        copy = f"planted-{number:04}.jpg"
        (images / copy).write_bytes(encode_jpeg(change(image, kind, rng), 50 if kind == "jpeg" else 90))
        planted[original, copy] = kind
    return planted


def change(image: np.ndarray, kind: str, rng: np.random.Generator) -> np.ndarray:
    """What is done to a copy's pixels; `jpeg` is done when it is saved."""
    height, width = image.shape[:2]
    if kind == "crop":
        high, wide = round(0.9 * height), round(0.9 * width)
        y, x = rng.integers(0, height - high + 1), rng.integers(0, width - wide + 1)
        image = image[y : y + high, x : x + wide]
    elif kind == "flip":
        image = image[:, ::-1]
    elif kind == "brightness":
        image = np.clip(image * float(rng.choice([0.7, 1.3])), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(image)


def run(side: str, folder: Path, peer_python: str) -> dict[str, Any]:
    """Pairs and CPU seconds of one side, from a process of its own."""
    python = peer_python if side in PEERS else sys.executable
    command = [python, "-W", "ignore", __file__, "--side", side, str(folder)]
    environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": "" if side in PEERS else str(REPO)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"absent": done.stderr.strip().splitlines()[-1][:120]}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def row(side: str, found: dict[str, Any], planted: dict[tuple[str, str], str]) -> str:
    """A line of the table."""
    if "absent" in found:
        return f"| {side} | not run: {found['absent']} |" + " |" * (len(KINDS) + 3)
    told = {tuple(sorted(pair)) for pair in found["pairs"]}
    by_kind = {
        kind: [tuple(sorted(pair)) in told for pair, known in planted.items() if known == kind] for kind in KINDS
    }
    shares = [
        f"{np.mean([*itertools.chain(*by_kind.values())]):.3f}",
        *(f"{np.mean(by_kind[kind]):.3f}" for kind in KINDS),
    ]
    n_others = len(other_pairs(found["pairs"], planted))
    return f"| {side} | {' | '.join(shares)} | {n_others:,} | {found['encode']:.2f} | {found['search']:.3f} |"


def other_pairs(pairs: Iterable[Iterable[str]], planted: dict[tuple[str, str], str]) -> Pairs:
    """Pairs of images that do not go back to one original; each counts once, by their originals."""
    original = {copy: first for first, copy in planted}
    found = {tuple(sorted({original.get(name, name) for name in pair})) for pair in pairs}
    return sorted((pair[0], pair[1]) for pair in found if len(pair) == 2)


def cpu_s() -> float:
    """User and system time of this process and of the children it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


# ---- sides, each in a process of its own


def ours(folder: Path) -> dict[str, Any]:
    """Hash, embed and keep; then, with all of that at hand, search and compare pixels."""
    from datatools.images import compute_facts_of
    from datatools.learn.embedding import Embedder
    from datatools.params import NeighborsParams
    from datatools.schema import IMAGES
    from datatools.similarity.run import relate_images

    params = NeighborsParams()
    Embedder(params.image_size_px)  # imports
    start = cpu_s()
    files = sorted((folder / "images").iterdir())
    rows = []
    for first in range(0, len(files), 16):
        some = files[first : first + 16]
        for file, facts in zip(some, compute_facts_of(file.read_bytes() for file in some), strict=True):
            rows.append({"path": f"images/{file.name}", "sha256": facts.sha256, "phash": facts.phash})
    import pandas as pd

    missing = {name: 0 for name, kind in IMAGES.columns.items() if kind == "int64"}
    images = IMAGES.conform(pd.DataFrame(rows).assign(**missing))
    relate_images(images, folder, params, folder / "cache")
    middle = cpu_s()
    found = relate_images(images, folder, params, folder / "cache")  # all images are known
    end = cpu_s()
    save = found.neighbors.embeddings
    np.save(folder / "embeddings.npy", save)
    pairs = [
        (Path(one).name, Path(other).name) for one, other in zip(found.pairs["path"], found.pairs["other"], strict=True)
    ]
    return {"pairs": pairs, "encode": middle - start - (end - middle), "search": end - middle}


def ours_hashes_alone(folder: Path) -> dict[str, Any]:
    """What imagededup's PHash does, by ours: 256-bit hashes and their exact search."""
    from datatools.images import compute_facts_of
    from datatools.similarity.hashes import find_pairs, to_words

    start = cpu_s()
    files = sorted((folder / "images").iterdir())
    facts = [
        fact
        for first in range(0, len(files), 16)
        for fact in compute_facts_of(file.read_bytes() for file in files[first : first + 16])
    ]
    middle = cpu_s()
    one, other = find_pairs(to_words([fact.phash for fact in facts]), 16)
    end = cpu_s()
    pairs = [(files[i].name, files[j].name) for i, j in zip(one, other, strict=True)]
    return {"pairs": pairs, "encode": middle - start, "search": end - middle}


def imagededup_phash(folder: Path) -> dict[str, Any]:
    """PHash with its default distance of 10 of 64 bits."""
    from imagededup.methods import PHash

    hasher = PHash(verbose=False)
    start = cpu_s()
    known = hasher.encode_images(image_dir=str(folder / "images"), num_enc_workers=0)
    middle = cpu_s()
    found = hasher.find_duplicates(encoding_map=known, num_dist_workers=0)
    end = cpu_s()
    pairs = sorted({tuple(sorted((name, other))) for name, others in found.items() for other in others})
    return {"pairs": pairs, "encode": middle - start, "search": end - middle}


def cleanvision_near(folder: Path) -> dict[str, Any]:
    """Its exact and near-duplicate issues; hashing and grouping are one step there."""
    from cleanvision import Imagelab

    start = cpu_s()
    with io.StringIO() as quiet:
        stdout, sys.stdout = sys.stdout, quiet
        try:
            lab = Imagelab(data_path=str(folder / "images"))
            lab.find_issues({"exact_duplicates": {}, "near_duplicates": {}}, n_jobs=1, verbose=False)
        finally:
            sys.stdout = stdout
    end = cpu_s()
    sets = [group for kind in ("exact_duplicates", "near_duplicates") for group in lab.info[kind]["sets"]]
    pairs = sorted(
        {tuple(sorted((Path(a).name, Path(b).name))) for group in sets for a, b in itertools.combinations(group, 2)}
    )
    return {"pairs": pairs, "encode": end - start, "search": 0.0}


def fiftyone_near(folder: Path, threshold: float = 0.2) -> dict[str, Any]:
    """compute_near_duplicates on the embeddings that our side left, with its default threshold."""
    from datatools.review.mongod import run_mongod

    embeddings = np.load(folder / "embeddings.npy")
    files = sorted((folder / "images").iterdir())
    with run_mongod(folder):
        import fiftyone
        import fiftyone.brain

        data = fiftyone.Dataset("near")
        data.add_samples([fiftyone.Sample(filepath=str(file)) for file in files], progress=False)
        start = cpu_s()
        index = fiftyone.brain.compute_near_duplicates(data, threshold=threshold, embeddings=embeddings, progress=False)
        end = cpu_s()
        name_of = {sample_id: Path(path).name for sample_id, path in zip(*data.values(["id", "filepath"]), strict=True)}
        pairs = [(name_of[a], name_of[b]) for a, near in index.neighbors_map.items() for b, _ in near]
    return {"pairs": sorted({tuple(sorted(pair)) for pair in pairs}), "encode": 0.0, "search": end - start}


SIDES = {
    "datatools": ours,
    "datatools, hashes alone": ours_hashes_alone,
    "imagededup PHash": imagededup_phash,
    "cleanvision": cleanvision_near,
    "FiftyOne Brain, our embeddings": fiftyone_near,
}
PEERS = ("imagededup PHash", "cleanvision")

if __name__ == "__main__":
    main()
