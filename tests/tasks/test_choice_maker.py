from __future__ import annotations

from transformers import PreTrainedTokenizerFast

from tests.tasks.choosing import choosing
from tests.tasks.records import PARAGRAPHS
from xtl.tasks.choice_maker import MAKER
from xtl.tasks.family import FeatureSettings

PROMPT = PARAGRAPHS["en"][0]


def settings(max_length: int) -> FeatureSettings:
    return FeatureSettings(max_length=max_length, doc_stride=1)


def test_each_choice_is_coded_alone_with_its_prompt(tokenizer: PreTrainedTokenizerFast) -> None:
    rows = [choosing(PROMPT, "1998", "York", "52"), choosing("长江", "青海", "东海", label=1)]
    features = MAKER.evaluate_features(rows, tokenizer, settings(512))
    assert [(each.example, each.part) for each in features] == [
        (0, 0), (0, 1), (0, 2), (1, 0), (1, 1),
    ]  # fmt: skip
    for each in features:
        row = rows[each.example]
        coded = tokenizer(row["prompt"], row["choices"][each.part])
        assert list(each.input_ids) == coded["input_ids"]


def test_training_says_which_choice_it_is_and_whether_it_is_right(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    rows = [choosing(PROMPT, "1998", "York", "52", label=2), choosing("a", "b", "c", label=0)]
    features = MAKER.train_features(rows, tokenizer, settings(64))
    labels = [each.labels for each in features]
    assert labels == [(0, 0), (1, 0), (2, 1), (0, 1), (1, 0)]
    assert [each.part for each in features] == [number for number, _ in labels]


def test_the_prompt_is_cut_and_the_choice_is_not_even_where_it_is_longer(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    choice = "rises near York in 1998"
    (feature,) = MAKER.evaluate_features([choosing(PROMPT, choice)], tokenizer, settings(24))
    own = tokenizer(PROMPT, choice, truncation="only_first", max_length=24)["input_ids"]
    alone = tokenizer(choice, add_special_tokens=False)["input_ids"]
    assert list(feature.input_ids) == own
    assert len(own) == 24
    assert len(alone) > 10
    assert feature.input_ids[-1 - len(alone) : -1] == tuple(alone)


def test_a_choice_that_leaves_no_room_is_cut_itself(tokenizer: PreTrainedTokenizerFast) -> None:
    (feature,) = MAKER.evaluate_features([choosing("in", PROMPT)], tokenizer, settings(16))
    alone = tokenizer(PROMPT, add_special_tokens=False)["input_ids"]
    assert feature.input_ids == (0, 2, 2, *alone[:12], 2)


def test_no_rows_give_no_features(tokenizer: PreTrainedTokenizerFast) -> None:
    assert MAKER.train_features([], tokenizer, settings(16)) == []
