"""Bad input: every file of the corpora, and of folders, archives and annotations made to do harm, gets a verdict.

    python benchmarks/bad_input.py [--shared ../shared] [--limit 20] [--only CORPUS]

A child process takes one case after the other, with 4 GiB of address space above what it starts with and `--limit` seconds
for each. When it dies or hangs, that is counted and a new one goes on behind the case. Prints a Markdown table; the exit
status is 1 if there was a crash (the process died, or any exception that is no verdict) or a hang. Needs the test suite
beside it, for the hostile files.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import selectors
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

CORPORA = ("pillow-images", "pngsuite", "exif-orientation")
OWN = ("images", "folder", "archives", "annotations")
SPARE_BYTES = 4 << 30
Verdicts = Counter[str]


@dataclass
class Total:
    """What became of one corpus; memory in MB of the largest process, seconds of the slowest case."""

    n_cases: int = 0
    verdicts: Verdicts = field(default_factory=Counter)
    crashes: list[str] = field(default_factory=list)
    hangs: list[str] = field(default_factory=list)
    slowest: tuple[float, str] = (0.0, "")
    peak_mb: float = 0.0
    start_mb: float = 0.0


def main() -> int:
    """Run all corpora and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared", help="folder with data/<corpus>.zip")
    parser.add_argument("--limit", type=float, default=20.0, help="seconds for one case")
    parser.add_argument("--only", choices=CORPORA + OWN, help="one corpus instead of all")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        take_in(args.child[0], int(args.child[1]), args.shared)
        return 0
    print("| corpus | cases | taken in | rejected | by reason | crashes | hangs | slowest | peak memory |")
    print("|---|---|---|---|---|---|---|---|---|")
    totals = {}
    for name in (args.only,) if args.only else CORPORA + OWN:
        if name in CORPORA and not (args.shared / f"data/{name}.zip").exists():
            print(f"{name}: {args.shared}/data/{name}.zip is not here", file=sys.stderr)
            continue
        totals[name] = total = run(name, args.shared, args.limit)
        print(to_row(name, total), flush=True)
    for name, total in totals.items():
        for what, cases in {"crash": total.crashes, "hang": total.hangs}.items():
            for case in cases:
                print(f"\n{what}: {name}: {case}")
    return int(any(total.crashes or total.hangs for total in totals.values()))


def run(name: str, shared: Path, limit_s: float) -> Total:
    """Feed one corpus to child processes until all its cases are through."""
    total = Total()
    case: str | None = ""
    while case is not None:
        command = [sys.executable, __file__, "--child", name, str(total.n_cases), "--shared", str(shared)]
        with subprocess.Popen(command, bufsize=0, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
            case = _follow(child, total, limit_s)
        if case == "start":
            return total
        total.n_cases += case is not None
    return total


def _follow(child: subprocess.Popen[bytes], total: Total, limit_s: float) -> str | None:
    """Count what the child tells; returns the case at which it died or was killed, None if it came to the end."""
    case = "start"
    assert child.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while selector.select(limit_s if case != "start" else 60):
            line = child.stdout.readline()
            if not line:
                break
            told = json.loads(line)
            if "end" in told:
                return None
            if "case" in told:
                case = told["case"]
                total.start_mb = total.start_mb or told["peak_mb"]
            else:
                _count(told, case, total)
        else:
            child.kill()
            total.hangs.append(case)
            return case
    total.crashes.append(f"{case}: the process ended with {child.wait()}")
    return case


def _count(told: dict[str, Any], case: str, total: Total) -> None:
    total.n_cases += 1
    total.verdicts.update(told["verdicts"])
    total.slowest = max(total.slowest, (told["seconds"], case))
    total.peak_mb = max(total.peak_mb, told["peak_mb"])
    if told["crash"]:
        total.crashes.append(f"{case}: {told['crash']}")


def to_row(name: str, total: Total) -> str:
    """One row of the table."""
    taken = total.verdicts["taken in"]
    reasons = {reason: n for reason, n in total.verdicts.most_common() if reason != "taken in"}
    by_reason = ", ".join(f"{reason} {n}" for reason, n in reasons.items())
    seconds, slowest = total.slowest
    cells = [name, total.n_cases, taken, sum(reasons.values()), by_reason, len(total.crashes), len(total.hangs)]
    cells += [f"{seconds:.2f} s ({slowest})", f"{total.peak_mb:.0f} MB ({total.start_mb:.0f} at the start)"]
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


# ---- in the child ----


def take_in(name: str, start: int, shared: Path) -> None:
    """Print a line of JSON before each case from number `start` on, and one with its verdicts."""
    with tempfile.TemporaryDirectory() as folder:
        for number, (case, what) in enumerate(_list_cases(name, Path(folder), shared)):
            if number < start:
                continue
            _limit_memory()
            _tell(case=case, peak_mb=_peak_mb())
            before, crash, verdicts = time.perf_counter(), "", Verdicts()
            try:
                verdicts = _judge(what)
            except BaseException as error:  # this is what is looked for
                crash = f"{type(error).__name__}: {error}"[:300]
            _tell(verdicts=verdicts, crash=crash, seconds=time.perf_counter() - before, peak_mb=_peak_mb())
        _tell(end=True)


def _list_cases(name: str, folder: Path, shared: Path) -> Iterator[tuple[str, Any]]:
    """(case, bytes of a file, a tree to take in, or a tree of annotations) of a corpus."""
    from datatools.tree import open_tree
    from tests.builders import lay_out
    from tests.hostile import hostile_compressed, hostile_tars, hostile_zips, lay_out_hostile
    from tests.hostile_annotations import hostile_annotations
    from tests.hostile_images import hostile_images

    if name == "images":
        yield from ((key, ("bytes", data, None)) for key, data in hostile_images().items())
    elif name == "folder":
        lay_out_hostile(folder / "root", folder / "outside")
        yield "folder", ("tree", folder / "root", None)
    elif name == "archives":
        cases = [(f"{key}.zip", ".zip", case) for key, case in hostile_zips().items()]
        cases += [(f"{key}.tar", ".tar", case) for key, case in hostile_tars().items()]
        cases += [(key, suffix, case) for key, (suffix, case) in hostile_compressed().items()]
        for key, suffix, case in cases:
            (folder / f"case{suffix}").write_bytes(case.data)
            yield key, ("tree", folder / f"case{suffix}", case.limits)
    elif name == "annotations":
        for number, (key, files) in enumerate(hostile_annotations(folder / "outside").items()):
            yield key, ("annotations", lay_out(folder / str(number), files), None)
    else:
        tree = open_tree(shared / "data" / f"{name}.zip")
        for path in tree.sizes:
            yield path, ("bytes", tree.read(path), None)


def _judge(what: tuple[str, Any, Any]) -> Verdicts:
    kind, source, limits = what
    if kind == "bytes":
        return Verdicts([_judge_image(source)])
    if kind == "annotations":
        return _judge_annotations(source)
    return _judge_tree(source, limits)


def _judge_image(data: bytes) -> str:
    from datatools.images import UnreadableImageError, compute_facts, decode_image

    try:
        compute_facts(data)
        decode_image(data)
    except UnreadableImageError:
        return "unreadable image"
    return "taken in"


def _judge_tree(root: Path, limits: Any) -> Verdicts:
    from datatools.tree import UnreadableFileError, open_tree

    tree = open_tree(root, limits)
    verdicts = Verdicts(row["reason"] for row in tree.refused)
    for path in tree.sizes:
        try:
            verdicts[_judge_image(tree.read(path))] += 1
        except UnreadableFileError:
            verdicts["unreadable file"] += 1
    return verdicts


def _judge_annotations(root: Path) -> Verdicts:
    """Annotations, rows of `rejected`, and annotation files that no format takes for its own."""
    from datatools.formats.registry import load_content
    from datatools.tree import open_tree

    tree = open_tree(root)
    content, _ = load_content(tree)
    verdicts = Verdicts(content.rejected["reason"])
    verdicts["taken in"] = len(content.annotations)
    files = {path for path in tree.sizes if not path.endswith(".png")}
    verdicts["of no format"] = len(files - content.files - set(content.rejected["source"]))
    return +verdicts


def _limit_memory() -> None:
    if resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY:
        return
    in_use = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (in_use + SPARE_BYTES,) * 2)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _tell(**facts: Any) -> None:
    print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
