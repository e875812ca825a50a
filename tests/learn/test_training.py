from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from datatools.errors import DatatoolsError
from datatools.learn import training
from datatools.learn.online import OnlinePolicy
from datatools.learn.pixels import Examples
from datatools.learn.training import predict, train_classifier
from datatools.policy.steps import parse_policy

from .conftest import SIDE, make_examples


@pytest.fixture
def trained(params):
    return train_classifier(make_examples(48), make_examples(12, seed=1), 3, params)


def weights_of(trained):
    return torch.cat([value.flatten().double() for value in trained.model.state_dict().values()])


def test_it_learns_and_predicts(trained):
    test = make_examples(30, seed=2)
    prediction = predict(trained, test.images)
    assert (prediction.probs.argmax(axis=1) == test.labels).mean() > 0.9
    assert prediction.probs.shape == (30, 3)
    assert prediction.probs.dtype == prediction.embeddings.dtype == np.float32
    assert prediction.embeddings.shape == (30, 128)
    np.testing.assert_allclose(prediction.probs.sum(axis=1), 1, rtol=1e-6)


def test_same_seed_same_bits_other_seed_other_bits(params, trained):
    again = train_classifier(make_examples(48), make_examples(12, seed=1), 3, params)
    other = train_classifier(make_examples(48), make_examples(12, seed=1), 3, dataclasses.replace(params, seed=1))
    assert torch.equal(weights_of(trained), weights_of(again))
    assert not torch.equal(weights_of(trained), weights_of(other))


def test_online_augmentation_learns_and_is_repeatable(params):
    policy = parse_policy([{"affine": {"translate": [-0.05, 0.05]}}, {"noise": {"std": [0, 8]}}])
    online = OnlinePolicy(policy, np.arange(48, dtype=np.uint64), mixup=0.2)
    sides = make_examples(48), make_examples(12, seed=1)
    wanted = dataclasses.replace(params, epochs=8, patience=8)
    one, other = (train_classifier(*sides, 3, wanted, None, online) for _ in range(2))
    assert torch.equal(weights_of(one), weights_of(other))
    test = make_examples(30, seed=2)
    assert (predict(one, test.images).probs.argmax(axis=1) == test.labels).mean() > 0.9


def test_every_epoch_is_logged(params):
    rows = []
    trained = train_classifier(make_examples(32), make_examples(12, seed=1), 3, params, rows.append)
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4]
    assert list(rows[0]) == ["epoch", "train_loss", "val_loss", "val_accuracy", "learning_rate", "images_per_second"]
    assert trained.history == tuple(rows)


def with_val_losses(monkeypatch, losses):
    """Make validation say `losses`, and return the weights it was asked about."""
    seen, left = [], list(losses)

    def measure(model, pixels, labels):
        seen.append(model.state_dict()["0.weight"].clone())
        return left.pop(0), 0.5

    monkeypatch.setattr(training, "_measure", measure)
    return seen


def test_the_best_weights_are_kept(params, monkeypatch):
    seen = with_val_losses(monkeypatch, [0.5, 0.2, 0.4, 0.3])
    trained = train_classifier(make_examples(16), make_examples(6), 3, params)
    assert trained.best_epoch == 2
    assert torch.equal(trained.model.state_dict()["0.weight"], seen[1])
    assert not torch.equal(seen[1], seen[3])


def test_it_stops_after_patience_but_not_while_warming_up(params, monkeypatch):
    with_val_losses(monkeypatch, [0.1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5])
    trained = train_classifier(
        make_examples(16), make_examples(6), 3, dataclasses.replace(params, epochs=8, patience=2)
    )  # fmt: skip
    assert len(trained.history) == 4  # the warm-up ends with epoch 2
    assert trained.best_epoch == 1


def test_a_loss_that_is_no_number_is_an_error(params, monkeypatch):
    with_val_losses(monkeypatch, [float("nan")] * 4)
    with pytest.raises(DatatoolsError, match=r"train.learning_rate .* lower it"):
        train_classifier(make_examples(16), make_examples(6), 3, params)


def test_a_class_without_training_images_is_no_crash(params):
    examples = make_examples(16, n_classes=2)
    trained = train_classifier(examples, make_examples(9, n_classes=3), 4, dataclasses.replace(params, epochs=1))
    assert predict(trained, examples.images).probs.shape == (16, 4)


def test_one_image_a_side_is_enough(params):
    one = make_examples(1)
    assert train_classifier(one, one, 3, dataclasses.replace(params, epochs=1)).best_epoch == 1


def test_nothing_to_predict_is_an_empty_answer(trained):
    prediction = predict(trained, np.zeros((0, SIDE, SIDE, 3), np.uint8))
    assert prediction.probs.shape == (0, 3)
    assert prediction.embeddings.shape == (0, 128)


@pytest.mark.parametrize("side", ["train", "val"])
def test_an_empty_side_is_an_error(params, side):
    empty, some = Examples(np.zeros((0, SIDE, SIDE, 3), np.uint8), np.zeros(0, np.int64)), make_examples(6)
    sides = (empty, some) if side == "train" else (some, empty)
    with pytest.raises(DatatoolsError, match=f"the {side} side .* Got none: raise split.{side}"):
        train_classifier(*sides, 3, params)


def test_a_label_beyond_the_classes_is_an_error(params):
    with pytest.raises(DatatoolsError, match=r"labels of the train side must be in \[0, 1\]. Got 0 to 2"):
        train_classifier(make_examples(6), make_examples(6), 2, params)


def test_images_of_another_size_are_an_error(params, trained):
    with pytest.raises(DatatoolsError, match=r"shape \(n, 32, 32, 3\)"):
        train_classifier(make_examples(6), make_examples(6), 3, dataclasses.replace(params, image_size_px=32))
    with pytest.raises(DatatoolsError, match=r"shape \(n, 16, 16, 3\)"):
        predict(trained, np.zeros((1, 8, 8, 3), np.uint8))


def test_ctrl_c_ends_training(params):
    def interrupt(row):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_classifier(make_examples(16), make_examples(6), 3, params, interrupt)
    assert not torch.are_deterministic_algorithms_enabled()


def test_inputs_are_unchanged(params):
    examples = make_examples(16)
    before = examples.images.copy()
    train_classifier(examples, make_examples(6), 3, dataclasses.replace(params, epochs=1))
    np.testing.assert_array_equal(examples.images, before)
