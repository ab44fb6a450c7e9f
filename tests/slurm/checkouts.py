"""Copies of the checkout to sweep from: as it is, or with shards that take no time.

A sweep's jobs run a copy of the code that it was submitted from. So what lies around a shard's
work (submission, arrays, claims, results, states) can be tried at length on the real cluster by
submitting from a checkout whose work itself is trivial.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
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


def join_ranks(deterministic: bool) -> Ranks:
    return _Alone(0, 1)
"""
CLAIMING = """

def _device() -> str:
    return "none"


def versions() -> dict[str, str]:
    return {}
"""
EXECUTION = """

def _instant(self: Execution) -> bool:
    checks = {parent: self._store.parent_digest(parent) for parent in self.shard.parents}
    assert None not in checks.values(), checks
    artifact = None
    if self.shard.stage != "evaluate":
        folder = self._store.artifact(self.shard.id)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "DIGEST.json").write_text('{"digest": "d"}')
        artifact = Artifact(digest="d", bytes=1)
    result = self._result(parents=checks, artifact=artifact, device_seconds=0.0, finished=1.0)
    self._store.write_result(result)
    return True


Execution.run = _instant  # type: ignore[method-assign]
Execution.__enter__ = lambda self: self  # type: ignore[assignment, method-assign]
Execution.__exit__ = lambda *_: None  # type: ignore[assignment, method-assign]
"""
# A launcher dies, as of SIGKILL, right after the nth time that it wrote something or called sbatch,
# or after it first wrote a file of that name (or `submit`: called sbatch).
DYING = """

import functools as _functools
import os as _os

_after = "" if "SLURM_JOB_ID" in _os.environ else _os.environ.get("XTL_DIES_AFTER", "")
_left = int(_after) if _after.isdigit() else 0


def _deadly(function):
    @_functools.wraps(function)
    def called(*arguments, **options):
        global _left
        found = function(*arguments, **options)
        _left -= 1
        done = getattr(arguments[0], "name", function.__name__)  # a path, or a client
        if _left == 0 or done == _after:
            _os.kill(_os.getpid(), 9)
        return found

    return called


write_whole, create_once = _deadly(write_whole), _deadly(create_once)
"""
# Two launchers decide before either submits.
TOGETHER = """

_alone = SlurmScheduler.submit


def _together(
    self: SlurmScheduler, drafts: Drafts, bundles: Sequence[Bundle], seen: Observation
) -> list[Submission]:
    folder, limit = drafts.store.root / "launchers", time.monotonic() + 30
    folder.mkdir(exist_ok=True)
    (folder / str(os.getpid())).touch()
    while len(list(folder.iterdir())) < 2 and time.monotonic() < limit:
        time.sleep(0.01)
    return _alone(self, drafts, bundles, seen)


SlurmScheduler.submit = _together  # type: ignore[method-assign]
"""
SBATCH = """

import xtl.files as _files

Client.submit = _files._deadly(Client.submit)
"""
# Launchers that do not heed one another: all of them submit.
LEASE = """

Lease.hold = lambda self: True
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


def plant(folder: Path, codes: Mapping[str, str]) -> Path:
    """Code at the end of modules of a copied checkout, by module of `xtl`."""
    for name, code in codes.items():
        path = folder / "xtl" / f"{name}.py"
        path.write_text(path.read_text(encoding="utf-8") + code, encoding="utf-8")
    return folder


def make_trivial(folder: Path, more: Mapping[str, str] | None = None) -> Path:
    """A checkout whose shards do nothing but claim, check their parents and leave a result."""
    work = {"ranks": RANKS, "claiming": CLAIMING, "execution": EXECUTION, "worker": WORKER}
    codes = {f"launch/{name}": code for name, code in work.items()}
    return plant(copy_checkout(folder), {**codes, **(more or {})})


# A rank that comes to a place of this name first, while the place is watched, waits there: whoever
# watches it can do to it, at this instant, what a fault does at one that nobody chooses.
INSTANTS = """
from __future__ import annotations

import time
from pathlib import Path

FOLDER = Path({folder!r})


def reach(name: str) -> None:
    if not (FOLDER / f"{{name}}.watched").exists():
        return
    try:
        (FOLDER / f"{{name}}.reached").touch(exist_ok=False)
    except FileExistsError:
        return
    while not (FOLDER / f"{{name}}.released").exists():
        time.sleep(0.02)
"""
# Updates that take some time, often saved: a training that can be met on its way.
PLACES = {
    "launch/execution": """

from xtl.instants import reach

_reported = Execution.progress


def _slowly(self: Execution, step: int, total: int, values: Mapping[str, float]) -> None:
    _reported(self, step, total, values)
    if self.shard.stage == "evaluate" and self.ranks.first:
        reach("evaluation")
    elif self.shard.stage != "evaluate" and step:
        time.sleep({slowly})


Execution.progress = _slowly  # type: ignore[method-assign]
""",
    "train/settings": """

EngineSettings.__init__.__defaults__ = (1.0,)
""",
    "train/checkpoint": """

from xtl.instants import reach

_saved, _committed = save, _commit


def save(engine, folder, *rest, **options):
    if dist.get_rank() == 0 and _tags(folder):
        reach("saving")
    _saved(engine, folder, *rest, **options)


def _commit(folder, *rest):
    if len(_tags(folder)) > 1:
        reach("checkpoint")
    _committed(folder, *rest)
""",
    "train/handover": """

from xtl.instants import reach

_weighed = _write_weights


def _write_weights(*given):
    found = _weighed(*given)
    reach("hand-over")
    return found
""",
    "launch/store": """

from xtl.instants import reach

_resulted = Store.write_result


def _as_result(self: Store, result: Result) -> None:
    reach(f"result-{{result.stage}}")
    _resulted(self, result)


Store.write_result = _as_result  # type: ignore[method-assign]
""",
}


class Instants:
    """The places of a checkout at which a rank can be met. `folder` is theirs alone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True)

    def plant(self, checkout: Path, slowly: float, more: Mapping[str, str]) -> Path:
        """A checkout with these places, and `more` at the end of its modules; an update takes
        `slowly` more seconds."""
        text = INSTANTS.format(folder=str(self._folder))
        (checkout / "xtl" / "instants.py").write_text(text, encoding="utf-8")
        places = {name: code.format(slowly=slowly) for name, code in PLACES.items()}
        return plant(plant(checkout, places), more)

    def watch(self, name: str) -> None:
        (self._folder / f"{name}.watched").touch()

    def reached(self, name: str) -> bool:
        return (self._folder / f"{name}.reached").exists()

    def release(self, name: str) -> None:
        (self._folder / f"{name}.released").touch()
