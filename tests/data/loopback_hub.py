"""A hub on this machine's loopback: as much of the hub's API as its client asks.

Files in LFS are redirected to another origin, as the hub's are to its content network.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import pytest

LFS_SUFFIXES = (".parquet", ".safetensors")
CONVERTED = "refs/convert/parquet"
_PIECE = 64 * 1024

Files = dict[str, bytes]


@dataclass
class Hub:
    """A repo that the server serves; a test changes it, and reads what was asked of it."""

    repo: str
    files: Files = field(default_factory=dict)
    kind: str = "dataset"
    address: str = ""
    # What goes wrong, and how quick it is.
    gated: bool = False
    refusals: dict[str, int] = field(default_factory=dict)  # part of a path: status
    cuts: dict[str, int] = field(default_factory=dict)  # file: bytes after which one answer ends
    cut_always: bool = False
    lies: Files = field(default_factory=dict)  # file: other bytes than the hash is of
    listed_sizes: dict[str, int] = field(default_factory=dict)
    ignores_ranges: bool = False
    bytes_per_second: float | None = None
    # What was seen.
    asked: list[str] = field(default_factory=list)
    ranges: list[tuple[str, int]] = field(default_factory=list)
    tokens: list[tuple[str, bool]] = field(default_factory=list)  # path: came with a token
    sent: int = 0
    most_at_once: int = 0

    def __post_init__(self) -> None:
        self.branches: dict[str, str] = {}
        self.commits: dict[str, Files] = {}
        self.busy = 0
        self.lock = threading.Lock()
        if self.files:
            self.commit(self.files)

    def commit(self, files: Files, branch: str = "main") -> str:
        """Make `files` the head of `branch`; the commit's name is made of them."""
        listed = sorted((name, _git_hash(data)) for name, data in files.items())
        name = hashlib.sha1(json.dumps([branch, listed]).encode()).hexdigest()
        self.commits[name], self.branches[branch] = dict(files), name
        return name

    @property
    def head(self) -> str:
        return self.branches["main"]

    def delay(self, size: int) -> None:
        """Take the time that `size` bytes take, and count who waits with whom."""
        with self.lock:
            self.sent += size
            self.busy += 1
            self.most_at_once = max(self.most_at_once, self.busy)
        time.sleep(size / self.bytes_per_second if self.bytes_per_second else 0)
        with self.lock:
            self.busy -= 1

    def fetched(self) -> list[str]:
        """The files whose bytes were asked for, in order of name."""
        places = (line.partition("/resolve/")[2] for line in self.asked)
        return sorted(place.partition("/")[2] for place in places if place)


@contextmanager
def serving(hub: Hub, *others: Hub) -> Iterator[Hub]:
    """One server for all of these repos; their addresses are the same."""

    class Handler(_Handler):
        all_served = (hub, *others)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    for served in (hub, *others):
        served.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def ask_it(hub: Hub, patch: pytest.MonkeyPatch) -> None:
    """Turn this process's hub client to the server: it has read its settings by now."""
    from huggingface_hub import constants

    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, hub.address)
    patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    patch.setattr(constants, "ENDPOINT", hub.address)
    patch.setattr(constants, "HF_HUB_OFFLINE", False)
    patch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)
    patch.setenv("HF_TOKEN", "hf_of_a_test")


class _Handler(BaseHTTPRequestHandler):
    all_served: tuple[Hub, ...]
    served: Hub

    def do_GET(self) -> None:
        path = unquote(self.path.partition("?")[0])
        named = (hub for hub in self.all_served if f"/{hub.repo}/" in f"{path}/")
        hub = self.served = next(named, self.all_served[0])
        with hub.lock:
            hub.asked.append(path)
            hub.tokens.append((path, "Authorization" in self.headers))
        plural, prefix = f"{hub.kind}s", "datasets/" if hub.kind == "dataset" else ""
        api, resolve = f"/api/{plural}/{hub.repo}", f"/{prefix}{hub.repo}/resolve/"
        status = next((number for part, number in hub.refusals.items() if part in path), None)
        if status is not None:
            self._send(status, b"")
        elif path == api or path.startswith(f"{api}/revision/"):
            self._send_info(path.removeprefix(api).removeprefix("/revision/") or "main")
        elif path.startswith(resolve):
            self._send_resolved(*path.removeprefix(resolve).split("/", 1))
        elif path.startswith(f"/lfs/{hub.repo}/"):
            self._send_file(*path.removeprefix(f"/lfs/{hub.repo}/").split("/", 1))
        else:
            self._refuse(404, "RepoNotFound")

    def _send_info(self, revision: str) -> None:
        hub = self.served
        commit = hub.branches.get(revision, revision)
        if commit not in hub.commits:
            self._refuse(404, "RevisionNotFound")
            return
        files = [self._sibling(name, data) for name, data in hub.commits[commit].items()]
        about = {"id": hub.repo, "sha": commit, "siblings": files, "private": False}
        about |= {"gated": "manual" if hub.gated else False, "tags": [], "downloads": 0}
        self._send(200, json.dumps(about).encode(), {"Content-Type": "application/json"})

    def _sibling(self, name: str, data: bytes) -> dict[str, object]:
        about: dict[str, object] = {"rfilename": name}
        if "blobs=" not in self.path.lower():
            return about
        size = self.served.listed_sizes.get(name, len(data))
        about |= {"size": size, "blobId": _git_hash(data)}
        if name.endswith(LFS_SUFFIXES):
            sha256 = hashlib.sha256(data).hexdigest()
            about["lfs"] = {"size": size, "sha256": sha256, "pointerSize": 134}
        return about

    def _send_resolved(self, commit: str, name: str) -> None:
        hub = self.served
        if hub.gated:
            self._refuse(403, "GatedRepo")
        elif name not in hub.commits.get(commit, {}):
            self._refuse(404, "EntryNotFound")
        elif name.endswith(LFS_SUFFIXES):
            other = hub.address.replace("127.0.0.1", "localhost")
            self._send(302, b"", {"Location": f"{other}/lfs/{hub.repo}/{commit}/{name}"})
        else:
            self._send_file(commit, name)

    def _send_file(self, commit: str, name: str) -> None:
        hub = self.served
        data, begin = hub.lies.get(name, hub.commits[commit][name]), 0
        asked = self.headers.get("Range")
        if asked and not hub.ignores_ranges:
            begin = int(asked.removeprefix("bytes=").rstrip("-"))
            hub.ranges.append((name, begin))
        self._send_from(name, data, begin)

    def _send_from(self, name: str, data: bytes, begin: int) -> None:
        hub, ranged = self.served, {"Content-Range": f"bytes {begin}-{len(data) - 1}/{len(data)}"}
        headers = {"Content-Length": str(len(data) - begin)} | (ranged if begin else {})
        self._send(206 if begin else 200, None, headers)
        end = begin + hub.cuts.get(name, len(data))
        if not hub.cut_always:
            hub.cuts.pop(name, None)
        for offset in range(begin, min(end, len(data)), _PIECE):
            piece = data[offset : min(offset + _PIECE, end)]
            hub.delay(len(piece))
            try:
                self.wfile.write(piece)
            except OSError:  # the client was killed
                return

    def _refuse(self, status: int, code: str) -> None:
        self._send(status, b"", {"X-Error-Code": code})

    def _send(self, status: int, body: bytes | None, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        length = {} if body is None else {"Content-Length": str(len(body))}
        for name, value in ((headers or {}) | length).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, format: str, *args: object) -> None:
        """Tests keep quiet."""


def _git_hash(data: bytes) -> str:
    """git's name for a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
