"""A sweep's figures held against its predictions: every result computed again, none rewritten."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xtl.data.mirror import file_hash
from xtl.errors import UserError
from xtl.evaluate.evaluator import asked_places
from xtl.evaluate.predictions import read_predictions
from xtl.evaluate.rescoring import Figure, compare, rescore
from xtl.launch.records import Result, read_record
from xtl.launch.session import Session
from xtl.launch.store import Store
from xtl.launch.tokens import Tokens, rows_of_language
from xtl.report.numbers import plural
from xtl.sweep.shard import EvaluateSpec, Shard, Table

Say = Callable[[str], None]

_Rows = Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass(frozen=True)
class Rescored:
    """One evaluation: its figures, stored and again, and what is wrong with its predictions."""

    shard: Shard
    figures: tuple[Figure, ...] = ()
    fault: str = ""

    @property
    def set(self) -> str:
        assert isinstance(self.shard.spec, EvaluateSpec)
        return self.shard.spec.set

    @property
    def sound(self) -> bool:
        """Whether the result says what its predictions say. What is new contradicts nothing."""
        return not self.fault and all(each.verdict in ("equal", "new") for each in self.figures)


def rescored(session: Session, say: Say) -> list[Rescored]:
    """Every evaluation of the plan that has a result, in the plan's order; one whose predictions
    are gone has a fault, though to the launcher it is not done.

    UserError without a lock, or where the mirror's rows are not those that are locked.
    """
    tokens = session.tokens
    done = {
        shard.id: (shard, result)
        for shard in session.plan.shards.values()
        if isinstance(shard.spec, EvaluateSpec) and (result := _written(session.store, shard.id))
    }
    found: dict[str, Rescored] = {}
    for shards in _alike(shard for shard, _ in done.values()):
        spec = shards[0].spec
        assert isinstance(spec, EvaluateSpec)
        say(f"reading the rows of {spec.set} in {plural(len(spec.data), 'language')}")
        rows = {code: _rows(tokens, spec, code, table) for code, table in spec.data}
        for shard in shards:
            path = session.store.predictions_path(shard.id)
            found[shard.id] = _rescored(shard, done[shard.id][1], rows, path)
            say(f"rescoring: {len(found)} of {len(done)} evaluations")
    return [found[shard] for shard in done]


def _written(store: Store, shard: str) -> Result | None:
    found = read_record(store.result_path(shard), Result)
    return found if found and found.shard == shard else None


def _alike(shards: Iterator[Shard]) -> list[list[Shard]]:
    """Those that are asked the same rows, together: rows are read once, and then forgotten."""
    groups: dict[object, list[Shard]] = {}
    for shard in shards:
        spec = shard.spec
        assert isinstance(spec, EvaluateSpec)
        groups.setdefault((spec.set, spec.data, spec.held_out, spec.examples), []).append(shard)
    return list(groups.values())


def _rows(
    tokens: Tokens, spec: EvaluateSpec, language: str, table: Table
) -> list[Mapping[str, Any]]:
    """The rows that were asked. The token cache is needed only where those are not all."""
    rows = rows_of_language(spec, table).read(tokens.mirror)
    if spec.held_out is None and spec.examples is None:
        return list(rows)
    places = asked_places(spec, tokens.open_language(spec, language, table))
    return list(rows if places is None else rows.select(places))


def _rescored(shard: Shard, result: Result, rows: _Rows, path: Path) -> Rescored:
    assert isinstance(shard.spec, EvaluateSpec)
    if fault := _not_whole(result, path):
        return Rescored(shard, fault=fault)
    try:
        again = rescore(shard.spec, rows, read_predictions(path))
    except UserError as error:
        return Rescored(shard, fault=str(error))
    return Rescored(shard, tuple(compare(result.metrics, again)), _changed(result, path))


def _not_whole(result: Result, path: Path) -> str:
    found = path.stat().st_size if path.is_file() else None
    expected = f"{result.predictions.bytes:,} bytes" if result.predictions else "predictions"
    if found is None:
        return f"{path}: found no file, expected {expected}"
    whole = result.predictions is None or found == result.predictions.bytes
    return "" if whole else f"{path}: found {found:,} bytes, expected {expected}"


def _changed(result: Result, path: Path) -> str:
    """Whether the file is another than the result was written with."""
    kept, found = result.predictions, file_hash(path)
    if kept is None or kept.sha256 == found:
        return ""
    expected = f"expected {kept.sha256[:16]}…, which its result was computed from"
    return f"{path}: found content {found[:16]}…, {expected}: it was changed since"
