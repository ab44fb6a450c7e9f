"""Exact match and F1 of extractive answers: SQuAD's official rules, and a Unicode-aware score.

Official: lower case, ASCII punctuation deleted, the English articles a/an/the deleted, white space
squeezed (Rajpurkar et al. 2016, 2018). XQuAD and TyDiQA-GoldP are scored so in every language.
The two official scripts differ in one thing, what nothing is worth, so the rule is named:

- "squad-v1.1", where every question has an answer: a prediction and a gold answer that are both
  empty once normalised have exact match 1 and F1 0.
- "squad-v2.0", where some questions have none: gold answers that are empty once normalised do not
  count; a question without any other is unanswerable, and an empty prediction scores 1 and 1.

Unicode: NFKC, case folded, all punctuation deleted (category P of any script, and the ASCII
symbols that SQuAD deletes), white space squeezed, articles deleted in English alone. F1 counts
white-space tokens, but each character of a script that puts no spaces between words by itself.
So `ঢাকা।` equals `ঢাকা`, which the official rule denies. Empty answers follow squad-v2.0.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal

Rule = Literal["squad-v1.1", "squad-v2.0"]

METRICS = ("exact_match", "f1", "exact_match_unicode", "f1_unicode")

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_ASCII_PUNCTUATION = str.maketrans("", "", string.punctuation)
# Thai, Lao, Burmese, Khmer, kana, Han: scripts that write no space between words.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f\u1780-\u17ff\u19e0-\u19ff"
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
_UNICODE_TOKEN = re.compile(f"[{_UNSPACED}]|[^\\s{_UNSPACED}]+")


class _Punctuation(dict[int, int | None]):
    """For str.translate: deletes punctuation, looking each character up once."""

    def __missing__(self, code: int) -> int | None:
        character = chr(code)
        deleted = character in string.punctuation or unicodedata.category(character)[0] == "P"
        self[code] = None if deleted else code
        return self[code]


_UNICODE_PUNCTUATION = _Punctuation()


def normalise_squad(text: str) -> str:
    """SQuAD's official normalisation, whatever the language."""
    bare = text.lower().translate(_ASCII_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", bare).split())


def normalise_unicode(text: str, language: str) -> str:
    """The same idea for every script; `language` is an ISO 639-1 code."""
    folded = unicodedata.normalize("NFKC", text).casefold().translate(_UNICODE_PUNCTUATION)
    bare = unicodedata.normalize("NFKC", folded)  # folding and deleting can undo the form
    if language == "en":
        bare = _ARTICLES.sub(" ", bare)
    return " ".join(bare.split())


def unicode_tokens(normalised: str) -> list[str]:
    """White-space tokens, with each character of an unspaced script a token of its own."""
    return _UNICODE_TOKEN.findall(normalised)


def token_f1(gold: Sequence[str], predicted: Sequence[str]) -> float:
    """Harmonic mean of precision and recall over bags of tokens, 0–1; 0 if they share none."""
    shared = sum((Counter(gold) & Counter(predicted)).values())
    return 2 * shared / (len(gold) + len(predicted)) if shared else 0.0


def qa_metrics(
    prediction: str, golds: Sequence[str], language: str, rule: Rule
) -> dict[str, float]:
    """The four scores of one question, each 0–100, the best over its gold answers.

    No gold answer means an unanswerable question, which only "squad-v2.0" knows: under
    "squad-v1.1" it is a ValueError.
    """
    if not golds and rule == "squad-v1.1":
        raise ValueError("a question without gold answers cannot be scored by squad-v1.1")
    exact, f1 = _best(prediction, golds, normalise_squad, str.split, rule)
    exact_unicode, f1_unicode = _best(
        prediction, golds, lambda text: normalise_unicode(text, language), unicode_tokens,
        "squad-v2.0",
    )  # fmt: skip
    return dict(zip(METRICS, (exact, f1, exact_unicode, f1_unicode), strict=True))


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
