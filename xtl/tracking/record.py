"""One record of a W&B run, whatever its source, and the rule that makes one of several attempts.

Three conventions hold on the way in (`run`) and on the way out (`offline`, `server`):

- **Flat keys, joined by `/`**, as W&B groups metrics. A dot would clash with the filters of its
  query language, where `config.a.b` is a path.
- **NaN and the infinities** are the strings `NaN`, `Infinity` and `-Infinity` in a config or a
  summary: the client turns a NaN there into null, and the server keeps such strings itself.
- Keys that start with `_` (`_step`, `_runtime`, `_wandb`) are W&B's own and left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

STEP = "train/step"  # our own step axis: that of W&B starts at 0 again with every attempt
SHARD = "shard"
ATTEMPT = "attempt"

_NAMES = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


@dataclass(frozen=True)
class RunRecord:
    """What one attempt at a shard told W&B.

    shard: id of the shard, which is the id of the run
    attempt: number of the execution, 0 where the run does not say
    sweep, stage, name: W&B's group, job type and display name
    config: flat settings, without shard and attempt
    summary: flat last values, `eval/<lang>/<metric>` among them
    exit_code: None when the attempt did not finish, or not in a way that could be recorded
    last_step: last `train/step` logged, None before the first
    source: path of the file, relative to the folder that was read, or the run's URL
    """

    shard: str
    attempt: int
    sweep: str
    stage: str
    name: str
    config: dict[str, Any]
    summary: dict[str, Any]
    exit_code: int | None
    last_step: int | None
    source: str


def make_record(
    *,
    shard: str,
    sweep: str,
    stage: str,
    name: str,
    config: Mapping[str, Any],
    summary: Mapping[str, Any],
    exit_code: int | None,
    source: str,
) -> RunRecord:
    """A record from W&B's raw config and summary; a null in the summary counts as absent."""
    settings = _own(config)
    values = {key: value for key, value in _own(summary).items() if value is not None}
    settings.pop(SHARD, None)
    attempt = settings.pop(ATTEMPT, 0)
    step = values.get(STEP)
    return RunRecord(
        shard=shard,
        attempt=attempt if isinstance(attempt, int) else 0,
        sweep=sweep,
        stage=stage,
        name=name,
        config=settings,
        summary=values,
        exit_code=exit_code,
        last_step=int(step) if isinstance(step, int | float) and math.isfinite(step) else None,
        source=source,
    )


def merge(records: Iterable[RunRecord]) -> dict[str, RunRecord]:
    """One record a shard, by shard id.

    The latest attempt that finished well (exit code 0) wins; without one, the latest attempt. Of
    two records of one attempt the one that finished well wins, else the last one given.
    """
    best: dict[str, RunRecord] = {}
    for record in records:
        held = best.get(record.shard)
        if held is None or _merit(record) >= _merit(held):
            best[record.shard] = record
    return best


def _merit(record: RunRecord) -> tuple[bool, int]:
    return record.exit_code == 0, record.attempt


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """`{"a": {"b": 1}}` → `{"a/b": 1}`; lists and empty mappings are values.

    Raises:
        ValueError: two paths give the same key, as `{"a": {"b": 1}, "a/b": 2}` does.
    """
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        path = f"{prefix}{key}"
        nested = isinstance(value, Mapping) and value
        for name, leaf in (flatten(value, f"{path}/") if nested else {path: value}).items():
            if name in flat:
                raise ValueError(f"two settings are both called {name!r} once they are flat")
            flat[name] = leaf
    return flat


def encode(value: Any) -> Any:
    """The value with NaN and infinities named, for a config or a summary."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return _inside(value, encode)


def decode(value: Any) -> Any:
    """The inverse of `encode`."""
    return _NAMES.get(value, value) if isinstance(value, str) else _inside(value, decode)


def _inside(value: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(value, Mapping):
        return {key: change(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [change(item) for item in value]
    return value


def _own(tree: Mapping[str, Any]) -> dict[str, Any]:
    ours = {key: value for key, value in tree.items() if not str(key).startswith("_")}
    return {key: decode(value) for key, value in flatten(ours).items()}
