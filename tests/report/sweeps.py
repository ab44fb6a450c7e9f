"""Report data over runs made by hand, shared by the tests of pictures, terminal and page."""

from __future__ import annotations

import math
import random
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from tests.analysis.runs import METRICS, runs
from xtl.analysis.coverage import ShardState
from xtl.analysis.table import build_table
from xtl.launch.accounting import Accounts
from xtl.launch.books import Books
from xtl.launch.space import Free, Space, ToCome, Usage
from xtl.report.data import ReportData
from xtl.report.views import View, make_views
from xtl.sweep.cells import Cell
from xtl.sweep.correction import ToGo
from xtl.sweep.manifest import Manifest
from xtl.sweep.plan import Plan, make_plan
from xtl.sweep.reading import read_manifest
from xtl.sweep.sizes import parse_size
from xtl.tasks.catalogue import EVALUATION_SETS
from xtl.tasks.catalogue import METRICS as OF_FAMILY
from xtl.tracking.record import RunRecord

ACCOUNTS = Accounts(
    kept={"intermediate": 1_800_000, "target": 900_000, "evaluate": 60_000},
    wasted={
        ("intermediate", "node"): 420_000,
        ("intermediate", "start-up"): 30_000,
        ("target", "time-limit"): 90_000,
        ("evaluate", "stale"): 6_000,
    },
    left=ToGo(said=1000.0, expected=1200.0, low=900.0, high=1600.0, finished=7),
    stuck=ToGo(said=100.0, expected=120.0),
)
SPACE = Space(
    kinds={"artifacts": Usage(3 * 2**30, 120), "W&B": Usage(5 * 2**20, 36)},
    outside=Usage(2**30, 40),
    outside_at="/mirror",
    free=Free(2**36, 10**6),
)
BOOKS = Books(ACCOUNTS, SPACE, ToCome(Usage(4 * 2**30, 300), Usage(6 * 2**30, 350)))

SIZES = (0, "2%", "6%", "20%", "50%", "100%")
DEMO = Path(__file__).parents[2] / "jobs" / "manifests" / "demo.yaml"


def demo(**changes: object) -> Manifest:
    """The demo's manifest with 6 sizes of its own: 12 languages, 2 replicates, retrieval."""
    sizes = tuple(parse_size(size) for size in SIZES)
    return read_manifest(DEMO).model_copy(update={"sizes": sizes, **changes})


def close_score(cell: Cell, set_name: str, language: str, metric: str) -> float:
    """Scores that crowd, as those of real languages do, the same in every process."""
    place = f"{cell.size} {cell.seed} {cell.target} {language} {metric}{cell.recipe}"
    noise = random.Random(place)
    return 35 + 4 * math.log10(1 + cell.examples) + noise.uniform(-3, 3)


def demo_runs(plan: Plan, without: Collection[str] = ()) -> dict[str, RunRecord]:
    found = runs(plan, close_score, METRICS)
    return {shard: record for shard, record in found.items() if shard not in without}


def report_data(manifest: Manifest | None = None, without: Collection[str] = ()) -> ReportData:
    """A finished sweep, but for the runs that it is without."""
    manifest = manifest or demo()
    plan = make_plan(manifest, None)
    return ReportData(
        manifest=manifest,
        plan=plan,
        table=build_table(plan, demo_runs(plan, without)),
        states={shard: ShardState("lost" if shard in without else "done") for shard in plan.shards},
        books=BOOKS,
        versions={"torch": "2.13.0"},
        notes=["The data are synthetic."],
        manifest_text=DEMO.read_text(encoding="utf-8"),
        created="2026-03-04 12:30 UTC",
    )


MIXED = {
    "name": "mixed",
    "model": {"repo": "xtl/multilingual-e5-small-q4"},
    "intermediate": [{"task": "hellaswag"}],
    "sizes": [0, "1%", "100%"],
    "replicates": [1, 2],
    "targets": [
        {"task": "xnli", "languages": ["de", "en", "sw"]},
        {"task": "xquad"},
        {"task": "udpos", "languages": ["de", "th"]},
        {"task": "hellaswag"},
    ],
    "retrieval": [{"set": "tatoeba", "languages": ["de", "sw"]}, {"set": "bucc2018"}],
    "evaluation_data": {"bucc2018": {"path": "bucc2018/{language}-en", "format": "bucc"}},
    "primary": {
        "task": "hellaswag", "arm": "epochs", "target": "xnli", "languages": ["sw"],
        "metric": "accuracy",
    },
}  # fmt: skip
"""Pairs, question answering, tags, choices in English alone, retrieval and mining."""

ENGLISH = {
    **MIXED,
    "targets": [{"task": "hellaswag"}],
    "retrieval": [],
    "evaluation_data": {},
    "primary": None,
}
"""One target in English alone."""

NINE = {
    **MIXED,
    "targets": [
        {"task": name} for name in ("xnli", "paws-x", "udpos", "panx", "xquad", "mlqa", "tydiqa")
    ],
    "retrieval": [{"set": "bucc2018"}, {"set": "tatoeba"}],
    "primary": None,
}
"""All of XTREME."""


def catalogue_data(body: Mapping[str, object], without: Collection[str] = ()) -> ReportData:
    """A finished sweep on the catalogue's own sets, with all the metrics that each has."""
    manifest = Manifest.model_validate(body)
    plan = make_plan(manifest, None)
    metrics = {name: OF_FAMILY[entry.family] for name, entry in EVALUATION_SETS.items()}
    found = runs(plan, close_score, metrics)
    kept = {shard: record for shard, record in found.items() if shard not in without}
    return ReportData(
        manifest=manifest,
        plan=plan,
        table=build_table(plan, kept),
        states={shard: ShardState("lost" if shard in without else "done") for shard in plan.shards},
    )


def with_state(data: ReportData, shard: str, state: ShardState) -> ReportData:
    return replace(data, states={**data.states, shard: state})


def views(manifest: Manifest | None = None, without: Collection[str] = ()) -> list[View]:
    data = report_data(manifest, without)
    return make_views(data.table, data.manifest.primary)
