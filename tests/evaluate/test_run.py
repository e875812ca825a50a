from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from datatools.evaluate.run import evaluate
from datatools.params import EvaluateParams
from datatools.schema import PREDICTIONS

from .graphs import CLASSES, labels_of, make_neighbors, no_neighbors

N, N_TEST = 45, 15
HISTORY = ({"epoch": 1, "train_loss": 1.0, "val_loss": 1.0, "val_accuracy": 0.5},)


def evaluate_on(neighbors, **params):
    """Evaluate a model that takes image 0 for a 'b' and is right on the rest of the first N_TEST images."""
    labels = labels_of(neighbors)
    probs = np.full((N_TEST, 3), 0.1, np.float32) + 0.7 * np.eye(3, dtype=np.float32)[np.arange(N_TEST) % 3]
    probs[0] = (0.05, 0.9, 0.05)
    prediction = SimpleNamespace(probs=probs, embeddings=probs * 7)
    trained = SimpleNamespace(history=HISTORY, best_epoch=1)
    return evaluate(labels.iloc[:N_TEST], prediction, trained, CLASSES, EvaluateParams(**params), neighbors, labels)


def test_numbers_tables_and_pictures_of_one_mistake():
    result = evaluate_on(make_neighbors(N))
    assert result.metrics["accuracy"] == pytest.approx(14 / 15)
    assert result.metrics["confidence"] == 0.95
    assert set(result.classes) == set(CLASSES)
    assert result.tables["failures.csv"]["path"].tolist() == ["000.png"]
    assert set(result.pictures) == {"confusion.png", "tsne.png", "curves.png"}
    assert all(picture.startswith(b"\x89PNG") for picture in result.pictures.values())


def test_places_in_the_pictures_are_a_table():
    table = evaluate_on(make_neighbors(N)).tables["tsne.csv"]
    assert list(table.columns) == ["view", "path", "x", "y", "label", "predicted"]
    assert table["view"].value_counts().to_dict() == {"data": N, "model": N_TEST}
    assert np.isfinite(table[["x", "y"]]).all(axis=None)
    first = table[table["path"] == "000.png"]
    assert first[["label", "predicted"]].to_numpy().tolist() == [["a", "b"]] * 2
    assert table.loc[table["view"] == "data", "predicted"].notna().sum() == N_TEST


def test_the_same_twice_gives_the_same_bytes():
    one, other = evaluate_on(make_neighbors(N)), evaluate_on(make_neighbors(N))
    assert one.pictures == other.pictures
    for name, table in one.tables.items():
        assert table.to_csv() == other.tables[name].to_csv()


def test_what_is_measured_does_not_depend_on_the_graph():
    with_graph, without = evaluate_on(make_neighbors(N)), evaluate_on(no_neighbors(N))
    assert with_graph.metrics == without.metrics
    assert set(without.tables["tsne.csv"]["view"]) == {"model"}
    assert with_graph.pictures["confusion.png"] == without.pictures["confusion.png"]


def test_every_test_image_has_a_row_with_what_the_model_said():
    table = evaluate_on(make_neighbors(N)).predictions
    assert list(table.columns) == list(PREDICTIONS.columns)
    assert len(table) == N_TEST
    assert (table["label"] != table["predicted"]).sum() == 1
    first = table.set_index("path").loc["000.png"]
    assert (first["label"], first["predicted"]) == ("a", "b")
    assert first["confidence"] == pytest.approx(0.9)
