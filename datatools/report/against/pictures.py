"""Pictures of a comparison, as PNG bytes: what the confusion matrix gained and lost, and two maps on the same axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure

from datatools.evaluate import pictures
from datatools.evaluate.alignment import Alignment

MAX_CLASSES = 40  # of the matrix: those with the largest changes; the table beside it has the others
MARKS = {  # what is marked on the map -> colour, marker (Okabe and Ito 2008)
    "added": ("#009e73", "P"),
    "relabelled": ("#d55e00", "o"),
    "moved side": ("#cc79a7", "s"),
    "changed": ("#0072b2", "D"),
}


def draw_confusion_change(confusions: Sequence[Mapping[str, Any]], classes: Sequence[str]) -> bytes | None:
    """Heat map of after less before, actual by predicted; orange is more, purple is less; None where no cell changed.

    `confusions` as `compare_confusions` gives them. Above MAX_CLASSES the classes of the largest changes are shown.
    """
    shown = choose_classes(confusions, classes)
    if not shown:
        return None
    place = {name: number for number, name in enumerate(shown)}
    table = np.zeros((len(shown), len(shown)), dtype=np.int64)
    for row in confusions:
        if row["actual"] in place and row["predicted"] in place:
            table[place[row["actual"]], place[row["predicted"]]] = row["change"]
    side = pictures.WIDTH_IN * 0.86
    figure = Figure(figsize=(side + 0.4, side), dpi=pictures.DPI, layout="constrained")
    axes = figure.subplots()
    largest = max(int(np.abs(table).max()), 1)
    image = axes.imshow(table, cmap="PuOr_r", norm=TwoSlopeNorm(0, -largest, largest))
    if len(shown) <= pictures.MAX_WRITTEN:
        _write_changes(axes, table, largest)
    pictures.draw_rules(axes, len(shown))
    pictures.name_classes(axes, shown)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("actual class, by the labels of after")
    axes.set_title("Confusion on the common test images: after less before", loc="left")
    bar = figure.colorbar(image, ax=axes, fraction=0.046, pad=0.02)
    bar.set_label("images more (+) or fewer (−)")
    bar.outline.set_visible(False)  # type: ignore[operator]
    return pictures.to_png(figure)


def choose_classes(confusions: Sequence[Mapping[str, Any]], classes: Sequence[str]) -> list[str]:
    """The classes whose cells changed, in the order of `classes`; MAX_CLASSES at most, those that changed most."""
    sizes: dict[str, int] = {}
    for row in confusions:
        for name in {row["actual"], row["predicted"]}:
            sizes[name] = sizes.get(name, 0) + abs(row["change"])
    ranked = sorted(sizes, key=lambda name: -sizes[name])[:MAX_CLASSES]
    order = {name: number for number, name in enumerate(classes)}
    return sorted(ranked, key=lambda name: (order.get(name, len(order)), name))


def draw_maps(before: pd.DataFrame, alignment: Alignment, marks: Mapping[str, str], classes: Sequence[str]) -> bytes:
    """Two panels with the same axes: the map of before, and that of after laid on it, with what changed marked.

    Both have the index path and columns x, y, label: each panel has its own version's labels as colours. `marks` says what
    is marked for a path (one of MARKS).
    """
    figure = Figure(figsize=(pictures.WIDTH_IN * 1.5, pictures.WIDTH_IN * 0.72), dpi=pictures.DPI, layout="constrained")
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    after = alignment.after
    for axes, frame, title in ((panels[0], before, "before"), (panels[1], after, "after")):
        _scatter(axes, frame, classes)
        _mark(axes, frame, marks)
        axes.set_title(f"{title}: {len(frame):,} images", loc="left")
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_aspect("equal", adjustable="box")
    handles, names = panels[1].get_legend_handles_labels()
    if handles:
        figure.legend(handles, names, loc="outside lower center", ncols=len(names), frameon=False)
    return pictures.to_png(figure)


def _scatter(axes: Axes, frame: pd.DataFrame, classes: Sequence[str]) -> None:
    size = float(np.clip(pictures.DOT_AREA / 2 / max(len(frame), 1), 4, 18))
    label = frame["label"] if "label" in frame else pd.Series(None, index=frame.index, dtype=object)
    known = label.isin(list(classes)).to_numpy()
    axes.scatter(frame["x"][~known], frame["y"][~known], s=size, alpha=0.5, linewidths=0, color="#d1d5db")
    for number, name in enumerate(classes):
        mine = (label == name).fillna(False).to_numpy(dtype=bool)
        colour = pictures.PALETTE[number % len(pictures.PALETTE)]
        marker = pictures.MARKERS[number // len(pictures.PALETTE) % len(pictures.MARKERS)]
        axes.scatter(frame["x"][mine], frame["y"][mine], s=size, alpha=0.55, linewidths=0, color=colour, marker=marker)


def _mark(axes: Axes, frame: pd.DataFrame, marks: Mapping[str, str]) -> None:
    for name, (colour, marker) in MARKS.items():
        rows = frame[frame.index.isin([path for path, mark in marks.items() if mark == name])]
        if len(rows):
            style: dict[str, Any] = {"facecolors": "none", "edgecolors": colour, "linewidths": 1.6, "zorder": 4}
            axes.scatter(rows["x"], rows["y"], s=64, marker=marker, label=f"{name} ({len(rows):,})", **style)


def _write_changes(axes: Axes, table: Any, largest: int) -> None:
    size = float(np.clip(130 / len(table), 6.5, 13))
    for (row, column), change in np.ndenumerate(table):
        if change:
            colour = "white" if abs(change) > 0.6 * largest else pictures.INK
            axes.text(column, row, f"{change:+d}", ha="center", va="center", color=colour, fontsize=size)
