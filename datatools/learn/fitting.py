"""One network learning from one set of images: what final training and cross-fitting have in common."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from datatools.errors import DatatoolsError
from datatools.learn.device import Device
from datatools.learn.mixing import Mix, draw_mixes
from datatools.learn.models import build_model, embed
from datatools.learn.online import OnlineAugmenter, OnlinePolicy
from datatools.learn.pixels import Jitter, Pixels
from datatools.params import TrainParams

MOMENTUM = 0.9
LABEL_SMOOTHING = 0.1  # Szegedy et al. 2016; keeps a few wrong labels from being learnt by heart
WARM_UP = 0.25  # share of the steps before the peak of the learning rate
START = 1 / 25  # learning rate of the first step, as a share of the peak
FEW_PIXELS = 2**23  # of all images together, which are classified in half a second

# Pixels that a CPU augments at once: what the steps hand to each other stays in its cache. Twice as fast from 160 px on.
PIECE = 2**17


@dataclass(frozen=True)
class Epoch:
    """One pass: mean cross-entropy, learning rate of its last step, images a second."""

    loss: float
    learning_rate: float
    images_per_second: float


@contextmanager
def reproducible(seed: int, device: Device) -> Iterator[None]:
    """Seed torch's global generators and ask for deterministic kernels; put all of it back at the end."""
    if device.name == "cuda":  # read by cuBLAS at its first use; without it matrix products may differ between runs
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # As torch.use_deterministic_algorithms does it, without the compiler (half a second) that this would tell as well.
    mode = torch.get_deterministic_debug_mode()
    memory: Any = torch.utils.deterministic
    fill = memory.fill_uninitialized_memory
    with torch.random.fork_rng(devices=[torch.cuda.current_device()] if device.name == "cuda" else []):
        torch.manual_seed(seed)
        torch.set_deterministic_debug_mode("warn")
        memory.fill_uninitialized_memory = False
        try:
            yield
        finally:
            torch.set_deterministic_debug_mode(mode)
            memory.fill_uninitialized_memory = fill


@contextmanager
def threads_for(pixels: Pixels) -> Iterator[None]:
    """One thread where the images are few: several would wait for each other longer than they work."""
    before = torch.get_num_threads()
    is_small = len(pixels) * pixels.side_px**2 <= FEW_PIXELS
    torch.set_num_threads(1 if is_small else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def one_cycle(step: int, n_steps: int, peak: float) -> float:
    """Learning rate of a step: linear to the peak in the first quarter, then half a cosine to almost 0 (Smith 2018)."""
    done = (step + 1) / n_steps
    if done <= WARM_UP:
        return peak * (START + (1 - START) * done / WARM_UP)
    return peak * max(1e-4, (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP))) / 2)


def autocast(device: Device) -> torch.autocast:
    """bfloat16 for the operations that gain from it, where the device was chosen so."""
    return torch.autocast(device.name, dtype=torch.bfloat16, enabled=device.bf16)


class Learner:
    """A new network, its optimiser and its schedule over `n_epochs` passes of `index`, rows of `pixels`.

    Create and use it inside `reproducible`. The order of the images and their jitter come from an own generator on
    the CPU, so they are the same on every device. No batch has a single image, which batch norm could not take.

    `online` augments in every epoch, its seeds one a row of `pixels`; without it each image is jittered a little
    (learn/pixels.py), as it is in cross-fitting, whose models judge labels and need no more.
    """

    def __init__(
        self,
        pixels: Pixels,
        labels: Tensor,
        index: Tensor,
        n_classes: int,
        params: TrainParams,
        n_epochs: int,
        seed: int,
        online: OnlinePolicy | None = None,
    ) -> None:
        self.pixels, self.index, self.device = pixels, index.repeat(2) if len(index) == 1 else index, pixels.device
        self._labels = labels.to(self.device.name)
        self._generator, self._seed = torch.Generator().manual_seed(seed), seed
        self._n_classes, self._online = n_classes, online
        self._augmenter = OnlineAugmenter(online, self.device.name) if online else None
        self._change = self._augmenter or Jitter(self._generator)
        self._piece = max(1, PIECE // pixels.side_px**2) if online and self.device.name == "cpu" else len(self.index)
        self._peak, self._step, self._epoch = params.learning_rate, 0, 0
        self._n_batches = max(1, min(math.ceil(len(self.index) / params.batch_size), len(self.index) // 2))
        self._n_steps = n_epochs * self._n_batches
        model = build_model(params.model, n_classes, params.image_size_px)
        self.model = model.to(self.device.name, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._optimizer = torch.optim.SGD(
            self.model.parameters(), params.learning_rate, MOMENTUM, weight_decay=params.weight_decay, nesterov=True,
            fused=True,
        )  # fmt: skip

    def run_epoch(self) -> Epoch:
        """Learn from every image once, in a new order."""
        self.model.train()
        started, total = time.perf_counter(), torch.zeros((), device=self.device.name)
        order = self.index[torch.randperm(len(self.index), generator=self._generator)]
        for batch, mix in zip(order.tensor_split(self._n_batches), self._start_epoch(), strict=True):
            total += self._learn(batch, mix) * len(batch)
        loss = float(total) / len(order)
        seconds = time.perf_counter() - started
        return Epoch(loss, float(self._optimizer.param_groups[0]["lr"]), len(order) / seconds)

    def _start_epoch(self) -> list[Mix | None]:
        """Draw what the online policy does in the next epoch; return how each of its batches is mixed."""
        number, self._epoch = self._epoch, self._epoch + 1
        if self._online is None or self._augmenter is None:
            return [None] * self._n_batches
        self._augmenter.start_epoch(number)
        rng = np.random.default_rng((self._seed, number))
        return draw_mixes(rng, self._n_batches, self._online.mixup, self._online.cutmix, self.pixels.side_px)

    def _learn(self, batch: Tensor, mix: Mix | None) -> Tensor:
        images, labels = self._take(batch, mix)
        for group in self._optimizer.param_groups:
            group["lr"] = one_cycle(self._step, self._n_steps, self._peak)
        with autocast(self.device):
            logits = self.model(images).float()
        self._optimizer.zero_grad()
        F.cross_entropy(logits, labels, label_smoothing=LABEL_SMOOTHING).backward()
        self._optimizer.step()
        self._step += 1
        return F.cross_entropy(logits.detach(), labels)

    def _take(self, batch: Tensor, mix: Mix | None) -> tuple[Tensor, Tensor]:
        """Images to learn from and their labels: (b,), or where they are mixed (b, n_classes)."""
        labels = self._labels[batch.to(self.device.name)]
        pieces = [self.pixels.take(piece, self._change) for piece in batch.split(self._piece)]
        images = torch.cat(pieces) if len(pieces) > 1 else pieces[0]
        if mix is None:
            return images, labels
        mixed = mix.mix_images(images).contiguous(memory_format=torch.channels_last)
        return mixed, mix.mix_labels(labels, self._n_classes)


def infer(model: nn.Module, pixels: Pixels, index: Tensor) -> tuple[Tensor, Tensor]:
    """Return logits (n, k) and embeddings (n, d) of the images at `index`, float32 on the CPU."""
    model.eval()
    parts = []
    with torch.inference_mode(), autocast(pixels.device):
        for batch in pixels.batches(index):
            parts.append([part.float().cpu() for part in embed(model, pixels.take(batch))])
    logits, embeddings = zip(*parts, strict=True)
    return torch.cat(logits), torch.cat(embeddings)


def to_probs(logits: Tensor) -> NDArray[np.float32]:
    """Softmax over the last axis, float32; the rows sum to 1.

    Raises DatatoolsError when the network has diverged (not a number).
    """
    if not bool(torch.isfinite(logits).all()):
        raise DatatoolsError(
            "params.yaml: train.learning_rate must let the loss stay finite. "
            "Got a network that gives no numbers: lower train.learning_rate or set train.precision: fp32."
        )
    probs: Any = torch.softmax(logits.double(), dim=1).float().numpy()
    return np.asarray(probs, dtype=np.float32)
