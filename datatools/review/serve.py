"""FiftyOne's web server behind a guard: own pages only, and no file outside the data root.

Left to itself it serves any file that its user can read, to any page that knows the port (`/media?filepath=`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from datatools.project import Project
from datatools.review.acting import open_sitting
from datatools.review.process import HOST

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
ASGI = Callable[[Scope, Receive, Send], Awaitable[None]]
OWN_HOSTS = frozenset({HOST, "localhost"})  # an SSH tunnel ends at one of these too


def serve_app(port: int, root: Path, project: Path, who: str = "") -> None:
    """Serve the App on 127.0.0.1:`port` until SIGTERM; images come from below `root` only.

    Its operators decide as `who` and record below the fixes folder of the folder `project`.
    """
    open_sitting(project, Project(project).fixes, who)
    from fiftyone.server.app import app
    from fiftyone.server.events import set_port
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    config = Config()
    config.bind = [f"{HOST}:{port}"]
    set_port(port)
    asyncio.run(serve(guard(app, root.resolve()), config, mode="asgi"))  # type: ignore[arg-type]


def guard(app: ASGI, root: Path) -> ASGI:
    """`app`, with 403 for every request that find_refusal refuses."""

    async def _guarded(scope: Scope, receive: Receive, send: Send) -> None:
        refusal = find_refusal(scope, root) if scope["type"] in ("http", "websocket") else ""
        if not refusal:
            await app(scope, receive, send)
            return
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "reason": refusal})
            return
        await send({"type": "http.response.start", "status": 403, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": refusal.encode()})

    return _guarded


def find_refusal(scope: Scope, root: Path) -> str:
    """Why a request is refused; empty when it is served.

    A foreign Host is DNS rebinding, a foreign Origin another site's page, a path outside `root` somebody's files.
    """
    headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
    host = headers.get(b"host", "")
    if not _is_own("//" + host):
        return f"host {host!r} is not {HOST}"
    origin = headers.get(b"origin")
    if origin is not None and not _is_own(origin):
        return f"origin {origin!r} is not this App"
    query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    if any(not _is_below(path, root) for path in query.get("filepath", [])):
        return "the file is outside the data root"
    return ""


def _is_own(url: str) -> bool:
    try:
        return urlsplit(url).hostname in OWN_HOSTS
    except ValueError:
        return False


def _is_below(path: str, root: Path) -> bool:
    return "\0" not in path and Path(path).resolve().is_relative_to(root)
