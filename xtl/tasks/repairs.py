"""What the hub's data get wrong, put right where the rows allow it, and counted. Torch-free.

Every function takes an arrow table and gives it back mended, with the faults that it met: words
that a reader of the lock understands, and how many rows each concerns.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xtl.tasks.span_features import locate

if TYPE_CHECKING:
    import pyarrow as pa

    from xtl.tasks.entries import DatasetRef

    Repaired = tuple[pa.Table, dict[str, int]]
    Repair = Callable[[pa.Table, DatasetRef], Repaired]

MOVED = "answer_start moved"
LOST = "answer not in its context, left out"
KEPT = "answer not in its context, kept"
UNLABELLED = "unlabelled, left out"
LINE_BREAK = "line break cut"
NO_TOKENS = "no tokens, left out"
EMPTY_TOKEN = "empty token or tag taken out"
NO_POOLS = "no candidate pools: XTREME's mining F1 cannot be computed"

UNLABELLED_VALUES: frozenset[Any] = frozenset({None, -1, "-1", "-", ""})
"""How the sets write "no label": SNLI -1 (once "-"), CommonsenseQA "", the test splits of GLUE."""


def answers(table: pa.Table, ref: DatasetRef) -> Repaired:
    """Every answer's start found again. What a context lacks is left out of a split for training
    (one whose name begins with "train"), with its row if nothing is left to find; elsewhere it
    stays, as scoring is by text."""
    training = ref.split.startswith("train")
    contexts, given = table["context"].to_pylist(), table["answers"].to_pylist()
    found = [_placed(*pair, drop=training) for pair in zip(contexts, given, strict=True)]
    lacking = [index for index, (_, _, lacks) in enumerate(found) if lacks]
    faults = {MOVED: sum(moved for _, moved, _ in found), LOST if training else KEPT: len(lacking)}
    if any(faults.values()):
        table = _with(table, "answers", [placed for placed, _, _ in found])
    bare = [index for index in lacking if not found[index][0]["text"]]
    return _without(table, bare), _met(faults)


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


def line_breaks(table: pa.Table, ref: DatasetRef) -> Repaired:
    """Sentences without the line breaks that Tatoeba's end in on the hub."""
    import pyarrow.compute as pc

    touched = None
    for name in ("source_sentence", "target_sentence"):
        cut = pc.utf8_rtrim(table[name], characters="\r\n")
        differs = pc.not_equal(cut, table[name])
        touched = differs if touched is None else pc.or_(touched, differs)
        table = table.set_column(table.column_names.index(name), name, cut)
    return table, _met({LINE_BREAK: pc.sum(touched).as_py() or 0})


def tokens(table: pa.Table, ref: DatasetRef) -> Repaired:
    """Sentences without empty tokens and untagged ones, and no sentence without any token."""
    words, tags = table["tokens"].to_pylist(), table["tags"].to_pylist()
    broken = [index for index, row in enumerate(zip(words, tags, strict=True)) if _has_empty(*row)]
    for index in broken:
        kept = [(word, tag) for word, tag in zip(words[index], tags[index], strict=True)
                if word.strip() and tag.strip()]  # fmt: skip
        words[index], tags[index] = [word for word, _ in kept], [tag for _, tag in kept]
    if broken:
        table = _with(_with(table, "tokens", words), "tags", tags)
    bare = [index for index, sentence in enumerate(words) if not sentence]
    whole = len(set(broken) - set(bare))
    return _without(table, bare), _met({EMPTY_TOKEN: whole, NO_TOKENS: len(bare)})


def _has_empty(words: Sequence[str], tags: Sequence[str]) -> bool:
    return not all(map(str.strip, words)) or not all(map(str.strip, tags))


def no_pools(table: pa.Table, ref: DatasetRef) -> Repaired:
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


def treebanks(table: pa.Table, ref: DatasetRef) -> Repaired:
    """Rows of another language's treebanks left out where their letters tell them, and the rest
    said where the table is the hub's mixed one. The clean treebanks' rows all stay."""
    mixture = MIXTURES.get(ref.config)
    if mixture is None:
        return table, {}
    sentences = table["tokens"].to_pylist()
    others = _lettered(sentences, mixture.letters)
    faults = {f"{mixture.other}, left out": len(others)}
    hub, clean = mixture.rows.get(ref.split, (0, 0))
    if len(table) == hub:
        wordless = sum(not words for words in sentences)  # left out for another reason
        faults[unseparated(mixture)] = hub - len(others) - wordless - clean
    return _without(table, others), _met(faults)


def unseparated(mixture: Mixture) -> str:
    return (
        f"not XTREME's ({mixture.other} and the like), and the rows do not tell which: own files "
        "of the clean treebank can stand for the set"
    )


def _lettered(sentences: list[list[str]], letters: re.Pattern[str] | None) -> list[int]:
    if letters is None:
        return []
    return [index for index, words in enumerate(sentences) if letters.search(" ".join(words))]


def _with(table: pa.Table, name: str, values: list[Any]) -> pa.Table:
    import pyarrow as pa

    place = table.column_names.index(name)
    return table.set_column(place, name, pa.array(values, table.schema.field(name).type))


def _without(table: pa.Table, rows: Sequence[int]) -> pa.Table:
    import numpy as np

    return table.take(np.delete(np.arange(len(table)), rows)) if rows else table


def _met(faults: Mapping[str, int]) -> dict[str, int]:
    return {words: count for words, count in faults.items() if count > 0}
