"""How the App looks on the review: saved views, what can be edited, colours, the sidebar and the panels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from datatools.review.showing import ASKED, DECIDED, DISPUTED

if TYPE_CHECKING:
    import fiftyone as fo

VIEWS = {
    "suspect labels": "label",
    "annotator conflicts": "disagreement",
    "near-duplicates": "duplicate",
    "under-represented": "rare",
    "failure cases": "failure",
    "for an expert": "expert",
}
UNDECIDED, OUTLIERS, MINE = "not decided", "outliers", "my disagreements"
N_PAIRS = 12  # views of class pairs: the most frequent ones
N_OUTLIERS = 50
ANNOTATOR_PREFIX = "annotator_"
COLORS = [{"path": "label", "fieldColor": "#c2410c"}, {"path": "suggested", "fieldColor": "#15803d"}]
MAX_RADIO = 20  # more classes than this are chosen from a list that can be searched
WORKSPACE = "review"
PANEL = "review_queue"


def save_views(review: fo.Dataset) -> None:
    """Name the whole queue, what is not decided, each kind of it and each class pair; the most urgent image first.

    Views that have nothing to show are left out, and those of an older queue go.
    """
    from fiftyone import ViewField

    for name in review.list_saved_views():
        review.delete_saved_view(name)
    review.save_view("queue", review.sort_by("rank"), description="All, the most urgent first")
    left = review.match_tags([DECIDED, ASKED], bool=False).sort_by("rank")
    review.save_view(UNDECIDED, left, description="Nobody has decided on these")
    for name, kind in VIEWS.items():
        view = review.match(ViewField("queue_kind").contains(kind)).sort_by("rank")
        if view.count("id"):
            review.save_view(name, view, description=f"Queued as {kind}")
    for label, suggested in _class_pairs(review):
        pair = (ViewField("label.label") == label) & (ViewField("suggested.label") == suggested)
        view = review.match(ViewField("queue_kind").contains("label") & pair).sort_by("rank")
        review.save_view(
            f"suspect: {label} or {suggested}", view, description=f"Labelled {label}, looks like {suggested}"
        )
    if review.count("isolation"):
        view = review.exists("isolation").sort_by("isolation", reverse=True).limit(N_OUTLIERS)
        review.save_view(OUTLIERS, view, description="Least like any other image, by the neighbour graph")


def save_own_view(review: fo.Dataset, who: str) -> None:
    """Name the disputed images on which `who` has said something."""
    from fiftyone import ViewField

    view = review.match_tags(DISPUTED).match(ViewField("deciders").contains(who)).sort_by("rank")
    review.save_view(f"{MINE} ({who})", view, description="Others decided otherwise", overwrite=True)


def _class_pairs(review: fo.Dataset) -> list[tuple[str, str]]:
    """Label and suggestion of the doubted labels, the most frequent pairs first."""
    rows = zip(*review.values(["label.label", "suggested.label", "queue_kind"]), strict=True)
    pairs = Counter(
        (label, said) for label, said, kinds in rows if label and said and label != said and "label" in kinds
    )
    return [pair for pair, _ in sorted(pairs.items(), key=lambda item: (-item[1], item[0]))[:N_PAIRS]]


def set_up_app(review: fo.Dataset, classes: Sequence[str]) -> None:
    """Let the App edit `label`, as a choice of the classes, and `why`; show label, suggestion and decision at first."""
    import fiftyone as fo

    component = "radio" if len(classes) <= MAX_RADIO else "dropdown"
    label = {"type": "classification", "component": component, "classes": list(classes), "attributes": []}
    review.set_label_schemas({"label": label, "why": {"type": "str", "component": "text"}})
    review.active_label_schemas = ["label", "why"]
    review.app_config.sidebar_groups = _sidebar(review)
    review.app_config.color_scheme = fo.ColorScheme(color_by="field", fields=COLORS)
    review.app_config.active_fields = fo.ActiveFields(paths=["label", "suggested", "decision"])
    review.save_workspace(WORKSPACE, _workspace(), description="The images and the queue", overwrite=True)


def _workspace() -> fo.Space:
    import fiftyone as fo

    panels = [fo.Panel(type="Samples", pinned=True), fo.Panel(type=PANEL)]
    spaces = [fo.Space(children=[panel], active_child=panel.component_id) for panel in panels]
    return fo.Space(children=spaces, orientation="horizontal", sizes=[0.68, 0.32])


def _sidebar(review: fo.Dataset) -> list[Any]:
    import fiftyone as fo

    fields = list(review.get_field_schema())
    groups = {
        "tags": [],
        "decide": ["label", "suggested", "decision", "why"],
        "queue": ["rank", "queue_kind", "reason", "codes", "score", "split", "isolation"],
        "annotators": [name for name in fields if name.startswith(ANNOTATOR_PREFIX)],
        "shapes": ["boxes", "polygons"],
        "metadata": [f"metadata.{name}" for name in ("size_bytes", "mime_type", "width", "height", "num_channels")],
    }
    groups = {name: [path for path in paths if path in fields or "." in path] for name, paths in groups.items()}
    listed = {"tags", "metadata", *(path for paths in groups.values() for path in paths)}
    groups["other"] = [name for name in fields if name not in listed]
    return [
        fo.SidebarGroupDocument(name=name, paths=paths, expanded=name not in ("metadata", "other"))
        for name, paths in groups.items()
    ]
