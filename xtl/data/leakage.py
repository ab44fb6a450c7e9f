"""Leakage: passages of an evaluation table that a training table holds too. Pure, torch-free.

Two measures. A passage may stand in the training table as it is, but for case and white space; or
it may share a run of 13 words with one there, the length by which GPT-3's authors looked for
overlap (Brown et al., 2020, appendix C). Words are what white space parts, so that in a script
written without it only the first measure says much.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

SEQUENCE_WORDS = 13


@dataclass(frozen=True)
class Overlap:
    """How many distinct contexts of an evaluation table a training table gives away."""

    contexts: int  # that stand in the training table
    sequences: int  # that share 13 words in a row with a context there

    def __bool__(self) -> bool:
        return bool(self.contexts or self.sequences)


@dataclass(frozen=True)
class Passages:
    """A training table's contexts and their runs of 13 words, as hashes of this process: with
    64 bits, ten million runs against a hundred thousand meet by chance once in 10 million times."""

    contexts: frozenset[int]
    sequences: frozenset[int]

    @classmethod
    def of(cls, contexts: Iterable[str]) -> Passages:
        known = {_words(context) for context in contexts}
        runs = {run for words in known for run in _runs(words)}
        return cls(frozenset(map(hash, known)), frozenset(runs))

    def overlap(self, evaluation: Iterable[str]) -> Overlap:
        """What the contexts of an evaluation table share with these, each counted once."""
        asked = {_words(context) for context in evaluation} - {()}
        return Overlap(
            contexts=sum(hash(words) in self.contexts for words in asked),
            sequences=sum(any(run in self.sequences for run in _runs(words)) for words in asked),
        )


def _words(context: str) -> tuple[str, ...]:
    return tuple(context.casefold().split())


def _runs(words: tuple[str, ...]) -> Iterator[int]:
    count = len(words) - SEQUENCE_WORDS + 1
    return (hash(words[start : start + SEQUENCE_WORDS]) for start in range(count))
