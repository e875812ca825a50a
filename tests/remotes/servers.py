"""Servers on loopback for tests and benchmarks: S3 (moto), SFTP (asyncssh), and an HTTP front that does S3 harm."""

from __future__ import annotations

import http.client
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

BUCKET = "team"
KEYS = {"region_name": "us-east-1", "aws_access_key_id": "id", "aws_secret_access_key": "key"}
DRIP_S = 0.5  # seconds between two bytes
SSH_SERVER = """
import asyncio, sys
import asyncssh

async def main(port, folder):
    class Server(asyncssh.SSHServer):
        def begin_auth(self, username):
            return True
    await asyncssh.create_server(
        Server, "127.0.0.1", port, server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
        authorized_client_keys=folder + "/key.pub", sftp_factory=True,
    )
    await asyncio.Event().wait()

asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serve(port: int, *command: str) -> Iterator[int]:
    """Run a server for a while; yields its port once it answers."""
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


@contextmanager
def s3_server() -> Iterator[int]:
    """moto's S3 with an empty bucket; yields the port."""
    port = free_port()
    with serve(port, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)):
        s3_client(port).create_bucket(Bucket=BUCKET)
        yield port


def s3_client(port: int):
    """A client of the server itself, past any front."""
    import boto3

    return boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}", **KEYS)


@contextmanager
def ssh_server(folder: Path) -> Iterator[int]:
    """An SFTP server that takes the key `folder`/key; yields the port."""
    import asyncssh

    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(folder / "key")
    key.write_public_key(folder / "key.pub")
    (folder / "key").chmod(0o600)
    port = free_port()
    with serve(port, "-c", SSH_SERVER, str(port), str(folder)):
        yield port


@dataclass
class Harm:
    """What the front does to requests for objects; listings and the bucket pass, but for `status` with `to_all`."""

    status: int = 0  # answered instead
    to_all: bool = False
    dies_after: int | None = None  # so many objects pass; then connections end without an answer
    drips_after: int | None = None  # so many objects pass; then bodies come byte by byte
    part: str = ""  # only objects whose key contains this
    flips: bool = False  # one bit of the body
    cuts: bool = False  # half of the body, as if it were all
    lies: bool = False  # listings name objects that are not there
    n_passed: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self) -> int:
        """The number of this object request, from 1."""
        with self.lock:
            self.n_passed += 1
            return self.n_passed


class Front(BaseHTTPRequestHandler):
    """Passes requests on to the server behind, and does harm."""

    protocol_version = "HTTP/1.1"
    behind: int
    harm: Harm

    def _serve(self) -> None:
        body = self._read_body()
        path = self.path.partition("?")[0]
        is_object = "/files/md5/" in path and self.harm.part in path and not path.endswith("/")
        n = self.harm.count() if is_object and self.command in ("GET", "PUT") else 0
        harm = self.harm
        if harm.dies_after is not None and harm.n_passed > harm.dies_after:
            self._die()
        elif harm.status and (is_object or harm.to_all):
            self._answer(harm.status, [], b"")
        else:
            self._pass_on(body, is_object, harm.drips_after is not None and n > harm.drips_after)

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _serve

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = []
            while n := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(n))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _pass_on(self, body: bytes, is_object: bool, drips: bool) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.behind, timeout=30)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "transfer-encoding"}
        connection.request(self.command, self.path, body, {**headers, "Content-Length": str(len(body))})
        answer = connection.getresponse()
        data = answer.read()
        given = [
            (name, value)
            for name, value in answer.getheaders()
            if name.lower() not in ("content-length", "connection", "transfer-encoding")
        ]
        if is_object and self.command == "GET" and answer.status in (200, 206):
            data = self._spoil(data)
        length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(data))
        with suppress(BrokenPipeError, ConnectionResetError):
            self._answer(answer.status, [*given, ("Content-Length", length or "0")], data, drips)
        connection.close()

    def _spoil(self, data: bytes) -> bytes:
        if self.harm.flips and data:
            return bytes([data[0] ^ 1]) + data[1:]
        return data[: len(data) // 2] if self.harm.cuts else data

    def _answer(self, status: int, headers: list[tuple[str, str]], data: bytes, drips: bool = False) -> None:
        self.send_response_only(status)
        for name, value in headers or [("Content-Length", "0")]:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            for at in range(0, len(data), 1 if drips else len(data) or 1):
                self.wfile.write(data[at : at + 1] if drips else data)
                time.sleep(DRIP_S if drips else 0)

    def _die(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def front_of(port: int, harm: Harm) -> Iterator[int]:
    """A front of the S3 server at `port`; yields its own port. `harm` may be changed meanwhile."""
    handler = type("BadFront", (Front,), {"behind": port, "harm": harm})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
