"""Copies of the checkout to sweep from: as it is, or with shards that take no time.

A sweep's jobs run a copy of the code that it was submitted from. So what lies around a shard's
work (submission, arrays, claims, results, states) can be tried at length on the real cluster by
submitting from a checkout whose work itself is trivial.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.bench import ROOT

# One rank, no process group, no torch: what it takes to claim a shard and write its result is left.
RANKS = """

class _Alone(Ranks):
    def on_first(self, action: Callable[[], T]) -> T:
        return action()

    def any(self, flag: bool) -> bool:
        return flag

    def leave(self) -> None:
        pass


def join_ranks() -> Ranks:
    return _Alone(0, 1)
"""
CLAIMING = """

def _device() -> str:
    return "none"


_VERSIONED = ()
"""
EXECUTION = """

def _instant(self: Execution) -> bool:
    checks = {parent: self._store.parent_digest(parent) for parent in self.shard.parents}
    assert None not in checks.values(), checks
    artifact = None
    if self.shard.stage != "evaluate":
        folder = self._store.artifact(self.shard.id)
        folder.mkdir(parents=True)
        (folder / "DIGEST.json").write_text('{"digest": "d"}')
        artifact = Artifact(digest="d", bytes=1)
    result = self._result(parents=checks, artifact=artifact, device_seconds=0.0, finished=1.0)
    self._store.write_result(result)
    return True


Execution.run = _instant  # type: ignore[method-assign]
Execution.__enter__ = lambda self: self  # type: ignore[assignment, method-assign]
Execution.__exit__ = lambda *_: None  # type: ignore[assignment, method-assign]
"""
WORKER = """

def _speak_up() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
"""


def copy_checkout(folder: Path) -> Path:
    """The packages, as a user's checkout has them."""
    for package in ("jobs", "slurm", "xtl"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, folder / package, ignore=ignored)
    return folder


def make_trivial(folder: Path) -> Path:
    """A checkout whose shards do nothing but claim, check their parents and leave a result."""
    launch = copy_checkout(folder) / "xtl" / "launch"
    for name, code in {
        "ranks": RANKS,
        "claiming": CLAIMING,
        "execution": EXECUTION,
        "worker": WORKER,
    }.items():
        path = launch / f"{name}.py"
        text = path.read_text(encoding="utf-8")
        path.write_text(text + code, encoding="utf-8")
    return folder
