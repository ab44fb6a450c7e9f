"""What a verb asks, and what it takes for an answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from jobs.cancel import cancel
from jobs.clean import clean
from jobs.confirming import require_unchanged
from jobs.options import DEMO
from jobs.resubmit import resubmit
from xtl.errors import UserError


@pytest.mark.parametrize("verb", [resubmit, cancel, clean])
def test_a_machine_says_at_once_whether_it_is_to_be_done(
    verb: Callable[..., None], tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="--json: found neither --yes nor --dry-run, expected one"):
        verb(DEMO, tmp_path / "sweep", "local", json=True)
    assert not list(tmp_path.iterdir())


def test_what_is_as_it_was_shown_is_done() -> None:
    require_unchanged({"a": 1, "b": 2}, {"b": 2, "a": 1})


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"a": 1, "b": 2, "c": 3}, r"\(new: c\): nothing is done"),
        ({"a": 1}, r"\(no longer: b\): nothing is done"),
        ({"a": 1, "b": 3}, r"\(otherwise: b\): nothing is done"),
        ({"b": 2, "c": 3, "d": 4, "e": 5}, r"\(new: c; d and 1 more; no longer: a\)"),
    ],
)
def test_what_has_changed_since_it_was_shown_is_not_done(
    found: dict[str, object], said: str
) -> None:
    with pytest.raises(UserError, match=said):
        require_unchanged({"a": 1, "b": 2}, found)


def test_where_less_does_no_harm_there_may_be_less() -> None:
    require_unchanged({"a": 1, "b": 2}, {"a": 1}, fewer=True)
    with pytest.raises(UserError, match="new: c"):
        require_unchanged({"a": 1}, {"c": 1}, fewer=True)
