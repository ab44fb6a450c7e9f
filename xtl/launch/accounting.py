"""Accounting: the device time of all attempts, what of it was kept, and what wasted by what. Pure.

Times are whole device-milliseconds, so that parts add up exactly: used = kept + wasted. Time in a
queue is none. docs/accounting.md says how each figure is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from xtl.launch.histories import History
from xtl.launch.records import Attempt
from xtl.launch.spells import Cause, Spell, beginnings, lost_of, make_spells
from xtl.launch.states import State
from xtl.sweep.correction import Finished, Kind, ToGo, kind_of, to_go
from xtl.sweep.plan import Plan
from xtl.sweep.shard import Shard, Stage, TrainSpec


@dataclass(frozen=True)
class Accounts:
    """Device-milliseconds by stage, and the forecast for the rest in device-seconds: of what goes
    on by itself, and of what waits for a person (failed for good, or blocked)."""

    kept: Mapping[Stage, int] = field(default_factory=dict)
    wasted: Mapping[tuple[Stage, Cause], int] = field(default_factory=dict)
    left: ToGo = field(default_factory=ToGo)
    stuck: ToGo = field(default_factory=ToGo)

    @property
    def all_kept(self) -> int:
        return sum(self.kept.values())

    @property
    def all_wasted(self) -> int:
        return sum(self.wasted.values())

    @property
    def used(self) -> int:
        return self.all_kept + self.all_wasted

    @property
    def causes(self) -> dict[Cause, int]:
        """The greatest first."""
        found: Counter[Cause] = Counter()
        for (_, cause), spent in self.wasted.items():
            found[cause] += spent
        return dict(found.most_common())


def account(
    plan: Plan,
    known: Mapping[str, State],
    histories: Mapping[str, History],
    work: Mapping[str, float] | None,
) -> Accounts:
    """`work`: device-seconds of every shard by the forecast; None: there is none."""
    begun = beginnings(histories)
    kept: Counter[Stage] = Counter()
    wasted: Counter[tuple[Stage, Cause]] = Counter()
    took: dict[str, int] = {}
    for shard, history in histories.items():
        stage, state = plan.shards[shard].stage, known[shard]
        spells = make_spells(plan.shards[shard], state, history, begun)
        lost = lost_of(plan.shards[shard], state, spells, history, histories)
        useful, useless = divide(spells, lost)
        kept[stage] += useful
        wasted.update({(stage, cause): spent for cause, spent in useless.items()})
        if state.name == "done":
            took[shard] = useful
    return Accounts(+kept, +wasted, *_rest(plan, known, histories, work or {}, took))


def divide(spells: Sequence[Spell], lost: Mapping[int, Cause]) -> tuple[int, Counter[Cause]]:
    """Of one shard's attempts, oldest first, what is kept and what is wasted by cause.

    `lost`: attempts whose outcome came to nothing, with the reason: that is the reason for all
    that led to them.
    """
    kept, wasted = 0, Counter[Cause]()
    for course in _courses(spells):
        useful, useless = _divide_course(course)
        cause = lost.get(course[-1].number)
        if cause is None:
            kept += useful
        else:
            useless[cause] += useful
        wasted.update(useless)
    return kept, +wasted


def _courses(spells: Sequence[Spell]) -> Iterator[list[Spell]]:
    """Attempts that go on from one another: a result ends them, since resume state goes then."""
    course: list[Spell] = []
    for spell in spells:
        course.append(spell)
        if spell.ending == "done":
            yield course
            course = []
    if course:
        yield course


def _divide_course(course: Sequence[Spell]) -> tuple[int, Counter[Cause]]:
    """Backwards: of an attempt counts what lies before the step that the next one went on from.
    Where the last one is over too, before its checkpoint, from which another may go on."""
    needed = next((spell.saved for spell in course[::-1] if spell.began is not None), 0)
    shares: list[float] = []
    for spell in course[::-1]:
        last = spell is course[-1]
        shares.append(1.0 if last and spell.whole else _share(spell, needed))
        if spell.began is not None:
            needed = spell.began if last and spell.whole else min(needed, spell.began)
    kept, wasted, started = 0, Counter[Cause](), False
    for spell, share in zip(course, shares[::-1], strict=True):
        useful = round(share * spell.work)
        counts = share > 0
        kept += useful + (spell.start_up if counts and not started else 0)
        wasted[spell.cause] += spell.work - useful + (0 if counts else spell.start_up)
        wasted["start-up"] += spell.start_up if counts and started else 0
        started = started or counts
    return kept, wasted


def _share(spell: Spell, needed: int) -> float:
    """How much of its work lies before the step `needed`, as if all steps took the same time."""
    if spell.began is None or spell.step <= spell.began:
        return 0.0
    return min(1.0, max(0, needed - spell.began) / (spell.step - spell.began))


# -- what is left -----------------------------------------------------------------------------
def _rest(
    plan: Plan,
    known: Mapping[str, State],
    histories: Mapping[str, History],
    work: Mapping[str, float],
    took: Mapping[str, int],
) -> tuple[ToGo, ToGo]:
    """What goes on by itself, and what waits for a person."""
    finished = [
        Finished(kind_of(plan.shards[shard]), work[shard], spent / 1000)
        for shard, spent in took.items()
        if shard in work
    ]
    left: list[tuple[Kind, float]] = []
    stuck: list[tuple[Kind, float]] = []
    for shard, said in work.items():
        state = known[shard]
        if state.name != "done":
            part = left_of(plan.shards[shard], state, histories.get(shard))
            waits = state.name == "blocked" or (state.name == "failed" and not state.retry)
            (stuck if waits else left).append((kind_of(plan.shards[shard]), said * part))
    return to_go(left, finished), to_go(stuck, finished)


def left_of(shard: Shard, state: State, history: History | None) -> float:
    """How much of a shard without a result is to be made yet, 0 to 1: a running one by its steps,
    a training that can be gone on with by its last checkpoint."""
    attempts = history.attempts if history else ()
    last = attempts[-1] if attempts else None
    if state.name == "running" and last and last.beat and last.beat.total:
        return 1 - min(1.0, last.beat.step / last.beat.total)
    if not isinstance(shard.spec, TrainSpec) or last is None or _ended_well(last):
        return 1.0
    begun = (entry.saved for entry in attempts[::-1] if entry.saved)
    return 1 - min(1.0, next(begun, 0) / max(1, shard.spec.updates))


def _ended_well(attempt: Attempt) -> bool:
    return attempt.end is not None and attempt.end.status == "done"
