"""The guard: no foreign page, no foreign host, no file outside the data root."""

from __future__ import annotations

import asyncio
from urllib.parse import quote

import pytest

from datatools.review.serve import find_refusal, guard


@pytest.fixture
def root(tmp_path):
    (tmp_path / "raw" / "images").mkdir(parents=True)
    (tmp_path / "raw" / "images" / "a.png").write_bytes(b"a")
    (tmp_path / "secret").write_bytes(b"s")
    (tmp_path / "raw" / "images" / "link.png").symlink_to(tmp_path / "secret")
    return (tmp_path / "raw").resolve()


def scope(headers=(), query="", kind="http"):
    pairs = {b"host": b"127.0.0.1:5151", **dict(headers)}
    return {"type": kind, "headers": list(pairs.items()), "query_string": query.encode("latin-1")}


@pytest.mark.parametrize("host", [b"127.0.0.1:5151", b"localhost:9", b"LOCALHOST"])
def test_own_hosts_pass(root, host):
    assert find_refusal(scope([(b"host", host), (b"origin", b"http://localhost:9")]), root) == ""


@pytest.mark.parametrize("host", [b"evil.example", b"127.0.0.1.evil.example", b"", b"localhost.evil:5151", b"[::1"])
def test_foreign_hosts_are_refused(root, host):
    assert "is not 127.0.0.1" in find_refusal(scope([(b"host", host)]), root)


@pytest.mark.parametrize("origin", [b"http://evil.example", b"null", b"http://127.0.0.1.evil.example"])
def test_foreign_pages_are_refused(root, origin):
    assert "is not this App" in find_refusal(scope([(b"origin", origin)]), root)


def test_files_below_the_root_pass_and_others_do_not(root):
    def ask(*paths):
        return find_refusal(scope(query="&".join(f"filepath={quote(str(path))}" for path in paths)), root)

    inside = root / "images" / "a.png"
    assert ask(inside) == ""
    outside = ["/etc/passwd", root / ".." / "secret", root / "images" / "link.png", "etc", "", f"{inside}\0"]
    assert [ask(path) for path in outside] == ["the file is outside the data root"] * len(outside)
    assert ask(inside, "/etc/passwd") != "" and ask("/etc/passwd", inside) != ""


def test_the_guard_answers_403_and_does_not_call_the_app(root):
    called, sent = [], []

    async def app(scope, receive, send):
        called.append(scope["type"])

    async def send(message):
        sent.append(message)

    for kind in ("http", "websocket", "lifespan"):
        asyncio.run(guard(app, root)(scope([(b"host", b"evil.example")], kind=kind), None, send))
    assert called == ["lifespan"]
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body", "websocket.close"]
    assert sent[0]["status"] == 403
    asyncio.run(guard(app, root)(scope(), None, send))
    assert called == ["lifespan", "http"]
