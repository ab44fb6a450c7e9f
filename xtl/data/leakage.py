"""Leakage: contexts of evaluation tables that stand in a training pool too. Pure, torch-free.

Two measures, each over the distinct contexts of a table. A context may stand in a training text
whole; or it may share a run of 13 words with one, the length by which GPT-3's authors looked for
overlap (Brown et al., 2020, appendix C). Theirs are lower-cased, parted at white space, without
the punctuation around them; ours are parted at punctuation too: no hyphen or dash hides a copy.

The evaluation side is indexed, the training texts pass by once: memory grows with the first alone.

What a word is, `xtl.data.words` says. Where scripts write no spaces, 13 words are 52 characters of
Thai, Lao, Burmese or Khmer, and 26 of Han or kana.

A context too short for a run counts only where it is a whole training text by itself: three common
words stand anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import nsmallest

import numpy as np
from numpy.typing import NDArray

from xtl.data.words import WEIGHT, Numbers, Places, Units, Vocabulary, runs_of

SEQUENCE_WORDS = 13
METHOD = 2
"""Raised when the same texts would give another verdict: then all is compared again."""

EXAMPLES = 3
EXCERPT = 80

_RUN = WEIGHT * SEQUENCE_WORDS
_BATCH = 1 << 20  # characters of training text at once


@dataclass(frozen=True)
class Overlap:
    """How many distinct contexts of an evaluation table a training pool gives away."""

    contexts: int  # that stand whole in a training text
    sequences: int  # that share 13 words in a row with one
    examples: tuple[
        str, ...
    ] = ()  # the beginnings of some, whole ones first, in the alphabet's order

    def __bool__(self) -> bool:
        return bool(self.contexts or self.sequences)


@dataclass(frozen=True, eq=False, repr=False)
class Index:
    """The contexts of evaluation tables by their runs of 13 words; `Index.of` makes one.

    Words and runs are known by 62 bits: ten million training runs and two million of evaluation
    meet by chance about once in two hundred thousand times.
    """

    excerpts: Mapping[str, Sequence[str]]  # of each table's distinct contexts, in the order of all
    units: Units  # the contexts of all tables
    hashes: Numbers  # of all runs, ascending
    contexts: Places  # the context of each run
    opens: NDArray[np.bool_]  # whether a run is its context's first

    @classmethod
    def of(cls, tables: Mapping[str, Iterable[str]]) -> Index:
        """From the contexts of each table, by the table's name."""
        vocabulary = Vocabulary()
        known = {name: _distinct(contexts, vocabulary) for name, contexts in tables.items()}
        units = Units.joined([numbers for table in known.values() for numbers in table])
        runs = runs_of(units, _RUN)
        order = np.argsort(runs.hashes, kind="stable")
        contexts = units.text_at(runs.firsts)
        return cls(
            excerpts={name: list(table.values()) for name, table in known.items()},
            units=units,
            hashes=runs.hashes[order],
            contexts=contexts[order],
            opens=(runs.firsts == units.starts[contexts])[order],
        )

    def overlaps(self, texts: Iterable[str]) -> dict[str, Overlap]:
        """What each table shares with a training pool's texts, which are read once."""
        whole = np.zeros(self.units.texts, dtype=bool)
        shared = np.zeros(self.units.texts, dtype=bool)
        vocabulary = Vocabulary()
        for batch in _batches(texts):
            self._mark(Units.of(batch, vocabulary), whole, shared)
        return self._verdict(whole, shared & (self.units.weights() >= _RUN))

    def _mark(self, units: Units, whole: NDArray[np.bool_], shared: NDArray[np.bool_]) -> None:
        """Set what the texts hold whole, and what shares a run with them."""
        runs = runs_of(units, _RUN)
        begin = np.searchsorted(self.hashes, runs.hashes, side="left")
        inside = begin < len(self.hashes)
        met = np.flatnonzero(inside)[self.hashes[begin[inside]] == runs.hashes[inside]]
        end = np.searchsorted(self.hashes, runs.hashes[met], side="right")
        times = end - begin[met]
        entries = np.repeat(end - np.cumsum(times), times) + np.arange(times.sum())
        shared[self.contexts[entries]] = True
        opens = self.opens[entries] & ~whole[self.contexts[entries]]
        places = np.repeat(runs.firsts[met], times)[opens]
        for context, place in zip(self.contexts[entries[opens]], places, strict=True):
            whole[context] = whole[context] or self._stands_at(int(context), units, int(place))

    def _stands_at(self, context: int, units: Units, place: int) -> bool:
        words = self.units.text(context)
        if place + len(words) > units.starts[units.text_at(place) + 1]:
            return False
        return bool(np.array_equal(units.numbers[place : place + len(words)], words))

    def _verdict(
        self, whole: NDArray[np.bool_], shared: NDArray[np.bool_]
    ) -> dict[str, Overlap]:  # fmt: skip
        found: dict[str, Overlap] = {}
        start = 0
        for name, excerpts in self.excerpts.items():
            table = slice(start, start + len(excerpts))
            met = np.flatnonzero((whole | shared)[table]).tolist()
            shown = nsmallest(EXAMPLES, ((not whole[table][at], excerpts[at]) for at in met))
            found[name] = Overlap(
                contexts=int(whole[table].sum()),
                sequences=int(shared[table].sum()),
                examples=tuple(excerpt for _, excerpt in shown),
            )
            start = table.stop
        return found


def _distinct(contexts: Iterable[str], vocabulary: Vocabulary) -> dict[bytes, str]:
    """The beginning of each context that has words, by its words' numbers."""
    known: dict[bytes, str] = {}
    for batch in _batches(contexts):
        units = Units.of(batch, vocabulary)
        for place, context in enumerate(batch):
            if len(words := units.text(place)):
                known.setdefault(words.tobytes(), " ".join(context.split())[:EXCERPT])
    return known


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    """Texts by the megabyte, each once where it comes again at once: a paragraph's questions."""
    batch: dict[str, None] = {}
    size = 0
    for text in texts:
        if text not in batch:
            batch[text] = None
            size += len(text)
        if size >= _BATCH:
            yield list(batch)
            batch, size = {}, 0
    yield list(batch)
