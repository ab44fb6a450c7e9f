"""Every word of real records, through the tokenizer and back: tagged once, and rightly if the head
says so."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerFast

from xtl.tasks.catalogue.evaluation_sets import TREEBANKS, XTREME_LANGUAGES
from xtl.tasks.entries import DatasetRef
from xtl.tasks.family import Asked, Feature, FeatureSettings
from xtl.tasks.forms import NAMES, UPOS
from xtl.tasks.settings import DecodingSettings
from xtl.tasks.tables import read_table
from xtl.tasks.tag_maker import MAKER, NO_WORD
from xtl.tasks.tagging import FAMILY

DATED = (*NAMES, "B-DATE", "I-DATE")
SPLITS = ("test", "validation", "train")


def rows_of(
    hub: Path, repo: str, config: str, form: str, labels: tuple[str, ...], most: int | None = None
) -> list[dict[str, Any]]:
    """All rows, or the first, of the first of SPLITS that is there."""
    folder = hub / repo
    split = next((name for name in SPLITS if list((folder / config).glob(f"{name}-*"))), None)
    if split is None:
        pytest.skip(f"{folder / config} is not there")
    rows: list[dict[str, Any]] = read_table(
        folder, DatasetRef(repo, config, split, form), labels
    ).rows.to_list()
    return rows[:most]


def gold_outputs(feature: Feature, tags: list[str], labels: tuple[str, ...]) -> NDArray[np.float32]:
    """The right tag at first pieces, the last one everywhere else."""
    output = np.full((len(feature.input_ids), 2), len(labels) - 1, dtype=np.float32)
    for place, offset in enumerate(feature.offsets):
        if offset != NO_WORD:
            output[place, 0] = labels.index(tags[offset[0]])
    return output


def come_back(
    rows: list[dict[str, Any]],
    labels: tuple[str, ...],
    tokenizer: PreTrainedTokenizerFast,
    length: int,
) -> None:
    settings = FeatureSettings(max_length=length, doc_stride=128, labels=labels)
    features = MAKER.evaluate_features(rows, tokenizer, settings)
    assert max(len(feature.input_ids) for feature in features) <= length
    words = Counter(
        (feature.example, at[0]) for feature in features for at in feature.offsets if at != NO_WORD
    )
    assert words == Counter((k, n) for k, row in enumerate(rows) for n in range(len(row["tokens"])))
    trained = MAKER.train_features(rows, tokenizer, settings)
    assert sum(map(FAMILY.targets, trained)) == len(words)
    outputs = [gold_outputs(each, rows[each.example]["tags"], labels) for each in features]
    asked = Asked("xx", DecodingSettings(max_length=length), labels, labels)
    said = FAMILY.predict(rows, features, outputs, asked)
    assert [each.text.split() for each in said] == [row["tags"] for row in rows]
    assert FAMILY.summarise(said)["token_accuracy"] == 100
    chunks = any(tag != "O" for row in rows for tag in row["tags"])
    assert FAMILY.summarise(said)["f1"] == (100 if chunks else 0)


@pytest.mark.slow
@pytest.mark.parametrize("language", TREEBANKS)
def test_every_word_of_a_treebank_is_tagged_once(
    language: str, hub: Path, xlmr_tokenizer: PreTrainedTokenizerFast
) -> None:
    rows = rows_of(hub, "google/xtreme", f"udpos.{TREEBANKS[language]}", "udpos", UPOS)
    come_back(rows, UPOS, xlmr_tokenizer, 256)


@pytest.mark.parametrize("language", ["ar", "en", "ja", "ta", "th", "vi", "zh"])
def test_no_word_is_lost_where_sentences_are_cut(
    language: str, hub: Path, xlmr_tokenizer: PreTrainedTokenizerFast
) -> None:
    rows = rows_of(hub, "google/xtreme", f"udpos.{TREEBANKS[language]}", "udpos", UPOS, most=100)
    come_back(rows, UPOS, xlmr_tokenizer, 16)


@pytest.mark.parametrize("language", XTREME_LANGUAGES)
def test_every_word_of_pan_x_is_tagged_once(
    language: str, hub: Path, xlmr_tokenizer: PreTrainedTokenizerFast
) -> None:
    rows = rows_of(hub, "google/xtreme", f"PAN-X.{language}", "panx", NAMES)
    come_back(rows, NAMES, xlmr_tokenizer, 128)


@pytest.mark.parametrize("language", ["swa", "yor"])
def test_every_word_of_african_news_is_tagged_once(
    language: str, hub: Path, xlmr_tokenizer: PreTrainedTokenizerFast
) -> None:
    rows = rows_of(hub, "masakhane/masakhaner2", language, "masakhaner", DATED, most=300)
    come_back(rows, DATED, xlmr_tokenizer, 64)
