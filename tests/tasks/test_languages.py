from __future__ import annotations

import subprocess
import sys

import pytest

from xtl.errors import UserError
from xtl.tasks.catalogue import EVALUATION_SETS
from xtl.tasks.families import MODULES, evaluable_family, family, trainable_family
from xtl.tasks.languages import LANGUAGES, language, low_resource

XTREME_QA = {
    "ar", "bn", "de", "el", "en", "es", "fi", "hi", "id", "ko", "ru", "sw", "te", "th", "tr", "vi",
    "zh",
}  # fmt: skip
XTREME = XTREME_QA | {
    "af", "bg", "et", "eu", "fa", "fr", "he", "hu", "it", "ja", "jv", "ka", "kk", "ml", "mr", "ms",
    "my", "nl", "pt", "ta", "tl", "ur", "yo",
}  # fmt: skip


def test_every_language_of_xtreme_is_known() -> None:
    assert len(XTREME) == 40
    assert set(LANGUAGES) >= XTREME


def test_every_language_that_is_evaluated_is_known() -> None:
    for entry in EVALUATION_SETS.values():
        assert set(entry.languages) <= set(LANGUAGES)


def test_of_the_qa_languages_swahili_telugu_and_bengali_are_low_resource() -> None:
    assert {code for code in XTREME_QA if low_resource(code)} == {"sw", "te", "bn"}


def test_a_language_that_the_encoder_never_saw_is_low_resource() -> None:
    assert language("yo").cc100_gib is None
    assert low_resource("yo")


def test_an_unknown_language_is_one_clear_line() -> None:
    with pytest.raises(UserError, match=r"language 'xx' is unknown; expected one of af, ar"):
        language("xx")


@pytest.mark.parametrize("name", MODULES)
def test_every_family_of_the_catalogue_can_be_found(name: str) -> None:
    either = trainable_family if name == "masked-lm" else evaluable_family
    assert either(name) is family(name)


def test_retrieval_cannot_be_trained_on() -> None:
    assert trainable_family("span-qa") is family("span-qa")
    with pytest.raises(UserError, match="'retrieval' cannot be trained on"):
        trainable_family("retrieval")


def test_an_unknown_family_is_one_clear_line() -> None:
    with pytest.raises(UserError, match="family 'reading' is unknown; expected one of span-qa"):
        family("reading")


def test_what_a_login_node_reads_imports_no_torch() -> None:
    modules = "xtl.tasks.catalogue, xtl.tasks.languages, xtl.tasks.families, xtl.tasks.family"
    program = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
