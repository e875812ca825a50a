"""Where a project stands: data as recorded or not, stages out of date, decisions not applied, data not pushed, files not in Git.

An answer in a blink for a person: neither DVC nor pandas is loaded.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datatools.dvc_cache import read_cached
from datatools.dvc_hashes import Hashes, read_text
from datatools.dvc_state import find_changed_stages, is_lock_broken, list_outputs, load_lock
from datatools.file_names import printable
from datatools.git import ask_git, read_committed
from datatools.project import LAYOUT, Project
from datatools.remotes.closure import build_closure
from datatools.revisions import LOCK, OnDisk
from datatools.seen_files import SeenFiles

RECORDED = ("data/raw.dvc", "data/fixes", "data/mutes.yaml", "data/receipts", "dvc.yaml", "dvc.lock", "params.yaml")
FEW = 3


@dataclass(frozen=True)
class Standing:
    """One line of the answer: what it is about, how it stands, and the command that takes it further (empty: none needed)."""

    about: str
    text: str
    command: str = ""

    def __str__(self) -> str:
        """Such as `data      changed since it was recorded: dvc add data/raw`."""
        return f"{self.about:<9} {self.text}" + (f": {self.command}" if self.command else "")


def find_standing(project: Project) -> list[Standing]:
    """How data, pipeline, decisions, review, remote and Git stand, in this order; what does not exist yet is left out."""
    disk = OnDisk(project.root, SeenFiles(project.state / "cache" / "hashes"))
    changed = find_changed_stages(disk)
    found = [
        _stand_data(project, disk),
        _stand_pipeline(disk, changed),
        _stand_fixes(project, changed),
        _stand_review(project),
        _stand_remote(project, disk),
        _stand_git(project),
    ]
    disk.hashes.save()
    return [standing for standing in found if standing is not None]


def _stand_data(project: Project, disk: OnDisk) -> Standing | None:
    raw = LAYOUT["raw"]
    hashes, recorded = disk.hashes, disk.read_pointer(project.raw)
    if not project.raw.is_dir():
        what = "is not on this machine" if recorded else "there is none"
        return Standing("data", f"{raw} {what}", "datatools pull" if recorded else "datatools import SOURCE")
    files = hashes.list_files(raw)
    has = f"{raw}, {len(files):,} files, {sum(file.n_bytes for file in files.values()) / 1e6:,.1f} MB"
    if recorded is None and (project.root / f"{raw}.dvc").exists():
        mend = _find_mend(project.root, f"{raw}.dvc")
        return Standing("data", f"{has}; {raw}.dvc is broken, as a merge may leave it", mend)
    if recorded is None:
        return Standing("data", f"{has}, not recorded by DVC")
    if hashes.find(raw) == recorded:
        return Standing("data", f"{has}, as data/raw.dvc records")
    if any(path.is_symlink() and not path.exists() for path in project.raw.rglob("*")):
        return Standing("data", f"{raw}: links that lead nowhere, as after the project was moved", "datatools pull")
    return Standing("data", f"{has}, {_tell_change(project, hashes, recorded)}", f"dvc add {raw}")


def _tell_change(project: Project, hashes: Hashes, recorded: str) -> str:
    """What of the folder is not as recorded, where the list of what was recorded is at hand."""
    data = read_cached(project.root, recorded)
    if data is None:
        return "not as data/raw.dvc records"
    before = {row["relpath"]: row["md5"] for row in json.loads(data)}
    now = {name: file.md5 for name, file in hashes.list_files(LAYOUT["raw"]).items()}
    new, gone = sorted(now.keys() - before.keys()), sorted(before.keys() - now.keys())
    other = sorted(name for name in now.keys() & before.keys() if now[name] != before[name])
    parts = [
        f"{what} {_name_few(names)}" for what, names in (("new", new), ("changed", other), ("gone", gone)) if names
    ]
    return "; ".join(parts)


def _stand_pipeline(disk: OnDisk, changed: Mapping[str, list[str]]) -> Standing:
    if is_lock_broken(disk):
        text = f"{LOCK} is broken, as a killed `dvc repro` or a merge may leave it"
        return Standing("pipeline", text, _find_mend(disk.root, LOCK))
    lock = load_lock(disk)
    if not lock:
        return Standing("pipeline", "never run", "dvc repro")
    if not changed:
        return Standing("pipeline", f"{len(lock)} stages up to date")
    absent = [output.path for output in list_outputs(disk) if not (disk.root / output.path).exists()]
    if absent and set(absent).issuperset(name for names in changed.values() for name in names):
        return Standing("pipeline", f"{_name_few(absent)} of the last run not on this machine", "datatools pull")
    first, what = next(iter(changed.items()))
    others = len(changed) - 1
    more = f" (and of {others} more stage{'s' if others > 1 else ''})" if others else ""
    return Standing("pipeline", f"{_name_few(what)} of stage {first}{more} changed", "dvc repro")


def _find_mend(root: Path, name: str) -> str:
    """The command that puts something in the place of a file that cannot be read."""
    return f"git checkout HEAD -- {name}" if read_committed(root, "HEAD", name) is not None else f"rm {name}"


def _stand_fixes(project: Project, changed: Mapping[str, list[str]]) -> Standing | None:
    """Records that the last run has not seen, else those that it could not apply; its table is opened only for the first."""
    files = sorted(project.fixes.glob("*.jsonl"))
    if not files:
        return None
    n_records = sum(1 for file in files for line in read_text(file).splitlines() if line.strip())
    if LAYOUT["fixes"] not in (names := changed.get("ingest", ())) and LOCK not in names:
        seen, n_bad = f"{n_records:,} records, all seen by the last run", _count_unapplied(project)
        return (
            Standing("fixes", f"{seen}, {n_bad:,} in conflict or disputed", "datatools fixes check")
            if n_bad
            else Standing("fixes", seen)
        )
    table = project.dataset / "fixes.parquet"
    n_seen = 0
    if table.exists():
        from datatools.schema import FIX_STATUS
        from datatools.store import load_table  # it loads pandas

        n_seen = len(load_table(table, FIX_STATUS))
    new = f"{n_records - n_seen:,} since the last run" if n_records > n_seen else "not as the last run saw them"
    return Standing("fixes", f"{n_records:,} records, {new}", "dvc repro")


def _count_unapplied(project: Project) -> int:
    """Records in conflict and disputes, as the last validation counted them."""
    report = _load_json(project.root / LAYOUT["validation"])
    checks = report.get("checks", ()) if isinstance(report, dict) else ()
    return sum(check.get("n_findings", 0) for check in checks if check.get("code") in ("FIX001", "FIX002"))


def _stand_review(project: Project) -> Standing | None:
    report = _load_json(project.report)
    queue = report.get("queue") if isinstance(report, dict) else None
    if not isinstance(queue, dict) or not queue.get("n"):
        return None
    return Standing("review", f"{queue['n']:,} images were in the queue of the last report", "datatools review")


def _stand_remote(project: Project, disk: OnDisk) -> Standing | None:
    """By the receipts that `datatools push` writes; plain `dvc push` leaves no trace."""
    receipts = [_load_json(file) for file in sorted((project.root / "data/receipts").glob("*.json"))]
    receipts = [receipt for receipt in receipts if isinstance(receipt, dict) and "pushed_at" in receipt]
    outputs = list_outputs(disk)
    if not outputs:
        return None
    version = build_closure(outputs, {})[0].version
    proven = [receipt for receipt in receipts if receipt.get("closure") == version]
    if proven:
        last = max(proven, key=lambda receipt: str(receipt["pushed_at"]))
        names = " and ".join(map(str, last.get("remotes", ())))
        return Standing("remote", f"pushed as it is now to {names}, and proven, {last['pushed_at']}")
    before = f"last time {max(str(receipt['pushed_at']) for receipt in receipts)}" if receipts else "never"
    return Standing("remote", f"not pushed and proven as it is now, {before}", "datatools push")


def _stand_git(project: Project) -> Standing | None:
    names = list(_list_names(ask_git(project.root, "status", "--porcelain", "-z", "--", *RECORDED)))
    return Standing("git", f"not committed: {_name_few(names)}", "git add, git commit") if names else None


def _list_names(told: str) -> Iterator[str]:
    """The names in what `git status --porcelain -z` says: `XY name`, and after a renamed one its old name."""
    entries = iter(told.split("\0"))
    for entry in entries:
        if entry:
            yield printable(entry[3:])
        if "R" in entry[:2] or "C" in entry[:2]:
            next(entries, None)


def _name_few(names: list[str]) -> str:
    return ", ".join(names[:FEW]) + (f" and {len(names) - FEW:,} more" if len(names) > FEW else "")


def _load_json(file: Path) -> Any:
    try:
        return json.loads(read_text(file))
    except ValueError:
        return None
