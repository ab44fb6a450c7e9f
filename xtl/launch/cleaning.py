"""Cleaning: what of a sweep's folder may go, by what is there and what is needed. Pure.

Results, predictions, attempts, W&B runs, manifest, lock, profile and the mirror's snapshots never
go: nothing here names them, and `_KEPT` would refuse. What a job that lives, or may, has to do with
is left alone. So where Slurm does not answer, what its open submissions name stays.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from xtl.launch.listing import Listed
from xtl.launch.removal import GONE

Kind = Literal[
    "checkpoints",
    "artifacts",
    "half-deleted",
    "temporary",
    "false-starts",
    "code",
    "tokens",
    "wandb-cache",
    "logs",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
DAY_S = 86_400.0

_HALF = re.compile(rf"{re.escape(GONE)}|\.released-|\.artifact\.(old|new)-")
_STAGED = re.compile(r"\.(?!mark-)[\w-]+(\.[\w-]+)*\.[\w-]+|\.room-\d+")
_STAGED_AT_TOP = re.compile(
    r"\.(manifest\.yaml|profile\.yaml|(lock|cluster|launcher|pause)\.json|table\.parquet)\.\w+"
    r"|\.room-\d+"
)
_KEPT = frozenset(
    {"result.json", "predictions.parquet", "attempts", "shard.json", "manifest.yaml", "lock.json"}
    | {"profile.yaml", "mirror", "shards", "wandb", "submissions", "batches", "table.parquet"}
)


@dataclass(frozen=True)
class Needed:
    """What is known of a sweep. `touched`: shards that an open submission names; `spare`: those
    whose artifact no planned child needs; `over`: closed submissions, and batches of such alone, of
    done shards; `pools`: keys of the plan's token pools, None where they cannot be told; `busy`:
    whether any job lives, or may; `led`: whether a launcher does."""

    planned: frozenset[str] = frozenset()
    done: frozenset[str] = frozenset()
    touched: frozenset[str] = frozenset()
    spare: frozenset[str] = frozenset()
    over: frozenset[str] = frozenset()
    codes: frozenset[str] = frozenset()
    pools: frozenset[str] | None = None
    busy: bool = True
    led: bool = True


@dataclass(frozen=True)
class Doomed:
    """What may go: `path` is relative to the sweep's folder."""

    kind: Kind
    path: str
    bytes: int
    files: int
    why: str


def what_may_go(
    listing: Collection[Listed],
    needed: Needed,
    now: float,
    logs: bool = False,
    unplanned: bool = False,
    keep: Collection[str] = (),
) -> list[Doomed]:
    """In the listing's order. `logs`: of jobs that are over, too; `unplanned`: models and resume
    state of shards that the manifest no longer asks for, too; `keep`: kinds that stay."""
    found = []
    for entry in listing:
        for kind, why in _reasons(entry, needed, now, unplanned):
            wanted = kind not in keep and (logs or kind != "logs")
            if wanted and entry.name not in _KEPT:
                found.append(Doomed(kind, entry.path, entry.bytes, entry.files, why))
                break
    return found


def _reasons(
    entry: Listed, needed: Needed, now: float, unplanned: bool
) -> Iterator[tuple[Kind, str]]:
    parts = entry.path.split("/")
    old = now - entry.changed > DAY_S
    match parts:
        case ["shards", shard, *rest] if rest and shard not in needed.touched:
            yield from _of_shard(shard, rest, needed, old, unplanned)
        case ["submissions" | "batches", owner, *rest] if rest:
            if owner in needed.over and rest[-1] in ("submitit", "logs"):
                yield "logs", "its job is over, and its shards are done"
            elif old and _STAGED.fullmatch(rest[-1]) and not needed.busy:
                yield "temporary", "left by a process that died"
        case ["code", name] if not needed.led:
            yield from _of_code(name, needed, old)
        case ["mirror", ".tokens", ".building", _] if old:
            yield "temporary", "left by a builder that died"
        case ["mirror", ".tokens", _, key] if needed.pools is not None and not needed.busy:
            if key not in needed.pools:
                yield (
                    "tokens",
                    "of no table, model or setting of this plan; made again if asked for",
                )
        case ["wandb", "cache"] if not needed.busy:
            yield "wandb-cache", "W&B's own, filled again as it is needed"
        case [name] if old and _STAGED_AT_TOP.fullmatch(name):
            yield "temporary", "left by a process that died"


def _of_shard(
    shard: str, rest: list[str], needed: Needed, old: bool, unplanned: bool
) -> Iterator[tuple[Kind, str]]:
    done, stray = shard in needed.done, unplanned and shard not in needed.planned
    match rest:
        case ["checkpoints"] if done:
            yield "checkpoints", "resume state of a shard that is done"
        case ["checkpoints"] if stray:
            yield "checkpoints", "resume state of a shard that the manifest no longer asks for"
        case ["artifact"] if shard in needed.spare and not needed.led:
            yield "artifacts", "no planned child needs it"
        case ["artifact"] if stray:
            yield "artifacts", "of a shard that the manifest no longer asks for"
        case ["false-starts"] if done:
            yield "false-starts", "of a shard that is done"
        case [name] if _HALF.match(name):
            yield "half-deleted", "its deletion, or its making, was cut short"
        case [*_, name] if old and _STAGED.fullmatch(name):
            yield "temporary", "left by a process that died"


def _of_code(name: str, needed: Needed, old: bool) -> Iterator[tuple[Kind, str]]:
    if name.startswith(GONE):
        yield "half-deleted", "its deletion was cut short"
    elif name.startswith("."):
        if old:
            yield "temporary", "left by a process that died"
    elif name not in needed.codes and re.fullmatch(r"[0-9a-f]{12}", name) and old:
        yield "code", "no attempt ran it, and no job will"
