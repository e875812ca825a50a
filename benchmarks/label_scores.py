"""Which score finds wrong labels: cleanlab's self-confidence, the share of an image's neighbours, and both together.

    python benchmarks/label_scores.py [--embeddings FILE.npy] [--few 2000] [--digits]

Data: the 30,000 images of cifar10n (`../shared/data` or DATATOOLS_SHARED) with their human labels `aggregate` (9 % wrong) and
`worst` (40 % wrong) and the published out-of-fold probabilities of two networks; with --few some of
the images alone and with --digits the planted errors of our own sample, both judged by cross-fitting with the project's
defaults (some CPU minutes). The graph is that of the stage
`neighbors`. --embeddings keeps the embeddings of cifar10n (about two CPU minutes) for the next run. One thread.

Prints AUROC, AUPRC and F1@n (precision where as many labels are doubted as are wrong) of every score. The truth is read after
all scores are made. `together` is the mean of the ranks; `3 : 1` weighs our margin three times.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from agreement import CLASSES, ONE_THREAD, SHARED, read_labels, read_probs
from numpy.typing import NDArray

from datatools.curate.label_issues import find_suspects
from datatools.curate.neighbor_labels import count_neighbor_labels, summarize_neighbors
from datatools.images import decode_image, resize_image
from datatools.params import CurateParams, IngestParams, NeighborsParams, TrainParams
from datatools.similarity.graph import Neighbors, find_neighbors

Scores = dict[str, NDArray[np.float64]]
NETWORKS = ("resnet18", "swin")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--embeddings", type=Path, help="file to keep the embeddings of cifar10n in")
    parser.add_argument("--digits", action="store_true", help="the planted errors of the digits sample as well")
    parser.add_argument("--few", type=int, default=0, help="so many images of cifar10n alone as well")
    args = parser.parse_args()
    print("| labels | probabilities | score | AUROC | AUPRC | F1@n |\n|---|---|---|---|---|---|")
    table = read_labels().set_index("path")
    embeddings = load_cifar(args.embeddings)
    neighbors = make_graph(tuple(table.index), embeddings)
    for noise in ("aggregate", "worst"):
        given = table[noise].astype("string")
        for network in NETWORKS:
            scores = score_all(given, read_probs(f"{noise}_{network}"), CLASSES, neighbors, alone(given.index))
            print_scores(noise, network, scores, (given != table["clean"]).to_numpy(dtype=bool))
    if args.few:
        print_few(args.few, embeddings)
    if args.digits:
        print_digits()


def hold_to_one_thread() -> None:
    """Start this script again with every library held to one thread, unless it runs so already."""
    if not ONE_THREAD.items() <= os.environ.items():
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **ONE_THREAD})


def print_scores(labels: str, network: str, scores: Scores, wrong: NDArray[np.bool_]) -> None:
    """A row a score."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    for name, score in scores.items():
        doubted = np.argsort(score, kind="stable")[: wrong.sum()]
        found = roc_auc_score(wrong, -score), average_precision_score(wrong, -score), wrong[doubted].mean()
        print(f"| {labels} | {network} | {name} | " + " | ".join(f"{value:.4f}" for value in found) + " |", flush=True)


def score_all(
    given: pd.Series, probs: NDArray[Any], classes: list[str], neighbors: Neighbors, units: pd.Series
) -> Scores:
    """Every score of the labels `given` (index path), low is doubted."""
    from cleanlab.rank import get_label_quality_scores

    codes = pd.Index(classes).get_indexer(pd.Index(given))
    confidence = get_label_quality_scores(codes, np.asarray(probs, dtype=np.float64), method="self_confidence")
    margin = find_suspects(given, np.asarray(probs, dtype=np.float32), classes)["score"].to_numpy()
    share = count_neighbor_labels(given, neighbors, units, classes)["share"].fillna(0.5).to_numpy()
    return {
        "cleanlab's self-confidence": confidence,
        "margin (the queue's rank)": margin,
        "neighbours' share": share,
        "self-confidence and share together": rank(confidence) + rank(share),
        "margin and share together, 3 : 1": 3 * rank(margin) + rank(share),
    }


def rank(score: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(pd.Series(score).rank(pct=True), dtype=np.float64)


def alone(paths: pd.Index) -> pd.Series:
    """Units where nothing is known of groups: every image its own."""
    return pd.Series(paths, index=paths, dtype="string")


# ---- embeddings and graph ----


def make_graph(paths: tuple[str, ...], embeddings: NDArray[np.float32]) -> Neighbors:
    """The graph as the stage makes it."""
    return Neighbors(paths, embeddings, *find_neighbors(embeddings, NeighborsParams().k))


def load_cifar(kept: Path | None) -> NDArray[np.float32]:
    """Embeddings of the 30,000 images, from the file `kept` where it is there."""
    if kept is not None and kept.exists():
        return np.asarray(np.load(kept), dtype=np.float32)
    images = read_images(list(read_labels()["path"]))
    started = time.process_time()
    found = embed(images)
    print(f"embedding {len(found)} images: {time.process_time() - started:.0f} CPU s", file=sys.stderr)
    if kept is not None:
        np.save(kept, found)
    return found


def read_images(paths: list[str]) -> NDArray[np.uint8]:
    """RGB images of cifar10n, (n, 32, 32, 3)."""
    with zipfile.ZipFile(SHARED / "data" / "cifar10n.zip") as archive:
        return np.stack([decode_image(archive.read(path)) for path in paths])


def embed(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Embeddings of RGB images of one size, by the network of the stage `neighbors`."""
    import torch

    from datatools.learn.embedding import Embedder

    torch.set_num_threads(1)
    side = NeighborsParams().image_size_px
    return Embedder(side, "cpu").embed(np.stack([resize_image(image, side) for image in images]))


# ---- judged by our own cross-fitting, as the stage `curate` does ----


def print_few(n: int, embeddings: NDArray[np.float32]) -> None:
    """n seeded images of cifar10n alone: few images make a weak model."""
    chosen = np.sort(np.random.default_rng(0).permutation(len(embeddings))[:n])
    table = read_labels().set_index("path").iloc[chosen]
    side = TrainParams().image_size_px
    pixels = np.stack([resize_image(image, side) for image in read_images(list(table.index))])
    neighbors = make_graph(tuple(table.index), embeddings[chosen])
    for noise in ("aggregate", "worst"):
        given = table[noise].astype("string")
        wrong = (given != table["clean"]).to_numpy(dtype=bool)
        print_cross_fitted(f"{noise}, {n} images", given, pixels, neighbors, alone(given.index), wrong)


def print_digits() -> None:
    """The planted wrong labels of the digits sample; its writers are the units."""
    from datatools.image_loading import load_pixels
    from datatools.ingest import ingest
    from datatools.samples.registry import make_sample

    with tempfile.TemporaryDirectory() as folder:
        root, key = Path(folder) / "raw", Path(folder) / "key.csv"
        make_sample("digits", root, key, seed=0, n_images=5000)
        dataset = ingest(root, IngestParams(group_column="writer")).dataset
        pixels = load_pixels(root, list(dataset.labels.index), TrainParams().image_size_px)
        planted = pd.read_csv(key)
    labels = dataset.labels
    units = dataset.images.set_index("path")["group"].reindex(labels.index)
    wrong = labels.index.isin(planted.loc[planted["fault"] == "wrong_label", "path"])
    print_cross_fitted("digits", labels, pixels, make_graph(tuple(labels.index), embed(pixels)), units, wrong)


def print_cross_fitted(
    name: str,
    given: pd.Series,
    pixels: NDArray[np.uint8],
    neighbors: Neighbors,
    units: pd.Series,
    wrong: NDArray[np.bool_],
) -> None:
    """Cross-fit with the project's defaults, and say how often models and neighbours agree with the labels."""
    import torch

    from datatools.learn.crossfit import cross_fit
    from datatools.learn.pixels import Examples

    torch.set_num_threads(1)
    train, curate = TrainParams(device="cpu"), CurateParams()
    classes = sorted(given.unique())
    codes = pd.Index(classes).get_indexer(pd.Index(given)).astype(np.int64)
    groups, fold_by = units.to_numpy(dtype=object), (curate.folds, curate.epochs, curate.seed)
    probs = cross_fit(Examples(pixels, codes), groups, len(classes), train, *fold_by).probs
    accuracy = float((probs.argmax(axis=1) == codes).mean())
    near = summarize_neighbors(count_neighbor_labels(given, neighbors, units, classes), given)["accuracy"]
    network = f"{train.model}, agrees with {accuracy:.2f} of the labels, neighbours with {near:.2f}"
    print_scores(name, network, score_all(given, probs, classes, neighbors, units), wrong)


if __name__ == "__main__":
    hold_to_one_thread()
    main()
