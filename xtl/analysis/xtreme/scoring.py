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
from xtl.tasks.f_score import f1_of_counts
from xtl.tasks.forms import NLI
from xtl.tasks.qa_metrics import METRICS, Rule, qa_metrics
from xtl.tasks.tag_metrics import COUNTS, tag_counts, tag_scores

_OWN_LABELS: dict[str, tuple[str, ...]] = {"xnli": NLI, "paws-x": ("0", "1")}
"""What XTREME's label files say."""

_RULES: dict[str, Rule] = {"xquad": "squad-v1.1", "mlqa": "mlqa", "tydiqa": "squad-v1.1"}


@dataclass(frozen=True)
class Score:
    """Metrics in percent, over `examples` labels: lines, tags, gold pairs or questions.

    `unanswered` questions have no prediction, and score 0; of the predictions, `unknown` are for
    questions that the labels do not have, and do not count.
    """

    metrics: Mapping[str, float]
    examples: int
    unanswered: int = 0
    unknown: int = 0


def score(pair: Pair) -> Score:
    """UserError for a malformed file, and for predictions that cannot be those of the labels."""
    return _SCORERS[pair.task](pair)


def _classes(pair: Pair) -> Score:
    gold = read_labels(pair.labels)
    known = dict.fromkeys((*_OWN_LABELS[pair.task], *gold))
    return _accuracy(pair, gold, read_labels(pair.predictions, known))


def _neighbours(pair: Pair) -> Score:
    return _accuracy(pair, read_indices(pair.labels), read_indices(pair.predictions))


def _accuracy(pair: Pair, gold: Sequence[str], said: Sequence[str]) -> Score:
    _filled(pair.labels, gold)
    _as_many(str(pair.predictions), "line", len(gold), len(said))
    right = sum(one == other for one, other in zip(gold, said, strict=True))
    return Score({"accuracy": 100 * right / len(gold)}, len(gold))


def _tags(pair: Pair) -> Score:
    gold, said = read_tags(pair.labels), read_tags(pair.predictions)
    _filled(pair.labels, gold)
    _as_many(str(pair.predictions), "sentence", len(gold), len(said))
    for one, other in zip(gold, said, strict=True):
        where = f"{pair.predictions}:{other[0].number}"
        _as_many(where, "tag", len(one), len(other), " in the sentence that begins here")
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
    if said and not any(_ids(gold, side) & _ids(said, side) for side in (0, 1)):
        expected = f"pairs such as {' '.join(min(gold))} (a tab between them)"
        raise UserError(f"{pair.predictions}: found no id of the labels', expected {expected}")
    return Score(f1_of_counts(len(gold), len(said), len(gold & said)), len(gold))


def _ids(pairs: Collection[tuple[str, str]], side: int) -> set[str]:
    return {pair[side] for pair in pairs}


def _answers(pair: Pair) -> Score:
    questions, answers = read_questions(pair.labels), read_answers(pair.predictions)
    asked = {question.id for question in questions}
    if asked.isdisjoint(answers):
        expected = f"answers to its questions, such as {questions[0].id!r}"
        raise UserError(f"{pair.predictions}: found no id of the labels', expected {expected}")
    rule = _RULES[pair.task]
    scores = [
        qa_metrics(answers[question.id], question.answers, pair.language, rule)
        for question in questions
        if question.id in answers
    ]
    return Score(
        {name: sum(each[name] for each in scores) / len(questions) for name in METRICS},
        examples=len(questions),
        unanswered=len(questions) - len(scores),
        unknown=len(answers.keys() - asked),
    )


def _filled(path: Path, entries: Collection[object]) -> None:
    if not entries:
        raise UserError(f"{path}: found an empty file, expected labels")


def _as_many(where: str, noun: str, wanted: int, found: int, what: str = "") -> None:
    if wanted != found:
        number = f"{found:,} {noun}{'' if found == 1 else 's'}{what}"
        raise UserError(f"{where}: found {number}, expected {wanted:,} as in the labels")


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
