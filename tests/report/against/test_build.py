"""The whole report of two versions: its document, its page, its pictures, the command."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from datatools.cli.commands import app
from datatools.diff.compare import compare_versions
from datatools.diff.versions import load_version
from datatools.errors import DatatoolsError
from datatools.findings import Finding
from datatools.project import Project
from datatools.report.against.build import AgainstReport, render_html, render_markdown, report_against, save_against
from datatools.report.against.verdict import write_verdict
from datatools.schema import FINDINGS
from datatools.store import save_table
from tests.finished_runs import found, git
from tests.report.against.hostile import NAMES
from tests.report.against.projects import CERTIFICATE, PATHS, make_state, relabel, start, write

BASE = make_state()


def changed_state() -> Any:
    """Ten labels, a box, pixels, an image less and one more; a new error; the model fixes two images and loses one."""
    state = BASE
    for path in (*PATHS[20:30], PATHS[5]):
        state = relabel(state, path, "dog" if BASE.labels[path] == "cat" else "cat")
    labels = {path: label for path, label in state.labels.items() if path != PATHS[39]}
    return replace(
        state,
        labels={**labels, "images/new.png": "cat"},
        boxes={**BASE.boxes, PATHS[20]: (6.0, 5.0, 28.0, 21.0)},
        predicted={**BASE.predicted, PATHS[0]: "cat", PATHS[1]: "dog", PATHS[8]: "dog"},
        pixels={PATHS[33]: 5},
        findings=(found("BOX001", Finding("it reaches out", path=PATHS[21])),),
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """BASE committed, changed_state in the workspace."""
    started = start(tmp_path_factory.mktemp("build") / "p")
    write(started, BASE, "base")
    git(started.root, "tag", "base")
    return write(started, changed_state())


@pytest.fixture(scope="module")
def made(project: Project) -> AgainstReport:
    return report_against(project, "base")


class Page(HTMLParser):
    """Tags and attributes of a page; text by the way."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_document_counts_what_was_planted(made: AgainstReport) -> None:
    data = made.document["data"]
    assert data["by_kind"] == {
        "image added": 1, "image removed": 1, "image changed": 1, "relabelled": 11, "moved": 1,
    }  # fmt: skip
    assert data["relabelled"] == [{"before": "dog", "after": "cat", "n": 6}, {"before": "cat", "after": "dog", "n": 5}]
    assert data["relabelled_images"] == 11
    assert data["decisions"][0] | {"ids": []} == {
        "who": "Rita", "op": "relabel", "why": "seen", "n": 11, "n_changes": 11, "ids": []
    }  # fmt: skip
    assert data["from_source"] == 4
    assert data["bytes_added"] > 0
    findings = made.document["findings"]
    assert findings["new"] == {"error": 1, "warning": 0, "info": 0}
    assert findings["gone"] == 1
    assert [(row["code"], row["new"], row["gone"]) for row in findings["codes"]] == [("BOX001", 1, 0), ("BOX006", 0, 1)]
    assert [row["kept"] for row in made.document["split"]["promises"]] == [True] * 4


def test_the_document_compares_on_the_same_labels(made: AgainstReport) -> None:
    model = made.document["model"]
    assert model["images"] == {
        "before": 20, "after": 20, "common": 20, "only_before": 0, "only_after": 0, "relabelled": 1
    }  # fmt: skip
    assert (model["accuracy"]["before"], model["accuracy"]["after"]) == (0.75, 0.8)
    assert model["own"]["before"]["accuracy"] == 0.8
    assert {kind: cases["n"] for kind, cases in model["cases"].items()} == {
        "fixed": 2, "newly_failing": 1, "still_failing": 3
    }  # fmt: skip
    assert model["runs"]["after"]["epochs"] == 12
    assert made.document["map"] | {"residual": 0} == {
        "view": "data", "method": "procrustes", "before": 40, "after": 40, "common": 38, "residual": 0, "moved_median": pytest.approx(0, abs=1e-9),
        "marked": {"added": 1, "relabelled": 11, "moved side": 0, "changed": 1},
    }  # fmt: skip


def test_the_verdict_is_one_sentence_and_five_rows(made: AgainstReport) -> None:
    verdict = made.document["verdict"]
    assert verdict["sentence"].startswith(
        "11 annotations relabelled, 1 image added, 1 image removed and 2 other changes, on 14 images; 1 new error;"
    )
    assert [(row["what"], row["state"]) for row in verdict["rows"]] == [
        ("Data", "changed"), ("Findings", "look"), ("Split", "good"), ("Test set", "changed"), ("Model", "same"),
    ]  # fmt: skip


def test_nothing_changed_says_so(tmp_path: Path) -> None:
    project = write(start(tmp_path / "p"), BASE, "base")
    document = report_against(project, "HEAD").document
    assert document["data"]["n"] == 0
    assert document["verdict"]["sentence"].startswith(
        "The data is the same; no new error; the split keeps its promises."
    )
    assert document["model"]["accuracy"]["value"] == 0.0
    assert "Nothing differs." in report_against(project, "HEAD").html


def test_two_revisions_without_a_look_at_the_workspace(tmp_path: Path) -> None:
    project = write(start(tmp_path / "p"), BASE, "base")
    write(project, relabel(BASE, PATHS[30], "dog"), "fixed")
    write(project, relabel(BASE, PATHS[31], "cat"))
    document = report_against(project, "HEAD~1", "HEAD").document
    assert [row["path"] for row in document["data"]["changes"]] == [PATHS[30]]
    assert document["versions"]["after"]["name"] == "HEAD"


def test_other_changes_behind_the_model_are_named(tmp_path: Path) -> None:
    project = write(start(tmp_path / "p"), BASE, "base")
    made = report_against(write(project, replace(BASE, params={"epochs": 20, "code": "b"})), "HEAD")
    assert made.document["model"]["also_changed"] == [
        {"what": "parameter", "name": "train.code", "before": None, "after": "b"},
        {"what": "parameter", "name": "train.epochs", "before": 12, "after": 20},
        {"what": "code", "name": "datatools/learn", "before": None, "after": None},
    ]
    assert "Not only the data changed" in made.markdown
    assert "The change made no difference to the model" in made.document["verdict"]["sentence"]


def test_a_broken_promise_is_said_first(tmp_path: Path) -> None:
    project = write(start(tmp_path / "p"), BASE, "base")
    write(project, replace(BASE, certificate={**CERTIFICATE, "copies_crossing": 3}))
    document = report_against(project, "HEAD").document
    assert "the split breaks 1 promise" in document["verdict"]["sentence"]
    assert {"what": "Split", "state": "look", "text": "broken: equal files on one side, 3 cross"} in document[
        "verdict"
    ]["rows"]


def test_a_version_without_a_model_is_not_compared(tmp_path: Path) -> None:
    project = write(start(tmp_path / "p"), replace(BASE, with_model=False), "base")
    document = report_against(write(project, BASE), "HEAD").document
    assert document["model"] == {"missing": "before: no stage evaluate wrote predictions"}
    assert document["verdict"]["sentence"].endswith("The models were not compared.")


def test_a_model_that_is_neither_here_nor_in_the_remote_is_not_compared(tmp_path: Path) -> None:
    project = write(start(tmp_path / "p"), BASE, "base")
    write(project, relabel(BASE, PATHS[2], "dog"))
    for file in (project.root / ".dvc/cache/files/md5").rglob("*"):
        if file.is_file() and file.read_bytes()[:4] == b"PAR1" and b"confidence" in file.read_bytes():
            file.unlink()
    document = report_against(project, "HEAD").document
    assert document["data"]["n"] == 1
    assert "predictions.parquet of HEAD: expected it in the DVC cache or the remote" in document["model"]["missing"]


def test_a_muted_finding_is_counted_apart(tmp_path: Path) -> None:
    project = write(start(tmp_path / "p"), BASE, "base")
    project.mutes.write_text("- {code: BOX001, reason: on purpose, until: 2999-01-01}\n".replace("2999", "2035"))
    write(project, replace(BASE, findings=(*BASE.findings, found("BOX001", Finding("out", path=PATHS[21])))))
    findings = report_against(project, "HEAD").document["findings"]
    assert (findings["muted"], findings["new"]["error"], findings["codes"]) == (1, 0, [])


def test_what_models_found_is_neither_new_nor_gone_where_they_looked_once(tmp_path: Path) -> None:
    project = write(start(tmp_path / "p"), BASE, "base")  # without curate, as where that stage failed
    save_table(project.model_findings, found("SPL001", Finding("doubt", path=PATHS[21])), FINDINGS)
    document = report_against(project, "HEAD").document
    assert (document["findings"]["new"]["error"], document["findings"]["codes"]) == (0, [])
    (row,) = (row for row in document["verdict"]["rows"] if row["what"] == "Findings")
    assert row["text"] == "none new; what models find is left out, as HEAD has none"


def test_the_page_needs_nothing_from_outside(made: AgainstReport) -> None:
    page = Page(made.html)
    assert {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object", "embed", "form", "base"} == set()
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")], tag
        for name in ("src", "href", "xlink:href", "action", "style", "srcset"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:image/", "#")), (tag, name, value[:80])
    assert "default-src 'none'" in made.html
    assert len(made.html) < 3_000_000


def test_the_page_is_usable_by_keyboard_and_in_the_dark(made: AgainstReport) -> None:
    page = Page(made.html)
    ids = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    targets = {attributes["href"][1:] for tag, attributes in page.tags if tag == "a"}
    assert targets <= ids
    assert {"data", "seen", "model", "cases", "map"} <= targets
    assert all("alt" in attributes for tag, attributes in page.tags if tag == "img")
    assert "prefers-color-scheme: dark" in made.html
    assert ":focus-visible" in made.html


def test_pairs_are_drawn_and_single_pictures_for_words(made: AgainstReport) -> None:
    classes = [attributes.get("class") or "" for _, attributes in Page(made.html).tags]
    assert classes.count("panels") == 4  # moved and relabelled, pixels, removed, added
    assert classes.count("panels one") == 10
    assert classes.count("was") == 2  # the box, and the key
    assert made.html.count("not in the data") == 2


def test_hostile_names_stay_text_on_the_page(tmp_path: Path) -> None:
    names = [name for name in NAMES if name.strip()]
    labels = {f"{name}{number}": name for number, name in enumerate(names)}
    state = replace(
        BASE, labels=labels, predicted=dict(zip(labels, reversed(names))), test=tuple(labels), boxes={}, findings=(),
        classes=tuple(dict.fromkeys(names)),
    )  # fmt: skip
    project = write(start(tmp_path / "p"), state, "base")
    for path, label in zip(labels, names[1:]):
        state = relabel(state, path, label, who=label, why=label)
    page = Page(report_against(write(project, state), "HEAD").html)
    plain = Page(report_against(write(start(tmp_path / "q"), BASE, "base"), "HEAD").html)
    assert {tag for tag, _ in page.tags} - {tag for tag, _ in plain.tags} <= {"svg", "image", "polygon", "s", "b", "i", "figure", "wbr",
        "img", "figcaption", "details", "summary", "code", "ul", "li", "div", "time"}  # fmt: skip
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert "<script>alert(1)</script>" in page.text
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200e\u200f]", page.text)


def test_the_same_twice_gives_the_same_bytes(project: Project, made: AgainstReport) -> None:
    again = report_against(project, "base")
    assert (again.markdown, again.html, again.document) == (made.markdown, made.html, made.document)


def test_what_goes_to_disk(made: AgainstReport, tmp_path: Path) -> None:
    save_against(tmp_path, made)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["changes.html", "changes.json", "changes.md"]
    assert json.loads((tmp_path / "changes.json").read_text()) == made.document
    assert made.document["schema"] == 1


def test_a_diff_alone_is_rendered_without_a_model(project: Project) -> None:
    diff = compare_versions(load_version(project, "base"), load_version(project, None))
    markdown, html = render_markdown(diff), render_html(diff)
    assert "### Data" in markdown
    assert "### Model" not in markdown
    assert "| `dog` | `cat` | 6 |" in markdown
    assert "15 changes on 14 images" in Page(html).text
    assert 'id="model"' not in html


def test_the_command_writes_and_prints(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.root)
    done = CliRunner().invoke(app, ["report", "--against", "base", "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert "11 annotations relabelled" in done.output
    assert "changes.html" in done.output
    assert (tmp_path / "out" / "changes.md").read_text().startswith("<!-- datatools report -->")


def test_the_default_folder_is_in_reports(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.root)
    assert CliRunner().invoke(app, ["report", "--against", "base"]).exit_code == 0
    assert (project.root / "reports" / "against" / "changes.html").exists()


@pytest.mark.parametrize("base", ["nowhere", "", "--help"])
def test_an_unknown_revision_is_a_wrong_call(project: Project, base: str) -> None:
    with pytest.raises(DatatoolsError, match="a Git revision") as error:
        report_against(project, base)
    assert error.value.exit_code == 2


@pytest.mark.parametrize(
    ("new", "gone", "state"),
    [("error", 1, "look"), ("warning", 1, "changed"), (None, 1, "good"), (None, 0, "same")],
)
def test_new_findings_change_the_verdict_and_new_errors_ask_for_a_look(
    made: AgainstReport, new: str | None, gone: int, state: str
) -> None:
    counts = dict.fromkeys(("error", "warning", "info"), 0) | ({new: 2} if new else {})
    found = {**made.document["findings"], "new": counts, "gone": gone, "newer_check": 0}
    rows = write_verdict({**made.document, "findings": found})["rows"]
    assert [row["state"] for row in rows if row["what"] == "Findings"] == [state]
