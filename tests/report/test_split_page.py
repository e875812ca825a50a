"""The split's page and Markdown: the verdict, the promises, every class, who is in quarantine; hostile names stay text."""

from __future__ import annotations

import re

import pytest

from datatools.report.split_page import MARKDOWN_ROWS, build_split_report, save_split_report
from datatools.schema import SIDES
from tests.split.builders import make, make_ledger, make_pairs, name_of, split


def certificate(**params):
    """Eight images, some in groups, one in quarantine."""
    dataset = make("aabbaabb", ["w", "w", None, None, "v", "v", None, None])
    ledger = make_ledger(dataset.images, {name_of(0): "train", name_of(2): "test", name_of(3): "train"})
    return split(dataset, make_pairs((1, 2)), ledger, **params).certificate


def text_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def test_the_page_says_what_a_manager_asks():
    found = certificate(folds=2)
    text = text_of(build_split_report(found).html)
    assert found["verdict"] in text and found["verdict"].startswith("No leak")
    for words in ("groups on one side kept 0 of 2 cross", "no sample moves kept 0 of 7 samples of the ledger moved"):
        assert words in text
    assert f"{name_of(1)} the same group as {name_of(0)} (train) and near-duplicate of {name_of(2)} (test)" in text
    assert found["assignment_sha256"] in text and "2 folds over train and val" in text
    for row in found["deviations"]:
        assert f"{row['class']} {row['n']} {row['train']} {row['val']} {row['test']}" in text


def test_the_markdown_says_the_same_in_short():
    found = certificate()
    text = build_split_report(found).markdown
    assert "| kept | groups on one side | 0 of 2 cross |" in text
    assert (
        f"| `{name_of(1)}` | `the same group as {name_of(0)} (train) and near-duplicate of {name_of(2)} (test)` |"
        in text
    )
    assert found["assignment_sha256"][:16] in text


def test_a_leak_is_broken_and_comes_first():
    dataset = make("ab" * 5, groups=["w"] + [None] * 8 + ["w"], subsets=["train"] * 6 + ["val"] * 2 + ["test"] * 2)
    report = build_split_report(split(dataset).certificate)
    assert (
        "**It leaks: 1 group on several sides." in report.markdown
        and "| **broken** | groups on one side |" in report.markdown
    )
    assert '<span class="broken">broken</span>' in report.html
    assert "Sides: predefined" in text_of(report.html)


def test_who_disagrees_with_the_ledger_is_listed():
    dataset = make("ab" * 5, subsets=["train"] * 6 + ["val"] * 2 + ["test"] * 2)
    ledger = make_ledger(dataset.images, {name_of(0): "test"})
    report = build_split_report(split(dataset, None, ledger).certificate)
    assert f"- `{name_of(0)}`: the data says train, the ledger test, which counts." in report.markdown
    assert f"{name_of(0)} : the data says train, the ledger test, which counts." in text_of(report.html)


def test_nothing_to_show_is_a_page_all_the_same():
    report = build_split_report(split(make("")).certificate)
    assert "No image has a class." in report.html and "Empty." in report.html
    assert [f"| {side} | 0 | 0.0 % |" in report.markdown for side in SIDES] == [True] * 3


def test_long_lists_are_cut_and_say_so():
    n = MARKDOWN_ROWS + 5
    dataset = make("a" * (n + 2), ["w"] * (n + 2))
    ledger = make_ledger(
        dataset.images, {name_of(n): "test", name_of(n + 1): "test"} | {name_of(k): "train" for k in range(n)}
    )
    text = build_split_report(split(dataset, None, ledger).certificate).markdown
    assert f"{n} images on no side" in text and "And 5 more images in `data/split/certificate.json`." in text


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "a|b`c`", "\x1b[31mred"])
def test_hostile_names_stay_text(name):
    found = certificate()
    found["quarantined"][0] |= {"path": name, "reason": name}
    found["deviations"][0]["class"] = name
    report = build_split_report(found)
    assert "<script>" not in report.html and "\x1b" not in report.html + report.markdown
    assert "`c`" not in report.markdown
    lines = [line for line in report.markdown.splitlines() if line.startswith("| `")]
    assert lines and all(line.count("|") in (3, 8) for line in lines)


def test_the_same_certificate_gives_the_same_bytes(tmp_path):
    for folder in ("one", "other"):
        save_split_report(tmp_path / folder, build_split_report(certificate()))
    for name in ("split.html", "split.md"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()
