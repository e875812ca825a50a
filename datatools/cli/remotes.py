"""`datatools push`, `pull`, `verify` and `gc`: DVC's remotes, proven."""

from __future__ import annotations

import datetime
import json
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from datatools.cli.common import find_here, sign
from datatools.errors import DatatoolsError

if TYPE_CHECKING:
    from datatools.remotes.outcome import Outcome

Remote = Annotated[Optional[str], typer.Option(help="A remote of `dvc remote list`. Default: DVC's default remote.")]
Rev = Annotated[Optional[str], typer.Option(help="A Git revision instead of the workspace.")]
SampleOption = Annotated[
    Optional[str], typer.Option("--sample", metavar="N/T", help="Hash part N of T there. Default: all.")
]
DeadlineOption = Annotated[
    float, typer.Option("--deadline", metavar="SECONDS", help="Give up after so long; a rerun goes on from there.")
]
Jobs = Annotated[Optional[int], typer.Option(min=1, help="Transfers at a time. Default: the remote's.")]


def _check_format(format: str) -> str:
    if format not in ("text", "json"):
        raise DatatoolsError(f"--format: expected text or json. Got {format!r} instead.")
    return format


Format = Annotated[str, typer.Option(help="text or json.", callback=_check_format)]
DEADLINE_S = 3600.0  # of datatools.remotes.session, which `--help` need not load


def push(
    remote: Remote = None,
    rev: Rev = None,
    sample: SampleOption = None,
    deadline: DeadlineOption = DEADLINE_S,
    jobs: Jobs = None,
    who: Annotated[Optional[str], typer.Option(help="Who pushes. Default: git config user.name.")] = None,
    format: Format = "text",
) -> None:
    """Push data, hash it again on the remote and write a receipt; exit with 1 where that is not proven."""
    from datatools.remotes.hashing import parse_sample
    from datatools.remotes.push import push as push_closure
    from datatools.remotes.scope import Wanted

    wanted = Wanted(find_here().root, rev, False, remote, deadline, jobs)
    _tell(push_closure(wanted, parse_sample(sample), sign(who), datetime.datetime.now(datetime.UTC)), format)


def pull(
    remote: Remote = None,
    rev: Annotated[
        Optional[str], typer.Option(help="Fill the cache for this Git revision; nothing is checked out.")
    ] = None,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="Check out the outputs that are right although others are not.")
    ] = False,
    deadline: DeadlineOption = DEADLINE_S,
    jobs: Jobs = None,
    format: Format = "text",
) -> None:
    """Pull data: all of it is fetched and hashed before any of it is checked out; exit with 1 where something is wrong."""
    from datatools.remotes.pull import pull as pull_closure
    from datatools.remotes.scope import Wanted

    _tell(pull_closure(Wanted(find_here().root, rev, False, remote, deadline, jobs), keep_going), format)


def verify(
    remote: Remote = None,
    cache: Annotated[bool, typer.Option("--cache", help="Verify DVC's cache on this machine instead.")] = False,
    workspace: Annotated[bool, typer.Option("--workspace", help="Verify the files as checked out instead.")] = False,
    rev: Rev = None,
    all_commits: Annotated[bool, typer.Option("--all-commits", help="What any commit or the workspace needs.")] = False,
    sample: SampleOption = None,
    deadline: DeadlineOption = DEADLINE_S,
    jobs: Jobs = None,
    format: Format = "text",
) -> None:
    """Hash all data on the remote; exit with 1 where an object is missing, wrong or unreadable, 0 where all is proven."""
    from datatools.remotes import verify as verifying
    from datatools.remotes.hashing import parse_sample
    from datatools.remotes.scope import Wanted

    if (remote is not None) + cache + workspace > 1:
        raise DatatoolsError("verify: expected one of --remote, --cache and --workspace. Got more: choose one.")
    if all_commits and (rev is not None or workspace):
        raise DatatoolsError("verify: expected --all-commits without --rev and --workspace. Got both: choose one.")
    if workspace and (rev is not None or sample is not None):
        raise DatatoolsError("verify: expected --workspace without --rev and --sample. Got both: choose one.")
    where = verifying.CACHE if cache else verifying.WORKSPACE if workspace else verifying.REMOTE
    wanted = Wanted(find_here().root, rev, all_commits, remote, deadline, jobs)
    _tell(verifying.verify(wanted, where, parse_sample(sample)), format)


def gc(
    remote: Remote = None,
    keep: Annotated[
        str, typer.Option(help="commits: what any commit or the workspace needs. workspace: only what it needs.")
    ] = "commits",
    yes: Annotated[bool, typer.Option("--yes", help="Take it away. Default: show what would go.")] = False,
    deadline: DeadlineOption = DEADLINE_S,
    jobs: Jobs = None,
    format: Format = "text",
) -> None:
    """Free DVC's cache of objects that the remote was just proven to have and that nothing kept needs."""
    from datatools.remotes.gc import gc as collect
    from datatools.remotes.scope import Wanted

    _tell(collect(Wanted(find_here().root, None, True, remote, deadline, jobs), keep, yes), format)


def _tell(outcome: Outcome, format: str) -> None:
    if format == "json":
        typer.echo(json.dumps(outcome.to_json(), indent=2))
    else:
        for line in outcome.to_lines():
            typer.echo(line)
    if not outcome.proven:
        raise typer.Exit(1)
