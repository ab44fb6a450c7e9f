"""Which shards a person means by what was typed."""

from __future__ import annotations

import pytest

from jobs.choosing import matches
from xtl.sweep.plan import Plan


@pytest.mark.parametrize("arrow", [" → ", "→", " -> ", "->", " ->  "])
def test_an_arrow_may_be_typed(plan: Plan, arrow: str) -> None:
    shard = next(shard for shard in plan.shards.values() if " → " in shard.name)
    assert matches(plan, shard.name.replace(" → ", arrow).upper()) == [shard.id]


def test_a_part_of_a_name_may_begin_or_end_with_an_arrow(plan: Plan) -> None:
    target = next(shard for shard in plan.shards.values() if shard.stage == "target")
    start, _, end = target.name.partition(" → ")
    assert target.id in matches(plan, f"{start}->")
    assert target.id in matches(plan, f"->{end}")


def test_the_beginning_of_an_id_is_enough(plan: Plan) -> None:
    for key in plan.shards:
        assert matches(plan, key[:8].upper()) == [key]
