"""The Markdown: cut by whole rows, within the limit, and nothing in a name becomes a link, a mention or HTML."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from datatools.errors import DatatoolsError
from datatools.report.against import markdown
from datatools.report.against.build import report_against
from datatools.report.against.markdown import LEAST, MARKER, Rows, count_characters, to_markdown
from tests.report.against.hostile import NAMES
from tests.report.against.projects import PATHS, make_state, relabel, start, write

# GitHub's dialect: CommonMark with tables, strikethrough and raw HTML; what it links by itself is looked for by hand.
PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
OURS = {"<!-- datatools report -->", "</details>"}
AUTOLINKS = re.compile(r"https?://|www\.|ftp://|[\w.]@[\w.]|(^|\W)@\w|#\d|GH-\d", re.I)


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A report of many changes by two people."""
    project = write(start(tmp_path_factory.mktemp("against") / "p"), make_state(), "base")
    state = make_state()
    for number, path in enumerate(PATHS[10:38]):
        state = relabel(state, path, "dog" if state.labels[path] == "cat" else "cat", ("Rita", "Ben")[number % 2])
    return report_against(write(project, state), "HEAD").document


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A report in which every name is hostile: of files, classes, people, reasons, revision and project."""
    names = [name for name in NAMES if name.strip()]
    labels = {f"{name}{number}": name for number, name in enumerate(names)}
    state = make_state(
        labels=labels, predicted=dict(zip(labels, reversed(names))), test=tuple(labels), boxes={}, findings=(),
        classes=tuple(dict.fromkeys(names)),
    )  # fmt: skip
    project = write(start(tmp_path_factory.mktemp("hostile") / "p"), state, "base")
    after = state
    for path, label in zip(labels, names[1:]):
        after = relabel(after, path, label, who=label, why=f"{label} {label}")
    document = report_against(write(project, after), "HEAD").document
    document["title"] = NAMES[0]
    document["versions"]["before"]["name"] = NAMES[10]
    return document


def walk(text: str) -> Iterator[tuple[str, str]]:
    """(type, content) of every token, inline ones too."""
    for token in PARSER.parse(text):
        yield token.type, token.content
        for child in token.children or []:
            yield child.type, child.content


def tables(text: str) -> list[list[str]]:
    """The lines of every table."""
    return [block.strip().split("\n") for block in text.split("\n\n") if block.startswith("|")]


def test_the_verdict_comes_first(document: dict[str, Any]) -> None:
    lines = to_markdown(document).split("\n")
    assert lines[0] == MARKER
    assert lines[2].endswith(": what changed")
    assert lines[4].startswith(
        "**28 annotations relabelled, on 28 images; no new error; the split keeps its promises. The change of the data"
    )
    assert lines[4].endswith("**")


def test_the_figures_are_those_of_the_document(document: dict[str, Any]) -> None:
    text = to_markdown(document)
    found = document["model"]["accuracy"]
    assert f"| accuracy | {100 * found['before']:.1f} % | {100 * found['after']:.1f} % |" in text
    assert "got another label. Both models are measured on the new labels" in text
    assert "| `Rita` | relabelled | `seen` | 14 | 14 |" in text
    assert "datatools lift measures that" in text


@pytest.mark.parametrize("limit", [65_536, 12_000, 9_000, 7_000, 5_500, LEAST])
def test_what_is_too_long_is_cut_by_whole_rows(document: dict[str, Any], limit: int) -> None:
    text = to_markdown(document, limit)
    assert count_characters(text) <= limit
    for lines in tables(text):
        assert len({line.replace("\\|", "").count("|") for line in lines}) == 1
        assert all(line.endswith("|") for line in lines)
    assert text.count("<details>") == text.count("</details>")
    assert text.endswith("\n")


def test_a_cut_says_how_much_is_left_and_where(document: dict[str, Any]) -> None:
    text = to_markdown(document, 5_500)
    assert re.search(r"\d+ (more )?changes: see `changes.html` or `changes.json`\.", text)


def test_whole_sections_go_where_not_even_their_first_lines_fit(
    document: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(markdown, "LEAST", 0)
    text = to_markdown(document, 2_000)
    assert count_characters(text) <= 2_000
    assert "Left out, as it would not fit: " in text
    assert "What it cost. See `changes.html`." in text
    with pytest.raises(DatatoolsError, match="the verdict alone needs more"):
        to_markdown(document, 300)


def test_a_smaller_limit_never_says_more(document: dict[str, Any]) -> None:
    sizes = [count_characters(to_markdown(document, limit)) for limit in range(LEAST, 16_000, 500)]
    assert sizes == sorted(sizes)


def test_a_limit_below_the_verdict_is_a_wrong_call(document: dict[str, Any]) -> None:
    with pytest.raises(DatatoolsError, match=r"--max-characters must be at least 4,000\. Got 100 instead"):
        to_markdown(document, 100)


def test_an_emoji_counts_as_two() -> None:
    assert count_characters("a✅😀") == 4


@pytest.mark.parametrize(("at_most", "rest"), [(3, ""), (2, "1 more fox: see"), (0, "3 foxes: see")])
def test_rows_and_what_is_left_of_them(at_most: int, rest: str) -> None:
    text = Rows(["a", "#n"], [["x", "1"], ["y", "2"], ["z", "3"]], "fox", "foxes").write(at_most)
    assert (rest in text) if rest else ("see" not in text)
    assert text.count("\n|") == (at_most + 1 if at_most else 0)


def test_many_rows_are_folded_away() -> None:
    text = Rows(["a"], [["x"]] * 20, "row").write(50)
    assert text.startswith("<details><summary>20 rows</summary>\n\n| a |")
    assert text.endswith("|\n\n</details>")


def test_hostile_names_stay_text(hostile: dict[str, Any]) -> None:
    text = to_markdown(hostile, 1_000_000)
    for kind, content in walk(text):
        assert kind not in ("link_open", "image", "fence", "code_block", "blockquote_open", "s_open", "hr"), content
        if kind.startswith("html"):
            assert content.strip() in OURS or re.fullmatch(r"<details><summary>[\w ,]+</summary>\s*", content), content
        if kind == "text":
            assert not AUTOLINKS.search(content), content
        if kind == "heading_open":
            continue
    assert text.count("\n## ") == 1


def test_hostile_names_are_all_there_and_visible(hostile: dict[str, Any]) -> None:
    spans = " ".join(content for kind, content in walk(to_markdown(hostile, 1_000_000)) if kind == "code_inline")
    assert "@octocat please look" in spans
    assert "\\x1b[31mred" in spans
    assert "\\u202egnp.exe" in spans
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200e\u200f]", to_markdown(hostile))


@pytest.mark.parametrize("limit", [1_000_000, 65_536, 20_000, 8_000, LEAST])
def test_hostile_tables_keep_their_columns(hostile: dict[str, Any], limit: int) -> None:
    text = to_markdown(hostile, limit)
    assert count_characters(text) <= limit
    rows: list[int] = []
    for kind, _ in walk(text):
        if kind == "tr_open":
            rows.append(0)
        elif kind in ("td_open", "th_open"):
            rows[-1] += 1
    written = [len(lines) - 1 for lines in tables(text)]
    assert len(rows) == sum(written)
    assert sorted(set(rows)) == sorted({lines[1].count("|") - 1 for lines in tables(text)})


def test_forty_hostile_names_were_tried(hostile: dict[str, Any]) -> None:
    assert len({row["path"] for row in hostile["data"]["changes"]}) >= 40
    assert len(hostile["model"]["classes"]) >= 40


@pytest.mark.parametrize("name", NAMES)
def test_hostile_reasons_stay_prose(document: dict[str, Any], name: str) -> None:
    """Texts that are told outside code spans: why something is missing, what is out of date, what a promise says."""
    row = {"what": "Split", "state": "look", "text": name}
    changed = {
        **document, "title": name, "verdict": {"sentence": name, "rows": [row]}, "model": {"missing": name},
        "split": {"promises": [{"name": name, "kept": False, "text": name}]},
    }  # fmt: skip
    for kind, content in walk(to_markdown(changed)):
        assert kind not in ("link_open", "image", "fence", "code_block", "blockquote_open", "s_open", "hr"), content
        assert not kind.startswith("html") or content.strip() in OURS or content.startswith("<details><summary>")
        assert kind != "text" or not AUTOLINKS.search(content), content


def test_a_model_that_was_not_compared_says_why(document: dict[str, Any]) -> None:
    text = to_markdown({**document, "model": {"missing": "nobody `pushed` it"}, "map": None})
    assert "Not compared: nobody 'pushed' it" in text
    assert "### Cases" not in text


def test_the_same_document_gives_the_same_text(document: dict[str, Any], tmp_path: Path) -> None:
    assert to_markdown(document) == to_markdown(document)
