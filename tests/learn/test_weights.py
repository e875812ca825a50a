from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch

from datatools.errors import DatatoolsError
from datatools.learn.training import predict, train_classifier
from datatools.learn.weights import load_model, save_model

from .conftest import make_examples

CLASSES = ["a", "b", "c"]


@pytest.fixture
def trained(params):
    return train_classifier(make_examples(24), make_examples(6), 3, dataclasses.replace(params, epochs=1))


@pytest.fixture
def folder(trained, tmp_path):
    save_model(tmp_path, trained, CLASSES, {"commit": "abc"})
    return tmp_path


def test_a_loaded_model_predicts_the_same(folder, trained):
    saved = load_model(folder, device="cpu", precision="fp32")
    images = make_examples(9, seed=3).images
    np.testing.assert_array_equal(predict(saved.trained, images).probs, predict(trained, images).probs)
    assert (saved.classes, saved.record) == (CLASSES, {"commit": "abc"})
    assert saved.trained.scale == trained.scale


def test_saving_twice_gives_the_same_bytes_without_timings(folder, tmp_path):
    saved = load_model(folder, device="cpu", precision="fp32")
    again = tmp_path / "again"
    save_model(again, saved.trained, saved.classes, saved.record)
    for name in ("model.safetensors", "model.json"):
        assert (folder / name).read_bytes() == (again / name).read_bytes()
    assert "images_per_second" not in (folder / "model.json").read_text()


def test_loading_leaves_the_random_numbers_alone(folder):
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    load_model(folder, device="cpu")
    assert torch.equal(torch.rand(2), expected)


def test_too_few_class_names_are_an_error(trained, tmp_path):
    with pytest.raises(DatatoolsError, match=r"classes must be 3, one an output. Got 2"):
        save_model(tmp_path, trained, ["a", "b"], {})


def test_missing_files_are_named(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(DatatoolsError, match=r"model.safetensors: expected the weights. Got no such file"):
        load_model(folder)
    (folder / "model.json").unlink()
    with pytest.raises(DatatoolsError, match=r"model.json: expected a JSON file. Got no such file"):
        load_model(folder)


def test_broken_weights_are_an_error(folder):
    (folder / "model.safetensors").write_bytes(b"nonsense")
    with pytest.raises(DatatoolsError, match=r"model.safetensors: expected the weights of model.json"):
        load_model(folder)


def test_weights_of_another_model_are_an_error(folder):
    facts = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**facts, "model": "resnet10"}))
    with pytest.raises(DatatoolsError, match=r"model.safetensors: expected the weights of model.json"):
        load_model(folder)


@pytest.mark.parametrize("broken", [{}, [], {"model": "resnet8", "classes": 3}])
def test_a_foreign_json_is_an_error(folder, broken):
    (folder / "model.json").write_text(json.dumps(broken))
    with pytest.raises(DatatoolsError, match=r"model.json: expected a saved model"):
        load_model(folder)
