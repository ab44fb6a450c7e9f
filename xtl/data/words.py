"""Words of any script, in the form in which passages are compared, and their runs. Pure.

Text is brought into form NFKC, case folded, and freed of what copies of it differ in: the numbers
of citations ("[12]"), Arabic vowel marks and tatweel, variation selectors, and format characters
(category Cf: soft hyphens, joiners, marks of direction). A word is then a run of letters, marks and
digits, the first of them no mark. All else separates: white space, the zero-width space,
punctuation. So do apostrophes of every shape, that "don't" and "don’t" be the same two.

Scripts that write no space between words have each character for itself: four of Thai, Lao, Burmese
or Khmer count as one word, and two of Han or kana, which is about what words are long there.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

WEIGHT = 4
"""Of a word. A character of a script without spaces has 1 or 2."""

# Thai, Lao, Burmese, Khmer; kana, Han.
_FOUR_A_WORD = "\u0e00-\u0eff\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f\u1780-\u17ff\u19e0-\u19ff"
_TWO_A_WORD = (
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
_UNSPACED = _FOUR_A_WORD + _TWO_A_WORD
WORD = re.compile(f"[{_UNSPACED}]|[^\\s{_UNSPACED}]+")
"""Of text as it stands: what white space parts, or a character of an unspaced script."""
_PREPARED_WORD = re.compile(f"[{_UNSPACED}]|\\w[^\\s{_UNSPACED}]*")
_CLASSES = re.compile(f"([{_FOUR_A_WORD}])|([{_TWO_A_WORD}])")
_CITATION = re.compile("\\[[\\s\\d,\u2013\u200b-\u200f-]+\\]")  # "[12]", "[ 1, 3-5 ]"

_APOSTROPHES = frozenset("\u02b9\u02bb\u02bc\u02bd")  # those that Unicode calls letters
_VANISHING = frozenset(
    [
        0x0640,  # tatweel
        *range(0x064B, 0x0660),  # harakat
        0x0670,
        0x034F,  # grapheme joiner
        *range(0x180B, 0x180E),  # variation selectors: Mongolian, all other
        *range(0xFE00, 0xFE10),
        *range(0xE0100, 0xE01F0),
    ]
)

Numbers = NDArray[np.uint64]
Places = NDArray[np.int64]

_WEIGHTS = np.array([WEIGHT, 1, 2])  # of a word, of a character of each class
_VOCABULARY = 1 << 19  # words kept between batches
_BASE = 0x9E3779B97F4A7C15  # odd, so that it has an inverse modulo 2**64


class _Signs(dict[int, int | None]):
    """For str.translate: what each character becomes, a space or nothing if no part of a word."""

    def __missing__(self, code: int) -> int | None:
        sign = chr(code)
        category = unicodedata.category(sign)
        vanishes = code in _VANISHING or (category == "Cf" and sign != "\u200b")
        stays = category[0] in "LMN" and sign not in _APOSTROPHES
        self[code] = None if vanishes else code if stays else ord(" ")
        return self[code]


_SIGNS = _Signs()


def words(text: str) -> list[str]:
    """In their order, each in the form in which words are compared."""
    if text.isascii():
        return _without_citations(text.casefold()).translate(_SIGNS).split()
    folded = _without_citations(unicodedata.normalize("NFKC", text).casefold())
    prepared = folded.translate(_SIGNS)
    # Folding and leaving out can undo the form.
    return _PREPARED_WORD.findall(unicodedata.normalize("NFKC", prepared))


def _without_citations(text: str) -> str:
    return _CITATION.sub(" ", text) if "[" in text else text


class Vocabulary(dict[str, int]):
    """A number for each word: 62 bits of its hash and two for its class."""

    def __missing__(self, word: str) -> int:
        digest = hashlib.blake2b(word.encode(), digest_size=8).digest()
        character = _CLASSES.fullmatch(word)
        number = int.from_bytes(digest) & ~3 | (character.lastindex or 0 if character else 0)
        if len(self) >= _VOCABULARY:
            self.clear()
        self[word] = number
        return number


@dataclass(frozen=True)
class Units:
    """The words of several texts: text t has numbers[starts[t] : starts[t + 1]]."""

    numbers: Numbers
    starts: Places

    @classmethod
    def of(cls, texts: Sequence[str], vocabulary: Vocabulary) -> Units:
        lists = [words(text) for text in texts]
        starts = np.cumsum([0, *map(len, lists)], dtype=np.int64)
        numbers = (vocabulary[word] for found in lists for word in found)
        return cls(np.fromiter(numbers, dtype=np.uint64, count=int(starts[-1])), starts)

    @classmethod
    def joined(cls, texts: Sequence[bytes]) -> Units:
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
        """The weight of each text."""
        return np.diff(self.weight_before()[self.starts])

    def weight_before(self) -> Places:
        """The weight of all words before each, and of all."""
        weights = _WEIGHTS[(self.numbers & np.uint64(3)).astype(np.intp)]
        return np.concatenate([[0], np.cumsum(weights)]).astype(np.int64)


class Runs(NamedTuple):
    """Each run's first word and hash. A text too short for a run is one by itself."""

    firsts: Places
    hashes: Numbers


def runs_of(units: Units, weight: int) -> Runs:
    """From each word on, the words that reach a weight, as far as the text has them."""
    before = units.weight_before()
    ends = np.searchsorted(before, before[:-1] + weight, side="left")
    firsts = np.arange(len(units.numbers), dtype=np.int64)
    within = ends <= units.starts[1:][units.text_at(firsts)]
    short = np.flatnonzero((units.weights() < weight) & (np.diff(units.starts) > 0))
    begin = np.concatenate([firsts[within], units.starts[short]])
    end = np.concatenate([ends[within], units.starts[short + 1]])
    return Runs(begin, _hashes(units.numbers, begin, end))


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
