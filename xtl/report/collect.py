"""Collecting: a sweep's W&B runs into its table, held against its results, ready to be shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from xtl.analysis.coverage import ShardState
from xtl.analysis.table import Difference, build_table, compare
from xtl.files import write_by
from xtl.launch.books import books, walked
from xtl.launch.histories import History, from_store
from xtl.launch.records import Result
from xtl.launch.session import Session
from xtl.launch.states import State
from xtl.report.data import HandedOver, ReportData
from xtl.tasks.catalogue import NOTES
from xtl.tracking import merge, read_runs


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
    lock, histories = session.lock, from_store(session.store, session.plan.shards)
    artifacts = [shard for shard in session.plan.shards if session.store.artifact_digest(shard)]
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
        books=books(session, states, histories, artifacts, walked(session)),
        versions=_versions(histories),
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


def _versions(histories: Mapping[str, History]) -> dict[str, str]:
    """As the attempts recorded them; several where they differ."""
    found: dict[str, set[str]] = {}
    for claim in (each.claim for entry in histories.values() for each in entry.attempts):
        facts = {**claim.versions, "device": claim.device}
        facts |= {"commit": claim.commit} if claim.commit else {}
        for name, version in facts.items():
            found.setdefault(name, set()).add(version)
    return {name: ", ".join(sorted(versions)) for name, versions in found.items()}
