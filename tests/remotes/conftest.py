"""Projects and servers that are made once."""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from datatools.remotes.hashing import Sample
from datatools.remotes.outcome import Outcome
from datatools.remotes.push import push
from datatools.remotes.scope import Wanted
from tests.remotes.projects import commit, make_project
from tests.remotes.servers import s3_server

NOW = datetime.datetime(2026, 11, 22, 12, 0, tzinfo=datetime.UTC)
Push = Callable[..., Outcome]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a project that was never pushed."""
    folder = tmp_path_factory.mktemp("made")
    make_project(folder)
    return folder


@pytest.fixture(scope="session")
def shared(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a project and its remote after a push, receipt committed."""
    folder = tmp_path_factory.mktemp("shared") / "all"
    shutil.copytree(made, folder)
    root = folder / "top" / "project"
    assert send(root).proven
    commit(root, "receipt")
    return folder


@pytest.fixture
def fresh(made: Path, tmp_path: Path) -> Path:
    """A project to change, not pushed."""
    shutil.copytree(made, tmp_path / "all", symlinks=True)
    return tmp_path / "all" / "top" / "project"


@pytest.fixture
def root(shared: Path, tmp_path: Path) -> Path:
    """A pushed project to change; the remote is in `store` three folders up."""
    shutil.copytree(shared, tmp_path / "all", symlinks=True)
    return tmp_path / "all" / "top" / "project"


@pytest.fixture
def store(root: Path) -> Path:
    """The remote's folder."""
    return root.parents[1] / "store"


@pytest.fixture(scope="session")
def s3() -> Iterator[int]:
    pytest.importorskip("moto", reason="the S3 server comes with the extra 'dev'")
    pytest.importorskip("dvc_s3", reason="S3 needs the extra 's3'")
    with s3_server() as port:
        yield port


def send(root: Path, sample: Sample | None = None, **wanted: object) -> Outcome:
    """Push as Rita."""
    return push(Wanted(root, **wanted), sample or Sample(), "Rita", NOW)
