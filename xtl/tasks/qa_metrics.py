"""Exact match and F1 of extractive answers: by the official rules, and a Unicode-aware score.

Whose rules is named, since the official scripts differ (xtl.tasks.normalisers has their texts):

- "squad-v1.1", where every question has an answer: a prediction and a gold answer that are both
  empty once normalised have exact match 1 and F1 0. XQuAD and TyDiQA-GoldP are scored so in every
  language.
- "squad-v2.0", where some questions have none: gold answers that are empty once normalised do not
  count; a question without any other is unanswerable, and an empty prediction scores 1 and 1.
- "mlqa": MLQA's normalisation for each language; what nothing is worth is as in squad-v1.1.

The Unicode-normalised score stands beside each: F1 counts white-space tokens, but each character
of a script that puts no spaces between words by itself. So `ঢাকা।` equals `ঢাকা`, which SQuAD's
rules deny. Empty answers follow squad-v2.0 there.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal

from xtl.tasks.normalisers import (
    normalise_mlqa,
    normalise_squad,
    normalise_unicode,
    unicode_tokens,
)

Rule = Literal["squad-v1.1", "squad-v2.0", "mlqa"]

METRICS = ("exact_match", "f1", "exact_match_unicode", "f1_unicode")


def token_f1(gold: Sequence[str], predicted: Sequence[str]) -> float:
    """Harmonic mean of precision and recall over bags of tokens, 0–1; 0 if they share none."""
    shared = sum((Counter(gold) & Counter(predicted)).values())
    return 2 * shared / (len(gold) + len(predicted)) if shared else 0.0


def qa_metrics(
    prediction: str, golds: Sequence[str], language: str, rule: Rule
) -> dict[str, float]:
    """The four scores of one question, each 0–100, the best over its gold answers.

    No gold answer means an unanswerable question, which only "squad-v2.0" knows: under another
    rule it is a ValueError. UserError for a language that "mlqa" does not know.
    """
    if not golds and rule != "squad-v2.0":
        raise ValueError(f"a question without gold answers cannot be scored by {rule}")
    exact, f1 = _best(prediction, golds, _official(rule, language), str.split, rule)
    exact_unicode, f1_unicode = _best(
        prediction, golds, lambda text: normalise_unicode(text, language), unicode_tokens,
        "squad-v2.0",
    )  # fmt: skip
    return dict(zip(METRICS, (exact, f1, exact_unicode, f1_unicode), strict=True))


def best_threshold(
    margins: Sequence[float], answered: Sequence[float], silent: Sequence[float]
) -> tuple[float, float]:
    """(highest mean score, the margin from which answers are given for it), of SQuAD v2.0.

    One entry a question: its answer's margin over "no answer", what that answer scores, and what
    no answer scores. The threshold is inf where no answer at all is best; of equals the highest.
    It is tuned on what it scores, as the official script's best_f1 is, so it is no headline.
    Unlike there, questions of equal margin are on the same side: no threshold parts them.
    """
    order = sorted(range(len(margins)), key=lambda index: -margins[index])
    total = best = math.fsum(silent)
    threshold = math.inf
    for place, index in enumerate(order):
        total += answered[index] - silent[index]
        tied = place + 1 < len(order) and margins[order[place + 1]] == margins[index]
        if not tied and total > best:
            best, threshold = total, margins[index]
    return best / len(margins), threshold


def _official(rule: Rule, language: str) -> Callable[[str], str]:
    return (lambda text: normalise_mlqa(text, language)) if rule == "mlqa" else normalise_squad


def _best(
    prediction: str,
    golds: Sequence[str],
    normalise: Callable[[str], str],
    tokens: Callable[[str], list[str]],
    rule: Rule,
) -> tuple[float, float]:
    said = normalise(prediction)
    accepted = {normalise(gold) for gold in golds}
    if rule == "squad-v2.0":
        accepted = accepted - {""} or {""}
    exact = said in accepted
    if rule == "squad-v2.0" and "" in (said, *accepted):
        return 100.0 * exact, 100.0 * exact
    said_tokens = tokens(said)
    return 100.0 * exact, 100.0 * max(token_f1(tokens(gold), said_tokens) for gold in accepted)
