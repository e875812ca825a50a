"""The evaluate stage: what the model is worth on the test side, in numbers, tables and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datatools.evaluate.confusion import confusion_table, to_confusion_rows, top_confusions
from datatools.evaluate.failures import find_failures
from datatools.evaluate.metrics import compute_metrics
from datatools.evaluate.pictures import draw_confusion, draw_curves, draw_tsne
from datatools.evaluate.projection import project_tsne
from datatools.params import EvaluateParams

if TYPE_CHECKING:
    from datatools.learn.training import Prediction, Trained


@dataclass(frozen=True)
class Evaluation:
    """The main numbers, those of each class, tables by file name, and PNG pictures by file name."""

    metrics: Mapping[str, Any]
    classes: Mapping[str, Any]
    tables: Mapping[str, pd.DataFrame]
    pictures: Mapping[str, bytes]


def evaluate(
    labels: pd.Series, prediction: Prediction, trained: Trained, classes: tuple[str, ...], params: EvaluateParams
) -> Evaluation:
    """Compare the labels (index path) of a side with what the model says of its images, in the same order."""
    given = list(labels)
    predicted = [classes[code] for code in prediction.probs.argmax(axis=1)]
    confidences = prediction.probs.max(axis=1)
    table = confusion_table(given, predicted, classes)
    shown = _sample(len(labels), params.tsne_max, params.seed)
    points = project_tsne(prediction.embeddings[shown], params.tsne_perplexity, params.seed)
    picked = [[values[i] for i in shown] for values in (given, predicted)]
    metrics = compute_metrics(given, predicted, classes, params.confidence)
    by_class = metrics.pop("classes")
    return Evaluation(
        {**metrics, "confidence": params.confidence},
        by_class,
        {
            "top_confusions.csv": top_confusions(table).rename(columns={"count": "n"}),
            "confusion.csv": to_confusion_rows(given, predicted),
            "failures.csv": find_failures(list(labels.index), given, predicted, confidences),
            "tsne.csv": pd.DataFrame(
                {
                    "path": labels.index[shown],
                    "x": points[:, 0],
                    "y": points[:, 1],
                    "label": picked[0],
                    "predicted": picked[1],
                }
            ),
        },
        {
            "confusion.png": draw_confusion(table),
            "tsne.png": draw_tsne(points, picked[0], picked[1], classes),
            "curves.png": draw_curves(trained.history, trained.best_epoch),
        },
    )


def _sample(n: int, at_most: int, seed: int) -> NDArray[np.int64]:
    """Indices of at most so many of n images, in order."""
    if n <= at_most:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, size=at_most, replace=False))
