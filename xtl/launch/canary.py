"""Canaries: the first shard of each kind goes ahead, and what is like it waits for it. Pure.

A mistake that every shard of a kind makes (a module that is missing, a batch that does not fit)
then costs one job, and not an array of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from xtl.sweep.plan import Plan
from xtl.sweep.shard import EvaluateSpec, Shard

if TYPE_CHECKING:
    from xtl.launch.reconcile import Bundle
    from xtl.launch.states import Evidence, State

PASSED = 2  # updates, or batches of an evaluation: the first may be fast to begin and slow to end
Kind = tuple[str, ...]


def kind_of(shard: Shard) -> Kind:
    """What shards that fail alike have in common: stage, and tasks or evaluation set."""
    spec = shard.spec
    if isinstance(spec, EvaluateSpec):
        return (shard.stage, spec.set)
    return (shard.stage, *sorted(part.task for part in spec.parts))


def passed(state: State, own: Evidence) -> bool:
    """Whether a shard shows that its kind works: it has a result, or got past its first updates
    since a person last pardoned it."""
    if state.name == "done" or own.result is not None:
        return True
    beats = [each.beat for each in own.attempts if each.claim.attempt > own.pardoned and each.beat]
    if own.heartbeat and own.heartbeat.attempt > own.pardoned:
        beats.append(own.heartbeat)
    return any(beat.step >= PASSED or beat.saved > 0 for beat in beats)


def hold_back(
    plan: Plan,
    known: Mapping[str, State],
    evidence: Mapping[str, Evidence],
    bundles: Sequence[Bundle],
) -> list[Bundle]:
    """Of the bundles to submit, those whose first shard's kind has yet to be shown to work, but
    for one of each such kind that no live job has. A shard that waits for its parents goes ahead of
    those alone that wait for theirs."""
    shown, soon, later = set[Kind](), set[Kind](), set[Kind]()
    for shard in plan.shards.values():
        state, kind = known[shard.id], kind_of(shard)
        if passed(state, evidence[shard.id]):
            shown.add(kind)
        elif state.name in ("running", "queued", "unknown"):
            waits = any(known[parent].name != "done" for parent in shard.parents)
            (later if waits else soon).add(kind)
    held = []
    for bundle in bundles:
        kind = kind_of(plan.shards[bundle.members[0]])
        ahead = soon | later if bundle.after else soon
        if kind in ahead - shown:
            held.append(bundle)
        else:
            (later if bundle.after else soon).add(kind)
    return held
