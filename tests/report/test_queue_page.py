"""The review page for people without FiftyOne: what it holds, and what a real browser makes of it."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from datatools.dataset import load_dataset
from datatools.fixes.history import load_decided
from datatools.fixes.importing import import_records
from datatools.fixes.records import load_records
from datatools.images import encode_png
from datatools.report.queue_page import build_queue_page, list_rows, save_queue_page
from datatools.schema import QUEUE
from datatools.store import save_table
from tests.fixes.test_make import labels, project, run_ingest  # noqa: F401  project is a fixture

EVIL = "</script><script>alert(1)</script>"
WAIT_MS = 20_000
CHROMIUM = ["--no-sandbox", "--disable-dev-shm-usage"]


def make_queue(*paths: str):
    rows = [
        {
            "rank": rank, "path": path, "annotation_id": f"label/{path}", "kind": "label", "label": "cat",
            "suggested": "dog", "score": 0.125, "split": "train", "codes": "LBL003", "reason": f"looks like dog {EVIL}",
        }
        for rank, path in enumerate(paths, start=1)
    ]  # fmt: skip
    return QUEUE.conform(rows)


@pytest.fixture
def queued(project):  # noqa: F811
    save_table(project.queue, make_queue("a.png", "x/a.png", "b.png", "bare.png"), QUEUE)
    return project


def document(page: str, name: str):
    return json.loads(re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', page, re.S)[1])


def test_a_row_knows_all_that_its_records_need(queued):
    rows = list_rows(load_dataset(queued.dataset), make_queue("a.png", "bare.png"))
    assert (rows[0]["annotation_id"], rows[0]["label"], rows[0]["objects"]) == ("label/a.png", "cat", ["coco/1"])
    assert rows[0]["said"] == [["anna", "cat"]]
    assert (rows[1]["label"], rows[1]["objects"], rows[1]["said"]) == (None, [], [])


def test_the_page_can_load_nothing_and_runs_only_its_own_script(queued):
    page = build_queue_page(load_dataset(queued.dataset), make_queue("a.png"), queued.raw, f"set {EVIL}")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    script = page.rsplit("<script>", 1)[1].split("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy == f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    assert EVIL not in page
    assert document(page, "queue")["name"] == f"set {EVIL}"
    assert "http" not in re.sub(r"http-equiv", "", page.replace("http://www.w3.org", ""))


def test_the_first_images_are_on_the_page_each_once(queued, tmp_path: Path):
    save_table(queued.queue, make_queue("a.png", "a.png", "b.png", "x/a.png"), QUEUE)
    assert save_queue_page(queued, tmp_path / "page.html", n_max=2) == 2
    page = (tmp_path / "page.html").read_text()
    assert [row["path"] for row in document(page, "queue")["rows"]] == ["a.png", "b.png"]
    assert set(document(page, "pictures")) == {"a.png", "b.png"}


def test_photos_are_large_and_smooth_and_icons_show_their_pixels(queued, browser, tmp_path: Path):
    for name, side in (("a.png", 500), ("b.png", 28)):
        (queued.raw / name).write_bytes(encode_png(np.full((side, side, 3), 128, dtype=np.uint8)))
    (tmp_path / "sizes.html").write_text(
        build_queue_page(load_dataset(queued.dataset), make_queue("a.png", "b.png"), queued.raw, "set")
    )
    page = browser.new_page()
    page.goto((tmp_path / "sizes.html").as_uri())
    shown = [
        page.locator("#list img").nth(number).evaluate("i => [i.naturalWidth, getComputedStyle(i).imageRendering]")
        for number in range(2)
    ]
    assert shown == [[384, "auto"], [112, "pixelated"]]


@pytest.fixture
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("needs chromium on PATH: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=chromium, args=CHROMIUM)
        yield found
        found.close()


@pytest.fixture
def page(queued, browser, tmp_path: Path):
    save_queue_page(queued, tmp_path / "page.html")
    page = browser.new_page(viewport={"width": 1280, "height": 860})
    page.set_default_timeout(WAIT_MS)
    page.problems = []
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on("dialog", lambda dialog: page.problems.append(dialog.message))
    page.goto((tmp_path / "page.html").as_uri())
    yield page
    assert page.problems == []


def save(page, folder: Path) -> Path:
    with page.expect_download() as download:
        page.keyboard.press("s")
    file = folder / download.value.suggested_filename
    download.value.save_as(file)
    return file


def sign(page, name: str = "Ann B.") -> None:
    page.get_by_label("Your name").fill(name)
    page.keyboard.press("Enter")


def test_what_is_decided_with_keys_is_applied_by_the_next_run(queued, page, tmp_path: Path):
    sign(page)
    page.keyboard.press("a")  # a.png: accept dog
    page.keyboard.press("k")  # x/a.png: keep cat
    page.keyboard.press("r")  # b.png: relabel
    page.keyboard.type("ca")
    page.keyboard.press("Enter")
    page.keyboard.press("x")  # bare.png: exclude
    assert page.locator("#progress").inner_text() == "4 of 4 decided: 2 relabelled, 1 kept, 1 excluded"
    page.keyboard.press("u")
    file = save(page, tmp_path)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d-ann-b\.jsonl", file.name)
    done = import_records(queued, file)
    assert [(r.op, r.annotation_id, r.before, r.after) for r in done.records] == [
        ("relabel", "coco/1", "cat", "dog"),
        ("relabel", "label/a.png", "cat", "dog"),
        ("confirm", "label/x/a.png", "cat", None),
        ("relabel", "label/b.png", "dog", "cat"),
    ]
    assert {record.who for record in done.records} == {"Ann B."}
    assert done.records[0].evidence == {
        "queue": "label",
        "rank": 1,
        "score": 0.125,
        "suggested": "dog",
        "codes": "LBL003",
    }
    assert done.records[0].base == load_dataset(queued.dataset).version
    after = labels(run_ingest(queued))
    assert (after["a.png"], after["b.png"], after["x/a.png"]) == ("dog", "cat", "cat")
    assert {item.status for item in load_decided(queued)[0]} == {"applied"}
    assert import_records(queued, file).n_known == 4


def test_nothing_is_decided_without_a_name(page):
    page.keyboard.press("k")
    assert page.locator("#told").inner_text() == "Say who you are first: every decision carries a name."
    assert page.locator("#progress").inner_text() == "0 of 4 decided"


def test_what_was_decided_is_there_when_the_page_is_opened_again(page):
    sign(page)
    page.keyboard.press("e")
    page.reload()
    assert page.locator("#progress").inner_text() == "1 of 4 decided: 1 for an expert"
    assert page.get_by_label("Your name").input_value() == "Ann B."


def test_what_was_saved_and_then_undone_is_reverted(queued, page, tmp_path: Path):
    sign(page)
    page.keyboard.press("k")
    import_records(queued, save(page, tmp_path))
    page.keyboard.press("u")
    done = import_records(queued, save(page, tmp_path))
    assert [record.op for record in done.records] == ["revert"]
    assert {item.record.op: item.status for item in load_decided(queued)[0]}["confirm"] == "reverted"


@pytest.mark.parametrize(
    ("classes", "key", "label"), [(("cat", "dog"), "2", "dog"), (("0", "1", "2", "cat"), "2", "2")]
)
def test_a_digit_is_the_class_of_that_name_or_number(queued, browser, tmp_path: Path, classes, key, label):
    dataset = dataclasses.replace(load_dataset(queued.dataset), classes=classes)
    (tmp_path / "digits.html").write_text(build_queue_page(dataset, make_queue("a.png"), queued.raw, "set"))
    page = browser.new_page()
    page.goto((tmp_path / "digits.html").as_uri())
    sign(page)
    page.keyboard.press(key)
    assert page.locator("#decided").inner_text() == f"Decided: → {label}"


def test_a_reason_goes_into_the_record(queued, page, tmp_path: Path):
    sign(page)
    page.get_by_label("Reason, if you like").fill("a whisker")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="keep cat").click()
    import_records(queued, save(page, tmp_path))
    assert load_records(queued.fixes)[0][0].why == "a whisker"
