"""A hub of one data set on this machine's loopback: as much of the hub's API as its client asks."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "c0ffee" + "0" * 34


@dataclass
class Hub:
    """What the server serves; a test changes it, and reads what was asked."""

    repo: str
    files: dict[str, bytes]
    gated: bool = False
    commit: str = COMMIT
    asked: list[str] = field(default_factory=list)
    address: str = ""


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    class Handler(_Handler):
        served = hub

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    served: Hub

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        hub, path = self.served, self.path.partition("?")[0]
        hub.asked.append(f"{self.command} {path}")
        api, resolve = f"/api/datasets/{hub.repo}", f"/datasets/{hub.repo}/resolve/{hub.commit}/"
        if path.startswith((f"{api}/tree/", api)):
            self._send_json(self._tree() if path.startswith(f"{api}/tree/") else self._info())
        elif path.startswith(resolve) and hub.gated:
            self._send(403, b"", {"X-Error-Code": "GatedRepo"})
        elif path.startswith(resolve) and path.removeprefix(resolve) in hub.files:
            self._send_file(hub.files[path.removeprefix(resolve)])
        else:
            self._send(404, b"", {"X-Error-Code": "RepoNotFound"})

    def _info(self) -> object:
        hub = self.served
        siblings = [{"rfilename": name, "size": len(data)} for name, data in hub.files.items()]
        about = {"id": hub.repo, "sha": hub.commit, "siblings": siblings, "private": False}
        return about | {"gated": "manual" if hub.gated else False, "tags": [], "downloads": 0}

    def _tree(self) -> object:
        return [
            {"type": "file", "path": name, "size": len(data), "oid": _oid(data)}
            for name, data in self.served.files.items()
        ]

    def _send_json(self, value: object) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _send_file(self, data: bytes) -> None:
        self._send(200, data, {"ETag": f'"{_oid(data)}"', "X-Repo-Commit": self.served.commit})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(body))}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Tests keep quiet."""


def _oid(data: bytes) -> str:
    """git's name for a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
