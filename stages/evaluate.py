"""Measure the model on the test side."""

import sys
from argparse import Namespace

from datatools.dataset import load_dataset
from datatools.evaluate.run import evaluate
from datatools.params import EvaluateParams, TrainParams, load_params
from datatools.provenance import name_origin
from datatools.schema import PREDICTIONS, SPLIT
from datatools.similarity.graph import load_neighbors
from datatools.stage import stage
from datatools.store import load_table, save_bytes, save_csv, save_json, save_table
from datatools.training_run import load_run, predict_side


@stage("evaluate", "dataset", "raw", "split", "neighbors", "model", "out")
def main(args: Namespace, params: EvaluateParams) -> None:
    """Measure the model on the test side."""
    dataset = load_dataset(args.dataset)
    split = load_table(args.split / "split.parquet", SPLIT)
    trained = load_run(args.model, load_params(args.params_file, TrainParams))
    cache = args.state / "cache"
    labels, prediction = predict_side(dataset, split, "test", args.raw, trained, cache)
    neighbors = load_neighbors(args.neighbors)
    result = evaluate(labels, prediction, trained, dataset.classes, params, neighbors, dataset.labels, cache)
    for name, table in result.tables.items():
        save_csv(args.out / name, table)
    for name, picture in result.pictures.items():
        save_bytes(args.out / name, picture)
    save_table(args.out / "predictions.parquet", result.predictions, PREDICTIONS)
    save_json(args.out / "classes.json", result.classes)
    origin = name_origin(dataset.version, args.model / "model.safetensors")
    save_json(args.out / "metrics.json", {**result.metrics, "origin": origin})


if __name__ == "__main__":
    sys.exit(main())
