"""Answers as they are compared: lower case, without punctuation and articles, by whose rules.

- `normalise_squad`: SQuAD's official script (Rajpurkar et al. 2016), whatever the language: ASCII
  punctuation and the English articles. XQuAD and TyDiQA-GoldP are scored so.
- `normalise_mlqa`: MLQA's official script (Lewis et al. 2020, mlqa_evaluation_v1.py): punctuation
  of every script, articles for each language, Chinese cut into characters. With its quirks: no
  Unicode normal form, Han only as far as U+9FA5, currency signs kept, and in Arabic ال goes
  wherever it stands, inside words too.
- `normalise_unicode`: xtl's own, beside the official ones: NFKC, case folded, punctuation of every
  script and ASCII's symbols deleted, articles in English alone.

Tokens of the first two are what white space separates; of the third `unicode_tokens` tells.
"""

from __future__ import annotations

import re
import string
import unicodedata

from xtl.errors import UserError

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_ASCII_PUNCTUATION = str.maketrans("", "", string.punctuation)

MLQA_ARTICLES: dict[str, re.Pattern[str] | None] = {
    "en": _ARTICLES,
    "es": re.compile(r"\b(un|una|unos|unas|el|la|los|las)\b"),
    "hi": None,
    "vi": re.compile(r"\b(của|là|cái|chiếc|những)\b"),
    "de": re.compile(r"\b(ein|eine|einen|einem|eines|einer|der|die|das|den|dem|des)\b"),
    # The script's first alternative can never match: nothing stands before a text's beginning.
    "ar": re.compile(r"\sال^|ال"),  # noqa: RUF001
    "zh": None,
}
"""The languages that MLQA's script knows, and what it takes for articles there."""

_MLQA_HAN = re.compile("([\u4e00-\u9fa5])")

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


def normalise_mlqa(text: str, language: str) -> str:
    """MLQA's official normalisation; UserError for a language that it has no rules for."""
    if language not in MLQA_ARTICLES:
        raise UserError(
            f"MLQA's rules: found language {language!r}, expected one of {', '.join(MLQA_ARTICLES)}"
        )
    bare = text.lower().translate(_UNICODE_PUNCTUATION)
    articles = MLQA_ARTICLES[language]
    if articles is not None:
        bare = articles.sub(" ", bare)
    if language == "zh":
        bare = _MLQA_HAN.sub(r" \1 ", bare)
    return " ".join(bare.split())


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
