"""What the fixes bought, for people: a sentence, two small tables, and how it was measured; as Markdown and as a page."""

from __future__ import annotations

from pathlib import Path

from datatools.report.lift_words import Document, to_method, to_rows, to_verdict
from datatools.report.markdown import lift_tables, prose
from datatools.report.pages import render
from datatools.store import save_json, save_text


def save_lift(folder: Path, lift: Document) -> None:
    """Write lift.json, lift.md and lift.html into `folder`."""
    save_json(folder / "lift.json", lift)
    save_text(folder / "lift.md", to_lift_markdown(lift))
    save_text(folder / "lift.html", to_lift_page(lift))


def to_lift_markdown(lift: Document) -> str:
    """The section for a report or pull request, of a measured lift."""
    blocks = [
        "## What the fixes bought",
        f"**{prose(to_verdict(lift), 400)}**",
        *lift_tables(to_rows(lift)),
        prose(to_method(lift), 1000),
    ]
    return "\n\n".join(blocks) + "\n"


def to_lift_page(lift: Document) -> str:
    """The page of a measured lift: self-contained, no script, every text escaped."""
    values = {"verdict": to_verdict(lift), "data_version": lift["data_version"], "method": to_method(lift)}
    return render("lift_page.html", {}, {**values, "lift_rows": to_rows(lift)})
