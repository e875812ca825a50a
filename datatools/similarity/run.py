"""The neighbors stage: embeddings of all images, the neighbour graph, and the near-duplicates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datatools.image_loading import load_pixels
from datatools.images import make_thumbnail
from datatools.params import NeighborsParams
from datatools.similarity.duplicates import Placed, find_duplicates, first_of_each_content
from datatools.similarity.graph import Neighbors, find_candidates, find_neighbors, repeat_copies
from datatools.similarity.kept import KeptEmbeddings
from datatools.similarity.verification import THUMB_PX

TOGETHER = 1024  # images that are decoded, embedded and kept at a time: what kill -9 can cost
Tick = Callable[[int], None] | None


class Related(NamedTuple):
    """`pairs` (PAIRS), the neighbour graph of all images, and what was computed, for neighbors.json."""

    pairs: pd.DataFrame
    neighbors: Neighbors
    facts: dict[str, Any]


def relate_images(images: pd.DataFrame, root: Path, params: NeighborsParams, cache: Path, tick: Tick = None) -> Related:
    """Embed `images` (IMAGES, sorted by path) below `root`, find each one's neighbours, and the near-duplicates.

    What an image's content gave before is taken from `cache`. `tick(n)` counts distinct contents. Without a model there
    are no embeddings, an empty graph, and pairs by hash alone. Raises DatatoolsError for an image that changed since ingest.
    """
    if params.model == "none":
        return _relate_by_hashes(images, params)
    from datatools.learn.embedding import N_COLUMNS, WEIGHTS_SHA256, Embedder

    embedder = Embedder(params.image_size_px, params.device)
    distinct = first_of_each_content(images)
    kept = KeptEmbeddings(cache, embedder.key, N_COLUMNS, THUMB_PX)
    embeddings, thumbs = _embed(images.iloc[distinct], root, embedder, kept, tick)
    among = Neighbors((), embeddings, *find_neighbors(embeddings, params.k))
    candidates, crowded = find_candidates(among, params.similarity_min, params.candidates_max)
    pairs = find_duplicates(images, Placed(embeddings, thumbs, candidates), params)
    neighbors = _spread(images, distinct, among, params.k)
    facts = {
        "model": params.model,
        "weights_sha256": WEIGHTS_SHA256,
        "computed_on": embedder.hardware,
        **_count(images, distinct, neighbors, pairs, params),
        "similarity_min": params.similarity_min,
        "correlation_min": params.correlation_min,
        "candidates": len(candidates),
        "crowded_images": crowded,
    }
    return Related(pairs, neighbors, facts)


def _relate_by_hashes(images: pd.DataFrame, params: NeighborsParams) -> Related:
    n = len(images)
    nothing = np.zeros((n, 0), np.float32)
    neighbors = Neighbors(tuple(images["path"]), nothing, np.zeros((n, 0), np.int32), nothing)
    pairs = find_duplicates(images, None, params)
    facts = {"model": "none", **_count(images, first_of_each_content(images), neighbors, pairs, params)}
    return Related(pairs, neighbors, facts)


def _count(
    images: pd.DataFrame,
    distinct: NDArray[np.int64],
    neighbors: Neighbors,
    pairs: pd.DataFrame,
    params: NeighborsParams,
) -> dict[str, Any]:
    found = Counter(pairs["how"])
    return {
        "images": len(images),
        "contents": len(distinct),
        "columns": neighbors.embeddings.shape[1],
        "k": neighbors.indices.shape[1],
        "hash_bits": params.hash_bits,
        "pairs": {how: found[how] for how in ("identical", "hash", "embedding", "both")},
    }


def _embed(
    images: pd.DataFrame, root: Path, embedder: Any, kept: KeptEmbeddings, tick: Tick
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Embeddings and thumbnails of images of different content, in their order; new ones are kept as they come."""
    paths, digests = list(images["path"]), list(images["sha256"])
    known = [kept.find(digest) for digest in digests]
    new = [number for number, found in enumerate(known) if found is None]
    if tick is not None:
        tick(len(known) - len(new))
    for start in range(0, len(new), TOGETHER):
        some = new[start : start + TOGETHER]
        names, contents = [paths[number] for number in some], [digests[number] for number in some]
        pixels = load_pixels(root, names, embedder.side_px, sha256=contents)
        rows, thumbs = embedder.embed(pixels), np.stack([make_thumbnail(image, THUMB_PX) for image in pixels])
        kept.add(contents, rows, thumbs)
        for number, row, thumb in zip(some, rows, thumbs, strict=True):
            known[number] = row, thumb
        if tick is not None:
            tick(len(some))
    found = [one for one in known if one is not None]
    if not found:
        return np.zeros((0, 1), np.float32), np.zeros((0, THUMB_PX, THUMB_PX), np.uint8)
    return np.stack([row for row, _ in found]), np.stack([thumb for _, thumb in found])


def _spread(images: pd.DataFrame, distinct: NDArray[np.int64], among: Neighbors, k: int) -> Neighbors:
    """The graph of all images: copies are neighbours of each other, as near as can be."""
    content = pd.Index(images["sha256"].iloc[distinct]).get_indexer(images["sha256"])
    return Neighbors(tuple(images["path"]), among.embeddings[content], *repeat_copies(among, content, k))
