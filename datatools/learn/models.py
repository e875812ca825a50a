"""Image classifiers by name: torchvision's, and two small residual networks.

Importing torchvision takes about as long as importing torch: it is done only for the models that are its own.
"""

from __future__ import annotations

import difflib
from typing import Any

import torch
from torch import Tensor, nn

from datatools.errors import DatatoolsError

WIDTHS = (32, 64, 128)
OWN_MODELS = ("resnet8", "resnet10")


def list_models() -> list[str]:
    """Names that `build_model` knows, sorted: the own ones and torchvision's classifiers."""
    import torchvision

    return sorted({*OWN_MODELS, *torchvision.models.list_models(module=torchvision.models)})


def build_model(name: str, n_classes: int, image_size_px: int | None = None) -> nn.Module:
    """Return a network with random weights (torch's global generator) that maps (n, 3, side, side) to (n, n_classes).

    `resnet8` is a 3 x 3 stem of stride 2 and three basic blocks of 32, 64 and 128 channels, each halving the side: made
    for images of 32 to 128 px on a CPU. `resnet10` is ResNet (He et al. 2016) with one basic block a stage.
    Raises DatatoolsError for an unknown name and, if `image_size_px` is given, for a model that cannot take that size.
    """
    if name not in OWN_MODELS and name not in list_models():
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


class ResidualBlock(nn.Module):
    """The basic block of ResNet (He et al. 2016, figure 2) that halves the side: torchvision's, weights and all."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        # Layers draw their random weights as they are made: in this order, so that a seed gives the network it always gave.
        shortcut = nn.Sequential(nn.Conv2d(n_in, n_out, 1, 2, bias=False), nn.BatchNorm2d(n_out))
        self.conv1, self.bn1 = nn.Conv2d(n_in, n_out, 3, 2, 1, bias=False), nn.BatchNorm2d(n_out)
        self.relu = nn.ReLU(inplace=True)
        self.conv2, self.bn2 = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False), nn.BatchNorm2d(n_out)
        self.downsample = shortcut

    def forward(self, images: Tensor) -> Tensor:
        """Channels `n_in` to `n_out`, half the height and width."""
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(images)))))
        out += self.downsample(images)
        found: Tensor = self.relu(out)
        return found


def _build(name: str, n_classes: int) -> nn.Module:
    if name == "resnet8":
        return _build_resnet8(n_classes)
    import torchvision

    if name == "resnet10":
        resnet = torchvision.models.resnet
        return resnet.ResNet(resnet.BasicBlock, [1, 1, 1, 1], num_classes=n_classes)
    extra: dict[str, Any] = {}
    if name in ("googlenet", "inception_v3"):  # their auxiliary heads would change what forward() returns
        extra = {"aux_logits": False, "init_weights": True}
    return torchvision.models.get_model(name, weights=None, num_classes=n_classes, **extra)


def _build_resnet8(n_classes: int) -> nn.Module:
    width = WIDTHS[0]
    layers: list[nn.Module] = [nn.Conv2d(3, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
    for out in WIDTHS:
        layers.append(ResidualBlock(width, out))
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
