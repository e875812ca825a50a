"""Pictures of a trained model, as PNG bytes: equal input gives equal bytes, no global state is touched."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

if TYPE_CHECKING:
    from datatools.evaluate.views import View

DPI = 100
WIDTH_IN = 9.0  # 900 px
MAX_WRITTEN = 25  # above so many classes counts no longer fit in the cells
MAX_NAMED = 40  # above so many classes every n-th name is written
INK, QUIET = "#222222", "#6b7280"
BLUE, ORANGE = "#0072b2", "#d55e00"  # Okabe and Ito 2008
GAMMA = 0.5  # colour grows with the square root of the share, so that rare errors are seen
# Petroff 2021 (arXiv:2107.02270): ten colours ordered for colour-blind readers
PALETTE = (
    "#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6", "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd"
)  # fmt: skip
MARKERS = ("o", "^", "s", "D", "v", "P", "X", "<", ">", "*")
MAX_LEGEND = 30
MAX_LETTERS = 18
DOT_AREA = 24 * 1000  # of all points together, square points
LARGEST_RING = 80  # square points, around what is misclassified
RING_AREA = LARGEST_RING * 250  # of all rings together: those of a poor model would hide all else
TITLES = {
    "data": "All data: t-SNE of the neighbour graph",
    "model": "Test split as the network sees it: t-SNE of its embeddings",
}
MAX_IN_PLACE = 80  # letters of all class names; above, names on the t-SNE would hide the points
MIN_NAMED = 10  # points of a class whose name is written on them
LETTER_WH = 0.016, 0.035  # of such a name, about: shares of the axes


def draw_confusion(table: pd.DataFrame) -> bytes:
    """Heat map of a confusion table (`confusion_table`): colour is the share of the actual class, text the count.

    Up to 25 classes the counts are written in the cells.
    """
    counts = table.to_numpy()
    n = len(counts)
    side = WIDTH_IN * 0.86
    figure, axes = _new(side + 0.4)
    support = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, support, out=np.zeros(counts.shape), where=support > 0)
    image = axes.imshow(shares, cmap="Blues", norm=PowerNorm(GAMMA, vmin=0, vmax=1))
    if n <= MAX_WRITTEN:
        _write_counts(axes, counts, shares)
        draw_rules(axes, n)
    name_classes(axes, [str(name) for name in table.index])
    axes.set_xlabel("predicted class")
    axes.set_ylabel("actual class")
    right = int(np.trace(counts))
    axes.set_title(f"Confusion on the test split: {right:,} of {int(counts.sum()):,} right", loc="left")
    bar = figure.colorbar(image, ax=axes, fraction=0.046, pad=0.02)
    bar.set_label("share of the actual class")
    bar.outline.set_visible(False)  # type: ignore[operator]
    return to_png(figure)


def draw_tsne(views: Sequence[View], classes: Sequence[str]) -> bytes:
    """One scatter under another, coloured by given label, grey without one; images that the model calls otherwise have a ring."""
    figure = Figure(figsize=(WIDTH_IN, WIDTH_IN * 0.75 * len(views)), dpi=DPI, layout="constrained")
    for axes, view in zip(figure.subplots(len(views), 1, squeeze=False).flat, views, strict=True):
        _draw_view(axes, view, classes)
    return to_png(figure)


def draw_curves(history: Sequence[Mapping[str, Any]], best_epoch: int) -> bytes:
    """Training curves of `history` (rows of `train_classifier`): loss above, validation accuracy below.

    A dotted line marks the epoch whose weights were kept.
    """
    figure = Figure(figsize=(WIDTH_IN, 5.6), dpi=DPI, layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    epochs = [row["epoch"] for row in history]
    upper.plot(epochs, [row["train_loss"] for row in history], "o-", color=BLUE, label="training (jittered images)")
    upper.plot(epochs, [row["val_loss"] for row in history], "s-", color=ORANGE, label="validation")
    lower.plot(epochs, [100 * row["val_accuracy"] for row in history], "s-", color=ORANGE)
    upper.set_title("Learning, epoch by epoch", loc="left")
    upper.set_ylabel("cross-entropy (nats)")
    upper.set_ylim(bottom=0)
    lower.set_ylabel("validation accuracy (%)")
    lower.set_xlabel("epoch")
    lower.xaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in (upper, lower):
        axes.axvline(best_epoch, color=QUIET, linestyle=":", zorder=0, label=f"kept: epoch {best_epoch}")
        axes.grid(axis="y", color="#e5e7eb")
        axes.set_axisbelow(True)
    upper.legend(frameon=False)
    return to_png(figure)


def _draw_view(axes: Axes, view: View, classes: Sequence[str]) -> None:
    points, given, predicted = view.points, view.table["label"], view.table["predicted"]
    wrong = (predicted.notna() & given.notna() & (predicted != given)).to_numpy(dtype=bool)
    size = float(np.clip(DOT_AREA / max(len(points), 1), 8, 24))
    area = float(np.clip(RING_AREA / max(wrong.sum(), 1), 24, LARGEST_RING))
    known = given.isin(list(classes)).to_numpy()
    axes.scatter(points[~known, 0], points[~known, 1], s=size, alpha=0.5, linewidths=0, color="#d1d5db")
    handles: list[Artist] = []
    for number, name in enumerate(classes):
        mine = (given == name).fillna(False).to_numpy(dtype=bool)
        marker = MARKERS[number // len(PALETTE) % len(MARKERS)]
        style: dict[str, Any] = {"color": PALETTE[number % len(PALETTE)], "marker": marker, "linewidths": 0}
        is_named = view.name == "model" and sum(map(len, classes)) <= MAX_IN_PLACE and _has_room(points, mine, name)
        axes.scatter(points[mine, 0], points[mine, 1], s=size, alpha=0.8, zorder=1 if is_named else 2.5, **style)
        handles.append(axes.scatter([], [], s=24, alpha=0.8, **style))
        axes.scatter(points[mine & wrong, 0], points[mine & wrong, 1], s=max(0.3 * area, size), zorder=3, **style)
        if is_named:
            _write_name(axes, np.median(points[mine], axis=0), str(name))
    line = 1.2 * math.sqrt(area / LARGEST_RING)
    ring: dict[str, Any] = {"facecolors": "none", "edgecolors": INK, "linewidths": line, "zorder": 4}
    axes.scatter(points[wrong, 0], points[wrong, 1], s=area, **ring)
    handles.append(axes.scatter([], [], s=LARGEST_RING, **ring))
    _place_legend(axes, handles, [*map(_shorten, classes), f"misclassified ({wrong.sum()})"])
    axes.set_title(f"{TITLES[view.name]}: {_count(len(points), view.n_all)}", loc="left")
    axes.set_xticks([])
    axes.set_yticks([])


def _count(n: int, n_all: int) -> str:
    return f"{n:,} images" if n == n_all else f"{n:,} of {n_all:,} images"


def _new(height_in: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(WIDTH_IN, height_in), dpi=DPI, layout="constrained")
    return figure, figure.subplots()


def _write_counts(axes: Axes, counts: NDArray[np.int64], shares: NDArray[np.float64]) -> None:
    size = float(np.clip(130 / len(counts), 6.5, 13))
    for (row, column), count in np.ndenumerate(counts):
        if count:
            colour = "white" if shares[row, column] ** GAMMA > 0.55 else INK
            axes.text(column, row, str(count), ha="center", va="center", color=colour, fontsize=size)


def draw_rules(axes: Axes, n: int) -> None:
    """Thin lines between the cells of an n x n matrix."""
    axes.set_xticks(np.arange(n + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(n + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="#e5e7eb", linewidth=0.8)
    axes.tick_params(which="minor", length=0)


def _shorten(name: str) -> str:
    return name if len(name) <= MAX_LETTERS else name[: MAX_LETTERS - 1] + "…"


def name_classes(axes: Axes, names: Sequence[str]) -> None:
    """Name the rows and columns of a matrix, every n-th where there are too many."""
    step = -(-len(names) // MAX_NAMED)
    places = list(range(0, len(names), step))
    short = [_shorten(names[place]) for place in places]
    size = 11.0 if len(places) <= MAX_WRITTEN else 8.0
    turn = 90 if max(map(len, short), default=0) * len(short) > 70 else 0
    axes.set_xticks(places, short, rotation=turn, fontsize=size)
    axes.set_yticks(places, short, fontsize=size)
    axes.tick_params(length=0)


def _has_room(points: NDArray[np.float64], mine: NDArray[np.bool_], name: str) -> bool:
    """Whether a name in the middle of its class would lie on less than half of the class's points, of which there are many."""
    if mine.sum() < MIN_NAMED:
        return False
    half = np.ptp(points, axis=0) * (LETTER_WH[0] * len(name), LETTER_WH[1]) / 2
    off = np.abs(points[mine] - np.median(points[mine], axis=0))
    return bool((off < half).all(axis=1).mean() < 0.5)


def _write_name(axes: Axes, place: NDArray[np.float64], name: str) -> None:
    """Semi-transparent and below rings, misclassified images and classes without a name: it hides none of them."""
    halo = [withStroke(linewidth=2.5, foreground="#ffffff99")]
    text = axes.text(place[0], place[1], name, ha="center", va="center", color=INK, fontsize=12, fontweight="bold")
    text.set(path_effects=halo, zorder=2, alpha=0.75, in_layout=False)


def _place_legend(axes: Axes, handles: Sequence[Artist], names: Sequence[str]) -> None:
    n_classes = len(names) - 1
    if n_classes > MAX_LEGEND:
        handles, names = handles[-1:], [f"{n_classes} classes; {names[-1]}"]
    axes.legend(
        handles, names, loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, ncols=1 if len(names) <= 21 else 2,
        borderaxespad=0,
    )  # fmt: skip


def to_png(figure: Figure) -> bytes:
    """The figure in the house's colours; a class called `$5` is no formula."""
    for axes in figure.axes:
        axes.title.set_color(INK)
        for spine in axes.spines.values():
            spine.set_color("#c9ccd1")
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        text.set_parse_math(False)
    data = io.BytesIO()
    # not Figure.savefig, which lays it out twice, to the same bytes
    FigureCanvasAgg(figure).print_png(data, metadata={"Software": None})
    return data.getvalue()
