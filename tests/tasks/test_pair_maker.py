from __future__ import annotations

from transformers import PreTrainedTokenizerFast

from tests.tasks.choosing import pair
from tests.tasks.records import PARAGRAPHS
from xtl.tasks.family import Feature, FeatureSettings
from xtl.tasks.pair_maker import MAKER


def settings(max_length: int) -> FeatureSettings:
    return FeatureSettings(max_length=max_length, doc_stride=1)


def parts_of(feature: Feature) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The tokens of each sentence of `<s> … </s></s> … </s>`."""
    ids = feature.input_ids
    assert (ids[0], ids[-1]) == (0, 2)
    end = ids.index(2)
    assert ids[end : end + 2] == (2, 2)
    return ids[1:end], ids[end + 2 : -1]


def test_a_pair_is_coded_as_the_tokenizer_codes_it(tokenizer: PreTrainedTokenizerFast) -> None:
    first, second = PARAGRAPHS["ru"][0], PARAGRAPHS["bn"][0]
    (feature,) = MAKER.evaluate_features([pair(first, second)], tokenizer, settings(512))
    assert list(feature.input_ids) == tokenizer(first, second)["input_ids"]
    assert tuple(map(tokenizer.decode, map(list, parts_of(feature)))) == (first, second)


def test_training_adds_the_class_alone(tokenizer: PreTrainedTokenizerFast) -> None:
    rows = [pair("long river", "rises", 2), pair("near", "York", 0)]
    trained = MAKER.train_features(rows, tokenizer, settings(64))
    evaluated = MAKER.evaluate_features(rows, tokenizer, settings(64))
    assert [(each.example, each.labels) for each in trained] == [(0, (2,)), (1, (0,))]
    assert [each.input_ids for each in trained] == [each.input_ids for each in evaluated]
    assert not any(each.labels or each.offsets for each in evaluated)


def test_the_longer_sentence_is_cut_first(tokenizer: PreTrainedTokenizerFast) -> None:
    """Of 16 tokens 4 are special: a sentence of 3 tokens leaves 9 to the other."""
    long, short = PARAGRAPHS["en"][0], "in"
    rows = [pair(long, short), pair(short, long), pair(long, long)]
    features = MAKER.evaluate_features(rows, tokenizer, settings(16))
    lengths = [tuple(map(len, parts_of(feature))) for feature in features]
    assert lengths == [(9, 3), (3, 9), (6, 6)]
    whole, _ = parts_of(MAKER.evaluate_features([pair(long, "in")], tokenizer, settings(512))[0])
    assert parts_of(features[0])[0] == whole[:9]


def test_no_rows_give_no_features(tokenizer: PreTrainedTokenizerFast) -> None:
    assert MAKER.train_features([], tokenizer, settings(16)) == []
