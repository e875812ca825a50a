"""How the App looks on the review: saved views, what can be edited, colours and the sidebar."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import fiftyone as fo

VIEWS = {"suspect labels": "label", "disagreements": "disagreement", "duplicates": "duplicate", "rare": "rare"}
ANNOTATOR_PREFIX = "annotator_"
COLORS = [{"path": "label", "fieldColor": "#c2410c"}, {"path": "suggested", "fieldColor": "#15803d"}]
MAX_RADIO = 20  # more classes than this are chosen from a list that can be searched


def save_views(review: fo.Dataset) -> None:
    """Name the whole queue and each kind of it, the most urgent image first."""
    from fiftyone import ViewField

    review.save_view("queue", review.sort_by("rank"), description="All, the most urgent first", overwrite=True)
    for name, kind in VIEWS.items():
        view = review.match(ViewField("queue_kind").contains(kind)).sort_by("rank")
        review.save_view(name, view, description=f"Queued as {kind}", overwrite=True)


def set_up_app(review: fo.Dataset, classes: Sequence[str]) -> None:
    """Let the App edit `label`, as a choice of the classes, and `why`; show label and suggestion at first."""
    import fiftyone as fo

    component = "radio" if len(classes) <= MAX_RADIO else "dropdown"
    label = {"type": "classification", "component": component, "classes": list(classes), "attributes": []}
    review.set_label_schemas({"label": label, "why": {"type": "str", "component": "text"}})
    review.active_label_schemas = ["label", "why"]
    review.app_config.sidebar_groups = _sidebar(review)
    review.app_config.color_scheme = fo.ColorScheme(color_by="field", fields=COLORS)
    review.app_config.active_fields = fo.ActiveFields(paths=["label", "suggested"])


def _sidebar(review: fo.Dataset) -> list[Any]:
    import fiftyone as fo

    fields = list(review.get_field_schema())
    groups = {
        "tags": [],
        "decide": ["label", "suggested", "why"],
        "queue": ["rank", "queue_kind", "reason", "codes", "score", "split"],
        "annotators": [name for name in fields if name.startswith(ANNOTATOR_PREFIX)],
        "shapes": ["boxes", "polygons"],
        "metadata": [f"metadata.{name}" for name in ("size_bytes", "mime_type", "width", "height", "num_channels")],
    }
    listed = {"tags", "metadata", *(path for paths in groups.values() for path in paths)}
    groups["other"] = [name for name in fields if name not in listed]
    return [
        fo.SidebarGroupDocument(name=name, paths=paths, expanded=name not in ("metadata", "other"))
        for name, paths in groups.items()
    ]
