from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn
from torchvision.models.resnet import BasicBlock

from datatools.errors import DatatoolsError
from datatools.learn.models import ResidualBlock, build_model, embed, list_models


@pytest.mark.parametrize(
    ("name", "width"), [("resnet8", 128), ("resnet10", 512), ("mobilenet_v3_small", 1024), ("squeezenet1_1", 5)]
)
def test_logits_and_embeddings_have_a_row_an_image(name, width):
    model = build_model(name, 5, image_size_px=64).eval()
    with torch.inference_mode():
        logits, embeddings = embed(model, torch.zeros(2, 3, 64, 64))
        assert torch.equal(logits, model(torch.zeros(2, 3, 64, 64)))
    assert logits.shape == (2, 5)
    assert embeddings.shape == (2, width)


def test_the_last_linear_layer_maps_embeddings_to_logits():
    model = build_model("resnet8", 4).eval()
    with torch.inference_mode():
        logits, embeddings = embed(model, torch.rand(3, 3, 32, 32))
        assert torch.allclose(model[-1](embeddings), logits)


def test_embed_leaves_no_hook_behind():
    model = build_model("resnet8", 4).eval()
    embed(model, torch.zeros(1, 3, 32, 32))
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_auxiliary_heads_are_left_out():
    model = build_model("googlenet", 3)
    assert isinstance(model.train()(torch.zeros(2, 3, 64, 64)), torch.Tensor)


def test_same_seed_gives_same_weights():
    def weights() -> torch.Tensor:
        torch.manual_seed(7)
        return nn.utils.parameters_to_vector(build_model("resnet8", 4).parameters())

    assert torch.equal(weights(), weights())


def test_detectors_are_not_classifiers():
    assert "resnet18" in list_models()
    assert "fasterrcnn_resnet50_fpn" not in list_models()


def test_unknown_name_lists_close_ones():
    with pytest.raises(DatatoolsError, match=r"train.model must be resnet8 .* Got 'resnet81' instead: .*resnet18"):
        build_model("resnet81", 10)


def test_a_size_that_the_model_cannot_take_is_refused():
    with pytest.raises(DatatoolsError, match=r"train.image_size_px must be a size that alexnet takes. Got 16 instead"):
        build_model("alexnet", 10, image_size_px=16)


def test_checking_the_size_leaves_the_model_in_training():
    assert build_model("resnet8", 4, image_size_px=16).training


def test_the_block_is_torchvisions():
    torch.manual_seed(3)
    ours = ResidualBlock(8, 16)
    torch.manual_seed(3)
    shortcut = nn.Sequential(nn.Conv2d(8, 16, 1, 2, bias=False), nn.BatchNorm2d(16))
    theirs = BasicBlock(8, 16, 2, shortcut)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert [name for name, _ in ours.named_parameters()] == [name for name, _ in theirs.named_parameters()]
    for one, other in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True):
        assert torch.equal(one, other)
    images = torch.rand(4, 8, 6, 6)
    assert torch.equal(ours(images.clone()), theirs(images.clone()))
    assert torch.equal(ours.eval()(images.clone()), theirs.eval()(images.clone()))


def test_the_own_small_model_needs_no_torchvision():
    code = "import sys; from datatools.learn.models import build_model; build_model('resnet8', 3); print('torchvision' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"
