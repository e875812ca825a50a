"""Image classifiers by name: torchvision's, and two small residual networks made of its blocks."""

from __future__ import annotations

import difflib
from typing import Any

import torch
import torchvision
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, ResNet

from datatools.errors import DatatoolsError

WIDTHS = (32, 64, 128)
OWN_MODELS = ("resnet8", "resnet10")


def list_models() -> list[str]:
    """Names that `build_model` knows, sorted: the own ones and torchvision's classifiers."""
    return sorted({*OWN_MODELS, *torchvision.models.list_models(module=torchvision.models)})


def build_model(name: str, n_classes: int, image_size_px: int | None = None) -> nn.Module:
    """Return a network with random weights (torch's global generator) that maps (n, 3, side, side) to (n, n_classes).

    `resnet8` is a 3 x 3 stem of stride 2 and three basic blocks of 32, 64 and 128 channels, each halving the side: made
    for images of 32 to 128 px on a CPU. `resnet10` is ResNet (He et al. 2016) with one basic block a stage.
    Raises DatatoolsError for an unknown name and, if `image_size_px` is given, for a model that cannot take that size.
    """
    if name not in list_models():
        close = difflib.get_close_matches(name, list_models(), n=4, cutoff=0.3)
        raise DatatoolsError(
            f"params.yaml: train.model must be {' or '.join(OWN_MODELS)} or a torchvision classification model. "
            f"Got {name!r} instead: did you mean {', '.join(close or OWN_MODELS)}?"
        )
    model = _build(name, n_classes)
    if image_size_px is not None:
        _check_size(model, name, image_size_px)
    return model


def embed(model: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """Return (logits (n, k), embeddings (n, d)): what goes into the last linear layer is the embedding.

    A network without a linear layer (SqueezeNet) has its logits as embeddings.
    """
    seen: list[Tensor] = []
    linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
    if not linear:
        logits = model(images)
        return logits, logits
    hook = linear[-1].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    try:
        logits = model(images)
    finally:
        hook.remove()
    return logits, seen[-1].flatten(1)


def _build(name: str, n_classes: int) -> nn.Module:
    if name == "resnet10":
        return ResNet(BasicBlock, [1, 1, 1, 1], num_classes=n_classes)
    if name == "resnet8":
        return _build_resnet8(n_classes)
    extra: dict[str, Any] = {}
    if name in ("googlenet", "inception_v3"):  # their auxiliary heads would change what forward() returns
        extra = {"aux_logits": False, "init_weights": True}
    return torchvision.models.get_model(name, weights=None, num_classes=n_classes, **extra)


def _build_resnet8(n_classes: int) -> nn.Module:
    width = WIDTHS[0]
    layers: list[nn.Module] = [nn.Conv2d(3, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
    for out in WIDTHS:
        shortcut = nn.Sequential(nn.Conv2d(width, out, 1, 2, bias=False), nn.BatchNorm2d(out))
        layers.append(BasicBlock(width, out, 2, shortcut))
        width = out
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, n_classes))


def _check_size(model: nn.Module, name: str, side_px: int) -> None:
    training = model.training
    try:
        with torch.inference_mode():
            model.eval()(torch.zeros(1, 3, side_px, side_px))
    except (RuntimeError, AssertionError, ValueError) as error:
        raise DatatoolsError(
            f"params.yaml: train.image_size_px must be a size that {name} takes. Got {side_px} instead "
            f"({str(error).splitlines()[0]}): set 224 or 299, or another train.model."
        ) from error
    finally:
        model.train(training)
