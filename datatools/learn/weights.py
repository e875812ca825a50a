"""A trained classifier on disk: `model.safetensors` for the weights, `model.json` for all that is said about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors import torch as safetensors

from datatools.errors import DatatoolsError
from datatools.learn.device import choose_device
from datatools.learn.models import build_model
from datatools.learn.pixels import Scale
from datatools.learn.training import Trained
from datatools.store import load_json, save_bytes, save_json

WEIGHTS, FACTS = "model.safetensors", "model.json"
TIMINGS = ("images_per_second",)  # differ between runs; the files must not


@dataclass(frozen=True)
class SavedModel:
    """A classifier read back: `classes` in the order of its outputs, `record` as given to `save_model`."""

    trained: Trained
    classes: list[str]
    record: dict[str, Any]


def save_model(folder: Path, trained: Trained, classes: Sequence[str], record: dict[str, Any]) -> None:
    """Write the model to `folder`; the same weights and record give the same bytes.

    `record` is any JSON object that says where the model comes from (parameters, data version, commit). Raises
    DatatoolsError when `classes` are not as many as the network's outputs.
    """
    if len(classes) != trained.n_classes:
        raise DatatoolsError(
            f"save_model: classes must be {trained.n_classes}, one an output. Got {len(classes)} instead: "
            "pass the class list that the labels index."
        )
    weights = {name: value.detach().cpu().contiguous() for name, value in trained.model.state_dict().items()}
    history = [{key: value for key, value in row.items() if key not in TIMINGS} for row in trained.history]
    save_bytes(folder / WEIGHTS, safetensors.save(weights))
    save_json(
        folder / FACTS,
        {
            "model": trained.name,
            "classes": list(classes),
            "image_size_px": trained.image_size_px,
            "mean": list(trained.scale.mean),
            "std": list(trained.scale.std),
            "best_epoch": trained.best_epoch,
            "history": history,
            "record": record,
        },
    )


def load_model(folder: Path, device: str = "auto", precision: str = "auto") -> SavedModel:
    """Read what `save_model` wrote, ready to predict on `device` (auto, cpu, cuda).

    Raises DatatoolsError for files that are missing, broken or do not belong together.
    """
    facts = load_json(folder / FACTS)
    try:
        name, classes, side = str(facts["model"]), [str(item) for item in facts["classes"]], int(facts["image_size_px"])
        scale = Scale(tuple(map(float, facts["mean"])), tuple(map(float, facts["std"])))
        history, best_epoch, record = tuple(facts["history"]), int(facts["best_epoch"]), dict(facts["record"])
    except (KeyError, TypeError, ValueError) as error:
        raise DatatoolsError(f"{folder / FACTS}: expected a saved model. Got {error!r}: run `dvc repro`.") from error
    where = choose_device(device, precision)
    with torch.random.fork_rng(devices=[]):
        model = build_model(name, len(classes))
    _fill(model, folder / WEIGHTS)
    model = model.to(where.name, memory_format=torch.channels_last)  # type: ignore[call-overload]
    trained = Trained(model.eval(), name, len(classes), side, scale, where, history, best_epoch)
    return SavedModel(trained, classes, record)


def _fill(model: torch.nn.Module, path: Path) -> None:
    try:
        model.load_state_dict(safetensors.load(path.read_bytes()))
    except FileNotFoundError as error:
        raise DatatoolsError(f"{path}: expected the weights. Got no such file: run `dvc repro`.") from error
    except (SafetensorError, RuntimeError) as error:
        first = str(error).splitlines()[0]
        raise DatatoolsError(f"{path}: expected the weights of {FACTS}. Got: {first} Run `dvc repro`.") from error
