"""Scores of tagged sentences: seqeval's chunk F1, and the share of words with the right tag.

Chunks are seqeval's own (`get_entities`, CoNLL's conlleval). XTREME scores UDPOS with the same
function although its tags are bare, no B- and no I-: a chunk is then a run of words with one tag
(each word by itself of tags that begin with S, B or E, as those letters end or begin a chunk).
seqeval 0.0.12, of the time of XTREME's published figures, reads a bare tag as its first letter and
the text after its last hyphen, so the whole of it; 1.2.2 takes the first letter off, so that CCONJ
and SCONJ are one type. Bare tags are therefore given to it as 0.0.12 read them: NOUN as N-NOUN.
That 0.0.12 made those figures, and how it read tags, is recalled: none was reproduced here.
Torch-free.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from xtl.tasks.f_score import f1_of_counts, percent

COUNTS = ("gold_chunks", "said_chunks", "right_chunks", "words", "right_words")
"""What scores are made of: of a sentence, and summed of a set. `said` is the answer's; a chunk is
right where its type and both its ends are gold."""


def tag_counts(gold: Sequence[str], said: Sequence[str], *, bare: bool) -> dict[str, float]:
    """A sentence's COUNTS. ValueError unless each word has a gold tag and one that was said."""
    if len(gold) != len(said):
        raise ValueError(f"found {len(said)} tags, expected one a word, {len(gold)}")
    wanted, found = chunks(gold, bare=bare), chunks(said, bare=bare)
    right = sum(one == other for one, other in zip(gold, said, strict=True))
    counts = (len(wanted), len(found), len(wanted & found), len(gold), right)
    return dict(zip(COUNTS, map(float, counts), strict=True))


def tag_scores(counted: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Micro-averaged `f1` of chunks and `token_accuracy` of sentences' COUNTS, in percent."""
    total: Counter[str] = Counter()
    for counts in counted:
        total.update({name: int(counts[name]) for name in COUNTS})
    of_chunks = f1_of_counts(total["gold_chunks"], total["said_chunks"], total["right_chunks"])
    return {
        "f1": of_chunks["f1"],
        "token_accuracy": percent(total["right_words"], total["words"]),
    }


def are_bare(tags: Iterable[str]) -> bool:
    """Whether none of a set's tags says that a chunk begins or goes on."""
    return not any(tag.startswith(("B-", "I-")) for tag in tags)


def chunks(tags: Sequence[str], *, bare: bool) -> set[tuple[str, int, int]]:
    """(type, first word, last word) of each chunk of a sentence, as seqeval finds them."""
    from seqeval.metrics.sequence_labeling import get_entities

    read = [as_read_before(tag) for tag in tags] if bare else list(tags)
    with warnings.catch_warnings():  # it warns of each tag that is no B- or I-
        warnings.simplefilter("ignore")
        return set(get_entities(read))


def as_read_before(tag: str) -> str:
    """A bare tag so written that seqeval 1.2.2 reads it as 0.0.12 did."""
    return f"{tag[0]}-{tag.rpartition('-')[2]}"
