"""The real App in a real browser: local, complete, and what is edited there becomes a record."""

from __future__ import annotations

import os
import shutil
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from datatools.dataset import label_id
from datatools.errors import DatatoolsError
from datatools.fixes.records import load_records
from datatools.review import app
from datatools.review.app import open_app
from datatools.review.cards import load_deck
from datatools.review.load import find_review
from datatools.review.process import free_port
from datatools.review.run import open_review, save_review
from tests.review.pressing import press

psutil = pytest.importorskip("psutil")
WAIT_MS = 30_000
CHROMIUM = ["--no-sandbox", "--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]


@pytest.fixture(scope="module")
def opened(database, project):
    with open_review(project.layout, free_port(), "Ada") as found:
        yield found


@pytest.fixture(scope="module")
def review(opened):
    return find_review()


@pytest.fixture(scope="module")
def page(opened):
    """A page of Chromium that can reach this machine only; `page.answered` lists what it asked for and got."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("needs chromium on PATH: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=CHROMIUM)
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.set_default_timeout(WAIT_MS)
        page.answered = []
        page.on("response", lambda response: page.answered.append((response.url, response.status)))
        page.goto(opened.url)
        page.get_by_text("Dismiss").click()
        page.mouse.move(5, 890)
        yield page
        browser.close()


def get(opened, path, **headers):
    request = urllib.request.Request(f"http://127.0.0.1:{opened.port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status
    except urllib.error.HTTPError as error:
        return error.code


def test_it_listens_on_loopback_only(opened):
    server = psutil.Process(opened.process.pid)
    processes = [server, *server.children(recursive=True)]
    listening = [c.laddr for p in processes for c in p.net_connections("inet") if c.status == "LISTEN"]
    assert {(address.ip, address.port) for address in listening} == {("127.0.0.1", opened.port)}


def test_it_serves_images_of_the_project_and_no_other_file(opened, project):
    image = project.raw / project.queue["path"].iloc[0]
    assert get(opened, "/media?" + urlencode({"filepath": image})) == 200
    assert get(opened, "/media?" + urlencode({"filepath": "/etc/passwd"})) == 403
    assert get(opened, "/fiftyone", Host="evil.example") == 403
    assert get(opened, "/fiftyone", Origin="http://evil.example") == 403


def test_the_instructions_name_the_address_the_tunnel_and_the_decisions(opened):
    text = opened.instructions
    assert opened.url in text and f"ssh -L {opened.port}:127.0.0.1:{opened.port}" in text
    assert all(
        word in text for word in ("a (accept the suggestion)", "`confirm`", "`exclude`", "datatools review --save")
    )


def test_a_taken_port_gives_the_next_and_none_an_error(opened, monkeypatch):
    assert app._next_free_port(opened.port) != opened.port
    monkeypatch.setattr(app, "N_PORTS", 1)
    with pytest.raises(DatatoolsError, match=r"--port: expected a free port .* Got none"):
        app._next_free_port(opened.port)


def test_a_server_that_does_not_start_names_its_log(database, project, monkeypatch):
    monkeypatch.setattr(app, "SERVE", "raise SystemExit(3)  # {port} {root}")
    message = r"app\.log: expected the App .* Got exit code 3"
    with pytest.raises(DatatoolsError, match=message), open_app(project.folder, project.raw):
        pass


def test_the_queue_is_shown_with_all_its_images(page, project):
    page.wait_for_function(f"document.querySelectorAll('[data-cy=looker]').length == {len(project.queue)}")
    page.get_by_text(f"{len(project.queue)} samples").wait_for()
    _wait_for(page, lambda: len(_media(page)) == len(project.queue))
    assert set(_media(page).values()) <= {200, 206}
    folder = Path(os.environ.get("DATATOOLS_SCREENSHOTS", project.folder))
    page.wait_for_timeout(1000)  # thumbnails fade in
    page.screenshot(path=folder / "review.png")
    assert _n_colours(folder / "review.png") > 500


def test_a_label_that_is_changed_in_the_app_becomes_a_record(page, review, project):
    path, before = project.queue.iloc[0][["path", "label"]]
    after = "9" if before != "9" else "8"
    page.locator("[data-cy=looker]").first.click()
    page.locator("[data-cy=modal] [data-cy=action-tag-sample-labels]").click()
    page.locator("[data-cy=label-tag-input]").fill("confirm")
    page.keyboard.press("Enter")
    page.get_by_text("Apply", exact=True).click()
    page.locator("[data-cy=annotate]").click()
    page.locator("[data-cy^=annotate-label-]").click()
    page.get_by_role("radio").nth(int(after)).click()
    _wait_for(page, lambda: review.match({"path": path}).values("label.label") == [after])
    assert review.match({"path": path}).values("label.tags") == [["confirm"]]
    records = save_review(project.layout, "Ada")
    assert {(r.op, r.path, r.before, r.after) for r in records} == {("relabel", path, before, after)}
    assert save_review(project.layout, "Ada") == []
    assert load_records(project.layout.fixes)[0] == sorted(records, key=lambda record: record.id)


def test_keys_accept_relabel_and_undo_and_the_records_are_on_the_disk(page, review, project):
    fixes = project.layout.fixes
    known = {record.id for record in load_records(fixes)[0]}
    rows = project.queue[project.queue["kind"] == "label"]
    page.goto(page.url.split("/datasets")[0] + "/datasets/review?view=suspect-labels&workspace=review")
    page.get_by_text(f"{len(rows)} samples").wait_for()
    page.locator("[data-cy=looker]").nth(1).click()
    page.locator("[data-cy=modal]").wait_for()
    first, second, third = (rows.iloc[number] for number in (1, 2, 3))
    page.wait_for_timeout(1000)  # the image fades in

    page.keyboard.press("a")
    page.get_by_text(f"Recorded: {Path(first['path']).name}").wait_for()
    _wait_for(page, lambda: _open_sample(page) == _id(review, second["path"]))
    after = next(name for name in project.dataset.classes if name not in (second["label"], second["suggested"]))
    page.keyboard.press("r")
    page.get_by_placeholder("Relabel to").wait_for()
    _shoot(page, project, "review-relabel.png")
    page.keyboard.type(after)
    page.keyboard.press("Enter")
    page.get_by_text(f"Recorded: {Path(second['path']).name}").wait_for()
    _wait_for(page, lambda: _open_sample(page) == _id(review, third["path"]))
    _shoot(page, project, "review-image.png")
    page.keyboard.press("u")
    page.get_by_text("taken back").wait_for()
    _wait_for(page, lambda: _open_sample(page) == _id(review, second["path"]))

    made = [record for record in load_records(fixes)[0] if record.id not in known]
    labels = [r for r in made if r.op == "relabel" and r.annotation_id == label_id(r.path)]
    said = [(r.path, r.before, r.after, r.who, r.evidence["action"]) for r in labels]
    assert said == [
        (first["path"], first["label"], first["suggested"], "Ada", "accept"),
        (second["path"], second["label"], after, "Ada", "relabel"),
    ]
    reverted = {record.reverts for record in made if record.op == "revert"}
    assert reverted == {r.id for r in made if r.op == "relabel" and r.path == second["path"]}
    shown = review.match({"path": {"$in": [first["path"], second["path"]]}}).sort_by("rank")
    assert shown.values("label.label") == [first["suggested"], second["label"]]
    assert [tags or [] for tags in shown.values("tags")] == [["decided"], []]
    assert save_review(project.layout, "Ada") == []


def test_the_panel_has_buttons_facts_and_progress(page, review, project):
    page.goto(page.url.split("?")[0] + "?view=queue&workspace=review")
    panel = page.get_by_text("Reviewer: Ada")
    panel.first.wait_for()
    page.locator("[data-cy=looker]").nth(4).hover()
    page.locator("[data-cy=looker]").nth(4).locator("input[type=checkbox]").dispatch_event("click")
    page.get_by_text(f"rank {project.queue['rank'].iloc[4]}").first.wait_for()
    page.wait_for_timeout(500)
    _shoot(page, project, "review-queue.png")
    page.get_by_text("Ask an expert (e)").first.click()
    page.get_by_text(": ask").first.wait_for()
    path = project.queue["path"].iloc[4]
    _wait_for(page, lambda: review.match({"path": path}).values("tags") == [["asked"]])


def test_two_reviewers_at_once_lose_nothing_and_disagree_aloud(opened, project, review):
    with open_app(project.folder, project.raw, free_port(), "Bob") as second:
        cards = load_deck(project.folder).cards[8:14]
        jobs = [
            (app.port, action, card.sample) for card in cards for app, action in ((opened, "keep"), (second, "accept"))
        ]
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda job: press(*job), jobs))
        assert all("Recorded" in answer for answer in answers)
        assert "disputed" in press(second.port, "refresh", None)
    told = {(r.who, r.path, r.evidence.get("action")) for r in load_records(project.layout.fixes)[0]}
    assert told >= {(who, card.path, action) for card in cards for who, action in (("Ada", "keep"), ("Bob", "accept"))}
    paths = [card.path for card in cards]
    assert all("disputed" in tags for tags in review.match({"path": {"$in": paths}}).values("tags"))


def test_an_app_without_a_name_records_nothing(project, opened):
    with open_app(project.folder, project.raw, free_port()) as nameless:
        card = load_deck(project.folder).cards[-1]
        assert "Nothing was recorded" in press(nameless.port, "keep", card.sample)


def test_nothing_is_written_to_the_home_folder(page, project):
    home = Path.home()
    made = [path for path in (home / ".fiftyone", home / "fiftyone") if path.exists()]
    started = psutil.Process().create_time()
    assert [path for path in made if path.stat().st_mtime > started] == []


def _id(review, path):
    return review.match({"path": path}).values("id")[0]


def _open_sample(page):
    return parse_qs(urlsplit(page.url).query).get("id", [""])[0]


def _shoot(page, project, name):
    """Keep a picture where DATATOOLS_SCREENSHOTS says; the guide's are made so."""
    page.wait_for_timeout(300)
    page.screenshot(path=Path(os.environ.get("DATATOOLS_SCREENSHOTS", project.folder)) / name)


def _media(page):
    return {url: status for url, status in page.answered if "/media" in url}


def _wait_for(page, is_done):
    for _ in range(WAIT_MS // 200):
        if is_done():
            return
        page.wait_for_timeout(200)  # lets the browser's messages through, as time.sleep would not
    assert is_done()


def _n_colours(path: Path) -> int:
    from PIL import Image

    with Image.open(path) as image:
        return len(image.convert("RGB").getcolors(maxcolors=2**24))
