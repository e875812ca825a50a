"""The page: structure, escaping, no network."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from datatools.params import ReportParams
from datatools.report.html import MAX_ROWS, list_provenance, list_tiles, to_html
from datatools.report.markdown import to_markdown
from datatools.report.summary import ReportInputs, summarise
from datatools.report.terminal import to_text
from datatools.report.thumbnails import MAX_DECISIONS
from datatools.schema import FIX_STATUS, QUEUE
from tests.report.builders import (
    HOSTILE,
    LABELS,
    hostile_summary,
    make_dataset,
    make_fix,
    make_hostile,
    make_inputs,
    make_lift,
    make_png,
    make_queue_row,
    make_slice,
)

VOID = {"meta", "img", "br", "wbr"}


class Page(HTMLParser):
    """Tags, attributes and text of a page; checks that every tag is closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.text += " "
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        self.text += " "

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.text += data

    def values(self, *names: str) -> list[str]:
        return [value for _, name, value in self.attributes if name in names]


def render(inputs: ReportInputs | None = None, thumbnails: dict[str, bytes] | None = None, **changes: Any) -> str:
    inputs = inputs or make_inputs(**changes)
    if inputs.name in HOSTILE:
        return to_html(hostile_summary(inputs.name), inputs.pictures, thumbnails or {})
    return to_html(summarise(inputs, ReportParams()), inputs.pictures, thumbnails or {})


def words(html: str) -> str:
    return " ".join(Page(html).text.split()).replace(" ,", ",").replace(" .", ".").replace(" ?", "?")


def test_a_full_page_has_every_section_in_order() -> None:
    html = render()
    assert re.findall(r'<section id="([a-z-]+)">', html) == [
        *("review", "fixes", "findings", "left-out", "classes", "model", "augmented"),
    ]
    text = words(html)
    assert "6 images in, 2 left out. 1 label looks wrong. Test accuracy 90.0 % (74.4 to 96.5)." in text
    assert "No leak. 0 of 3 groups cross, 0 near-duplicates cross." in text
    assert "No class is further than 1.2 % from the ratios asked for." in text
    assert "4 images made from 4 training images, with 3 outlines. Dropped: 1 outside." in text
    assert "Box stands over the edge" in text


def test_what_was_fixed_on_the_test_side_is_told_apart_and_what_it_all_bought() -> None:
    text = words(render(lift=make_lift(60, 90)))
    assert "Train and val, what the model learns from 1 relabelled. The queue's doubts: none reviewed yet." in text
    assert "Label was Reviewed Changed Became it cat 0 0 1 dog 1 1 0" in text
    assert "Test, what the model is measured on" not in text  # nothing was decided there
    assert "The fixes to train and val raised accuracy by 30.0 percentage points" in text
    assert "with the fixes, on the corrected test labels 90.0 % 0.0 %" in text
    assert "was not measured" in words(render())


def test_the_page_asks_no_network() -> None:
    page = Page(render(thumbnails={"images/0.png": make_png()}))
    assert all(value.startswith("data:image/png;base64,") for value in page.values("src"))
    assert all(value.startswith("#") for value in page.values("href"))
    assert {"script", "link", "iframe", "base", "object", "embed", "form"}.isdisjoint(page.tags)
    assert "url(" not in render() and "@import" not in render()
    assert "default-src 'none'" in "".join(page.values("content"))


def test_the_page_is_accessible() -> None:
    page = Page(render(thumbnails={"images/0.png": make_png()}))
    n_pictures = page.tags.count("img")
    assert n_pictures == 5
    assert len([value for value in page.values("alt") if value]) == n_pictures
    assert page.values("lang") == ["en"]
    assert set(page.values("scope")) == {"col", "row"}
    assert [tag for tag in page.tags if tag == "h1"] == ["h1"]
    assert {value.removeprefix("#") for value in page.values("href")} <= set(page.values("id"))


def test_the_page_follows_the_reader_s_colours_and_screen() -> None:
    html = render()
    assert "prefers-color-scheme: dark" in html
    assert 'name="viewport"' in html


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_changes_no_structure(text: str) -> None:
    plain, page = Page(render(make_hostile("plain"))), Page(render(make_hostile(text)))
    assert page.tags == plain.tags
    assert [name for _, name, _ in page.attributes] == [name for _, name, _ in plain.attributes]
    assert not any(name.startswith("on") for _, name, _ in page.attributes)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_leaves_no_invisible_characters(text: str) -> None:
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2028\u2029]", render(make_hostile(text)))


def test_hostile_text_is_still_readable() -> None:
    assert "<script>alert(1)</script>" in words(render(make_hostile("<script>alert(1)</script>")))
    assert "{{ 7 * 7 }}" in words(render(make_hostile("{{ 7 * 7 }}")))


def test_a_hostile_thumbnail_path_stays_inside_its_attribute() -> None:
    path = '"><script>alert(1)</script>0'
    html = render(make_hostile(path.removesuffix("0")), thumbnails={path: make_png()})
    assert "script" not in Page(html).tags
    assert any(path in value for value in Page(html).values("alt"))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"queue": QUEUE.empty()}, "Nothing waits for review."),
        ({"fixes": FIX_STATUS.empty()}, "No fixes yet: a decision made in review is kept as a record, and shown here."),
        ({"findings": make_inputs().findings.head(0)}, "No findings: every check was silent."),
        ({"rejected": make_inputs().rejected.head(0)}, "Nothing was left out."),
        ({"metrics": {}}, "No model was evaluated."),
        (
            {
                "certificate": {
                    "groups_by_column": {"writer": {"groups": 9}},
                    "groups_crossing": 2,
                    "near_duplicates_crossing": 1,
                }
            },
            "Leaks. 2 of 9 groups cross",
        ),
        ({"curate": {}}, "not judged yet"),
    ],
)
def test_every_part_can_be_empty(changes: dict[str, Any], sentence: str) -> None:
    assert sentence in words(render(**changes))


def test_a_page_of_an_empty_data_set() -> None:
    text = words(render(ReportInputs(make_dataset({}, classes=()))))
    assert "0 images in, 0 left out." in text
    assert "Augmentation" not in text


def test_figures_that_are_null_are_dashes() -> None:
    metrics = {"accuracy": 0.5, "accuracy_low": None, "classes": {"cat": {"precision": None, "recall": float("nan")}}}
    assert "cat - - - -" in words(render(metrics=metrics))


def test_cards_show_given_and_suggested_label_and_the_command() -> None:
    text = words(render())
    assert "bird → cat? the model is sure images/0.png No. 1, train, LBL001 Decide" in text
    assert 'datatools fix images/0.png --label cat --why "..."' in text
    assert 'datatools fix images/4.png --confirm --why "..."' in text


def test_only_so_many_cards_as_asked_for() -> None:
    queue = QUEUE.conform([make_queue_row(rank, path=f"images/q{rank}.png") for rank in range(1, 9)])
    inputs = make_inputs(queue=queue)
    for shown in (0, 3):
        html = to_html(summarise(inputs, ReportParams(thumbnails=shown)), {}, {})
        assert html.count('alt="Image to review') + html.count("no picture") - 1 == shown  # one decision has no picture


def test_decisions_tell_who_when_why() -> None:
    rows = [
        make_fix(1),
        make_fix(1, id="b", annotation_id="box/images/2.png"),
        make_fix(2, op="confirm", before="bird", after=None, path="images/0.png"),
        make_fix(3, op="exclude", before=None, after=None, path="images/7.png", why="blurred"),
        make_fix(4, status="reverted", path="images/3.png"),
        make_fix(5, status="conflict", path="images/4.png", message="label is 'cat'", who="Ben"),
    ]
    text = words(render(fixes=FIX_STATUS.conform(rows)))
    assert "5 decisions: 3 applied, 1 reverted, 1 conflict." in text
    assert "1 decision in conflict or disputed, not applied" in text
    assert "label is 'cat' whiskers images/4.png Ben, 2026-11-21 10:05" in text
    assert "dog → cat whiskers images/2.png Ada, 2026-11-21 10:01, with 1 outline" in text
    assert "bird confirmed" in text and "excluded blurred" in text and "taken back later" in text
    assert "Class Before After Change cat 2 3 +1 dog 2 1 -1" in text


def test_a_reverted_decision_alone_keeps_its_place() -> None:
    assert "1 decision: 1 reverted." in words(render(fixes=FIX_STATUS.conform([make_fix(1, status="reverted")])))


def test_long_lists_are_cut_with_a_sentence() -> None:
    classes = tuple(f"c{number:04d}" for number in range(MAX_ROWS + 7))
    dataset = make_dataset({f"{name}.png": name for name in classes}, classes)
    fixes = [make_fix(n, path=f"{n}.png", when=f"2026-11-21T10:00:{n:02d}Z") for n in range(MAX_DECISIONS + 2)]
    text = words(render(dataset=dataset, fixes=FIX_STATUS.conform(fixes)))
    assert "And 7 more classes: see report.json." in text
    assert "And 2 earlier ones: see report.json." in text


def test_tiles() -> None:
    tiles = list_tiles(summarise(make_inputs(), ReportParams()))
    assert [(tile["figure"], tile["name"], tile["note"]) for tile in tiles] == [
        ("6", "images", "2 left out"),
        ("1", "labels look wrong", "of 6 images judged"),
        ("90.0 %", "test accuracy", "74.4 to 96.5"),
        ("1", "errors found", "of 2 findings"),
    ]


def test_the_tile_of_doubted_labels_counts_the_confirmed_apart() -> None:
    curate = {"images_judged": 6, "label_issues": 1, "label_issues_confirmed": 2}
    tile = list_tiles(summarise(make_inputs(curate=curate), ReportParams()))[1]
    assert (tile["figure"], tile["note"]) == ("1", "of 6 images judged, 2 more decided by people")


def test_figures_that_say_nothing_are_marked() -> None:
    weak = {"images_judged": 6, "label_issues": 2, "out_of_fold_accuracy": 0.1, "simple_accuracy": 0.6}
    inputs = make_inputs(dataset=make_dataset(dict.fromkeys(LABELS, "cat")), curate=weak)
    summary = summarise(inputs, ReportParams())
    notes = {tile["name"]: tile["note"] for tile in list_tiles(summary)}
    assert notes["labels look wrong"] == "of 6 images judged; the models are too weak to tell"
    assert notes["test accuracy"] == "says nothing: one class"
    sentence = "All labels are of one class, so none of these figures says anything."
    assert sentence in to_html(summary, {}, {}) and sentence in to_markdown(summary)
    assert "all labels are of one class, so neither says anything" in to_text(summary, width=400)


def test_provenance_flattens_the_record() -> None:
    record = {
        "data_version": "old",
        "seconds": 41.23456,
        "params": {"train": {"epochs": 8}},
        "seeds": [1, 2],
        "gpu": None,
    }
    groups = dict(list_provenance(summarise(make_inputs(record=record), ReportParams())))
    assert ("data version", "old") in groups["run"] and ("seconds", "41.23") in groups["run"]
    assert ("seeds", "1, 2") in groups["run"] and ("gpu", None) in groups["run"]
    assert groups["params"] == [("train.epochs", 8)]


def test_same_inputs_same_bytes() -> None:
    thumbnails = {"images/0.png": make_png()}
    assert render(thumbnails=thumbnails) == render(thumbnails=thumbnails)


def test_unknown_pictures_are_not_shown() -> None:
    assert "Confusion matrix" not in words(render(pictures={"other": make_png()}))


def test_rare_slices_say_how_many_more_are_wanted() -> None:
    rows = [make_slice(value="night", n=1, n_wanted=5), make_slice(value="day", n=9, n_wanted=5, is_rare=False)]
    summary = summarise(make_inputs(curate={"slices": rows}), ReportParams())
    page = to_html(summary, {}, {})
    assert page.count("more wanted") == 1 and "<b>4 more wanted</b>" in page
    text = to_markdown(summary)
    assert "night" in text and "`day`" not in text
