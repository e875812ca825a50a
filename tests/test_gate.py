"""The gate: what fails it, what a ratchet forgives, and that it never passes on what it does not know."""

from __future__ import annotations

import datetime
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datatools.errors import DatatoolsError
from datatools.findings import CRASHED, Finding, concat
from datatools.gate import WORST_ALLOWED, Baseline, Verdict, decide, find_known, find_renamed, run_gate
from datatools.mutes import Mute, add_mute, apply_mutes
from datatools.project import Project
from tests.finished_runs import CODES, finish_run, found, git, start_project
from tests.small_data import make_images

TODAY = datetime.date(2026, 6, 1)
ERROR = found("BOX001", Finding("swapped", "a.png", "b/1"))
WARNING = found("BOX006", Finding("tiny", "a.png", "b/2"))
INFO = found("IMG003", Finding("odd name", "b.png"))
CRASH = found("BOX002", Finding("the check itself failed on this data: KeyError: 'x'", subject=CRASHED))
IMAGES = make_images(["a.png", "b.png"])


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return start_project(tmp_path / "project")


def fates(verdict: Verdict) -> dict[str, int]:
    return dict(Counter(verdict.fates))


def known(now: pd.DataFrame, before: pd.DataFrame, images: pd.DataFrame = IMAGES, old: pd.DataFrame = IMAGES) -> list:
    return find_known(now, images, Baseline("main", before, old, None)).tolist()


@pytest.mark.parametrize(("allowed", "n_failing"), [("none", 3), ("info", 2), ("warning", 1), ("error", 0)])
def test_what_is_worse_than_allowed_fails(project: Project, allowed: str, n_failing: int) -> None:
    finish_run(project, ERROR, WARNING, INFO)
    verdict = run_gate(project, allowed, None, TODAY)
    assert (verdict.passed, len(verdict.of("failing"))) == (n_failing == 0, n_failing)
    assert len(verdict.of("allowed")) == 3 - n_failing


def test_no_findings_pass_even_where_nothing_is_allowed(project: Project) -> None:
    assert run_gate(finish_run(project), "none", None, TODAY).passed


@pytest.mark.parametrize("allowed", WORST_ALLOWED)
def test_a_crashed_check_always_fails(project: Project, allowed: str) -> None:
    finish_run(project, CRASH, commit="start")
    add_mute(project.mutes, Mute("BOX002", "let it", TODAY))
    for against in (None, "main"):
        verdict = run_gate(project, allowed, against, TODAY)
        assert (verdict.passed, fates(verdict)) == (False, {"crashed": 1})


def test_findings_of_curate_count_where_it_ran(project: Project) -> None:
    finish_run(project, curate=[found("SPL001", Finding("crosses", subject="g1"))])
    verdict = run_gate(project, "warning", None, TODAY)
    assert (verdict.passed, verdict.stages) == (False, ("validate", "curate"))


def test_a_muted_finding_does_not_fail_until_its_mute_expires(project: Project) -> None:
    finish_run(project, ERROR)
    add_mute(project.mutes, Mute("BOX001", "known", TODAY))
    verdict = run_gate(project, "warning", None, TODAY)
    assert (verdict.passed, fates(verdict)) == (True, {"muted": 1})
    late = run_gate(project, "warning", None, TODAY + datetime.timedelta(days=1))
    assert (late.passed, fates(late), len(late.muted.expired)) == (False, {"failing": 1}, 1)


def test_an_unknown_severity_is_a_wrong_call_and_in_a_table_it_fails(project: Project) -> None:
    with pytest.raises(DatatoolsError, match=r"must be one of none, info, warning, error\. Got 'fatal' instead"):
        run_gate(project, "fatal", None, TODAY)
    odd = ERROR.assign(severity=pd.array(["fatal"], "string"))
    assert decide(odd, apply_mutes(odd, (), TODAY), "error", IMAGES).tolist() == ["failing"]


# ---- never green on what it does not know ----


def stale(project: Project) -> str:
    with pytest.raises(DatatoolsError) as caught:
        run_gate(project, "error", None, TODAY)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_without_a_run_there_is_no_verdict(project: Project) -> None:
    assert "expected what `dvc repro` recorded. Got no such file: run it." in stale(project)
    (project.root / "dvc.lock").write_text("schema: '2.0'\nstages: {}\n")
    assert "expected that the stage validate ran" in stale(project)
    (project.root / "dvc.lock").write_text("no lock")
    assert "expected a dvc.lock with stages" in stale(project)


def test_without_the_table_there_is_no_verdict(project: Project) -> None:
    finish_run(project, ERROR)
    project.findings.unlink()
    assert "expected the table findings. Got no such file" in stale(project)


def test_another_table_than_the_stage_wrote_is_stale(project: Project) -> None:
    finish_run(project, ERROR)
    lock = (project.root / "dvc.lock").read_text()
    finish_run(project)
    (project.root / "dvc.lock").write_text(lock)
    assert "Got data/findings/validate.parquet is not what the stage validate wrote: run `dvc repro`." in stale(project)


def test_changed_parameters_are_stale(project: Project) -> None:
    finish_run(project)
    text = (project.root / "params.yaml").read_text()
    (project.root / "params.yaml").write_text(text.replace("2.0", "3.0"))
    assert "Got validate in params.yaml changed since the stage validate ran" in stale(project)
    (project.root / "params.yaml").write_text(text.replace("auto", "coco"))
    assert "Got ingest in params.yaml changed since the stage ingest ran" in stale(project)
    (project.root / "params.yaml").write_text(text)
    assert run_gate(project, "error", None, TODAY).passed


def test_changed_data_is_stale(project: Project) -> None:
    finish_run(project)
    (project.dataset / "images.parquet").write_bytes(b"other")
    assert "data/dataset/images.parquet changed since the stage validate ran" in stale(project)
    (project.dataset / "images.parquet").unlink()  # not pulled: its hash is in dvc.lock
    assert run_gate(project, "error", None, TODAY).passed


def test_a_new_fix_record_is_stale(project: Project) -> None:
    finish_run(project)
    (project.fixes / "a.jsonl").write_text("{}\n{}\n")
    assert "data/fixes changed since the stage ingest ran" in stale(project)


def test_an_earlier_stage_that_ran_alone_is_stale(project: Project) -> None:
    finish_run(project)
    lock = project.root / "dvc.lock"
    text = lock.read_text()
    start = text.index("outs:")  # of ingest
    digest = text[text.index("md5: ", start) + 5 :][:32]
    lock.write_text(text[:start] + text[start:].replace(digest, "0" * 32, 1))
    assert "data/dataset/images.parquet changed since the stage validate ran" in stale(project)


# ---- the ratchet ----


def test_only_what_the_revision_did_not_have_fails(project: Project) -> None:
    finish_run(project, ERROR, commit="start")
    finish_run(project, ERROR, found("BOX002", Finding("outside", "b.png", "b/3")))
    verdict = run_gate(project, "warning", "main", TODAY)
    assert fates(verdict) == {"known": 1, "failing": 1}
    assert verdict.of("failing")["code"].tolist() == ["BOX002"]
    finish_run(project, ERROR)
    assert run_gate(project, "warning", "main", TODAY).passed


def test_the_same_message_is_not_needed_and_a_second_one_is_new(project: Project) -> None:
    one, two = Finding("3 px over", "a.png", "b/1"), Finding("4 px over", "a.png", "b/1")
    assert known(found("BOX002", two), found("BOX002", one)) == [True]
    assert sorted(known(found("BOX002", one, two), found("BOX002", one))) == [False, True]
    assert known(found("BOX002", one), found("BOX002", one, two)) == [True]


@pytest.mark.parametrize(
    "other",
    [
        found("BOX002", Finding("x", "b.png", "b/1")),
        found("BOX002", Finding("x", "a.png", "b/2")),
        found("BOX002", Finding("x", "a.png")),
        found("BOX001", Finding("x", "a.png", "b/1")),
        found("BOX002", Finding("x", "a.png", "b/1", subject="cat")),
    ],
)
def test_another_place_is_another_finding(other: pd.DataFrame) -> None:
    assert known(other, found("BOX002", Finding("x", "a.png", "b/1"))) == [False]


def test_findings_of_the_data_set_are_known_by_their_subject() -> None:
    before = found("SPL001", Finding("x", subject="g1"))
    assert known(found("SPL001", Finding("y", subject="g1"), Finding("y", subject="g2")), before) == [True, False]


def test_a_renamed_image_keeps_its_findings() -> None:
    old = make_images(["a.png", "b.png"])
    new = old.assign(path=pd.array(["moved/a.png", "b.png"], "string"))
    before = found("BOX002", Finding("x", "a.png", "label/a.png"), Finding("x", "a.png", "b/1"))
    now = found("BOX002", Finding("x", "moved/a.png", "label/moved/a.png"), Finding("x", "moved/a.png", "b/1"),
                Finding("x", "moved/a.png", "b/9"))  # fmt: skip
    assert find_renamed(new, old) == {"moved/a.png": "a.png"}
    result = dict(zip(now["annotation_id"], known(now, before, new, old)))
    assert result["b/1"]
    assert sum(result.values()) == 2, "the third is one more than there were"


def test_a_copy_or_other_content_under_the_old_name_is_no_rename() -> None:
    old = make_images(["a.png"])
    copy = make_images(["a.png", "b.png"]).assign(sha256=old["sha256"][0])
    assert find_renamed(copy, old) == {}
    assert find_renamed(make_images(["b.png"]), old) == {}


def test_of_several_equal_images_each_is_renamed_once() -> None:
    old = make_images(["a.png", "b.png", "c.png"]).assign(sha256="s")
    new = make_images(["c.png", "x.png", "y.png", "z.png"]).assign(sha256="s")
    assert find_renamed(new, old) == {"x.png": "a.png", "y.png": "b.png"}


@settings(max_examples=25)
@given(st.lists(st.sampled_from("abcd")), st.lists(st.sampled_from("abcd")))
def test_known_is_what_a_multiset_says(now: list[str], before: list[str]) -> None:
    tables = [found("BOX002", *(Finding("x", f"{name}.png") for name in names)) for names in (now, before)]
    images = make_images([f"{name}.png" for name in "abcd"])
    both = Counter(now) & Counter(before)
    result = known(*tables, images, images)
    assert Counter(path[0] for path, is_old in zip(tables[0]["path"], result) if is_old) == both


def newer(
    project: Project, versions: dict[str, int] | None, now: pd.DataFrame, images: dict[str, str]
) -> dict[str, int]:
    finish_run(project, versions=versions, commit="start")
    finish_run(project, now, images=images)
    return fates(run_gate(project, "warning", "main", TODAY))


@pytest.mark.parametrize("versions", [dict.fromkeys(CODES, 1), None], ids=["recorded", "older report"])
def test_a_newer_check_on_an_old_image_is_not_new_data(project: Project, versions: dict[str, int] | None) -> None:
    table = found("BOX002", Finding("x", "a.png"), Finding("x", "c.png"), Finding("x"), version=2)
    assert newer(project, versions, table, {"a.png": "aa", "c.png": "cc"}) == {"newer check": 2, "failing": 1}


def test_a_check_that_did_not_exist_is_newer(project: Project) -> None:
    versions = {code: 1 for code in CODES if code != "BOX002"}
    assert newer(project, versions, found("BOX002", Finding("x", "a.png")), {"a.png": "aa"}) == {"newer check": 1}


def test_a_newer_check_on_a_changed_image_is_new_data(project: Project) -> None:
    table = found("BOX002", Finding("x", "a.png"), version=2)
    assert newer(project, dict.fromkeys(CODES, 1), table, {"a.png": "other"}) == {"failing": 1}


def test_the_same_check_on_an_old_image_is_new(project: Project) -> None:
    table = found("BOX002", Finding("x", "a.png"))
    assert newer(project, dict.fromkeys(CODES, 1), table, {"a.png": "aa"}) == {"failing": 1}


@pytest.mark.parametrize(
    ("rev", "message"),
    [
        ("nowhere", "nowhere: expected a Git revision. Got none in "),
        ("--help", "expected a Git revision such as main or HEAD~1. Got '--help' instead."),
        ("empty", "empty: expected a dvc.lock in it. Got none in "),
    ],
)
def test_a_revision_that_is_none_is_one_line(project: Project, rev: str, message: str) -> None:
    git(project.root, "commit", "-q", "--allow-empty", "-m", "empty")
    git(project.root, "tag", "empty")
    finish_run(project, commit="start")
    with pytest.raises(DatatoolsError) as caught:
        run_gate(project, "warning", rev, TODAY)
    assert str(caught.value).startswith(message)


def test_a_revision_whose_findings_are_lost_is_one_line(project: Project) -> None:
    finish_run(project, ERROR, commit="start")
    finish_run(project, WARNING)
    for file in (project.root / ".dvc" / "cache").rglob("*"):
        if file.is_file():
            file.write_bytes(b"damaged")
    with pytest.raises(DatatoolsError) as caught:
        run_gate(project, "warning", "main", TODAY)
    assert str(caught.value).startswith(
        "data/findings/validate.parquet of main: expected it in the DVC cache or the remote. Got: "
    )
    assert "\n" not in str(caught.value)


def test_500_000_findings_are_judged_in_seconds() -> None:
    import time

    n = 500_000
    one = found("BOX002", Finding("x", "a.png", "b/1"))
    table = concat([one]).loc[np.zeros(n, int)].reset_index(drop=True)
    table["annotation_id"] = pd.array([f"b/{number}" for number in range(n)], "string")
    baseline = Baseline("main", table.iloc[: n // 2], IMAGES, {"BOX002": 1})
    start = time.process_time()
    mutes = (Mute("BOX002", "x", TODAY, path="a*", annotation="b/499999"),)
    result = decide(table, apply_mutes(table, mutes, TODAY), "warning", IMAGES, baseline)
    assert time.process_time() - start < 20
    assert Counter(result) == {"known": n // 2, "failing": n // 2 - 1, "muted": 1}
