from __future__ import annotations

import sys

import pytest
import torch

from datatools.errors import DatatoolsError, MissingExtraError
from datatools.learn.device import choose_device


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a GPU")


def test_auto_takes_the_cpu_without_a_gpu(no_gpu):
    device = choose_device("auto", "auto")
    assert device.name == "cpu"
    assert device.description.startswith("CPU, ")


def test_auto_takes_the_gpu_and_cpu_can_still_be_asked_for(gpu):
    assert choose_device("auto", "auto") == choose_device("cuda", "bf16")
    assert choose_device("auto", "auto").description == "a GPU"
    assert choose_device("cpu", "auto").name == "cpu"


@pytest.mark.parametrize(("amx", "avx", "expected"), [(True, False, True), (False, True, True), (False, False, False)])
def test_auto_takes_bf16_where_the_cpu_computes_in_it(no_gpu, monkeypatch, amx, avx, expected):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx)
    assert choose_device("cpu", "auto").bf16 is expected
    assert choose_device("cpu", "fp32").bf16 is False
    assert choose_device("cpu", "bf16").bf16 is True


def test_cuda_without_a_gpu_says_what_to_do(no_gpu):
    with pytest.raises(
        DatatoolsError, match=r"^params.yaml: train.device must .*no CUDA GPU .*: set train.device: auto"
    ):
        choose_device("cuda", "auto")


def test_without_torch_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"needs the package torch.*\[train\]"):
        choose_device("auto", "auto")
