"""The whole report in one call: numbers, Markdown, page and the last lines of the terminal."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from datatools.params import ReportParams
from datatools.report.html import to_html
from datatools.report.markdown import to_markdown
from datatools.report.sections import Section
from datatools.report.summary import ReportInputs, summarise
from datatools.report.thumbnails import choose_paths, draw_thumbnails
from datatools.store import save_json, save_text


@dataclass(frozen=True)
class Report:
    """One report in the three forms that go to disk."""

    summary: Section
    markdown: str
    html: str


def build_report(inputs: ReportInputs, params: ReportParams, root: Path) -> Report:
    """Return the report; thumbnails are drawn from the images below `root`, those that cannot be read are left out."""
    summary = summarise(inputs, params)
    thumbnails = draw_thumbnails(inputs.dataset, choose_paths(summary), root)
    return Report(summary, to_markdown(summary), to_html(summary, inputs.pictures, thumbnails))


def save_report(folder: Path, report: Report) -> None:
    """Write report.json, report.md and report.html to `folder`."""
    save_json(folder / "report.json", report.summary)
    save_text(folder / "report.md", report.markdown)
    save_text(folder / "report.html", report.html)
