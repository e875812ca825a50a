"""The report against a base in one call: the document, Markdown, page, and what goes to disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datatools.diff.changes import Diff
from datatools.project import Project
from datatools.report.against.cards import draw_cards
from datatools.report.against.collect import Against, collect_against, from_diff, mark_images
from datatools.report.against.html import to_html
from datatools.report.against.markdown import JSON, MAX_CHARACTERS, PAGE, to_markdown
from datatools.report.against.old_images import OldImages
from datatools.report.against.pictures import draw_confusion_change, draw_maps
from datatools.report.thumbnails import draw_thumbnails
from datatools.store import save_json, save_text

MARKDOWN = "changes.md"
FOLDER = "reports/against"
CASES = 12  # thumbnails of each kind of case


@dataclass(frozen=True)
class AgainstReport:
    """One report in the three forms that go to disk."""

    document: dict[str, Any]
    markdown: str
    html: str


def report_against(
    project: Project, base: str, head: str | None = None, max_characters: int = MAX_CHARACTERS
) -> AgainstReport:
    """Compare the Git revision `base` with `head`, or with the workspace. Raises DatatoolsError for a wrong call."""
    found = collect_against(project, base, head)
    markdown = to_markdown(found.document, max_characters)
    return AgainstReport(found.document, markdown, _draw_page(project, found))


def save_against(folder: Path, report: AgainstReport) -> None:
    """Write changes.md, changes.html and changes.json to `folder`."""
    save_json(folder / JSON, report.document)
    save_text(folder / MARKDOWN, report.markdown)
    save_text(folder / PAGE, report.html)


def render_markdown(diff: Diff, max_characters: int = MAX_CHARACTERS) -> str:
    """A diff alone as Markdown: the data and the findings."""
    return to_markdown(from_diff(diff), max_characters)


def render_html(diff: Diff) -> str:
    """A diff alone as a page, without pictures: the data and the findings."""
    return to_html(from_diff(diff))


def _draw_page(project: Project, found: Against) -> str:
    document, classes = found.document, found.datasets[1].classes
    old = OldImages(found.base) if found.base is not None else None
    cards = draw_cards(found.diff, found.datasets, project.raw, old, found.same, found.n_thumbnails)
    pictures: dict[str, bytes] = {}
    paths: list[str] = []
    model = document["model"]
    if "missing" not in model:
        changed = draw_confusion_change(model["confusions"], classes)
        pictures |= {"confusion": changed} if changed else {}
        paths = [row["path"] for cases in model["cases"].values() for row in cases["shown"][:CASES]]
    if found.maps is not None:
        pictures["map"] = draw_maps(found.maps.before, found.maps.alignment, mark_images(found.diff.changes), classes)
    thumbnails = draw_thumbnails(found.datasets[1], paths, project.raw)
    return to_html(document, cards, pictures, thumbnails)
