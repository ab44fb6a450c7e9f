"""What the hub's data get wrong, put right where the rows allow it, and counted. Torch-free.

Every function takes an arrow table and gives it back mended, with the faults that it met: words
that a reader of the lock understands, and how many rows each concerns. `trained` says whether the
rows are trained on, or evaluated on. Rows become plain objects a batch at a time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xtl.tasks.span_features import locate

if TYPE_CHECKING:
    import pyarrow as pa

    from xtl.tasks.entries import DatasetRef

    Repaired = tuple[pa.Table, dict[str, int]]
    Repair = Callable[[pa.Table, DatasetRef, bool], Repaired]

MOVED = "answer_start moved"
LOST = "answer not in its context, left out"
KEPT = "answer not in its context, kept"
UNLABELLED = "unlabelled, left out"
LINE_BREAK = "line break cut"
NO_TOKENS = "no tokens, left out"
EMPTY_TOKEN = "empty token or tag taken out"
NO_POOLS = "no candidate pools: XTREME's mining F1 cannot be computed"

_BATCH_ROWS = 10_000

UNLABELLED_VALUES: frozenset[Any] = frozenset({None, -1, "-1", "-", ""})
"""How the sets write "no label": SNLI -1 (once "-"), CommonsenseQA "", the test splits of GLUE."""


def answers(table: pa.Table, ref: DatasetRef, trained: bool) -> Repaired:
    """Every answer's start found again. What a context lacks is left out of what is trained on,
    with its row if nothing is left to find; it stays in an evaluation, as scoring is by text."""
    pieces: list[pa.Array] = []
    bare: list[int] = []
    moved = lacking = 0
    for first, contexts, given in _batches(table, "context", "answers"):
        found = [_placed(*pair, drop=trained) for pair in zip(contexts, given, strict=True)]
        pieces.append(_array(table, "answers", [answers for answers, _, _ in found]))
        moved += sum(was_moved for _, was_moved, _ in found)
        lacking += sum(lacks for _, _, lacks in found)
        bare += [
            first + index
            for index, (answers, _, lacks) in enumerate(found)
            if lacks and not answers["text"]
        ]
    if moved or lacking:
        table = _with(table, "answers", pieces)
    return _without(table, bare), _met({MOVED: moved, LOST if trained else KEPT: lacking})


def _placed(
    context: str, given: Mapping[str, Any], *, drop: bool
) -> tuple[dict[str, list[Any]], bool, bool]:
    """The answers at their places, without those that the context lacks if `drop`; whether one
    was moved, and whether the context lacks one."""
    answers, moved, lacks = [], False, False
    for text, start in zip(given["text"], given["answer_start"], strict=True):
        place = locate(context, text, start)
        lacks |= place is None
        if place is not None and place.repaired:
            moved, text, start = True, context[place.start : place.end], place.start
        if place is not None or not drop:
            answers.append((text, start))
    texts, starts = [text for text, _ in answers], [start for _, start in answers]
    return {"text": texts, "answer_start": starts}, moved, lacks


def line_breaks(table: pa.Table, ref: DatasetRef, trained: bool) -> Repaired:
    """Sentences without the line breaks that Tatoeba's end in on the hub."""
    import pyarrow.compute as pc

    touched = None
    for name in ("source_sentence", "target_sentence"):
        cut = pc.utf8_rtrim(table[name], characters="\r\n")
        differs = pc.not_equal(cut, table[name])
        touched = differs if touched is None else pc.or_(touched, differs)
        table = table.set_column(table.column_names.index(name), name, cut)
    return table, _met({LINE_BREAK: pc.sum(touched).as_py() or 0})


def tokens(table: pa.Table, ref: DatasetRef, trained: bool) -> Repaired:
    """Sentences without empty tokens and untagged ones, and no sentence without any token."""
    words: list[pa.Array] = []
    tags: list[pa.Array] = []
    bare: list[int] = []
    broken = 0
    for first, *columns in _batches(table, "tokens", "tags"):
        pairs = list(zip(*columns, strict=True))
        kept = [_kept(*pair) if _has_empty(*pair) else pair for pair in pairs]
        words.append(_array(table, "tokens", [sentence for sentence, _ in kept]))
        tags.append(_array(table, "tags", [names for _, names in kept]))
        bare += [first + index for index, (sentence, _) in enumerate(kept) if not sentence]
        broken += sum(
            bool(after[0]) and after is not before
            for before, after in zip(pairs, kept, strict=True)
        )
    if broken:
        table = _with(_with(table, "tokens", words), "tags", tags)
    return _without(table, bare), _met({EMPTY_TOKEN: broken, NO_TOKENS: len(bare)})


def _kept(words: Sequence[str], tags: Sequence[str]) -> tuple[list[str], list[str]]:
    pairs = zip(words, tags, strict=True)
    kept = [(word, tag) for word, tag in pairs if word.strip() and tag.strip()]
    return [word for word, _ in kept], [tag for _, tag in kept]


def _has_empty(words: Sequence[str], tags: Sequence[str]) -> bool:
    return not all(map(str.strip, words)) or not all(map(str.strip, tags))


def no_pools(table: pa.Table, ref: DatasetRef, trained: bool) -> Repaired:
    """google/xtreme's bucc18.* has the gold pairs alone: said, as nothing here can mend it."""
    return table, _met({NO_POOLS: len(table)})


@dataclass(frozen=True)
class Mixture:
    """A language whose hub rows hold another's treebanks too: the hub's script takes all whose
    name ends as the language's does. `letters` tell the other's rows, where any do; `rows` is,
    by split, (the hub's rows, XTREME's).
    """

    other: str
    rows: Mapping[str, tuple[int, int]]
    letters: re.Pattern[str] | None = None


# Breathings, circumflexes and iota subscripts, composed or combining; no bare signs.
_POLYTONIC = re.compile(
    "[\u1f00-\u1fbc\u1fbe\u1fc2-\u1fcc\u1fd0-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ffc\u0313\u0314\u0342\u0345]"
)
# Yat, omega, yuses, ksi, psi, fita and izhitsa, Church Slavonic's own letters and titlos.
_OLD_CYRILLIC = re.compile("[\u0460-\u0487\ua640-\ua66e\u2de0-\u2dff]")

# The hub's rows are its card's. XTREME's of train and validation are those of its own files; of
# the test splits they are sums over UD 2.5's treebanks, recalled (Greek 456; Chinese 500 + 500 +
# 1,004 + 451 + 1,000; Russian 601 + 1,000 + 6,491 + 884; French without FTB, which has no words).
MIXTURES: Mapping[str, Mixture] = {
    "udpos.Greek": Mixture(
        "Ancient Greek",
        {"train": (28_152, 1_662), "validation": (2_559, 403), "test": (2_809, 456)},
        _POLYTONIC,
    ),
    "udpos.Chinese": Mixture(
        "Classical Chinese",
        {"train": (18_998, 7_994), "validation": (3_038, 1_000), "test": (5_528, 3_455)},
    ),
    "udpos.French": Mixture("Old French", {"validation": (5_979, 2_903), "test": (9_465, 4_997)}),
    "udpos.Russian": Mixture(
        "Old Russian", {"validation": (9_960, 8_108), "test": (11_336, 8_976)}, _OLD_CYRILLIC
    ),
}


def treebanks(table: pa.Table, ref: DatasetRef, trained: bool) -> Repaired:
    """Rows of another language's treebanks left out where their letters tell them, and the rest
    said where the table is the hub's mixed one. The clean treebanks' rows all stay."""
    mixture = MIXTURES.get(ref.config)
    if mixture is None:
        return table, {}
    others = _lettered(table, mixture.letters)
    faults = {f"{mixture.other}, left out": len(others)}
    hub, clean = mixture.rows.get(ref.split, (0, 0))
    if len(table) == hub:
        wordless = _empties(table["tokens"])  # left out for another reason
        faults[unseparated(mixture)] = hub - len(others) - wordless - clean
    return _without(table, others), _met(faults)


def unseparated(mixture: Mixture) -> str:
    return (
        f"not XTREME's ({mixture.other} and the like), and the rows do not tell which: own files "
        "of the clean treebank can stand for the set"
    )


def _lettered(table: pa.Table, letters: re.Pattern[str] | None) -> list[int]:
    if letters is None:
        return []
    return [
        first + index
        for first, sentences in _batches(table, "tokens")
        for index, words in enumerate(sentences)
        if letters.search(" ".join(words))
    ]


def _empties(lists: pa.ChunkedArray) -> int:
    import pyarrow.compute as pc

    return int(pc.sum(pc.equal(pc.list_value_length(lists), 0)).as_py() or 0)


def _batches(table: pa.Table, *names: str) -> Iterator[Any]:
    """(the number of its first row, each column's values) of a few rows at a time."""
    first = 0
    for batch in table.select(names).to_batches(max_chunksize=_BATCH_ROWS):
        yield first, *(batch[name].to_pylist() for name in names)
        first += len(batch)


def _array(table: pa.Table, name: str, values: list[Any]) -> pa.Array:
    import pyarrow as pa

    return pa.array(values, table.schema.field(name).type)


def _with(table: pa.Table, name: str, pieces: list[pa.Array]) -> pa.Table:
    import pyarrow as pa

    return table.set_column(table.column_names.index(name), name, pa.chunked_array(pieces))


def _without(table: pa.Table, rows: Sequence[int]) -> pa.Table:
    import numpy as np

    return table.take(np.delete(np.arange(len(table)), rows)) if rows else table


def _met(faults: Mapping[str, int]) -> dict[str, int]:
    return {words: count for words, count in faults.items() if count > 0}
