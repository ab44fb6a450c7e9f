"""Waves: which bundles go out in one sbatch array, and in what order. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from xtl.launch.profile_parts import Times
from xtl.launch.reconcile import Bundle
from xtl.sweep.bundles import Bundling, make_bundles
from xtl.sweep.plan import Plan


@dataclass(frozen=True)
class Wave:
    """Bundles that make one array: alike in time limit, in host memory (a multiple of what the
    profile says) and in what they wait for."""

    bundles: tuple[Bundle, ...]
    minutes: int
    after: str  # as sbatch's --dependency has it; empty: nothing
    memory: float = 1.0


@dataclass(frozen=True)
class Room:
    """How many jobs an array may have, how many may still be submitted, for how long a job may run
    at most (None: no limit), and by how much more memory than usual it may ask for."""

    array: int
    jobs: int
    minutes: int | None
    memory: float = float("inf")


def send_in_waves(
    plan: Plan,
    bundles: Sequence[Bundle],
    jobs: Mapping[str, str],
    times: Times,
    room: Room,
    send: Callable[[Wave], Mapping[str, str] | None],
) -> None:
    """Give `send` all bundles that there is room for, those of parents before their children's.

    `jobs` are the job ids of shards that live jobs will bring; `send` returns those of its wave,
    or None to stop. A bundle whose parents have no job is left out.
    """
    known, waiting, left = dict(jobs), list(bundles), room.jobs
    while True:
        ready: list[Bundle] = []
        held: list[Bundle] = []
        for bundle in waiting:
            (ready if bundle.after <= known.keys() else held).append(bundle)
        waiting = held
        if not ready:
            return
        for wave in _waves(plan, ready, known, times, room):
            part = replace(wave, bundles=wave.bundles[:left])
            sent = send(part) if part.bundles else None
            if sent is None:
                return
            known |= sent
            left -= len(part.bundles)


def _waves(
    plan: Plan, bundles: Sequence[Bundle], jobs: Mapping[str, str], times: Times, room: Room
) -> list[Wave]:
    def kind(bundle: Bundle) -> tuple[str, int, float]:
        parents = sorted({jobs[shard] for shard in bundle.after})
        after = "afterok:" + ":".join(parents) if parents else ""
        return (
            after,
            minutes_for(plan, bundle, times, room.minutes),
            min(bundle.memory, room.memory),
        )

    return [
        Wave(tuple(alike[start : start + room.array]), minutes, after, memory)
        for (after, minutes, memory), group in groupby(sorted(bundles, key=kind), key=kind)
        for alike in [list(group)]
        for start in range(0, len(alike), room.array)
    ]


def kinds(plan: Plan, bundling: Bundling, times: Times, most: int | None) -> list[Wave]:
    """All jobs of a plan by their time limits, as if none had to wait."""
    bundles = (
        Bundle(tuple((shard, 1) for shard in members))
        for members in make_bundles(plan, plan.shards, bundling)
    )
    groups: dict[int, list[Bundle]] = {}
    for bundle in bundles:
        groups.setdefault(minutes_for(plan, bundle, times, most), []).append(bundle)
    return [Wave(tuple(alike), minutes, "") for minutes, alike in sorted(groups.items())]


def minutes_for(plan: Plan, bundle: Bundle, times: Times, most: int | None) -> int:
    """The sum over its trainings, and one evaluation's where it has any, within the partition's
    limit: a job that needs longer goes back into the queue."""
    stages = [plan.shards[shard].stage for shard in bundle.members]
    wanted = sum(
        times.intermediate if stage == "intermediate" else times.target
        for stage in stages
        if stage != "evaluate"
    )
    wanted += times.evaluate if "evaluate" in stages else 0
    return min(wanted, most or wanted)
