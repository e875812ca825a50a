"""The whole report in one call."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from datatools.params import ReportParams
from datatools.report.build import build_report, save_report
from tests.report.builders import LABELS, make_inputs, make_png


def make_root(folder: Path) -> Path:
    (folder / "images").mkdir(parents=True)
    for number, path in enumerate(LABELS):
        (folder / path).write_bytes(make_png(32, 10 * number))
    return folder


def test_files_on_disk(tmp_path: Path) -> None:
    report = build_report(make_inputs(), ReportParams(), make_root(tmp_path / "raw"))
    save_report(tmp_path / "reports", report)
    names = sorted(path.name for path in (tmp_path / "reports").iterdir())
    assert names == ["report.html", "report.json", "report.md"]
    assert json.loads((tmp_path / "reports/report.json").read_text()) == report.summary
    assert (tmp_path / "reports/report.md").read_text() == report.markdown
    assert (tmp_path / "reports/report.html").read_text() == report.html


def test_thumbnails_are_in_the_page(tmp_path: Path) -> None:
    html = build_report(make_inputs(), ReportParams(), make_root(tmp_path)).html
    assert html.count('alt="Image to review: images/0.png"') == 1
    assert html.count("no picture") == 0
    assert base64.b64encode(b"\x89PNG").decode()[:5] in html


def test_without_any_image_the_report_still_stands(tmp_path: Path) -> None:
    html = build_report(make_inputs(), ReportParams(), tmp_path / "gone").html
    assert html.count("no picture") == 3


def test_same_inputs_same_bytes(tmp_path: Path) -> None:
    root = make_root(tmp_path / "raw")
    for name in ("first", "second"):
        save_report(tmp_path / name, build_report(make_inputs(), ReportParams(), root))
    for name in ("report.html", "report.json", "report.md"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
