"""The neighbour graph beside one faiss Flat self-join: same vectors, same run, one thread; CPU seconds and their ratio.

    python benchmarks/neighbors.py [--images N] [--k K] [--repeats R]

Vectors: embeddings of the first N images of cifar10n and, beyond its 30,000, mnist-png (`../shared/data` or
DATATOOLS_SHARED), by datatools itself (2 ms of CPU an image). The peer is faiss.IndexFlatIP with add and search of all
vectors for k + 1 neighbours, itself included. Ours gives the same neighbours in an order that no rounding and no number of
threads changes, and then goes on to near-duplicates: candidates in the radius, pixels of each compared.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

for _name in ("OMP", "OPENBLAS", "MKL"):  # before numpy and faiss are imported
    os.environ[f"{_name}_NUM_THREADS"] = "1"

import numpy as np  # noqa: E402

REPO = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("DATATOOLS_SHARED", REPO.parent / "shared"))
sys.path.insert(0, str(REPO))


def main() -> None:
    """Embed, measure both, print the ratio."""
    import faiss

    from datatools.params import NeighborsParams
    from datatools.similarity.graph import Neighbors, find_candidates, find_neighbors
    from datatools.similarity.verification import verify_pairs

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--k", type=int, default=NeighborsParams().k)
    parser.add_argument("--repeats", type=int, default=2)
    args = parser.parse_args()
    vectors, thumbs, seconds = embed(args.images)
    print(f"{len(vectors):,} vectors of {vectors.shape[1]} columns; embedding took {seconds:.0f} CPU s", flush=True)

    def flat() -> Any:
        index = faiss.IndexFlatIP(vectors.shape[1])
        index.add(vectors)
        return index.search(vectors, args.k + 1)

    peer, (_, theirs) = measure(flat, args.repeats)
    own, (indices, similarities) = measure(lambda: find_neighbors(vectors, args.k), args.repeats)
    shared = np.mean([len(set(a) & set(b)) / args.k for a, b in zip(indices[::50], theirs[::50], strict=True)])
    print(f"faiss IndexFlatIP self-join: {peer:.1f} CPU s. find_neighbors: {own:.1f} CPU s, {own / peer:.2f} times; ")
    print(f"neighbours in common: {shared:.5f}")
    params = NeighborsParams()
    graph = Neighbors((), vectors, indices, similarities)
    radius, (pairs, crowded) = measure(lambda: find_candidates(graph, params.similarity_min, params.candidates_max), 1)
    compare, _ = measure(lambda: verify_pairs(thumbs, pairs), 1)
    print(
        f"candidates: {radius:.1f} CPU s, {len(pairs):,} pairs, {crowded:,} crowded images; their pixels: {compare:.1f} CPU s"
    )
    print(f"graph and near-duplicates: {(own + radius + compare) / peer:.2f} times the self-join")


def embed(n: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Embeddings and thumbnails of the first `n` images of both sets, and what they took."""
    from datatools.image_loading import load_pixels
    from datatools.images import make_thumbnail
    from datatools.learn.embedding import Embedder
    from datatools.similarity.verification import THUMB_PX

    embedder = Embedder(64, "cpu")
    start = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        names = extract(Path(folder), n)
        pieces = [names[first : first + 1024] for first in range(0, len(names), 1024)]
        vectors, thumbs = [], []
        for piece in pieces:
            pixels = load_pixels(Path(folder), piece, 64)
            vectors.append(embedder.embed(pixels))
            thumbs.append(np.stack([make_thumbnail(image, THUMB_PX) for image in pixels]))
    return np.concatenate(vectors), np.concatenate(thumbs), time.process_time() - start


def extract(folder: Path, n: int) -> list[str]:
    """Write the images to `folder`; returns their names."""
    names: list[str] = []
    for data in ("cifar10n", "mnist-png"):
        with zipfile.ZipFile(SHARED / "data" / f"{data}.zip") as archive:
            members = sorted(item for item in archive.namelist() if item.endswith((".jpg", ".png")))
            for item in members[: n - len(names)]:
                name = f"{data}-{item.replace('/', '-')}"
                (folder / name).write_bytes(archive.read(item))
                names.append(name)
    return names


def measure(work: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """Smallest CPU time of `work`, and what it gives."""
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        value = work()
        seconds.append(time.process_time() - start)
    return min(seconds), value


if __name__ == "__main__":
    main()
