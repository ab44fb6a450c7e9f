from __future__ import annotations

import subprocess
import sys

import pytest
from transformers import PreTrainedTokenizerFast

from tests.tasks.records import PARAGRAPHS
from xtl.errors import UserError
from xtl.tasks.family import Feature, FeatureSettings
from xtl.tasks.text_maker import MAKER

SETTINGS = FeatureSettings(max_length=16, doc_stride=8)


def windows_of(tokenizer: PreTrainedTokenizerFast, *texts: str) -> list[Feature]:
    return MAKER.train_features([{"text": text} for text in texts], tokenizer, SETTINGS)


def test_a_text_that_fits_is_one_window_as_the_tokenizer_makes_it(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    (window,) = windows_of(tokenizer, "York is long")
    assert window.input_ids == tuple(tokenizer("York is long")["input_ids"])
    assert (window.labels, window.offsets) == ((), ())


@pytest.mark.parametrize("language", PARAGRAPHS)
def test_a_long_text_is_cut_and_no_token_is_lost_or_seen_twice(
    language: str, tokenizer: PreTrainedTokenizerFast
) -> None:
    text = PARAGRAPHS[language][0]
    windows = windows_of(tokenizer, text)
    assert len(windows) > 1
    assert {(window.input_ids[0], window.input_ids[-1]) for window in windows} == {(0, 2)}
    assert [len(window.input_ids) for window in windows[:-1]] == [16] * (len(windows) - 1)
    assert len(windows[-1].input_ids) <= 16
    whole = [token for window in windows for token in window.input_ids[1:-1]]
    assert whole == tokenizer(text, add_special_tokens=False)["input_ids"]


def test_a_text_that_just_fits_is_not_cut(tokenizer: PreTrainedTokenizerFast) -> None:
    room = SETTINGS.max_length - 2
    assert len(windows_of(tokenizer, "is " * room)) == 1
    assert [len(each.input_ids) for each in windows_of(tokenizer, "is " * (room + 1))] == [16, 3]


def test_a_texts_windows_are_its_own_whatever_stands_beside_it(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    texts = [context for context, _ in PARAGRAPHS.values()]
    together = windows_of(tokenizer, *texts)
    for place, text in enumerate(texts):
        ids = [each.input_ids for each in together if each.example == place]
        assert ids == [each.input_ids for each in windows_of(tokenizer, text)]


@pytest.mark.parametrize("text", ["", "  \n", "<unk><unk>"])
def test_a_text_in_which_nothing_can_be_masked_gives_no_window(
    text: str, tokenizer: PreTrainedTokenizerFast
) -> None:
    windows = windows_of(tokenizer, text, "York", text)
    assert [each.example for each in windows] == [1]


def test_no_texts_give_no_windows(tokenizer: PreTrainedTokenizerFast) -> None:
    assert windows_of(tokenizer) == []


def test_nothing_can_be_evaluated_on_text(tokenizer: PreTrainedTokenizerFast) -> None:
    with pytest.raises(UserError, match="'masked-lm' cannot be evaluated on"):
        MAKER.evaluate_features([{"text": "York"}], tokenizer, SETTINGS)


@pytest.mark.parametrize("module", ["xtl.tasks.text_maker", "xtl.tasks.lm_weights"])
def test_what_prepare_needs_imports_no_torch(module: str) -> None:
    program = f"import sys, {module}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.strip() == b"False"
