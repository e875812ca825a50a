"""The evaluate stage: what the model is worth on the test side, in numbers, tables and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from datatools.evaluate.confusion import confusion_table, to_confusion_rows, top_confusions
from datatools.evaluate.failures import find_failures
from datatools.evaluate.metrics import compute_metrics
from datatools.evaluate.pictures import draw_confusion, draw_curves, draw_tsne
from datatools.evaluate.views import View, make_views
from datatools.params import EvaluateParams
from datatools.schema import PREDICTIONS
from datatools.similarity.graph import Neighbors

if TYPE_CHECKING:
    from datatools.learn.training import Prediction, Trained


@dataclass(frozen=True)
class Evaluation:
    """The main numbers, those of each class, tables by file name, PNG pictures by file name, and a row a test image."""

    metrics: Mapping[str, Any]
    classes: Mapping[str, Any]
    tables: Mapping[str, pd.DataFrame]
    pictures: Mapping[str, bytes]
    predictions: pd.DataFrame  # PREDICTIONS


def evaluate(
    labels: pd.Series,
    prediction: Prediction,
    trained: Trained,
    classes: tuple[str, ...],
    params: EvaluateParams,
    neighbors: Neighbors,
    all_labels: pd.Series,
    cache: Path | None = None,
) -> Evaluation:
    """Compare the labels (index path) of a side with what the model says of its images, in the same order.

    `neighbors` and `all_labels` (index path) are of all data: the t-SNE shows them beside the model's view of the side. The
    folder `cache` keeps what depends on the images alone.
    """
    given = list(labels)
    predicted = [classes[code] for code in prediction.probs.argmax(axis=1)]
    confidences = prediction.probs.max(axis=1)
    table = confusion_table(given, predicted, classes)
    said = pd.Series(predicted, index=labels.index, dtype="string")
    views = list(make_views(neighbors, all_labels, said, prediction.embeddings, params, cache))
    metrics = compute_metrics(given, predicted, classes, params.confidence)
    by_class = metrics.pop("classes")
    return Evaluation(
        {**metrics, "confidence": params.confidence},
        by_class,
        {
            "top_confusions.csv": top_confusions(table).rename(columns={"count": "n"}),
            "confusion.csv": to_confusion_rows(given, predicted),
            "failures.csv": find_failures(list(labels.index), given, predicted, confidences),
            "tsne.csv": pd.concat([_to_rows(view) for view in views], ignore_index=True),
        },
        {
            "confusion.png": draw_confusion(table),
            "tsne.png": draw_tsne(views, classes),
            "curves.png": draw_curves(trained.history, trained.best_epoch),
        },
        to_predictions(labels, predicted, confidences),
    )


def to_predictions(labels: pd.Series, predicted: Sequence[str], confidences: Sequence[float]) -> pd.DataFrame:
    """PREDICTIONS: what the model says of each image of `labels` (index path), in the same order."""
    said = {"path": labels.index, "label": labels.array, "predicted": predicted, "confidence": confidences}
    return PREDICTIONS.conform(pd.DataFrame(said))


def _to_rows(view: View) -> pd.DataFrame:
    """Columns view, path, x, y, label, predicted."""
    place = {"view": view.name, "path": view.table.index, "x": view.points[:, 0], "y": view.points[:, 1]}
    return pd.DataFrame({**place, "label": view.table["label"].array, "predicted": view.table["predicted"].array})
