"""docs/sharing.md against a real S3 server (moto) and a real SSH server (asyncssh), both on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.project import copy_project, outputs, run
from tests.remotes.servers import BUCKET, s3_server, ssh_server


@pytest.fixture
def project(finished: Path, tmp_path: Path) -> Path:
    """A finished project with its first run committed."""
    folder = copy_project(finished, tmp_path / "first")
    run(folder, "git", "add", "-A")
    run(folder, "git", "commit", "-qm", "first run")
    return folder


@pytest.fixture
def s3() -> Iterator[int]:
    pytest.importorskip("moto", reason="the S3 server comes with the extra 'dev'")
    pytest.importorskip("dvc_s3", reason="S3 needs the extra 's3'")
    with s3_server() as port:
        yield port


@pytest.fixture
def ssh(tmp_path: Path) -> Iterator[int]:
    pytest.importorskip("asyncssh", reason="SSH needs the extra 'ssh'")
    pytest.importorskip("dvc_ssh", reason="SSH needs the extra 'ssh'")
    with ssh_server(tmp_path) as port:
        yield port


def share(project: Path, secrets: list[tuple[str, str]]) -> None:
    """Push, clone, pull, and see that nothing has to run and everything is there."""
    for name, value in secrets:
        run(project, "dvc", "remote", "modify", "--local", "storage", name, value)
    run(project, "git", "commit", "-qam", "remote")
    run(project, "dvc", "push")
    run(project.parent, "git", "clone", "-q", str(project), "second")
    second = project.parent / "second"
    for name, value in secrets:
        run(second, "dvc", "remote", "modify", "--local", "storage", name, value)
    run(second, "dvc", "pull")
    assert "Running stage" not in run(second, "dvc", "repro").stdout
    assert outputs(second, "train") == outputs(project, "train")


def test_s3(project: Path, s3: int) -> None:
    run(project, "dvc", "remote", "add", "--default", "--force", "storage", f"s3://{BUCKET}/datatools")
    run(project, "dvc", "remote", "modify", "storage", "endpointurl", f"http://127.0.0.1:{s3}")
    share(project, [("access_key_id", "id"), ("secret_access_key", "key")])


def test_ssh(project: Path, ssh: int) -> None:
    folder = project.parent / "remote"
    url = f"ssh://tester@127.0.0.1:{ssh}{folder}"
    run(project, "dvc", "remote", "add", "--default", "--force", "storage", url)
    share(project, [("keyfile", str(project.parent / "key"))])
    assert any(folder.rglob("*"))
