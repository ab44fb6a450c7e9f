"""The scene of a fault: a sweep of one chain, whose undisturbed results are known, and a launcher.

A fault is struck while the sweep runs. What is measured is the time until its shard gets on.
"""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from slurm.testbed import Testbed
from slurm.testbed import until as wait_until
from tests.bench import Bench
from tests.slurm.checkouts import Instants
from tests.slurm.sweeps import begun_twice, ended_well, jobs, outcomes, ranks_of
from xtl.files import read_json
from xtl.launch.failures import failure_of
from xtl.launch.records import Attempt, Failure
from xtl.launch.store import Store

TRAINING = "0 s1 → lookup-qa"
EVALUATION = f"{TRAINING} · lookup-qa"
PATIENCE_S = 240.0
_TOLD = re.compile(r"^failed \(([a-z-]+)")


@dataclass
class Scene:
    """`whole` is the same sweep, and more, undisturbed; `testbed` None: this machine's processes.

    `finished`: all is done, and equal to it.
    """

    bench: Bench
    whole: Bench
    instants: Instants
    testbed: Testbed | None
    seconds: float | None = None
    launchers: list[subprocess.Popen[str]] = field(default_factory=list)
    told: str = ""  # what the launchers have said
    finished: bool = False
    struck: float = 0.0  # seconds since the epoch
    _before: tuple[int, int] = (0, 0)
    _kept: dict[Path, bytes] = field(default_factory=dict)  # results, as they were then
    _shard: str = TRAINING

    # -- the sweep -----------------------------------------------------------------------------
    @property
    def cluster(self) -> Testbed:
        assert self.testbed
        return self.testbed

    @property
    def store(self) -> Store:
        return Store(self.bench.root)

    @property
    def job(self) -> str:
        """The array task that it submitted last."""
        return f"{jobs(self.bench)[-1]}_0"

    def start(self, verb: str = "sweep", *options: str) -> None:
        """A launcher, as `xtl sweep` in a terminal is one."""
        self.launchers.append(self.bench.start(verb, *options))

    def kill_launcher(self) -> None:
        launcher = self.launchers[-1]
        launcher.send_signal(signal.SIGKILL)
        self.told += launcher.communicate()[0]

    def id(self, name: str = TRAINING) -> str:
        """Of a shard, by its name."""
        found = {result["name"]: shard for shard, result in self.whole.results().items()}
        return found[name]

    def place(self, name: str = TRAINING) -> tuple[int, int]:
        """The shard's latest attempt, and the step that its last heartbeat told."""
        number = self.store.latest_attempt(self.id(name))
        beat = self.store.heartbeat(self.id(name), number)
        return number, beat.step if beat else 0

    def saved(self, name: str = TRAINING) -> int:
        """The step from which another attempt would go on, by its last heartbeat."""
        beat = self.store.heartbeat(self.id(name), self.store.latest_attempt(self.id(name)))
        return beat.saved if beat else 0

    def attempts(self, name: str = TRAINING) -> list[Attempt]:
        return self.store.attempts(self.id(name))

    def resumed_from(self, name: str = TRAINING) -> int:
        return int(self.bench.results()[self.id(name)]["training"]["resumed_from"])

    def state(self, name: str = TRAINING) -> dict[str, Any]:
        """What `xtl status --json` says of the shard."""
        return self.bench.shards()[name]

    # -- the fault -----------------------------------------------------------------------------
    def until_under_way(self, name: str = TRAINING) -> None:
        """Until a checkpoint is behind it, and updates that are in none."""
        self.until(lambda: self.saved(name) > 0 and self.place(name)[1] > self.saved(name))

    def meet(self, instant: str) -> None:
        """Start the sweep, and wait until a rank stands at that instant."""
        self.instants.watch(instant)
        self.start()
        self.until(lambda: self.instants.reached(instant))

    def strike(self, act: Callable[[], object], name: str = TRAINING) -> None:
        """Make the fault, while that shard is at work."""
        self._before, self._shard = self.place(name), name
        there = (self.bench.root / "shards").glob("*/result.json")
        self._kept = {path: path.read_bytes() for path in there}
        self.struck = time.time()
        act()

    def kill_rank(self, rank: int) -> None:
        self.rank(rank).kill()

    def rank(self, rank: int) -> psutil.Process:
        found = self.until(lambda: dict(self.ranks()).get(rank))
        assert isinstance(found, psutil.Process)
        return found

    def ranks(self) -> Iterator[tuple[int, psutil.Process]]:
        """The live processes of this sweep's ranks, wherever they run."""
        yield from ranks_of(self.bench.root)

    # -- what comes of it ----------------------------------------------------------------------
    def until(self, condition: Callable[[], object], limit_s: float = PATIENCE_S) -> object:
        """Wait; what the launcher said is shown where it left meanwhile."""

        def met() -> object:
            found = condition()
            left = [each for each in self.launchers[-1:] if each.poll() not in (None, -9)]
            if not found and left and not condition():
                self._hear()
                raise AssertionError(f"the launcher left with {left[-1].returncode}: {self.told}")
            return found

        return wait_until(met, limit_s, every_s=0.1)

    def recover(self, again: bool = True) -> None:
        """Until the shard that was struck gets on: in a later attempt, or (not `again`) at all."""
        begun: dict[int, int] = {}
        attempt, step = self._before

        def gets_on() -> bool:
            result = self.store.result(self.id(self._shard))
            if result and result.finished > self.struck:
                return True
            now, at = self.place(self._shard)
            if now == attempt:
                return not again and at > step
            return at > begun.setdefault(now, at)

        self.until(gets_on)
        self.seconds = time.time() - self.struck

    def is_led(self) -> bool:
        """Whether the launcher that was started last submits what is missing."""
        lease = read_json(self.bench.root / "launcher.json") or {}
        return lease.get("pid") == self.launchers[-1].pid

    def ended(self) -> bool:
        """Whether the launcher has left by itself."""
        return self.launchers[-1].poll() is not None

    def rest(self, status: int = 1) -> str:
        """Until the launcher leaves by itself; what all of them have said."""
        for launcher in self.launchers:
            if launcher.poll() is None:
                launcher.wait(PATIENCE_S)
        self._hear()
        assert self.launchers[-1].returncode == status, self.told
        return self.told

    def verdict(self, cls: str, name: str = TRAINING) -> Failure:
        """The shard has failed so for good, and waits for a person; says `status --json`."""
        self.seconds = time.time() - self.struck
        state = self.state(name)
        assert (state["state"], state["retry"]) == ("failed", False), state
        assert state["failure"]["cls"] == cls, state
        return Failure.model_validate(state["failure"])

    def classes(self, name: str = TRAINING) -> list[str]:
        """The class that each attempt of a shard ended in, but for those that ended well."""
        ends = [
            failure_of(attempt, self.store.noted_failures(self.id(name), attempt.claim.attempt))
            for attempt in self.attempts(name)
            if not (attempt.end and attempt.end.status == "done")
        ]
        return [failure.cls for failure in ends]

    def pauses(self) -> list[str]:
        """Why the sweep has paused, and gone on since."""
        assert self.store.pauses.current() is None
        return [pause.cause for pause in self.store.pauses.lifted()]

    def told_classes(self) -> list[str]:
        """Those that the launchers told of while it ran, each once."""
        found = (_TOLD.match(line) for line in self.told.splitlines())
        return list(dict.fromkeys(match[1] for match in found if match))

    def finish(self, twice: str = "") -> None:
        """All is done, bit for bit as undisturbed; a result that was there before the fault is as
        it was, and no shard came to one twice, but for that one whose first was damaged."""
        self.rest(0)
        results = self.bench.results()
        assert results
        planned = {shard["id"]: shard for shard in self.bench.shards().values()}
        assert {shard["state"] for shard in planned.values()} == {"done"}
        assert results.keys() == planned.keys()
        undisturbed = outcomes(self.whole)
        for shard, found in outcomes(self.bench).items():
            assert found == undisturbed[shard], planned[shard]["name"]
        again = {self.id(twice)} if twice else set()
        assert begun_twice(self.bench) == []
        times = ended_well(self.bench)
        assert {shard: times[shard] for shard in results} == {
            shard: 1 + (shard in again) for shard in results
        }
        for path, before in self._kept.items():
            assert path.parent.name in again or path.read_bytes() == before, "it was there before"
        self.finished = True

    def close(self) -> None:
        """Nothing of it is left on this machine."""
        for launcher in self.launchers:
            launcher.kill()
            launcher.wait()
        self._hear()
        for _, process in self.ranks() if self.testbed is None else ():
            process.kill()

    def _hear(self) -> None:
        for launcher in self.launchers:
            if launcher.poll() is not None and launcher.stdout and not launcher.stdout.closed:
                self.told += launcher.communicate()[0]
