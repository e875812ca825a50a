"""Where the network runs: the one place that asks what the hardware can do."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

from datatools.errors import DatatoolsError, MissingExtraError


@dataclass(frozen=True)
class Device:
    """A place to compute: torch's `name` (cpu or cuda), whether to use bfloat16, and what it is in words."""

    name: str
    bf16: bool
    description: str


def choose_device(device: str = "auto", precision: str = "auto") -> Device:
    """Pick the hardware and the number format; `auto` takes a CUDA GPU, and bf16 where the hardware computes in it.

    `device` is auto, cpu or cuda; `precision` is auto, bf16 or fp32.
    Raises DatatoolsError for `cuda` without a GPU, MissingExtraError when torch is not installed.
    """
    torch = _import_torch()
    has_gpu = torch.cuda.is_available()
    if device == "cuda" and not has_gpu:
        raise DatatoolsError(
            "params.yaml: train.device must be auto or cpu on a machine without a CUDA GPU. "
            "Got 'cuda', but no CUDA GPU was found: set train.device: auto."
        )
    name = "cuda" if has_gpu and device != "cpu" else "cpu"
    bf16 = precision == "bf16" or (precision == "auto" and _is_bf16_fast(torch, name))
    return Device(name, bf16, _describe(torch, name))


def _import_torch() -> ModuleType:
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError("datatools.learn", "torch", "train") from error
    return torch


def _is_bf16_fast(torch: ModuleType, name: str) -> bool:
    if name == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())


def _describe(torch: ModuleType, name: str) -> str:
    if name == "cuda":
        return str(torch.cuda.get_device_name())
    amx = " with AMX" if torch.cpu._is_amx_tile_supported() else ""
    return f"CPU, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}{amx}"
