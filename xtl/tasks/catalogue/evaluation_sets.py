"""What a checkpoint can be evaluated on, language by language. Torch-free, plain data.

The languages are XTREME's, and so are the splits: test where it reports test, validation where
that is all there is. `rows` is a language's published size, where languages differ a mean; those
of PAN-X, UDPOS and BUCC are recalled. `tokens` are estimated, as in `tasks`.
"""

from __future__ import annotations

from xtl.tasks.catalogue.development_sets import DEVELOPMENT_SETS
from xtl.tasks.catalogue.recipes import (
    LOOKUP_DECODING,
    PAIRS_LENGTH,
    QA_LENGTH,
    RETRIEVAL_LENGTH,
)
from xtl.tasks.entries import DatasetRef, EvaluationSet
from xtl.tasks.forms import NAMES, NLI, PARAPHRASE, UPOS
from xtl.tasks.settings import DecodingSettings

LOOKUP_LANGUAGES = ("ar", "bn", "de", "en", "es", "fr", "hi", "ru", "sw", "te", "th", "tr")

XTREME_LANGUAGES = (
    "af", "ar", "bg", "bn", "de", "el", "en", "es", "et", "eu", "fa", "fi", "fr", "he", "hi", "hu",
    "id", "it", "ja", "jv", "ka", "kk", "ko", "ml", "mr", "ms", "my", "nl", "pt", "ru", "sw", "ta",
    "te", "th", "tl", "tr", "ur", "vi", "yo", "zh",
)  # fmt: skip

XNLI_LANGUAGES = (
    "ar", "bg", "de", "el", "en", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh",
)  # fmt: skip

TREEBANKS = {
    "af": "Afrikaans", "ar": "Arabic", "bg": "Bulgarian", "de": "German", "el": "Greek",
    "en": "English", "es": "Spanish", "et": "Estonian", "eu": "Basque", "fa": "Persian",
    "fi": "Finnish", "fr": "French", "he": "Hebrew", "hi": "Hindi", "hu": "Hungarian",
    "id": "Indonesian", "it": "Italian", "ja": "Japanese", "kk": "Kazakh", "ko": "Korean",
    "mr": "Marathi", "nl": "Dutch", "pt": "Portuguese", "ru": "Russian", "ta": "Tamil",
    "te": "Telugu", "th": "Thai", "tl": "Tagalog", "tr": "Turkish", "ur": "Urdu",
    "vi": "Vietnamese", "yo": "Yoruba", "zh": "Chinese",
}  # fmt: skip
"""What google/xtreme calls UDPOS's languages."""

TATOEBA = {
    "af": "afr", "ar": "ara", "bg": "bul", "bn": "ben", "de": "deu", "el": "ell", "es": "spa",
    "et": "est", "eu": "eus", "fa": "pes", "fi": "fin", "fr": "fra", "he": "heb", "hi": "hin",
    "hu": "hun", "id": "ind", "it": "ita", "ja": "jpn", "jv": "jav", "ka": "kat", "kk": "kaz",
    "ko": "kor", "ml": "mal", "mr": "mar", "nl": "nld", "pt": "por", "ru": "rus", "sw": "swh",
    "ta": "tam", "te": "tel", "th": "tha", "tl": "tgl", "tr": "tur", "ur": "urd", "vi": "vie",
    "zh": "cmn",
}  # fmt: skip
"""ISO 639-3, as Tatoeba has it."""

TYDIQA = {
    "ar": "arabic", "bn": "bengali", "en": "english", "fi": "finnish", "id": "indonesian",
    "ko": "korean", "ru": "russian", "sw": "swahili", "te": "telugu",
}  # fmt: skip
"""How the ids of TyDiQA-GoldP begin."""

_BUCC = ("de", "fr", "ru", "zh")
_UNSEEN = ("sw", "te", "bn")

_SHORT = DecodingSettings(max_length=PAIRS_LENGTH)
_QA = DecodingSettings(max_length=QA_LENGTH)
_MLQA = DecodingSettings(max_length=QA_LENGTH, scoring="mlqa")
_RETRIEVAL = DecodingSettings(max_length=RETRIEVAL_LENGTH)

_XTREME = (
    EvaluationSet(
        name="xnli",
        family="sentence-pair",
        data=DatasetRef("facebook/xnli", "{language}", "test", "nli"),
        languages=XNLI_LANGUAGES,
        headline="accuracy",
        rows=5_010,
        tokens=46,
        decoding=_SHORT,
        labels=NLI,
    ),
    EvaluationSet(
        name="paws-x",
        family="sentence-pair",
        data=DatasetRef("google-research-datasets/paws-x", "{language}", "test", "paws-x"),
        languages=("de", "en", "es", "fr", "ja", "ko", "zh"),
        headline="accuracy",
        rows=2_000,
        tokens=69,
        decoding=_SHORT,
        labels=PARAPHRASE,
    ),
    EvaluationSet(
        name="udpos",
        family="tagging",
        data=DatasetRef("google/xtreme", "udpos.{language}", "test", "udpos"),
        languages=tuple(TREEBANKS),
        headline="f1",
        rows=2_737,
        tokens=32,
        decoding=_SHORT,
        codes=TREEBANKS,
        labels=UPOS,
    ),
    EvaluationSet(
        name="panx",
        family="tagging",
        data=DatasetRef("google/xtreme", "PAN-X.{language}", "test", "panx"),
        languages=XTREME_LANGUAGES,
        headline="f1",
        rows=6_558,
        tokens=18,
        decoding=_SHORT,
        labels=NAMES,
    ),
    EvaluationSet(
        name="xquad",
        family="span-qa",
        data=DatasetRef("google/xtreme", "XQuAD.{language}", "validation", "squad"),
        languages=("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh"),
        headline="f1",
        rows=1_190,
        tokens=222,
        decoding=_QA,
    ),
    EvaluationSet(
        name="mlqa",
        family="span-qa",
        data=DatasetRef("google/xtreme", "MLQA.{language}.{language}", "test", "squad"),
        languages=("ar", "de", "en", "es", "hi", "vi", "zh"),
        headline="f1",
        rows=6_035,
        tokens=221,
        decoding=_MLQA,
    ),
    EvaluationSet(
        name="tydiqa",
        family="span-qa",
        data=DatasetRef(
            "google-research-datasets/tydiqa",
            "secondary_task",
            "validation",
            "tydiqa",
            "{language}",
        ),
        languages=tuple(TYDIQA),
        headline="f1",
        rows=564,
        tokens=157,
        decoding=_QA,
        codes=TYDIQA,
    ),
    # Training splits that zero-shot transfer never trains on: larger than the development sets.
    EvaluationSet(
        name="tydiqa-unseen",
        family="span-qa",
        data=DatasetRef(
            "google-research-datasets/tydiqa", "secondary_task", "train", "tydiqa", "{language}"
        ),
        languages=_UNSEEN,
        headline="f1",
        rows=3_569,
        tokens=104,
        decoding=_QA,
        codes={code: TYDIQA[code] for code in _UNSEEN},
    ),
    # Mined in pools that no hub has: a manifest must name BUCC's own files. `rows` are the
    # sentences of both sides and both splits, recalled; `tokens` are those of zh and en.
    EvaluationSet(
        name="bucc2018",
        family="mining",
        data=DatasetRef("", "default", "test", "bucc"),
        languages=_BUCC,
        headline="f1",
        rows=732_600,
        tokens=26,
        decoding=_RETRIEVAL,
    ),
    # The gold pairs that the hub does have, found among themselves: no figure of XTREME's.
    EvaluationSet(
        name="bucc2018-pairs",
        family="retrieval",
        data=DatasetRef("google/xtreme", "bucc18.{language}", "test", "bucc-pairs"),
        languages=_BUCC,
        headline="accuracy",
        rows=8_750,
        tokens=42,
        decoding=_RETRIEVAL,
    ),
    EvaluationSet(
        name="tatoeba",
        family="retrieval",
        data=DatasetRef("google/xtreme", "tatoeba.{language}", "validation", "sentences"),
        languages=tuple(TATOEBA),
        headline="accuracy",
        rows=880,
        tokens=23,
        decoding=_RETRIEVAL,
        codes=TATOEBA,
    ),
)

_DEMO = (
    EvaluationSet(
        name="lookup-qa",
        family="span-qa",
        data=DatasetRef("xtl/cldr-lookup", "{language}", "validation", "squad"),
        languages=LOOKUP_LANGUAGES,
        headline="f1",
        rows=96,
        tokens=65,
        decoding=LOOKUP_DECODING,
    ),
    EvaluationSet(
        name="lookup-pairs",
        family="retrieval",
        data=DatasetRef("xtl/cldr-lookup", "pairs.{language}", "validation", "sentences"),
        languages=tuple(code for code in LOOKUP_LANGUAGES if code != "en"),
        headline="accuracy",
        rows=200,
        tokens=30,
        decoding=LOOKUP_DECODING,
    ),
)

EVALUATION_SETS: dict[str, EvaluationSet] = {
    entry.name: entry for entry in (*_XTREME, *DEVELOPMENT_SETS, *_DEMO)
}
