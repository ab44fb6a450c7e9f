"""A sweep's books: device time and space, used and to come, from its folder."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from xtl.launch.accounting import Accounts, account
from xtl.launch.histories import History
from xtl.launch.session import Session
from xtl.launch.space import Space, ToCome, measure, to_come
from xtl.launch.states import State
from xtl.sweep.disk import disk
from xtl.sweep.forecast import work


@dataclass(frozen=True)
class Books:
    """`to_come` is None where nothing is known of the model."""

    accounts: Accounts
    space: Space
    to_come: ToCome | None


def walked(opened: Session) -> Space:
    """What is in its folder and what it uses of its mirror: a look at every file's size."""
    return measure(opened.store.root, opened.mirror, opened.lock)


def books(
    opened: Session,
    known: Mapping[str, State],
    histories: Mapping[str, History],
    artifacts: Collection[str],
    space: Space,
) -> Books:
    """`artifacts`: shards whose artifact is there. Without a lock there is no forecast."""
    lock, plan, profile = opened.lock, opened.plan, opened.profile
    if lock is None or not lock.model.parameters:
        return Books(account(plan, known, histories, None), space, None)
    layout = profile.layout(opened.manifest.engine.ranks)
    accounts = account(plan, known, histories, work(plan, lock, profile.rates, layout))
    done = [shard for shard, state in known.items() if state.name == "done"]
    room = disk(plan, lock.model, layout, done, artifacts)
    return Books(accounts, space, to_come(space, room, len(done), len(plan.shards) - len(done)))
