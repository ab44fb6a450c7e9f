"""Leakage: contexts of evaluation tables that stand in a training pool too. Pure, torch-free.

Two measures, each over the distinct contexts of a table. A context may stand in a training text
whole; or it may share a run of 13 words with one, the length by which GPT-3's authors looked for
overlap (Brown et al., 2020, appendix C; like theirs, our words are lower-cased and without the
punctuation around them).

The evaluation side is indexed, the training texts pass by once: memory grows with the first alone.

What a word is: text in form NFKC, case folded, parted at white space, stripped at both edges of all
but letters, marks and digits. Scripts that write no space between words have each character for
itself: four of Thai, Lao, Burmese or Khmer count as one word, and two of Han or kana, which is
about what words are long there. So 13 words are 52 and 26 characters.

A context too short for a run counts only where it is a whole training text by itself: three common
words stand anywhere.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SEQUENCE_WORDS = 13
EXAMPLES = 3
EXCERPT = 80

# Thai, Lao, Burmese, Khmer; kana, Han.
_FOUR_A_WORD = "\u0e00-\u0eff\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f\u1780-\u17ff\u19e0-\u19ff"
_TWO_A_WORD = (
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
_UNSPACED = _FOUR_A_WORD + _TWO_A_WORD
WORD = re.compile(f"[{_UNSPACED}]|[^\\s{_UNSPACED}]+")
"""What white space parts, or a character of a script that puts no spaces between words."""
_CLASSES = re.compile(f"([{_FOUR_A_WORD}])|([{_TWO_A_WORD}])")

Numbers = NDArray[np.uint64]
Places = NDArray[np.int64]

_WEIGHTS = np.array([4, 1, 2])  # in quarters of a word: of a word, of a character of each class
_RUN = 4 * SEQUENCE_WORDS
_BATCH = 1 << 20  # characters of training text at once
_VOCABULARY = 1 << 19  # words kept between batches
_BASE = 0x9E3779B97F4A7C15  # odd, so that it has an inverse modulo 2**64


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
    units: _Units  # the contexts of all tables
    hashes: Numbers  # of all runs, ascending
    contexts: Places  # the context of each run
    opens: NDArray[np.bool_]  # whether a run is its context's first

    @classmethod
    def of(cls, tables: Mapping[str, Iterable[str]]) -> Index:
        """From the contexts of each table, by the table's name."""
        vocabulary = _Vocabulary()
        known = {name: _distinct(contexts, vocabulary) for name, contexts in tables.items()}
        units = _Units.joined([numbers for table in known.values() for numbers in table])
        runs = _runs(units)
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
        vocabulary = _Vocabulary()
        for batch in _batches(texts):
            self._mark(_Units.of(batch, vocabulary), whole, shared)
        return self._verdict(whole, shared & (self.units.weights() >= _RUN))

    def _mark(self, units: _Units, whole: NDArray[np.bool_], shared: NDArray[np.bool_]) -> None:
        """Set what the texts hold whole, and what shares a run with them."""
        runs = _runs(units)
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

    def _stands_at(self, context: int, units: _Units, place: int) -> bool:
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


class _Vocabulary(dict[str, int]):
    """A number for each word: 62 bits of its hash and two for its class; 0: no word."""

    def __missing__(self, raw: str) -> int:
        word = _stripped(raw)
        digest = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        character = _CLASSES.fullmatch(raw)
        kind = (character.lastindex or 0) if character else 0
        number = (int.from_bytes(digest, "big") & ~3 | kind) if word else 0
        if len(self) >= _VOCABULARY:
            self.clear()
        self[raw] = number
        return number


@dataclass(frozen=True)
class _Units:
    """The words of several texts: text t has numbers[starts[t] : starts[t + 1]]."""

    numbers: Numbers
    starts: Places

    @classmethod
    def of(cls, texts: Sequence[str], vocabulary: _Vocabulary) -> _Units:
        lists = [_words(text) for text in texts]
        raw = (vocabulary[word] for words in lists for word in words)
        numbers = np.fromiter(raw, dtype=np.uint64, count=sum(map(len, lists)))
        kept = np.concatenate([[0], np.cumsum(numbers != 0)])
        starts = np.concatenate([[0], np.cumsum([len(words) for words in lists], dtype=np.int64)])
        return cls(numbers[numbers != 0], kept[starts].astype(np.int64))

    @classmethod
    def joined(cls, texts: Sequence[bytes]) -> _Units:
        """From the bytes of each text's numbers."""
        starts = np.cumsum([0, *(len(text) // 8 for text in texts)], dtype=np.int64)
        return cls(np.frombuffer(b"".join(texts), dtype=np.uint64), starts)

    @property
    def texts(self) -> int:
        return len(self.starts) - 1

    def text(self, text: int) -> Numbers:
        return self.numbers[self.starts[text] : self.starts[text + 1]]

    def text_at(self, places: Places | int) -> Places:
        """The text that each of some words belongs to."""
        return np.searchsorted(self.starts, places, side="right") - 1

    def weights(self) -> Places:
        """The length of each text, in quarters of a word."""
        return np.diff(self.weight_before()[self.starts])

    def weight_before(self) -> Places:
        """The weight of all words before each, and of all."""
        weights = _WEIGHTS[(self.numbers & np.uint64(3)).astype(np.intp)]
        return np.concatenate([[0], np.cumsum(weights)]).astype(np.int64)


class _Runs(NamedTuple):
    """Each run's first word and hash. A text too short for a run is one by itself."""

    firsts: Places
    hashes: Numbers


def _runs(units: _Units) -> _Runs:
    """From each word on, the words that make up a run, as far as the text has them."""
    before = units.weight_before()
    ends = np.searchsorted(before, before[:-1] + _RUN, side="left")
    firsts = np.arange(len(units.numbers), dtype=np.int64)
    within = ends <= units.starts[1:][units.text_at(firsts)]
    short = np.flatnonzero((units.weights() < _RUN) & (np.diff(units.starts) > 0))
    begin = np.concatenate([firsts[within], units.starts[short]])
    end = np.concatenate([ends[within], units.starts[short + 1]])
    return _Runs(begin, _hashes(units.numbers, begin, end))


def _hashes(numbers: Numbers, begin: Places, end: Places) -> Numbers:
    """Polynomials in _BASE, modulo 2**64, whose coefficients are numbers[begin:end]."""
    powers, inverses = _powers(_BASE, len(numbers)), _powers(pow(_BASE, -1, 1 << 64), len(numbers))
    sums = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(numbers * powers[:-1])])
    hashes: Numbers = (sums[end] - sums[begin]) * inverses[begin]
    return hashes


def _powers(base: int, count: int) -> Numbers:
    """Of exponents 0 to `count`."""
    factors = np.full(count + 1, base, dtype=np.uint64)
    factors[0] = 1
    powers: Numbers = np.cumprod(factors)
    return powers


def _distinct(contexts: Iterable[str], vocabulary: _Vocabulary) -> dict[bytes, str]:
    """The beginning of each context that has words, by its words' numbers."""
    known: dict[bytes, str] = {}
    for batch in _batches(contexts):
        units = _Units.of(batch, vocabulary)
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


def _words(text: str) -> list[str]:
    if text.isascii():
        return text.casefold().split()
    folded = unicodedata.normalize("NFKC", text).casefold()
    return WORD.findall(unicodedata.normalize("NFKC", folded))


def _stripped(word: str) -> str:
    """Without what is neither letter nor mark nor digit at its edges; perhaps nothing."""
    kept = [place for place, sign in enumerate(word) if unicodedata.category(sign)[0] in "LMN"]
    return word[kept[0] : kept[-1] + 1] if kept else ""
