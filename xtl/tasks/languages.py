"""Languages: English name, script, and how much text the encoder's pre-training had. Torch-free.

The sizes are CC-100's, in GiB of text (Conneau et al. 2020, "Unsupervised Cross-lingual
Representation Learning at Scale", appendix A), which XLM-R was trained on. Sizes in tokens are
not used: counts of white-space tokens mean nothing for Chinese, Japanese or Thai.
"""

from __future__ import annotations

from dataclasses import dataclass

from xtl.errors import UserError

LOW_RESOURCE_GIB = 10.0
"""Below this a language is low-resource here: of XTREME's QA languages that is sw, te and bn."""


@dataclass(frozen=True)
class Language:
    """`cc100_gib` is None where CC-100 has no text of the language at all."""

    code: str
    name: str
    script: str
    cc100_gib: float | None

    @property
    def low_resource(self) -> bool:
        return self.cc100_gib is None or self.cc100_gib < LOW_RESOURCE_GIB


LANGUAGES: dict[str, Language] = {
    entry.code: entry
    for entry in (
        Language("af", "Afrikaans", "Latin", 1.3),
        Language("ar", "Arabic", "Arabic", 28.0),
        Language("bg", "Bulgarian", "Cyrillic", 57.5),
        Language("bn", "Bengali", "Bengali", 8.4),
        Language("de", "German", "Latin", 66.6),
        Language("el", "Greek", "Greek", 46.9),
        Language("en", "English", "Latin", 300.8),
        Language("es", "Spanish", "Latin", 53.3),
        Language("et", "Estonian", "Latin", 6.1),
        Language("eu", "Basque", "Latin", 2.0),
        Language("fa", "Persian", "Arabic", 111.6),
        Language("fi", "Finnish", "Latin", 54.3),
        Language("fr", "French", "Latin", 56.8),
        Language("he", "Hebrew", "Hebrew", 31.6),
        Language("hi", "Hindi", "Devanagari", 20.2),
        Language("hu", "Hungarian", "Latin", 58.4),
        Language("id", "Indonesian", "Latin", 148.3),
        Language("it", "Italian", "Latin", 30.2),
        Language("ja", "Japanese", "Japanese", 69.3),
        Language("jv", "Javanese", "Latin", 0.2),
        Language("ka", "Georgian", "Georgian", 9.1),
        Language("kk", "Kazakh", "Cyrillic", 6.4),
        Language("ko", "Korean", "Hangul", 54.2),
        Language("ml", "Malayalam", "Malayalam", 7.6),
        Language("mr", "Marathi", "Devanagari", 2.8),
        Language("ms", "Malay", "Latin", 8.5),
        Language("my", "Burmese", "Burmese", 1.6),
        Language("nl", "Dutch", "Latin", 29.3),
        Language("pt", "Portuguese", "Latin", 49.1),
        # Not an XTREME language, but XQuAD's own data set has it; its size is recalled, unchecked.
        Language("ro", "Romanian", "Latin", 61.4),
        Language("ru", "Russian", "Cyrillic", 278.0),
        Language("sw", "Swahili", "Latin", 1.6),
        Language("ta", "Tamil", "Tamil", 12.2),
        Language("te", "Telugu", "Telugu", 4.7),
        Language("th", "Thai", "Thai", 71.7),
        Language("tl", "Tagalog", "Latin", 3.1),
        Language("tr", "Turkish", "Latin", 20.9),
        Language("ur", "Urdu", "Arabic", 5.7),
        Language("vi", "Vietnamese", "Latin", 137.3),
        Language("yo", "Yoruba", "Latin", None),
        Language("zh", "Chinese", "Han", 46.9),
    )
}


def language(code: str) -> Language:
    """The language of an ISO 639-1 code. Raises UserError for one that is not in the table."""
    if code not in LANGUAGES:
        raise UserError(f"language {code!r} is unknown; expected one of {', '.join(LANGUAGES)}")
    return LANGUAGES[code]


def low_resource(code: str) -> bool:
    """Whether CC-100 has under 10 GiB of the language, or none."""
    return language(code).low_resource
