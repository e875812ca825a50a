"""`datatools push`, `pull`, `verify` and `gc` as typed: exit codes, lines, JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from datatools.cli.remotes import DEADLINE_S
from datatools.remotes import session
from tests.command_line import Run
from tests.remotes.projects import FOLDER, clone, commit, md5_of, objects_of


def test_push_pull_verify_and_gc(run_in: Run, fresh: Path) -> None:
    code, out, _ = run_in(fresh, "push")
    assert (code, out.startswith("pushed: storage: 14 objects sent, 14 of 14 hashed there and right")) == (0, True)
    assert "receipt data/receipts/" in out
    commit(fresh, "receipt")
    other = clone(fresh, "other")
    code, out, _ = run_in(other / "data", "pull")
    assert (code, "14 objects fetched, 14 objects hashed and right" in out) == (0, True), (
        "from a folder of the project too"
    )
    objects_of(fresh.parents[1] / "store")[md5_of(fresh, f"{FOLDER}/sub/3.png")].unlink()
    code, out, _ = run_in(other, "verify", "--format", "json")
    document = json.loads(out)
    assert (code, document["proven"], document["faults"][0]["paths"]) == (1, False, [f"{FOLDER}/sub/3.png"])
    code, out, _ = run_in(other, "gc")
    assert (code, "would go from the cache: 0 objects" in out) == (0, True), (
        "missing there is no reason to stop: it stays"
    )


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["verify", "--cache", "--remote", "storage"], "expected one of --remote, --cache and --workspace"),
        (["verify", "--all-commits", "--rev", "HEAD"], "expected --all-commits without --rev"),
        (["verify", "--workspace", "--sample", "1/2"], "expected --workspace without --rev and --sample"),
        (["verify", "--sample", "3/2"], "--sample: expected N/T"),
        (["verify", "--format", "xml"], "--format: expected text or json"),
        (["gc", "--keep", "nothing"], "--keep: expected commits or workspace"),
        (["push", "--deadline", "0"], "--deadline: expected seconds above 0"),
    ],
)
def test_wrong_calls_are_one_line(run_in: Run, fresh: Path, argv: list[str], message: str) -> None:
    code, out, err = run_in(fresh, *argv)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_the_deadline_is_one() -> None:
    assert session.DEADLINE_S == DEADLINE_S
