"""Kill a review at 16 moments with SIGKILL: mongod 8 times, the whole app 8 times. No acknowledged decision may be lost.

    python benchmarks/review_kills.py

A reviewer decides one image after the other over HTTP, as the page does for a key. A decision counts as acknowledged when
the answer says `Recorded`. The kill comes at a set time after the first decision; then the review is opened again, and every
acknowledged decision must be a record on the disk, whole, and be shown by the app. Needs the extra `review` and a mongod.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # the key of the tests

from datatools.dataset import label_id, save_dataset
from datatools.fixes.records import load_records
from datatools.ingest import ingest
from datatools.params import IngestParams
from datatools.project import Project
from datatools.review.cards import load_deck
from datatools.review.load import NAME
from datatools.samples.digits import make_digits
from datatools.schema import FIX_STATUS, QUEUE
from datatools.store import load_json, save_table
from tests.review.pressing import press

N_IMAGES = 400
ACTIONS = ("accept", "keep", "exclude", "ask")
MOMENTS_S = (0.02, 0.07, 0.15, 0.3, 0.5, 0.8, 1.3, 2.1)
OPENS_IN_S = 120.0
OWNER = """
from pathlib import Path
from datatools.project import Project
from datatools.review.run import open_review
with open_review(Project(Path({root!r})), 5600, "Ann") as app:
    print(app.port, app.process.pid, flush=True)
    app.wait()
"""


@dataclass
class Reviewer:
    """Decides until told to stop or until nothing answers; `acknowledged` are (action, path) that the app said are recorded."""

    port: int
    cards: list
    acknowledged: list[tuple[str, str]] = field(default_factory=list)
    known: list[str] = field(default_factory=list)  # recorded in an earlier sitting whose kill ate the answer
    done: threading.Event = field(default_factory=threading.Event)

    def work(self) -> None:
        for number, card in enumerate(self.cards):
            if self.done.is_set():
                return
            action = ACTIONS[number % len(ACTIONS)]
            try:
                told = press(self.port, action, card.sample)
            except (urllib.error.URLError, OSError, ValueError):
                return
            if "Recorded" in told:
                self.acknowledged.append((action, card.path))
            elif "on record already" in told:
                self.known.append(card.path)
            else:
                raise RuntimeError(told)


def make_project(folder: Path) -> Project:
    layout = Project(folder)
    make_digits(layout.raw, layout.answer_key, 3, N_IMAGES)
    found = ingest(layout.raw, IngestParams(), workers=1)
    classes = found.dataset.classes
    rows = [
        {"rank": number, "path": path, "annotation_id": label_id(str(path)), "kind": "label", "label": label,
         "suggested": classes[(classes.index(label) + 1) % len(classes)], "score": 0.1, "codes": "LBL003", "reason": "doubt"}
        for number, (path, label) in enumerate(found.dataset.labels.items(), start=1)
    ]  # fmt: skip
    save_dataset(layout.dataset, found.dataset)
    save_table(layout.dataset / "fixes.parquet", found.fixes, FIX_STATUS)
    save_table(layout.queue, QUEUE.conform(rows), QUEUE)
    return layout


def open_owner(project: Project) -> tuple[subprocess.Popen[str], int, int]:
    """The process that runs mongod and the app; port and process id of the app's server."""
    command = [sys.executable, "-c", OWNER.format(root=str(project.root))]
    owner = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert owner.stdout is not None
    port, pid = owner.stdout.readline().split()
    return owner, int(port), int(pid)


def find_lost(project: Project, acknowledged: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Acknowledged decisions without their record: the image's own, and of a relabel one for each object that shared it."""
    records, broken = load_records(project.fixes)
    assert len(broken) <= 1, broken  # the line that was being written
    on_disk = {
        (r.evidence["action"], r.path) for r in records if r.op != "relabel" or r.annotation_id == label_id(r.path)
    }
    return [item for item in acknowledged if item not in on_disk]


def find_unshown(port: int, project: Project, acknowledged: list[tuple[str, str]]) -> int:
    """How many acknowledged decisions the app does not show after it was opened again."""
    import pymongo

    mongo = load_json(project.root / ".datatools" / "review" / "mongod.json")
    client: pymongo.MongoClient = pymongo.MongoClient("127.0.0.1", mongo["port"])
    base = client["datatools"]
    collection = base["datasets"].find_one({"name": NAME})["sample_collection_name"]
    shown = {item["path"] for item in base[collection].find({"decision": {"$regex": "Ann: "}}, {"path": 1})}
    client.close()
    return sum(path not in shown for _, path in acknowledged)


def run_one(project: Project, target: str, moment_s: float, acknowledged: list[tuple[str, str]]) -> list[object]:
    """One sitting with a kill in it: decided in the sitting, after the kill, lost, not shown, and seconds to open again."""
    owner, port, server = open_owner(project)
    done = {path for _, path in acknowledged}
    reviewer = Reviewer(port, [card for card in load_deck(project.root).cards if card.path not in done])
    thread = threading.Thread(target=reviewer.work)
    thread.start()
    while not reviewer.acknowledged and thread.is_alive():
        time.sleep(0.005)
    time.sleep(moment_s)
    mongo = load_json(project.root / ".datatools" / "review" / "mongod.json")
    os.kill(int(mongo["pid"]) if target == "mongod" else server, signal.SIGKILL)
    before = len(reviewer.acknowledged)
    time.sleep(1.0)
    reviewer.done.set()
    thread.join()
    owner.kill()  # the app and its mongod die with it
    owner.wait()
    acknowledged += reviewer.acknowledged
    start = time.monotonic()
    owner, port, _ = open_owner(project)
    opened_s = time.monotonic() - start
    lost, unshown = find_lost(project, acknowledged), find_unshown(port, project, acknowledged)
    owner.send_signal(signal.SIGINT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        owner.wait(30)
    owner.kill()
    after = len(reviewer.acknowledged) - before
    return [target, moment_s, len(reviewer.acknowledged), after, len(reviewer.known), len(lost), unshown, opened_s]


def main() -> int:
    n_bad, acknowledged = 0, []
    with tempfile.TemporaryDirectory() as folder:
        project = make_project(Path(folder))
        print("killed   after s  acknowledged  of these after the kill  recorded before  lost  not shown  open again s")
        for target in ("mongod", "app"):
            for moment_s in MOMENTS_S:
                row = run_one(project, target, moment_s, acknowledged)
                print("{:<8} {:7.2f} {:13} {:24} {:16} {:5} {:10} {:13.1f}".format(*row), flush=True)
                n_bad += int(str(row[5])) + int(str(row[6]))
    print(f"{len(acknowledged)} decisions acknowledged; lost or not shown: {n_bad}")
    return int(n_bad > 0)


if __name__ == "__main__":
    raise SystemExit(main())
