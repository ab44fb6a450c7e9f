"""Which rows stored predictions are held against."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.options import session
from tests.bench import Bench
from xtl.launch.session import Session
from xtl.report.rescoring import _rows
from xtl.sweep.shard import EvaluateSpec, HeldOut

pytestmark = pytest.mark.slow  # a mirror of real rows


@pytest.fixture(scope="module")
def opened(prepared: Bench) -> Session:
    return session(prepared.folder / "tiny.yaml", prepared.root, "local", None)


@pytest.fixture
def spec(opened: Session) -> EvaluateSpec:
    specs = (shard.spec for shard in opened.plan.shards.values())
    return next(each for each in specs if getattr(each, "set", "") == "lookup-qa")  # type: ignore[return-value]


def rows(opened: Session, spec: EvaluateSpec, language: str) -> list[Any]:
    return _rows(opened.tokens, spec, language, dict(spec.data)[language])


def test_a_sample_is_so_many_rows_in_their_order_at_the_same_places_in_each_language(
    opened: Session, spec: EvaluateSpec
) -> None:
    sample = spec.model_copy(update={"examples": 10})
    places = []
    for language in ("en", "sw"):
        all_ids = [row["id"] for row in rows(opened, spec, language)]
        chosen = [all_ids.index(row["id"]) for row in rows(opened, sample, language)]
        assert len(chosen) == 10
        assert chosen == sorted(chosen)
        places.append(chosen)
    assert places[0] == places[1]


def test_of_a_training_pool_it_is_what_the_training_has_not_seen(
    opened: Session, spec: EvaluateSpec
) -> None:
    seen = HeldOut(after=60, subset="example", subset_seed=1)
    held = spec.model_copy(update={"held_out": seen})
    pool = opened.tokens.open_language(held, "sw", dict(spec.data)["sw"])
    trained = set(pool.subset(60, 1).tolist())
    every = rows(opened, spec, "sw")
    left = {row["id"] for row in rows(opened, held, "sw")}
    assert left
    assert left.isdisjoint(every[place]["id"] for place in trained)
