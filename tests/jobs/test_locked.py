"""What `prepare` says of the head that masked text is learnt with."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from jobs.locked import show_locked
from tests.conftest import lock_for
from tests.sweep.manifests import manifest
from xtl.sweep.manifest import Manifest

MASKED: dict[str, Any] = {
    "intermediate": [
        {"task": "mnli", "masked_text": {"corpus": "wiki", "languages": ["sw", "te"]}}
    ],
    "training_data": {"wiki": {"path": "{language}.txt"}},
}


def said(asked: Manifest, lm_head: bool) -> list[str]:
    """The lines about masked LM among all that is shown of a lock."""
    lock, shown = lock_for(asked), io.StringIO()
    lock = lock.model_copy(update={"model": lock.model.model_copy(update={"lm_head": lm_head})})
    show_locked(asked, lock, Console(file=shown, width=80))
    return [line for line in shown.getvalue().splitlines() if "masked LM" in line]


def test_masked_text_goes_on_with_the_model_s_own_head() -> None:
    assert said(manifest(**MASKED), lm_head=True) == [
        "masked LM goes on with the LM head of FacebookAI/xlm-roberta-large"
    ]


def test_masked_text_without_a_head_begins_with_a_new_one() -> None:
    assert said(manifest(**MASKED), lm_head=False) == [
        "masked LM begins with a new head: FacebookAI/xlm-roberta-large comes without one"
    ]


@pytest.mark.parametrize("lm_head", [True, False])
def test_without_masked_text_nothing_is_said_of_a_head(lm_head: bool) -> None:
    assert said(manifest(), lm_head) == []
