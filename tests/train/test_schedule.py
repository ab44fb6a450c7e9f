"""The learning rate's course is the field's usual one."""

from __future__ import annotations

import math

import pytest
import torch
from transformers import get_linear_schedule_with_warmup

from xtl.train.schedule import linear_factor


@pytest.mark.parametrize(("updates", "warmup"), [(1, 0.1), (7, 0.1), (50, 0.0), (50, 0.5), (9, 1)])
def test_it_is_that_of_transformers(updates: int, warmup: float) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = get_linear_schedule_with_warmup(  # type: ignore[no-untyped-call]
        optimizer, math.ceil(updates * warmup), updates
    )
    rates = []
    for _ in range(updates):
        rates.append(theirs.get_last_lr()[0])
        optimizer.step()
        theirs.step()
    assert [linear_factor(each, updates, warmup) for each in range(updates)] == rates


def test_it_stays_at_nothing_after_the_last_update() -> None:
    assert linear_factor(10, 10, 0.1) == 0.0
