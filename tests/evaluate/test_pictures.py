from __future__ import annotations

import dataclasses
import io

import matplotlib
import matplotlib.axes
import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text
from PIL import Image

from datatools.evaluate import pictures
from datatools.evaluate.confusion import confusion_table
from datatools.evaluate.pictures import draw_confusion, draw_curves, draw_tsne
from datatools.evaluate.views import View


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


def view(name: str, labels, guesses, n_all: int | None = None) -> View:
    """Images at seeded places; a None is a label or a prediction that is not known."""
    points = np.random.default_rng(0).normal(size=(len(labels), 2))
    table = pd.DataFrame({"label": labels, "predicted": guesses}, dtype="string")
    return View(name, points, table, n_all or len(labels))


def draw(kind: str, n_classes: int = 3) -> bytes:
    labels, guesses, classes = answers(n_classes)
    if kind == "confusion":
        return draw_confusion(confusion_table(labels, guesses, classes))
    if kind == "tsne":
        return draw_tsne([view("model", labels, guesses)], classes)
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
    assert draw_tsne([view("data", [], []), view("model", [], [])], ["a", "b"])
    assert draw_curves([], 0)


def test_names_that_look_like_mathematics_are_text():
    assert draw_confusion(confusion_table(["$x_$"], ["$x_$"], ["$x_$", "\\frac"]))
    assert draw_tsne([view("model", ["$x_$"], ["\\frac"])], ["$x_$", "\\frac", "_hidden"])


def texts_of(monkeypatch, *views: View) -> list[str]:
    """Everything written in the picture of `views`."""
    written: list[str] = []
    monkeypatch.setattr(pictures, "to_png", lambda figure: written.extend(t.get_text() for t in figure.findobj(Text)))
    draw_tsne(views, ["a", "b"])
    return written


def test_two_views_stand_one_under_another():
    labels, guesses, classes = answers(3)
    both = draw_tsne([view("data", labels, guesses), view("model", labels, guesses)], classes)
    image = Image.open(io.BytesIO(both))
    assert (image.width, image.height) == (900, 1350)


def test_a_view_says_what_it_shows_and_counts_what_the_model_gets_wrong(monkeypatch):
    data = view("data", ["a", "a", None, "b"], ["b", None, None, "b"], n_all=1000)
    model = view("model", ["a", "b"], ["a", "b"])
    written = texts_of(monkeypatch, data, model)
    assert "All data: t-SNE of the neighbour graph: 4 of 1,000 images" in written
    assert "Test split as the network sees it: t-SNE of its embeddings: 2 images" in written
    assert "misclassified (1)" in written and "misclassified (0)" in written


def test_images_without_a_label_and_of_unknown_classes_are_drawn():
    strangers = draw_tsne([view("data", [None, "other"], [None, None])], ["a"])
    assert strangers != draw_tsne([view("data", [], [])], ["a"])


def test_what_is_not_known_is_not_wrong(monkeypatch):
    assert "misclassified (0)" in texts_of(monkeypatch, view("data", [None, "a"], ["a", None]))


def drawn_model(monkeypatch, labels, guesses, points=None) -> matplotlib.axes.Axes:
    """The axes of the model's view of these images."""
    figures = []
    monkeypatch.setattr(pictures, "to_png", lambda figure: figures.append(figure) or b"")
    seen = view("model", labels, guesses)
    seen = seen if points is None else dataclasses.replace(seen, points=points)
    draw_tsne([seen], ["coat", "hat", "shoe"])
    return figures[0].axes[0]


def names_on(axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_a_class_of_few_images_has_no_name_that_hides_them(monkeypatch):
    labels = ["coat"] * 60 + ["shoe"] * 10 + ["hat"] * 9
    assert names_on(drawn_model(monkeypatch, labels, labels)) == ["coat", "shoe"]


def test_a_name_that_would_lie_on_most_of_its_class_is_left_out(monkeypatch):
    points = np.random.default_rng(0).normal(size=(80, 2))
    points[:40] *= 0.001
    labels = ["coat"] * 40 + ["shoe"] * 40
    assert names_on(drawn_model(monkeypatch, labels, labels, points)) == ["shoe"]


def test_names_lie_below_rings_misclassified_images_and_classes_without_a_name(monkeypatch):
    labels = ["coat"] * 60 + ["hat"]
    axes = drawn_model(monkeypatch, labels, [*["coat"] * 59, "hat", "hat"])
    [name] = axes.texts
    shown = [points for points in axes.collections if len(points.get_offsets())]
    above = [len(points.get_offsets()) for points in shown if points.get_zorder() > name.get_zorder()]
    assert sorted(above) == [1, 1, 1], "the misclassified coat, the hat, the ring"
    assert name.get_alpha() < 1
