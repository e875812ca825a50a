"""docs/sharing.md against a real S3 server (moto) and a real SSH server (asyncssh), both on loopback."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.project import copy_project, outputs, run

SSH_SERVER = """
import asyncio, sys
import asyncssh

async def main(port, folder):
    host_key = asyncssh.generate_private_key("ssh-ed25519")
    class Server(asyncssh.SSHServer):
        def begin_auth(self, username):
            return True
    await asyncssh.create_server(
        Server, "127.0.0.1", port, server_host_keys=[host_key], authorized_client_keys=folder + "/key.pub",
        sftp_factory=True,
    )
    await asyncio.Event().wait()

asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
"""


@pytest.fixture
def project(finished: Path, tmp_path: Path) -> Path:
    """A finished project with its first run committed."""
    folder = copy_project(finished, tmp_path / "first")
    run(folder, "git", "add", "-A")
    run(folder, "git", "commit", "-qm", "first run")
    return folder


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def serve(port: int, *command: str) -> Iterator[int]:
    """Run a server until the test is over; yields its port once it answers."""
    process = subprocess.Popen([sys.executable, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            assert process.poll() is None, f"the server ended: {' '.join(command)}"
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield port
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def s3() -> Iterator[int]:
    pytest.importorskip("moto", reason="the S3 server comes with the extra 'dev'")
    pytest.importorskip("dvc_s3", reason="S3 needs the extra 's3'")
    port = free_port()
    yield from serve(port, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port))


@pytest.fixture
def ssh(tmp_path: Path) -> Iterator[int]:
    asyncssh = pytest.importorskip("asyncssh", reason="SSH needs the extra 'ssh'")
    pytest.importorskip("dvc_ssh", reason="SSH needs the extra 'ssh'")
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(tmp_path / "key")
    key.write_public_key(tmp_path / "key.pub")
    (tmp_path / "key").chmod(0o600)
    port = free_port()
    yield from serve(port, "-c", SSH_SERVER, str(port), str(tmp_path))


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
    import boto3

    url = f"http://127.0.0.1:{s3}"
    boto3.client(
        "s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="id", aws_secret_access_key="key"
    ).create_bucket(Bucket="team")
    run(project, "dvc", "remote", "add", "--default", "--force", "storage", "s3://team/datatools")
    run(project, "dvc", "remote", "modify", "storage", "endpointurl", url)
    share(project, [("access_key_id", "id"), ("secret_access_key", "key")])


def test_ssh(project: Path, ssh: int) -> None:
    folder = project.parent / "remote"
    url = f"ssh://tester@127.0.0.1:{ssh}{folder}"
    run(project, "dvc", "remote", "add", "--default", "--force", "storage", url)
    share(project, [("keyfile", str(project.parent / "key"))])
    assert any(folder.rglob("*"))
