"""What running shards again comes to: from where, with which micro-batch, and what follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from xtl.launch.reconcile import Bundle, decide
from xtl.launch.session import Session
from xtl.launch.states import Evidence, State, last_failure, states
from xtl.launch.store import Store
from xtl.sweep.descent import descendants


@dataclass(frozen=True)
class Entry:
    """A shard to run again: what it failed of, so far, and how it goes on."""

    shard: str
    name: str
    cls: str
    line: str
    attempts: int
    goes_on_from: str
    micro_batch: str  # `8 → 4`; empty where it stays

    def data(self) -> dict[str, Any]:
        found = asdict(self)
        return {"id": found.pop("shard"), **found}


@dataclass(frozen=True)
class Again:
    """The chosen shards, and the ids of others that would be submitted now or after them;
    `outdated`: of what is done, what becomes stale if the chosen hand over something else."""

    entries: tuple[Entry, ...]
    follow: tuple[str, ...]
    outdated: tuple[str, ...] = ()


def what_again(
    opened: Session,
    evidence: Mapping[str, Evidence],
    known: Mapping[str, State],
    chosen: Sequence[str],
    forced: bool,
) -> Again:
    """By the launcher's own decision on the folder as it would be then."""
    plan, policy = opened.plan, opened.profile.policy.model_copy(update={"canary": False})
    then = {**evidence, **{key: _pardoned(evidence[key], forced) for key in chosen}}
    decision = decide(
        plan, states(plan, then, policy), then, opened.profile.bundling, True, policy
    )  # fmt: skip
    bundles = {key: bundle for bundle in decision.bundles for key in bundle.members}
    entries = (
        _entry(opened, key, evidence[key], known[key], bundles.get(key), forced) for key in chosen
    )
    follow = tuple(key for key in bundles if key not in chosen)
    came = descendants(plan, chosen) if forced else ()
    outdated = tuple(key for key in came if known[key].name == "done" and key not in follow)
    return Again(tuple(entries), follow, outdated)


def _pardoned(own: Evidence, forced: bool) -> Evidence:
    latest = own.attempts[-1].claim.attempt if own.attempts else 0
    fresh = replace(own, pardoned=latest, false_starts=())
    return replace(fresh, result=None, artifact=None) if forced else fresh


def _entry(
    opened: Session, key: str, own: Evidence, state: State, bundle: Bundle | None, forced: bool
) -> Entry:
    failure, saved = state.failure or last_failure(own), 0 if forced else _saved(own)
    start = f"update {saved}" if saved else "the start"
    return Entry(
        shard=key,
        name=opened.plan.shards[key].name,
        cls=failure.cls if failure else "",
        line=failure.line if failure else state.name,
        attempts=len(own.attempts),
        goes_on_from=start,
        micro_batch=_micro_batch(opened, key, own, bundle),
    )


def _saved(own: Evidence) -> int:
    return max((attempt.saved for attempt in own.attempts), default=0)


def _micro_batch(opened: Session, key: str, own: Evidence, bundle: Bundle | None) -> str:
    """Of a training that was tried before, where the next try has another."""
    if bundle is None or not own.attempts or opened.plan.shards[key].stage == "evaluate":
        return ""
    before = own.attempts[-1].claim.micro_batch
    whole = _whole(opened.store, own) or opened.fit.micro_batch
    after = max(1, whole >> bundle.halvings)
    return f"{before} → {after}" if after != before else ""


def _whole(store: Store, own: Evidence) -> int:
    """The micro-batch, before it was halved, that its checkpoint was made with; 0: it has none."""
    for attempt in own.attempts[::-1]:
        earlier = store.submissions.find(attempt.claim.submission)
        if attempt.saved and earlier:
            return earlier.micro_batch << earlier.halvings
    return 0
