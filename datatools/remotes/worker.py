"""The process that talks to DVC and, through DVC's own file systems, to its remotes.

Started by `session.Session`, which can end it at any moment. It takes a request a line on stdin and answers with rows, one JSON
document a line, on stdout; it ends when its stdin does, so that nothing goes on after a killed parent. Credentials, URLs and
options of remotes are DVC's own configuration; only this module imports DVC.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import json
import os
import queue
import shutil
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, TypeVar

from dvc.config import ConfigError
from dvc.exceptions import DvcException
from dvc.lock import LockError
from dvc.repo import Repo, lock_repo
from dvc.scm import resolve_rev
from dvc_data.hashfile.db import HashFileDB
from dvc_objects.fs.errors import ConfigError as FileSystemConfigError
from dvc_objects.fs.errors import RemoteMissingDepsError

from datatools.remotes.hashing import Content, hash_file

Row = list[Any]
T = TypeVar("T")
WORK = "datatools"  # a folder beside `files/` in DVC's cache: on the same disk, and no object for DVC
N_UPLOADED = 64  # objects handed to DVC at a time
FULL = (errno.ENOSPC, errno.EDQUOT)
N_FAILED = 64  # failures in a row after which the remote counts as gone


class DiskFullError(Exception):
    """What was fetched has no room here: no fault of the remote."""


class Worker:
    """One request a method; each yields rows."""

    def __init__(self, root: str) -> None:
        self._repo = Repo(root)
        self._cache: HashFileDB = self._repo.cache.local
        self._remotes: dict[str | None, HashFileDB] = {}

    def place(self) -> Iterator[Row]:
        """[where the cache's objects lie, the default remote's name or None]."""
        yield [self._cache.path, self._repo.config["core"].get("remote")]

    def outputs(self, rev: str | None, history: bool, remote: str | None) -> Iterator[Row]:
        """[revision, outputs, (path, why) of those that are not shared]: of the workspace, a revision, or of all commits."""
        revs = None if rev is None else [resolve_rev(self._repo.scm, rev)]
        walk = self._repo.brancher(
            revs=revs, all_commits=history, all_experiments=history, workspace=rev is None, sha_only=True
        )
        for name in walk:
            try:
                yield [name, *_sort_outputs(self._repo.index.outs, remote)]
            except DvcException as error:
                raise DvcException(f"{name or 'workspace'}: {error}") from error

    def sizes(self, remote: str | None, md5s: list[str], jobs: int | None) -> Iterator[Row]:
        """[object, bytes] of those among `md5s` that the remote says it has."""
        odb = self._remote(remote)
        odb.fs.fs.invalidate_cache()
        wanted: dict[str, set[str]] = defaultdict(set)
        for md5 in md5s:
            wanted[md5[:2]].add(md5)
        look = _look_up if not odb.fs.CAN_TRAVERSE else _list_prefix
        for found in _in_threads(functools.partial(look, odb), wanted.items(), jobs or odb.fs.jobs):
            yield from ([md5, n_bytes] for md5, n_bytes in found)

    def hashes(self, remote: str | None, md5s: list[str], jobs: int | None) -> Iterator[Row]:
        """[object, what reading it said, bytes, MD5, SHA-256], fetched as a pull would fetch it."""
        odb = self._remote(remote)
        with self._work_folder() as folder:

            def one(md5: str) -> Row:
                with _opened(odb, md5, folder) as (file, said):
                    return [md5, said, *_facts(file)]

            yield from _while_it_answers(_in_threads(one, md5s, jobs or odb.fs.jobs))

    def read(self, remote: str | None, md5s: list[str], jobs: int | None) -> Iterator[Row]:
        """[listing, what reading it said, its MD5, its text]."""
        odb = self._remote(remote)
        with self._work_folder() as folder:

            def one(md5: str) -> Row:
                with _opened(odb, md5, folder) as (file, said):
                    text = "" if file is None else file.read_bytes().decode("utf-8", "surrogateescape")
                    return [md5, said, _facts(file)[1], text]

            yield from _while_it_answers(_in_threads(one, md5s, jobs or odb.fs.jobs))

    def fetch(
        self, remote: str | None, md5s: list[str], sha256: Mapping[str, str], aside: str, jobs: int | None
    ) -> Iterator[Row]:
        """As `hashes`, and what is right goes into the cache; what is not, into the folder `aside`."""
        odb = self._remote(remote)
        with lock_repo(self._repo), self._work_folder() as folder:

            def one(md5: str) -> Row:
                with _fetched(odb, md5, folder) as (file, said):
                    facts = _facts(file)
                    if file is not None and not said:
                        right = facts[1] == md5.removesuffix(".dir") and sha256.get(md5, facts[2]) == facts[2]
                        self._keep(file, md5) if right else _set_aside(file, Path(aside), md5)
                    return [md5, said, *facts]

            yield from _while_it_answers(_in_threads(one, md5s, jobs or odb.fs.jobs))

    def upload(self, remote: str | None, md5s: list[str], over: list[str], jobs: int | None) -> Iterator[Row]:
        """[object, what went wrong]; those in `over` are taken away there first. In order; stops where all of a batch fail."""
        odb, replaced = self._remote(remote), set(over)
        with lock_repo(self._repo):
            for start in range(0, len(md5s), N_UPLOADED):
                batch, failed = md5s[start : start + N_UPLOADED], dict[str, str]()
                for md5 in replaced & set(batch):
                    with contextlib.suppress(FileNotFoundError):
                        odb.delete(md5)
                paths = [self._cache.oid_to_path(md5) for md5 in batch]
                say = functools.partial(_note, failed)
                odb.add(paths, self._cache.fs, batch, check_exists=False, verify=False, on_error=say, batch_size=jobs)
                yield from ([md5, failed.get(md5, "")] for md5 in batch)
                if len(failed) == len(batch):
                    return

    def set_aside(self, md5s: list[str], aside: str) -> Iterator[Row]:
        """Move objects out of the cache into the folder `aside`."""
        with lock_repo(self._repo):
            for md5 in md5s:
                with contextlib.suppress(FileNotFoundError):
                    _set_aside(Path(self._cache.oid_to_path(md5)), Path(aside), md5)
                yield [md5]

    def remove(self, md5s: list[str]) -> Iterator[Row]:
        """Delete objects from the cache: listings first, so that none is left that stands for what is gone."""
        with lock_repo(self._repo):
            for md5 in sorted(md5s, key=lambda md5: not md5.endswith(".dir")):
                self._cache.delete(md5)
                yield [md5]

    def checkout(self, paths: list[str]) -> Iterator[Row]:
        """[what went wrong] of putting the outputs `paths` into the workspace; changed files there stay, and are told."""
        try:
            done = self._repo.checkout(targets=[os.path.join(self._repo.root_dir, path) for path in paths])
        except LockError:
            raise
        except DvcException as error:
            yield [str(error), {}]
        else:
            yield ["", done["stats"]]

    def _remote(self, name: str | None) -> HashFileDB:
        if name not in self._remotes:
            self._remotes[name] = self._repo.cloud.get_remote_odb(name)
        return self._remotes[name]

    @contextlib.contextmanager
    def _work_folder(self) -> Iterator[Path]:
        """A folder of its own; those that killed runs left go."""
        above = Path(self._cache.path).parents[1] / WORK
        above.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as held:
            with _locked(above, fcntl.LOCK_EX):
                for left in above.iterdir():
                    with contextlib.suppress(OSError), _locked(left):
                        shutil.rmtree(left)
                folder = Path(mkdtemp(dir=above))
                held.callback(shutil.rmtree, folder, ignore_errors=True)
                held.enter_context(_locked(folder))
            yield folder

    def _keep(self, file: Path, md5: str) -> None:
        target = self._cache.oid_to_path(md5)
        self._cache.makedirs(os.path.dirname(target))
        os.replace(file, target)
        self._cache.protect(target)


def serve(root: str) -> None:
    """Answer requests until stdin ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)  # what DVC prints is no answer
    asked = os.fdopen(os.dup(0), encoding="ascii")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # nobody is there to answer a question for a password
    requests: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(asked, requests), daemon=True).start()

    def answer(**message: Any) -> None:
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    try:
        worker = Worker(root)
        answer(end=True)
        while True:
            request = json.loads(requests.get())
            for row in getattr(worker, request.pop("do"))(**request):
                answer(row=row)
            answer(end=True)
    except DiskFullError as error:
        answer(full=str(error))
    except LockError as error:
        answer(failed=_say(error))
    except (DvcException, ConfigError, FileSystemConfigError, RemoteMissingDepsError) as error:
        answer(refused=_say(error))
    except Exception as error:  # of any package that a remote's file system is made of
        answer(failed=_say(error))


def _listen(asked: Iterable[str], requests: queue.SimpleQueue[str]) -> None:
    for line in asked:
        requests.put(line)
    os._exit(1)  # whoever asked is gone


def _sort_outputs(outs: Iterable[Any], remote: str | None) -> tuple[list[Row], list[Row]]:
    """Outputs that a push shares, and [path, why] of those it does not. Those that Git keeps are neither."""
    shared, left = [], []
    for out in outs:
        if not out.use_cache and not out.stage.is_repo_import:
            continue
        place, key = out.index_key
        why = _why_left(out, place, remote)
        path = "/".join(key)
        if why:
            left.append([path, why])
        else:
            shared.append([path, out.hash_info.value, out.meta.size, out.remote])
    return shared, left


def _why_left(out: Any, place: str, remote: str | None) -> str:
    if out.stage.is_repo_import:
        return "it comes from another repository: `dvc pull` brings it"
    if place != "repo":
        return "it lies outside the project"
    if not out.can_push:
        return "push: false keeps it on this machine"
    if remote and out.remote and out.remote != remote:
        return f"it belongs to the remote {out.remote}"
    if not out.hash_info:
        return "no version of it is recorded: `dvc repro` or `dvc add` does"
    if out.hash_info.name != "md5" or out.files:
        return "an old DVC or a versioned cloud recorded it: `dvc cache migrate --dvc-files`"
    return ""


def _list_prefix(odb: HashFileDB, item: tuple[str, set[str]]) -> list[tuple[str, int]]:
    prefix, wanted = item
    try:
        entries = odb.fs.ls(odb.fs.join(odb.path, prefix), detail=True)
    except FileNotFoundError:
        return []
    sizes = ((prefix + odb.fs.name(entry["name"]), entry["size"]) for entry in entries if entry["type"] == "file")
    return [(md5, n_bytes) for md5, n_bytes in sizes if md5 in wanted]


def _look_up(odb: HashFileDB, item: tuple[str, set[str]]) -> list[tuple[str, int]]:
    """For remotes that cannot list, such as HTTP."""
    found = []
    for md5 in item[1]:
        with contextlib.suppress(FileNotFoundError):
            found.append((md5, odb.fs.info(odb.oid_to_path(md5))["size"]))
    return found


@contextlib.contextmanager
def _opened(odb: HashFileDB, md5: str, folder: Path) -> Iterator[tuple[Path | None, str]]:
    """As `_fetched`, to read only: an object in a folder is read where it lies."""
    if odb.fs.protocol != "local":
        with _fetched(odb, md5, folder) as found:
            yield found
        return
    file = Path(odb.oid_to_path(md5))
    yield (file, "") if file.exists() else (None, "")


@contextlib.contextmanager
def _fetched(odb: HashFileDB, md5: str, folder: Path) -> Iterator[tuple[Path | None, str]]:
    """The object as a file for a while, or None and why not; empty text for one that is not there."""
    file = folder / md5
    try:
        odb.fs.get_file(odb.oid_to_path(md5), str(file))
        result: tuple[Path | None, str] = (file, "")
    except FileNotFoundError:
        result = None, ""
    except Exception as error:  # of any package that a remote's file system is made of
        if isinstance(error, OSError) and error.errno in FULL:
            raise DiskFullError(f"{error.strerror} for {file.parents[1]}") from error
        result = None, _say(error)
    try:
        yield result
    finally:
        file.unlink(missing_ok=True)


def _facts(file: Path | None) -> Row:
    content = Content(0, "", "") if file is None else hash_file(file)
    return [content.n_bytes, content.md5, content.sha256]


def _set_aside(file: Path, folder: Path, md5: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    os.chmod(file, 0o644)
    shutil.move(file, folder / md5)


def _note(failed: dict[str, str], md5: str, error: BaseException) -> None:
    """Without the paths that an error of the system names: what went wrong with many objects is then one text."""
    if isinstance(error, OSError) and error.filename is not None:
        failed[md5] = f"{type(error).__name__}: {error.strerror}"
    else:
        failed[md5] = _say(error)


def _say(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if not isinstance(error, DvcException) else text


@contextlib.contextmanager
def _locked(folder: Path, how: int = fcntl.LOCK_EX | fcntl.LOCK_NB) -> Iterator[None]:
    """Hold the folder; BlockingIOError where another process does, unless `how` is to wait."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)


def _while_it_answers(rows: Iterable[Row]) -> Iterator[Row]:
    """Rows whose second value is what went wrong; ConnectionError after too many of them in a row."""
    n_failed = 0
    for row in rows:
        n_failed = n_failed + 1 if row[1] else 0
        yield row
        if n_failed == N_FAILED:
            raise ConnectionError(f"{n_failed} objects in a row could not be read, the last one with {row[1]}")


def _in_threads(function: Callable[[Any], T], items: Iterable[Any], jobs: int) -> Iterator[T]:
    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(function, items)
