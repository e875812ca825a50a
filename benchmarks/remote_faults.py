"""Harm remotes in every way we know of, and see what `datatools push | pull | verify` and plain DVC make of it.

    python benchmarks/remote_faults.py [--only folder,s3,ssh,front,cache] [--dvc-limit 40]

A folder, S3 (moto), SFTP (asyncssh) and S3 behind an HTTP front that does harm, all on loopback; the project has 14 objects, one
of which is harmed. For each fault: exit code and seconds of both, whether ours named the harmed file, what lies in the workspace
afterwards, and whether a rerun after the harm was undone (ours) brings everything. The script exits with 1 where one of ours did
not do what docs/sharing.md promises. Needs the extras `dev`, `s3` and `ssh`.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # the servers of the tests

from tests.remotes.projects import (  # noqa: E402
    FOLDER,
    N_FILES,
    clone,
    commit,
    files_of,
    flip,
    make_project,
    md5_of,
    objects_of,
    overwrite,
    plant_listing,
    use_s3,
    use_ssh,
)
from tests.remotes.servers import BUCKET, Harm, front_of, s3_client, s3_server, ssh_server  # noqa: E402

VICTIM = f"{FOLDER}/sub/3.png"
N_OBJECTS = N_FILES + 2
DEADLINE_S = 20
LATE_S = 8.0  # beyond the deadline: starting Python twice on a busy machine
Store = dict[str, bytes]


@dataclass
class Ran:
    """A command: exit code (None: killed at the limit), what it said, seconds."""

    code: int | None
    said: str
    seconds: float


@dataclass
class Row:
    """A line of the table."""

    fault: str
    ours: str
    theirs: str
    kept: bool  # ours did what it promises


def execute(root: Path, limit: float, *command: str) -> Ran:
    """Run with a limit after which the whole group is killed."""
    begun = time.monotonic()
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, cwd=root, stdout=log, stderr=log, start_new_session=True)
        try:
            code: int | None = process.wait(timeout=limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()
            code = None
        log.seek(0)
        return Ran(code, log.read(), time.monotonic() - begun)


def ours(root: Path, *arguments: str) -> Ran:
    code = "import sys; from datatools.cli import main; sys.argv[0] = 'datatools'; main()"
    return execute(root, 300, sys.executable, "-c", code, *arguments, "--deadline", str(DEADLINE_S))


def theirs(root: Path, limit: float, *arguments: str) -> Ran:
    return execute(root, limit, sys.executable, "-m", "dvc", *arguments)


@dataclass
class Place:
    """A remote that can be harmed behind the back of both: its objects by MD5, read, written and deleted."""

    name: str
    read: Callable[[str], bytes]
    write: Callable[[str, bytes], None]
    delete: Callable[[str], None]


def folder_place(name: str, store: Path) -> Place:
    return Place(
        name,
        lambda md5: objects_of(store)[md5].read_bytes(),
        lambda md5, data: put(store / "files" / "md5" / md5[:2] / md5[2:], data),
        lambda md5: objects_of(store)[md5].unlink(),
    )


def put(place: Path, data: bytes) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    overwrite(place, data) if place.exists() else place.write_bytes(data)


def s3_place(port: int, prefix: str) -> Place:
    client = s3_client(port)

    def key(md5: str) -> str:
        return f"{prefix}/files/md5/{md5[:2]}/{md5[2:]}"

    return Place(
        "S3",
        lambda md5: client.get_object(Bucket=BUCKET, Key=key(md5))["Body"].read(),
        lambda md5, data: client.put_object(Bucket=BUCKET, Key=key(md5), Body=data),
        lambda md5: client.delete_object(Bucket=BUCKET, Key=key(md5)),
    )


def pushed(root: Path) -> Path:
    """Push, receipt committed."""
    ran = ours(root, "push")
    assert ran.code == 0, ran.said
    commit(root, "receipt")
    return root


def in_workspace(root: Path, right: dict[str, bytes]) -> str:
    """What a workspace holds, beside what it should."""
    found = files_of(root)
    wrong = sum(data != right.get(path) for path, data in found.items())
    if not found:
        return "workspace empty"
    return f"workspace: {wrong} wrong, {len(right) - len(found)} absent of {len(right)}"


def pull_both(root: Path, fault: str, limit: float, undo: Callable[[], object], named: str = VICTIM) -> Row:
    """A fresh clone for each; ours must name the file, check out nothing, and bring everything after `undo`."""
    right = files_of(root)
    mine, other = clone(root, "mine"), clone(root, "other")
    first = ours(mine, "pull")
    empty = not files_of(mine)
    plain = theirs(other, limit, "pull")
    status = theirs(other, limit, "status").said if plain.code == 0 else ""
    text = f"{code_of(plain)}, {in_workspace(other, right)}" + (
        ", status: up to date" if "up to date" in status else ""
    )
    undo()
    again = ours(mine, "pull")
    whole = again.code == 0 and files_of(mine) == right
    is_named = named in first.said
    for folder in (mine, other):
        shutil.rmtree(folder.parent)
    on_time = first.seconds < DEADLINE_S + LATE_S
    told = ("names it" if is_named else "names no file") if named else "says so"
    kept = first.code == 1 and empty and whole and on_time and (is_named or not named)
    mended = "rerun complete" if whole else "RERUN NOT COMPLETE"
    return Row(
        f"pull: {fault}",
        f"{code_of(first)}, {told}, {'nothing' if empty else 'SOME'} checked out; {mended}",
        text,
        kept,
    )


def code_of(ran: Ran) -> str:
    return (
        f"rc {ran.code} in {ran.seconds:.0f} s" if ran.code is not None else f"hung, killed after {ran.seconds:.0f} s"
    )


def harms(place: Place, md5: str, other: str) -> Iterator[tuple[str, Callable[[], object]]]:
    """(fault, do it), each on the right object."""
    right = place.read(md5)
    yield "flipped bit", lambda: place.write(md5, flip(right))
    yield "truncated", lambda: place.write(md5, right[:100])
    yield "emptied", lambda: place.write(md5, b"")
    yield "deleted", lambda: place.delete(md5)
    yield "swapped for another object", lambda: place.write(md5, place.read(other))


def harm_objects(root: Path, place: Place, limit: float) -> Iterator[Row]:
    """At rest on the remote: what verify, pull and push say."""
    md5, other = md5_of(root, VICTIM), md5_of(root, f"{FOLDER}/sub/4.png")
    right = place.read(md5)
    for fault, do in harms(place, md5, other):
        name = f"{place.name}: {fault}"
        do()
        verified = ours(root, "verify")
        status = theirs(root, limit, "status", "-c")
        said = "in sync" if "in sync" in status.said else "differs" if status.code == 0 else "fails"
        yield Row(
            f"verify: {name}",
            f"{code_of(verified)}, {'names it' if VICTIM in verified.said else 'DOES NOT NAME IT'}",
            f"status -c: {code_of(status)}, {said}",
            verified.code == 1 and VICTIM in verified.said,
        )
        yield pull_both(root, name, limit, lambda: place.write(md5, right))
        do()
        plain = theirs(root, limit, "push")
        theirs_is_right = reads(place, md5) == right
        sent = ours(root, "push")
        mended = reads(place, md5) == right
        yield Row(
            f"push again: {name}",
            f"{code_of(sent)}, {'sent again, proven' if mended else 'NOT MENDED'}",
            f"{code_of(plain)}, {last(plain)}; object there {'right' if theirs_is_right else 'still not right'}",
            sent.code == 0 and mended,
        )


def reads(place: Place, md5: str) -> bytes | None:
    try:
        return place.read(md5)
    except Exception:
        return None


def last(ran: Ran) -> str:
    lines = [line.strip() for line in ran.said.splitlines() if line.strip()]
    return f"says {lines[-1][:60]!r}" if lines else "says nothing"


def harm_listings(root: Path, place: Place, store: Path, limit: float) -> Iterator[Row]:
    """A listing that leaves the workspace; a folder that is a link."""
    for path, escaped in {"../../../escaped.png": "escaped.png", ".git/hooks/evil": "evil"}.items():
        base = shutil.copytree(root.parents[1], root.parents[1].parent / "hostile", symlinks=True)
        hostile = base / "top" / "project"
        plant_listing(hostile, base / "store", [{"md5": md5_of(root, VICTIM), "relpath": path}])
        mine, other = clone(hostile, "mine"), clone(hostile, "other")
        first, plain = ours(mine, "pull"), theirs(other, limit, "pull")
        out_mine, out_other = (
            sorted(folder.parents[1].glob(f"{folder.parent.name}/**/{escaped}")) for folder in (mine, other)
        )
        outside = f"{len(out_other)} file written at {path}" if out_other else "nothing written"
        kept = first.code == 1 and path in first.said and not out_mine
        yield Row(
            f"pull: {place.name}: listing with {path}",
            f"{code_of(first)}, {'names it' if path in first.said else 'names no file'}, {'FILE WRITTEN' if out_mine else 'nothing written'}",
            f"{code_of(plain)}, {outside}",
            kept,
        )
        shutil.rmtree(base)
    yield _through_a_link(root, place, limit)


def _through_a_link(root: Path, place: Place, limit: float) -> Row:
    mine, other = clone(root, "mine"), clone(root, "other")
    found = []
    for folder in (mine, other):
        outside = folder.parent.parent / f"outside-{folder.parent.name}"
        outside.mkdir()
        (folder / FOLDER).symlink_to(outside)
        ran = ours(folder, "pull") if folder == mine else theirs(folder, limit, "pull")
        found.append((ran, len([path for path in outside.rglob("*") if path.is_file()])))
        shutil.rmtree(outside)
    for folder in (mine, other):
        shutil.rmtree(folder.parent)
    (first, n_mine), (plain, n_other) = found
    return Row(
        f"pull: {place.name}: {FOLDER} is a symbolic link",
        f"{code_of(first)}, {'names it' if FOLDER in first.said else 'names no file'}, {n_mine} files written through it",
        f"{code_of(plain)}, {n_other} files written through it",
        first.code == 1 and FOLDER in first.said and n_mine == 0,
    )


def harm_cache(folder: Path, limit: float) -> Iterator[Row]:
    """A bit flips in the local cache, and the time of change stays: does it get out?"""
    for program in ("ours", "theirs"):
        make_project(folder / program)
    found = {}
    for program in ("ours", "theirs"):
        root = folder / program / "top" / "project"
        md5 = md5_of(root, VICTIM)
        place = objects_of(root / ".dvc" / "cache")[md5]
        before = place.stat()
        overwrite(place, flip(place.read_bytes()))
        os.utime(place, ns=(before.st_atime_ns, before.st_mtime_ns))
        place.chmod(0o444)
        ran = ours(root, "push") if program == "ours" else theirs(root, limit, "push")
        there = md5 in objects_of(folder / program / "store")
        found[program] = ran, f"{code_of(ran)}, {'sent under the good name' if there else 'nothing sent'}", there
    ran, text, there = found["ours"]
    named = "names it" if VICTIM in ran.said else "DOES NOT NAME IT"
    yield Row(
        "push: flipped bit in the cache, mtime kept",
        f"{text}, {named}",
        found["theirs"][1],
        not there and ran.code == 1,
    )


def harm_front(folder: Path, port: int, limit: float) -> Iterator[Row]:
    """A server that dies, drips, refuses, lies or spoils what passes."""
    harm = Harm()
    with front_of(port, harm) as front:
        for program in ("ours", "theirs"):
            use_s3(make_project(folder / program), front)
            commit(folder / program / "top" / "project", "s3")
        yield _die_in_push(folder, port, harm, limit)
        root = pushed(folder / "ours" / "top" / "project")
        md5 = md5_of(root, VICTIM)

        def calm() -> None:
            harm.__dict__.update(Harm().__dict__)

        slow = {"dies after 5 objects": {"dies_after": 5}, "drips after 5 objects": {"drips_after": 5}}
        for fault, how in slow.items():
            harm.__dict__.update(how, n_passed=0)
            yield pull_both(root, f"S3: server {fault}", limit, calm, named="")
        for status in (403, 404, 500, 503):
            harm.__dict__.update(status=status, part=md5[2:])
            yield pull_both(root, f"S3: {status} for one object", limit, calm)
        for status in (403, 500):
            harm.__dict__.update(status=status, to_all=True)
            yield pull_both(root, f"S3: {status} for everything", limit, calm, named="")
        for fault, how in {"flipped bit on the way": {"flips": True}, "cut on the way": {"cuts": True}}.items():
            harm.__dict__.update(how, part=md5[2:])
            yield pull_both(root, f"S3: {fault}", limit, calm)


def _die_in_push(folder: Path, port: int, harm: Harm, limit: float) -> Row:
    found = {}
    for program in ("ours", "theirs"):
        root = folder / program / "top" / "project"
        harm.__dict__.update(dies_after=5, n_passed=0)
        ran = ours(root, "push") if program == "ours" else theirs(root, limit, "push")
        n = s3_client(port).list_objects_v2(Bucket=BUCKET, Prefix=program)["KeyCount"]
        harm.dies_after = None
        again = ours(root, "push") if program == "ours" else theirs(root, limit, "push")
        total = s3_client(port).list_objects_v2(Bucket=BUCKET, Prefix=program)["KeyCount"]
        found[program] = ran, f"{code_of(ran)}, {n} arrived; rerun rc {again.code}, {total} of {N_OBJECTS} there", total
    (ran, text, total), (_, other, _) = found["ours"], found["theirs"]
    kept = ran.code == 1 and total == N_OBJECTS and ran.seconds < DEADLINE_S + LATE_S
    return Row("push: S3: server dies after 5 objects", text, other, kept)


def run_all(only: set[str], limit: float, base: Path) -> Iterator[Row]:
    if "cache" in only:
        yield from harm_cache(base / "cache", limit)
    if "folder" in only:
        root = pushed(make_project(base / "folder"))
        place = folder_place("folder", base / "folder" / "store")
        yield from harm_objects(root, place, limit)
        yield from harm_listings(root, place, base / "folder" / "store", limit)
    if "ssh" in only:
        (base / "ssh").mkdir()
        with ssh_server(base / "ssh") as port:
            root = make_project(base / "ssh" / "all")
            use_ssh(root, port, base / "ssh")
            commit(root, "ssh")
            yield from harm_objects(pushed(root), folder_place("SSH", base / "ssh" / "remote"), limit)
    if only & {"s3", "front"}:
        with s3_server() as port:
            if "s3" in only:
                root = make_project(base / "s3")
                use_s3(root, port)
                commit(root, "s3")
                yield from harm_objects(pushed(root), s3_place(port, "s3"), limit)
            if "front" in only:
                yield from harm_front(base / "front", port, limit)


def main() -> int:
    """Print the table as Markdown, a row as soon as it is known."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="cache,folder,ssh,s3,front")
    parser.add_argument("--dvc-limit", type=float, default=40.0, help="seconds after which plain DVC counts as hung")
    options = parser.parse_args()
    base = Path(tempfile.mkdtemp())
    n_rows, n_kept = 0, 0
    print("| fault | datatools | plain DVC |\n|---|---|---|", flush=True)
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, base, ignore_errors=True)
        for row in run_all(set(options.only.split(",")), options.dvc_limit, base):
            n_rows, n_kept = n_rows + 1, n_kept + row.kept
            print(f"| {row.fault} | {'' if row.kept else 'BROKEN: '}{row.ours} | {row.theirs} |", flush=True)
    print(
        f"\n{n_kept} of {n_rows} as promised; deadline of ours {DEADLINE_S} s, limit for plain DVC {options.dvc_limit:g} s"
    )
    return 0 if n_kept == n_rows else 1


if __name__ == "__main__":
    sys.exit(main())
