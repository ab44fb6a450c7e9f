"""Counts with their nouns and verbs, and lines that are wrapped at words."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from jobs.wording import many, say, some

LONG = "a sentence of over eighty characters, such as a [dim] failure tells, of many words each"


@pytest.mark.parametrize(
    ("count", "noun", "verb", "said"),
    [
        (0, "job", "", "0 jobs"),
        (1, "failed shard", "", "1 failed shard"),
        (1, "job", "wait", "1 job waits"),
        (2, "job", "wait", "2 jobs wait"),
        (1200, "shard", "", "1,200 shards"),
    ],
)
def test_a_noun_and_its_verb_go_with_their_count(
    count: int, noun: str, verb: str, said: str
) -> None:
    assert many(count, noun, verb) == said


def test_of_many_names_some_are_said() -> None:
    assert some(["a", "b"]) == "a; b"
    assert some(["a", "b", "c", "d"]) == "a; b and 2 more"


@pytest.mark.parametrize("terminal", [True, False])
def test_a_long_line_is_wrapped_at_words_on_a_terminal_and_whole_elsewhere(terminal: bool) -> None:
    written = io.StringIO()
    say(Console(file=written, width=80, force_terminal=terminal, color_system=None), LONG)
    lines = [line.rstrip() for line in written.getvalue().splitlines()]
    assert " ".join(lines) == LONG
    assert len(lines) == (2 if terminal else 1)
