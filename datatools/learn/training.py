"""Final training: learn until the validation loss stops falling, keep the best weights, predict with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from datatools.errors import DatatoolsError
from datatools.learn.device import Device, choose_device
from datatools.learn.fitting import WARM_UP, Learner, infer, reproducible, threads_for, to_probs
from datatools.learn.online import OnlinePolicy
from datatools.learn.pixels import Examples, Pixels, Scale, check_images, compute_scale
from datatools.params import TrainParams

Log = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Trained:
    """A classifier and what is needed to use it: its network, input side in pixels, input scale and device.

    `history` has one row an epoch (keys as in `train_classifier`); `best_epoch` (from 1) is the one whose weights
    these are.
    """

    model: nn.Module
    name: str
    n_classes: int
    image_size_px: int
    scale: Scale
    device: Device
    history: tuple[dict[str, Any], ...]
    best_epoch: int


@dataclass(frozen=True)
class Prediction:
    """`probs` float32 (n, k), rows sum to 1; `embeddings` float32 (n, d), the input of the last linear layer."""

    probs: NDArray[np.float32]
    embeddings: NDArray[np.float32]


def train_classifier(
    train: Examples,
    val: Examples,
    n_classes: int,
    params: TrainParams,
    log: Log | None = None,
    online: OnlinePolicy | None = None,
) -> Trained:
    """Train `params.model` on `train` and return it with the weights of the epoch that had the lowest loss on `val`.

    SGD with Nesterov momentum, one-cycle schedule over `params.epochs`. It stops after `params.patience` epochs without
    a lower validation loss, counted from the end of the warm-up (a high learning rate makes the loss jump). The same
    seed on the same machine gives the same weights, bit for bit. `log` gets a dict after each epoch: epoch (1-based),
    train_loss and val_loss (cross-entropy in nats), val_accuracy, learning_rate, images_per_second.

    `online` augments the images of `train` anew in every epoch, its seeds one an image; where it mixes them, train_loss
    is that of the mixed labels. Without it each image is only turned, stretched and shifted a little.

    Raises DatatoolsError for an empty side, an image side other than `params.image_size_px`, an unknown model, or a
    loss that is no number in every epoch.
    """
    for side, examples in (("train", train), ("val", val)):
        _check_side(side, examples, n_classes, params.image_size_px)
    device, scale = choose_device(params.device, params.precision), compute_scale(train.images)
    with reproducible(params.seed, device):
        learner = Learner(
            Pixels(train.images, scale, device), torch.tensor(train.labels), torch.arange(len(train)),
            n_classes, params, params.epochs, params.seed, online,
        )  # fmt: skip
        history, best_epoch = _fit(learner, Pixels(val.images, scale, device), torch.tensor(val.labels), params, log)
    return Trained(
        learner.model, params.model, n_classes, params.image_size_px, scale, device, tuple(history), best_epoch
    )  # fmt: skip


def predict(trained: Trained, images: NDArray[np.uint8]) -> Prediction:
    """Classify `images`, uint8 (n, side, side, 3) with side = `trained.image_size_px`; n may be 0.

    Raises DatatoolsError for images of another shape or type.
    """
    check_images(images, trained.image_size_px)
    # Deterministic kernels here as well: a prediction is cached by DVC and must not change between runs.
    with reproducible(0, trained.device):
        pixels = Pixels(images, trained.scale, trained.device)
        with threads_for(pixels):
            logits, embeddings = infer(trained.model, pixels, torch.arange(len(images)))
    return Prediction(to_probs(logits), np.asarray(embeddings.numpy(), dtype=np.float32))


def _fit(
    learner: Learner, val: Pixels, val_labels: Tensor, params: TrainParams, log: Log | None
) -> tuple[list[dict[str, Any]], int]:
    history: list[dict[str, Any]] = []
    best, best_loss, best_epoch = None, float("inf"), 0
    for number in range(1, params.epochs + 1):
        epoch = learner.run_epoch()
        val_loss, val_accuracy = _measure(learner.model, val, val_labels)
        row = {
            "epoch": number,
            "train_loss": epoch.loss,
            "val_loss": val_loss,
            "val_accuracy": val_accuracy,
            "learning_rate": epoch.learning_rate,
            "images_per_second": epoch.images_per_second,
        }
        history.append(row)
        if log is not None:
            log(row)
        if val_loss < best_loss:
            best, best_loss, best_epoch = _copy_weights(learner.model), val_loss, number
        if number - max(best_epoch, int(params.epochs * WARM_UP)) >= params.patience:
            break
    if best is None:
        raise DatatoolsError(
            f"params.yaml: train.learning_rate must let the loss stay finite. Got {params.learning_rate}, "
            "with which the validation loss is no number: lower it."
        )
    learner.model.load_state_dict(best)
    return history, best_epoch


def _measure(model: nn.Module, pixels: Pixels, labels: Tensor) -> tuple[float, float]:
    logits, _ = infer(model, pixels, torch.arange(len(pixels)))
    accuracy = (logits.argmax(dim=1) == labels).double().mean()
    return float(F.cross_entropy(logits.double(), labels)), float(accuracy)


def _copy_weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def _check_side(side: str, examples: Examples, n_classes: int, side_px: int) -> None:
    if not len(examples):
        raise DatatoolsError(
            f"train: the {side} side of the split must have an image with a label. Got none: raise split.{side} "
            "in params.yaml or bring more images."
        )
    check_images(examples.images, side_px)
    if examples.labels.min() < 0 or examples.labels.max() >= n_classes:
        raise DatatoolsError(
            f"train: labels of the {side} side must be in [0, {n_classes - 1}]. "
            f"Got {examples.labels.min()} to {examples.labels.max()} instead: list all classes."
        )
