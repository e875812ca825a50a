from __future__ import annotations

import io

import matplotlib
import numpy as np
import pytest
from PIL import Image

from datatools.evaluate.confusion import confusion_table
from datatools.evaluate.pictures import draw_confusion, draw_curves, draw_tsne


def answers(n_classes: int, n: int = 200):
    rng = np.random.default_rng(0)
    classes = [f"class {number}" for number in range(n_classes)]
    labels = rng.integers(n_classes, size=n)
    guesses = np.where(rng.random(n) < 0.1, rng.integers(n_classes, size=n), labels)
    return [classes[number] for number in labels], [classes[number] for number in guesses], classes


def history(n: int):
    return [
        {"epoch": k + 1, "train_loss": 2 / (k + 1), "val_loss": 2.1 / (k + 1), "val_accuracy": k / n} for k in range(n)
    ]


def draw(kind: str, n_classes: int = 3) -> bytes:
    labels, guesses, classes = answers(n_classes)
    if kind == "confusion":
        return draw_confusion(confusion_table(labels, guesses, classes))
    if kind == "tsne":
        return draw_tsne(np.random.default_rng(0).normal(size=(200, 2)), labels, guesses, classes)
    return draw_curves(history(5), 4)


KINDS = ("confusion", "tsne", "curves")


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_is_a_png_about_900_px_wide(kind):
    image = Image.open(io.BytesIO(draw(kind)))
    assert image.format == "PNG"
    assert image.width == 900
    assert 400 <= image.height <= 1000


@pytest.mark.parametrize("kind", KINDS)
def test_equal_input_gives_equal_bytes_and_no_dates(kind):
    assert draw(kind) == draw(kind)
    assert not Image.open(io.BytesIO(draw(kind))).text


@pytest.mark.parametrize("n_classes", [2, 25, 26, 100])
@pytest.mark.parametrize("kind", ["confusion", "tsne"])
def test_two_to_a_hundred_classes(kind, n_classes):
    assert Image.open(io.BytesIO(draw(kind, n_classes))).width == 900


def test_settings_of_matplotlib_are_left_alone():
    before = dict(matplotlib.rcParams)
    for kind in KINDS:
        draw(kind)
    assert dict(matplotlib.rcParams) == before


def test_nothing_to_draw_is_still_a_picture():
    assert draw_confusion(confusion_table([], [], ["a", "b"]))
    assert draw_tsne(np.zeros((0, 2)), [], [], ["a", "b"])
    assert draw_curves([], 0)


def test_names_that_look_like_mathematics_are_text():
    assert draw_confusion(confusion_table(["$x_$"], ["$x_$"], ["$x_$", "\\frac"]))
    assert draw_tsne(np.zeros((1, 2)), ["$x_$"], ["\\frac"], ["$x_$", "\\frac", "_hidden"])
