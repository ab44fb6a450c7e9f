"""A small plan, and W&B runs for it made by hand: shared by the tests of analysis and report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from xtl.sweep.cells import Cell
from xtl.sweep.manifest import Manifest
from xtl.sweep.plan import Plan, make_plan
from xtl.sweep.shard import EvaluateSpec
from xtl.tracking.record import RunRecord

LANGUAGES = ("bn", "de", "en", "sw")
PRIMARY = {
    "task": "lookup-pool", "arm": "epochs", "target": "lookup-qa", "languages": ["bn", "sw"],
}  # fmt: skip

Score = Callable[[Cell, str, str, str], float | None]
"""(cell, set, language, metric) → percent, or None for a value that is not logged."""


def manifest(**changes: object) -> Manifest:
    body: dict[str, Any] = {
        "name": "small",
        "model": {"repo": "xtl/multilingual-e5-small-q4", "freeze": ["word_embeddings"]},
        "intermediate": [{"task": "lookup-pool"}],
        "sizes": [0, 40, 400, 4000],
        "replicates": [1, 2],
        "targets": [{"task": "lookup-qa", "languages": LANGUAGES}],
        "retrieval": [{"set": "lookup-pairs", "languages": ["bn", "de", "sw"]}],
        "primary": PRIMARY,
    }
    return Manifest.model_validate(body | changes)


def plan(**changes: object) -> Plan:
    return make_plan(manifest(**changes), None)


def run(plan: Plan, shard: str, values: Mapping[str, float], attempt: int = 1) -> RunRecord:
    planned = plan.shards[shard]
    return RunRecord(
        shard=shard, attempt=attempt, sweep=plan.sweep, stage=planned.stage, name=planned.name,
        config={}, summary=dict(values), exit_code=0, last_step=None,
        source=f"run-{shard}.wandb",
    )  # fmt: skip


def runs(plan: Plan, score: Score, metrics: Mapping[str, tuple[str, ...]]) -> dict[str, RunRecord]:
    """A run for each evaluation, with `score` for each of its set's metrics."""
    found: dict[str, RunRecord] = {}
    for cell in plan.cells:
        for set_name, shard in cell.evaluations:
            spec = plan.shards[shard].spec
            assert isinstance(spec, EvaluateSpec)
            scores = {
                f"eval/{language}/{metric}": score(cell, set_name, language, metric)
                for language in spec.languages
                for metric in metrics[set_name]
            }
            found.setdefault(
                shard, run(plan, shard, {k: v for k, v in scores.items() if v is not None})
            )
    return found


METRICS = {
    "lookup-qa": ("f1", "exact_match"), "lookup-qa-held-out": ("f1", "exact_match"),
    "lookup-pairs": ("accuracy",),
}  # fmt: skip

CONTROL = {
    "targets": ["lookup-qa"], "arm": "epochs", "sizes": [0, 400], "epochs": [5, 10],
    "learning_rates": [1e-5, 3e-5],
}  # fmt: skip
"""A strong control of `manifest`: four recipes at two of its sizes."""


def evaluation(
    plan: Plan, size: str, seed: int, set_name: str = "lookup-qa",
    target: str | None = "lookup-qa", recipe: str = "",
) -> str:  # fmt: skip
    """The id of one evaluation."""
    (cell,) = (
        cell for cell in plan.cells
        if (cell.size, cell.seed, cell.target, cell.recipe) == (size, seed, target, recipe)
    )  # fmt: skip
    return dict(cell.evaluations)[set_name]


_BASE = {"bn": 20.0, "de": 40.0, "en": 60.0, "sw": 30.0}
_SLOPE = {"bn": 2.0, "de": 1.0, "en": 3.0, "sw": 4.0}


_DECADES = {40: 0, 400: 1, 4000: 2}


def straight(cell: Cell, set_name: str, language: str, metric: str) -> float:
    """A base by language plus the seed; above size 0, 10 more and a slope a decade."""
    gain = 10 + _SLOPE[language] * _DECADES[cell.examples] if cell.examples else 0
    return _BASE[language] + cell.seed + gain
