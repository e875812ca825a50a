"""Agreement on labels beside the named peers, on the same data in the same run: equal numbers, CPU seconds, consensus.

    python benchmarks/agreement.py [--peer-python PYTHON] [--repeats N]

Data: the three human labels of each of the 30,000 images of cifar10n (`../shared/data` or DATATOOLS_SHARED); and 50,000 items
made by code, three of 747 annotators each. Peers are imported by the interpreter --peer-python (krippendorff, statsmodels,
crowd-kit with scikit-learn < 1.9; simpledorff if there); one that cannot be imported says so. Each measurement runs in a
process of its own, once to warm up and then --repeats times; counted is the smallest CPU time (user and system) after the
imports, with all threads held to one. Every side gets the data in the form it asks for, made beforehand, ours the
plain table. Prints values side by side, CPU seconds with their ratio, and how often each consensus is the true label;
the truth is read after all labels are decided. cleanlab (CROWDLAB) runs here.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

REPO = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("DATATOOLS_SHARED", REPO.parent / "shared"))
ANNOTATORS = ["annotator_1", "annotator_2", "annotator_3"]
CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
MODELS = ("aggregate_resnet18", "aggregate_swin", "worst_resnet18", "worst_swin")
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
Work = Callable[[], Any]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-python", default=sys.executable, help="an interpreter that can import the peers")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--measure", help=argparse.SUPPRESS)  # what the child process does
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measure(MEASURES[args.measure], args.repeats)))
        return
    print("| what | data | datatools | value | peer | value | ratio of CPU seconds |\n|---|---|---|---|---|---|---|")
    for what, data, ours, theirs in ROWS:
        print(
            row(
                what, data, run(ours, sys.executable, args.repeats), run(theirs, args.peer_python, args.repeats), theirs
            )
        )
    for what, data, ours in ALONE:
        found = run(ours, sys.executable, args.repeats)
        print(f"| {what} | {data} | {found['seconds']:.3f} s | {show(found)} | none | | |", flush=True)
    print_consensus()


def row(what: str, data: str, ours: dict[str, Any], theirs: dict[str, Any], name: str) -> str:
    """One line of the table of times and values."""
    left = f"| {what} | {data} | {ours['seconds']:.3f} s | {show(ours)} |"
    if "seconds" not in theirs:
        return f"{left} {name}: {theirs['absent']} | | |"
    ratio = theirs["seconds"] / ours["seconds"]
    return f"{left} {name} {theirs['seconds']:.3f} s | {show(theirs)} | {ratio:.1f} |"


def show(found: dict[str, Any]) -> str:
    """A value or several, with the digits that tell."""
    return " ".join(f"{value:.13g}" for value in np.atleast_1d(found["value"]))


def measure(prepare: Callable[[], Work], repeats: int) -> dict[str, Any]:
    """Smallest CPU time of the work that `prepare` gives, and its value."""
    try:
        work = prepare()
    except ImportError as error:
        return {"absent": f"not run: {error}"}
    value, seconds = work(), []
    for _ in range(repeats):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return {"seconds": min(seconds), "value": np.asarray(value, dtype=float).tolist()}


def run(name: str, python: str, repeats: int) -> dict[str, Any]:
    """The measurement `name` in a process of its own."""
    command = [python, "-W", "ignore", __file__, "--measure", name, "--repeats", str(repeats)]
    environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": str(REPO)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"absent": f"failed: {done.stderr.strip().splitlines()[-1]}"}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


# ---- data ----


def read_labels() -> pd.DataFrame:
    """labels.csv of cifar10n: path, clean, annotator_1..3 and more."""
    with zipfile.ZipFile(SHARED / "data" / "cifar10n.zip") as archive, archive.open("labels.csv") as file:
        return pd.read_csv(file)


def read_probs(name: str) -> np.ndarray:
    """Published out-of-fold probabilities of the images, in the order of labels.csv."""
    with zipfile.ZipFile(SHARED / "data" / "cifar10n.zip") as archive:
        content = archive.read(f"pred_probs/{name}.npz")
    with np.load(io.BytesIO(content)) as arrays:
        return np.asarray(arrays[arrays.files[0]], dtype=np.float64)


def real_table() -> pd.DataFrame:
    """Labels as a table: index path, a column an annotator."""
    return read_labels().set_index("path")[ANNOTATORS].astype("string")


def real_codes() -> np.ndarray:
    """Labels as numbers 0..9: (images, annotators)."""
    return np.stack([pd.Index(CLASSES).get_indexer(read_labels()[name]) for name in ANNOTATORS], axis=1)


def real_rows() -> pd.DataFrame:
    """Labels a row each, as crowd-kit names the columns."""
    rows = read_labels().melt("path", ANNOTATORS, "worker", "label").rename(columns={"path": "task"})
    return rows[["task", "worker", "label"]]


def made_rows(n_items: int = 50_000, n_annotators: int = 747, seed: int = 0) -> pd.DataFrame:
    """Three of many annotators a item, right with chances between 0.6 and 0.95; columns task, worker, label, true."""
    rng = np.random.default_rng(seed)
    worker = np.argsort(rng.random((n_items, n_annotators), dtype=np.float32), axis=1)[:, :3].ravel()
    true = np.repeat(rng.integers(0, 10, n_items), 3)
    right = rng.random(len(true)) < rng.uniform(0.6, 0.95, n_annotators)[worker]
    label = np.where(right, true, (true + rng.integers(1, 10, len(true))) % 10)
    return pd.DataFrame({"task": np.repeat(np.arange(n_items), 3), "worker": worker, "label": label, "true": true})


# ---- what is measured: each function prepares, and returns the work to time ----


def alpha_ours(table: Callable[[], pd.DataFrame], level: str = "nominal") -> Work:
    from datatools.agreement.alpha import krippendorff_alpha

    data = table()
    return lambda: krippendorff_alpha(data, level)


def alpha_krippendorff(level: str = "nominal") -> Work:
    import krippendorff

    data = real_codes().T.astype(float)
    return lambda: krippendorff.alpha(reliability_data=data, level_of_measurement=level)


def alpha_simpledorff() -> Work:
    import simpledorff

    data = real_rows()
    return lambda: simpledorff.calculate_krippendorffs_alpha_for_df(data, "task", "worker", "label")


def code_table() -> pd.DataFrame:
    return pd.DataFrame(real_codes().astype(float), columns=ANNOTATORS)


def cohen_ours() -> Work:
    from datatools.agreement.kappa import cohen_kappa

    data = real_table()
    return lambda: [cohen_kappa(data[one], data[other]) for one, other in pairs()]


def cohen_sklearn() -> Work:
    from sklearn.metrics import cohen_kappa_score

    data = read_labels()
    return lambda: [cohen_kappa_score(data[one], data[other]) for one, other in pairs()]


def pairs() -> list[tuple[str, str]]:
    return [(ANNOTATORS[0], ANNOTATORS[1]), (ANNOTATORS[0], ANNOTATORS[2]), (ANNOTATORS[1], ANNOTATORS[2])]


def fleiss_ours() -> Work:
    from datatools.agreement.kappa import fleiss_kappa

    data = code_table()
    return lambda: fleiss_kappa(data)


def fleiss_statsmodels() -> Work:
    from statsmodels.stats.inter_rater import aggregate_raters, fleiss_kappa

    data = real_codes()
    return lambda: fleiss_kappa(aggregate_raters(data)[0])


def share_right(labels: pd.Series, truth: pd.Series) -> float:
    return float((labels.reindex(truth.index).to_numpy() == truth.to_numpy()).mean())


def real_truth() -> pd.Series:
    return read_labels().set_index("path")["clean"]


def made_truth(rows: pd.DataFrame) -> pd.Series:
    return rows.drop_duplicates("task").set_index("task")["true"]


def dawid_skene_ours(many: bool) -> Work:
    from datatools.agreement.dawid_skene import fit_dawid_skene
    from datatools.agreement.ratings import from_long

    rows = made_rows() if many else real_rows()
    truth = made_truth(rows) if many else real_truth()
    return lambda: share_right(fit_dawid_skene(from_long(rows, "task", "worker")).labels, truth)


def dawid_skene_crowdkit(many: bool) -> Work:
    from crowdkit.aggregation import DawidSkene

    rows = made_rows() if many else real_rows()
    truth = made_truth(rows) if many else real_truth()
    return lambda: share_right(DawidSkene(n_iter=100).fit_predict(rows[["task", "worker", "label"]]), truth)


def interval_ours() -> Work:
    from datatools.agreement.alpha import alpha_interval

    rows = made_rows().assign(label=lambda frame: frame["label"].astype(str))
    from datatools.agreement.ratings import from_long

    data = from_long(rows, "task", "worker")
    return lambda: alpha_interval(data)


def everything_ours(many: bool) -> Work:
    from datatools.agreement.measure import measure_agreement
    from datatools.agreement.ratings import from_long

    data = from_long(made_rows(), "task", "worker") if many else real_table()
    return lambda: measure_agreement(data)["alpha"]


MEASURES: dict[str, Callable[[], Work]] = {
    "alpha, numbers": lambda: alpha_ours(code_table),
    "alpha, names": lambda: alpha_ours(real_table),
    "alpha, ordinal": lambda: alpha_ours(code_table, "ordinal"),
    "krippendorff": alpha_krippendorff,
    "krippendorff, ordinal": lambda: alpha_krippendorff("ordinal"),
    "simpledorff": alpha_simpledorff,
    "cohen": cohen_ours,
    "scikit-learn": cohen_sklearn,
    "fleiss": fleiss_ours,
    "statsmodels": fleiss_statsmodels,
    "Dawid-Skene": lambda: dawid_skene_ours(False),
    "crowd-kit": lambda: dawid_skene_crowdkit(False),
    "Dawid-Skene, many": lambda: dawid_skene_ours(True),
    "crowd-kit, many": lambda: dawid_skene_crowdkit(True),
    "interval": interval_ours,
    "everything": lambda: everything_ours(False),
    "everything, many": lambda: everything_ours(True),
}
ROWS = (
    ("Krippendorff's alpha", "cifar10n, 3 x 30,000 numbers", "alpha, numbers", "krippendorff"),
    ("Krippendorff's alpha", "cifar10n, 3 x 30,000 names", "alpha, names", "simpledorff"),
    ("ordinal alpha", "cifar10n, 3 x 30,000 numbers", "alpha, ordinal", "krippendorff, ordinal"),
    ("Cohen's kappa, 3 pairs", "cifar10n, names", "cohen", "scikit-learn"),
    ("Fleiss' kappa", "cifar10n, numbers", "fleiss", "statsmodels"),
    ("Dawid-Skene, share right", "cifar10n, 90,000 rows", "Dawid-Skene", "crowd-kit"),
    ("Dawid-Skene, share right", "made, 747 annotators, 150,000 rows", "Dawid-Skene, many", "crowd-kit, many"),
)
ALONE = (
    ("1,000 bootstrap resamples of alpha", "made, 50,000 items", "interval"),
    ("measure_agreement, all of it", "cifar10n, 3 x 30,000 names", "everything"),
    ("measure_agreement, all of it", "made, 747 annotators, 150,000 rows", "everything, many"),
)


def print_consensus() -> None:
    """How often each consensus is the true label, for each of the published models."""
    from datatools.agreement.consensus import choose_consensus, combine, vote
    from datatools.agreement.dawid_skene import fit_dawid_skene
    from datatools.curate.crowdlab import crowdlab

    table, names = real_table(), np.asarray(CLASSES, dtype=object)
    plain = {"majority": vote(table), "Dawid-Skene": fit_dawid_skene(table).labels}
    print(
        "\n| model | majority | Dawid-Skene | model alone | CROWDLAB | datatools, combined | datatools, chosen | "
        "rule chosen | best of the others | better by |"
    )
    print("|---" * 10 + "|")
    for name in MODELS:
        probs = read_probs(name)
        decided = {
            **plain,
            "model": pd.Series(names[probs.argmax(axis=1)], index=table.index),
            "CROWDLAB": crowdlab(table, probs, CLASSES).set_index("item")["label"],
        }
        right = {method: share_right(labels, real_truth()) for method, labels in decided.items()}
        chosen = choose_consensus(table, probs, CLASSES)
        combined = share_right(combine(table, probs, CLASSES).labels, real_truth())
        ours = share_right(chosen.labels, real_truth())
        others = " | ".join(f"{share:.4f}" for share in right.values())
        best = max(right.values())
        print(
            f"| {name} | {others} | {combined:.4f} | {ours:.4f} | {chosen.rule} | {best:.4f} | {ours - best:+.4f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
