"""Collecting: a sweep's W&B runs into its table, held against its results, ready to be shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from xtl.analysis.coverage import ShardState
from xtl.analysis.table import Difference, build_table, compare
from xtl.files import write_by
from xtl.launch.records import Attempt, Heartbeat, Result
from xtl.launch.session import Session
from xtl.launch.states import State
from xtl.report.data import HandedOver, ReportData
from xtl.tasks.catalogue import NOTES
from xtl.tracking import merge, read_runs

LOST = "lost to retries"


@dataclass(frozen=True)
class TimedAttempt:
    """An attempt with its last heartbeat, as far as it left one."""

    attempt: Attempt
    heartbeat: Heartbeat | None

    @property
    def number(self) -> int:
        return self.attempt.claim.attempt

    @property
    def device_seconds(self) -> float:
        """From the claim to the end, or to the last sign of life, times the ranks."""
        claim, end = self.attempt.claim, self.attempt.end
        over = end.finished if end else self.heartbeat.time if self.heartbeat else claim.started
        return max(0.0, over - claim.started) * claim.world_size

    @property
    def step(self) -> int:
        end = self.attempt.end
        return end.step if end else self.heartbeat.step if self.heartbeat else 0


@dataclass(frozen=True)
class Collected:
    """The table of a sweep, where W&B and the results differ, and the results themselves."""

    table: pd.DataFrame
    differences: list[Difference]
    results: dict[str, Result]


def collect(session: Session) -> Collected:
    """Read all runs and results. Raises UserError where a W&B server in use does not answer."""
    shards = session.plan.shards
    runs = merge(read_runs(session.store.root, session.manifest.name, shards.keys()))
    table = build_table(session.plan, runs)
    found = {shard: session.store.result(shard) for shard in shards}
    results = {shard: result for shard, result in found.items() if result}
    evaluations = {shard: result.metrics for shard, result in results.items() if result.metrics}
    return Collected(table, compare(table, evaluations), results)


def write_table(session: Session, collected: Collected) -> None:
    """`table.parquet`, a row for each cell, language and metric."""
    write_by(session.store.table_path, lambda path: collected.table.to_parquet(path, index=False))


def report_data(
    session: Session, collected: Collected, states: Mapping[str, State], created: datetime
) -> ReportData:
    lock, attempts = session.lock, _timed_attempts(session)
    repos = [
        session.manifest.model.repo,
        *(table.repo for table in (lock.tables if lock else {}).values()),
    ]
    return ReportData(
        manifest=session.manifest,
        plan=session.plan,
        table=collected.table,
        lock=lock,
        states={shard: _shown(state) for shard, state in states.items()},
        differences=collected.differences,
        handed_over=handed_over(collected.results),
        device_seconds=_device_seconds(session, attempts, collected.results),
        versions=_versions(attempts),
        notes=[NOTES[repo] for repo in dict.fromkeys(repos) if repo in NOTES],
        manifest_text=session.manifest_path.read_text(encoding="utf-8"),
        created=created.strftime("%Y-%m-%d %H:%M"),
    )


def handed_over(results: Mapping[str, Result]) -> dict[str, HandedOver]:
    """How trainings ended whose results say which update's weights they handed over."""
    trained = {shard: result.training for shard, result in results.items() if result.training}
    return {
        shard: HandedOver(
            training.updates,
            training.selected,
            training.skipped,
            training.utilisation,
            training.memory_bytes,
        )
        for shard, training in trained.items()
        if training.selected is not None
    }


def _shown(state: State) -> ShardState:
    failure = state.failure
    return ShardState(
        state=state.name,
        failure=failure.cls if failure else "",
        line=failure.line if failure else f"by {state.parent}" if state.parent else "",
        degenerate=state.degenerate,
    )


def _timed_attempts(session: Session) -> dict[str, list[TimedAttempt]]:
    store = session.store
    return {
        shard: [
            TimedAttempt(attempt, store.heartbeat(shard, attempt.claim.attempt))
            for attempt in store.attempts(shard)
        ]
        for shard in session.plan.shards
    }


def _device_seconds(
    session: Session,
    attempts: Mapping[str, list[TimedAttempt]],
    results: Mapping[str, Result],
) -> dict[str, float]:
    """By stage, and last what was lost to retries, if anything was."""
    spent: dict[str, float] = {}
    lost = 0.0
    for shard, found in attempts.items():
        kept, gone = divided(found, results.get(shard))
        stage = session.plan.shards[shard].stage
        spent[stage] = spent.get(stage, 0.0) + kept
        lost += gone
    stages = {stage: seconds for stage, seconds in spent.items() if seconds}
    return stages | ({LOST: lost} if lost else {})


def divided(attempts: Iterable[TimedAttempt], result: Result | None) -> tuple[float, float]:
    """Device-seconds of one shard's attempts that led to its result, and those that did not."""
    kept = lost = 0.0
    for timed in attempts:
        share = _share(timed, result)
        kept += share * timed.device_seconds
        lost += (1 - share) * timed.device_seconds
    return kept, lost


def _share(timed: TimedAttempt, result: Result | None) -> float:
    """How much of an attempt led to the result: an earlier one up to the step of the checkpoint
    from which the result's attempt went on. Without a result, all that did not fail may lead to
    one."""
    if result is None:
        end = timed.attempt.end
        return 0.0 if end and end.status == "failed" else 1.0
    if timed.number >= result.attempt:
        return float(timed.number == result.attempt)
    resumed = result.training.resumed_from if result.training else 0
    return min(1.0, resumed / timed.step) if timed.step else 0.0


def _versions(attempts: Mapping[str, list[TimedAttempt]]) -> dict[str, str]:
    """As the attempts recorded them; several where they differ."""
    found: dict[str, set[str]] = {}
    for claim in (each.attempt.claim for entries in attempts.values() for each in entries):
        facts = {**claim.versions, "device": claim.device}
        facts |= {"commit": claim.commit} if claim.commit else {}
        for name, version in facts.items():
            found.setdefault(name, set()).add(version)
    return {name: ", ".join(sorted(versions)) for name, versions in found.items()}
