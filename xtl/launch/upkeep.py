"""What of a sweep's folder is needed: by its plan, by jobs that live or may, by a launcher."""

from __future__ import annotations

from collections.abc import Collection

from xtl.errors import UserError
from xtl.launch.cleaning import Needed
from xtl.launch.code import current
from xtl.launch.lease import Lease
from xtl.launch.reconcile import decide
from xtl.launch.session import Session
from xtl.launch.store import Store


def what_is_needed(opened: Session) -> Needed:
    """One look at the folder and at the scheduler, and what follows. UserError without a lock."""
    seen, known = opened.look()
    store, plan = opened.store, opened.plan
    if opened.lock is None:
        raise UserError("lock.json: found none, expected one: nothing is known of what is needed")
    decision = decide(plan, known, seen.evidence, opened.profile.bundling)
    open_ = store.submissions.open()
    strays = set(_folders(store, "shards")) - plan.shards.keys()
    attempts = [attempt for own in seen.evidence.values() for attempt in own.attempts]
    attempts += [attempt for shard in strays for attempt in store.attempts(shard)]
    ran = {attempt.claim.submission for attempt in attempts}
    return Needed(
        planned=frozenset(plan.shards),
        done=frozenset(key for key, state in known.items() if state.name == "done"),
        touched=frozenset(shard for entry in open_ for shard, _ in entry.shards),
        spare=frozenset(decision.releases),
        over=_over(store),
        codes=_codes(store, ran | {entry.name for entry in open_}),
        pools=_pools(opened),
        busy=bool(open_),
        led=Lease(store.root).is_led(),
    )


def _folders(store: Store, kind: str) -> list[str]:
    place = store.root / kind
    return [path.name for path in place.iterdir() if path.is_dir()] if place.is_dir() else []


def _over(store: Store) -> frozenset[str]:
    """Closed submissions whose shards all have results, and batches of such alone."""
    closed = {
        name
        for name in _folders(store, "submissions")
        if store.submissions.is_closed(name)
        and (entry := store.submissions.find(name))
        and all(store.result(shard) for shard, _ in entry.shards)
    }
    batches = {
        name
        for name in _folders(store, "batches")
        if (batch := store.batches.find(name)) and closed.issuperset(batch.submissions)
    }
    return frozenset(closed | batches)


def _codes(store: Store, submissions: Collection[str]) -> frozenset[str]:
    """The copies that these have run, or will, and the sweep's current one."""
    named = {entry.code for name in submissions if (entry := store.submissions.find(name))}
    try:
        now = current(store)
    except UserError:  # it is damaged: which one it was is of no use
        return frozenset(_folders(store, "code"))
    return frozenset({code.rpartition("/")[2] for code in named} | {now.folder.name if now else ""})


def _pools(opened: Session) -> frozenset[str] | None:
    """None for a mirror that other sweeps may share, or one whose model cannot be read."""
    if opened.mirror.resolve() != (opened.store.root / "mirror").resolve():
        return None
    try:
        return frozenset(request.key for request in opened.tokens.asked(opened.plan))
    except (UserError, OSError):
        return None
