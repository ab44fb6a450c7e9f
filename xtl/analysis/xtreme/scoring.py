"""One task in one language, scored as XTREME's evaluate.py does, from a pair of files."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from xtl.analysis.xtreme.files import (
    read_answers,
    read_indices,
    read_labels,
    read_pairs,
    read_questions,
    read_tags,
)
from xtl.analysis.xtreme.layout import Pair
from xtl.errors import UserError
from xtl.tasks.forms import NLI
from xtl.tasks.qa_metrics import METRICS, Rule, qa_metrics
from xtl.tasks.tag_metrics import COUNTS, tag_counts, tag_scores

_OWN_LABELS: dict[str, tuple[str, ...]] = {"xnli": NLI, "paws-x": ("0", "1")}
"""What XTREME's label files say."""

_RULES: dict[str, Rule] = {"xquad": "squad-v1.1", "mlqa": "mlqa", "tydiqa": "squad-v1.1"}


@dataclass(frozen=True)
class Score:
    """Metrics in percent, over `examples` labels: lines, tags, gold pairs or questions.

    `unanswered` questions have no prediction, and score 0.
    """

    metrics: Mapping[str, float]
    examples: int
    unanswered: int = 0


def score(pair: Pair) -> Score:
    """UserError for a malformed file, and for predictions that cannot be those of the labels."""
    return _SCORERS[pair.task](pair)


def f1_of_counts(gold: int, said: int, right: int) -> dict[str, float]:
    """F1, precision and recall in percent; each 0 where it would be a division by nothing."""
    return {
        "f1": 100 * 2 * right / (gold + said) if right else 0.0,
        "precision": 100 * right / said if said else 0.0,
        "recall": 100 * right / gold if gold else 0.0,
    }


def _classes(pair: Pair) -> Score:
    gold = read_labels(pair.labels)
    known = dict.fromkeys((*_OWN_LABELS[pair.task], *gold))
    return _accuracy(pair, gold, read_labels(pair.predictions, known))


def _neighbours(pair: Pair) -> Score:
    return _accuracy(pair, read_indices(pair.labels), read_indices(pair.predictions))


def _accuracy(pair: Pair, gold: Sequence[str], said: Sequence[str]) -> Score:
    _filled(pair.labels, gold)
    _as_many(str(pair.predictions), "lines", len(gold), len(said))
    right = sum(one == other for one, other in zip(gold, said, strict=True))
    return Score({"accuracy": 100 * right / len(gold)}, len(gold))


def _tags(pair: Pair) -> Score:
    gold, said = read_tags(pair.labels), read_tags(pair.predictions)
    _filled(pair.labels, gold)
    _as_many(str(pair.predictions), "sentences", len(gold), len(said))
    for one, other in zip(gold, said, strict=True):
        where = f"{pair.predictions}:{other[0].number}"
        _as_many(where, "tags in the sentence that begins here", len(one), len(other))
    # `bare` is how seqeval 0.0.12 reads every tag, and B- and I- alike: see tag_metrics.
    counts = [
        tag_counts([line.text for line in one], [line.text for line in other], bare=True)
        for one, other in zip(gold, said, strict=True)
    ]
    total = {name: int(sum(each[name] for each in counts)) for name in COUNTS}
    of_chunks = f1_of_counts(total["gold_chunks"], total["said_chunks"], total["right_chunks"])
    token_accuracy = tag_scores(counts)["token_accuracy"]
    return Score(of_chunks | {"token_accuracy": token_accuracy}, total["words"])


def _mined(pair: Pair) -> Score:
    gold, said = read_pairs(pair.labels), read_pairs(pair.predictions)
    _filled(pair.labels, gold)
    return Score(f1_of_counts(len(gold), len(said), len(gold & said)), len(gold))


def _answers(pair: Pair) -> Score:
    questions, answers = read_questions(pair.labels), read_answers(pair.predictions)
    rule = _RULES[pair.task]
    scores = [
        qa_metrics(answers[asked.id], asked.answers, pair.language, rule)
        for asked in questions
        if asked.id in answers
    ]
    return Score(
        {name: sum(each[name] for each in scores) / len(questions) for name in METRICS},
        examples=len(questions),
        unanswered=len(questions) - len(scores),
    )


def _filled(path: Path, entries: Collection[object]) -> None:
    if not entries:
        raise UserError(f"{path}: found an empty file, expected labels")


def _as_many(where: str, what: str, wanted: int, found: int) -> None:
    if wanted != found:
        raise UserError(f"{where}: found {found:,} {what}, expected {wanted:,} as in the labels")


_SCORERS: dict[str, Callable[[Pair], Score]] = {
    "xnli": _classes,
    "paws-x": _classes,
    "udpos": _tags,
    "panx": _tags,
    "xquad": _answers,
    "mlqa": _answers,
    "tydiqa": _answers,
    "bucc2018": _mined,
    "tatoeba": _neighbours,
}
