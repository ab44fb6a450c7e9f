"""Gold answers of real records: perfect scores, decoded, give the gold strings back.

Not all can come back. An answer may begin or end inside a piece of XLM-R's tokenizer, or with a
character that no piece has, or have more pieces than decoding allows: what is out of reach is told
from the tokenizer's own offsets, record by record, and counted by set and language.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerFast

from xtl.tasks.catalogue.evaluation_sets import TYDIQA
from xtl.tasks.entries import DatasetRef
from xtl.tasks.family import Asked, Feature, FeatureSettings, Row
from xtl.tasks.settings import DecodingSettings
from xtl.tasks.span_features import first_answer, golds
from xtl.tasks.span_maker import MAKER
from xtl.tasks.span_qa import FAMILY
from xtl.tasks.tables import read_table

pytestmark = pytest.mark.slow

DECODING = DecodingSettings()
SETTINGS = FeatureSettings.of(DECODING)
Piece = tuple[int, int]

JOINED = "begins or ends inside a piece"
DROPPED = "begins or ends with a character that no piece has"
LONG = "has more pieces than decoding allows"

SETS = {
    "xquad": DatasetRef(
        "google-research-datasets/xquad", "xquad.{language}", "validation", "squad"
    ),
    "mlqa": DatasetRef("facebook/mlqa", "mlqa.{language}.{language}", "validation", "squad"),
    "tydiqa": DatasetRef(
        "google-research-datasets/tydiqa", "secondary_task", "validation", "tydiqa", "{language}"
    ),
    "squad": DatasetRef("rajpurkar/squad", "plain_text", "validation", "squad"),
    "squad-v2": DatasetRef("rajpurkar/squad_v2", "squad_v2", "validation", "squad"),
    "squad-minus-xquad": DatasetRef("xtl/squad-dev-minus-xquad", "plain_text", "train", "squad"),
}

# Set and language: records, and those out of reach: JOINED, DROPPED, LONG.
COUNTS = {
    ("xquad", "ar"): (1190, 36, 0, 4), ("xquad", "de"): (1190, 25, 0, 6),
    ("xquad", "el"): (1190, 49, 0, 10), ("xquad", "en"): (1190, 37, 0, 0),
    ("xquad", "es"): (1190, 48, 0, 3), ("xquad", "hi"): (1190, 12, 0, 8),
    ("xquad", "ro"): (1190, 46, 0, 6), ("xquad", "ru"): (1190, 47, 0, 5),
    ("xquad", "th"): (1190, 19, 0, 6), ("xquad", "tr"): (1190, 14, 0, 2),
    ("xquad", "vi"): (1190, 53, 0, 5), ("xquad", "zh"): (1190, 17, 0, 3),
    ("mlqa", "ar"): (517, 33, 0, 11), ("mlqa", "de"): (512, 8, 0, 7),
    ("mlqa", "en"): (1148, 57, 0, 7), ("mlqa", "es"): (500, 17, 10, 10),
    ("mlqa", "hi"): (507, 1, 0, 8), ("mlqa", "vi"): (511, 24, 0, 3),
    ("mlqa", "zh"): (504, 26, 0, 13), ("tydiqa", "ar"): (921, 48, 0, 77),
    ("tydiqa", "bn"): (113, 4, 0, 0), ("tydiqa", "en"): (440, 32, 0, 19),
    ("tydiqa", "fi"): (782, 81, 0, 65), ("tydiqa", "id"): (565, 33, 0, 22),
    ("tydiqa", "ko"): (276, 30, 0, 9), ("tydiqa", "ru"): (812, 43, 0, 34),
    ("tydiqa", "sw"): (499, 52, 0, 3), ("tydiqa", "te"): (669, 147, 0, 3),
    ("squad", "en"): (2910, 72, 0, 14), ("squad-v2", "en"): (6078, 72, 0, 14),
    ("squad-minus-xquad", "en"): (2575, 62, 0, 13),
}  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """Records of one set and language, by id: those whose answer came back as another string, and
    those out of reach, with the reason."""

    place: tuple[str, str]
    records: int
    inexact: list[str]
    out_of_reach: dict[str, str]


@pytest.fixture(scope="module", params=COUNTS, ids="-".join)
def outcome(
    request: pytest.FixtureRequest, hub: Path, xlmr_tokenizer: PreTrainedTokenizerFast
) -> Outcome:
    name, language = request.param
    rows = rows_of(hub, name, language)
    said = decoded(rows, language, xlmr_tokenizer)
    pairs = list(zip(rows, said, strict=True))
    return Outcome(
        request.param,
        len(rows),
        [row["id"] for row, text in pairs if text != gold(row)],
        unreachable(rows, xlmr_tokenizer),
    )


def test_every_gold_answer_in_reach_is_decoded_to_the_letter(outcome: Outcome) -> None:
    assert outcome.inexact == list(outcome.out_of_reach)


def test_answers_out_of_reach_are_this_many(outcome: Outcome) -> None:
    why = Counter(outcome.out_of_reach.values())
    found = (outcome.records, *(why[reason] for reason in (JOINED, DROPPED, LONG)))
    assert found == COUNTS[outcome.place]


def rows_of(hub: Path, name: str, language: str) -> list[Row]:
    ref = SETS[name].of(TYDIQA[language] if name == "tydiqa" else language)
    return list(read_table(hub / ref.repo, ref).rows)


def gold(row: Row) -> str:
    """The first answer, stripped; nothing where there is none."""
    return golds(row)[0].strip() if golds(row) else ""


def decoded(rows: Sequence[Row], language: str, tokenizer: PreTrainedTokenizerFast) -> list[str]:
    """What the family answers where each window's scores are high at its labels."""
    labelled = MAKER.train_features(rows, tokenizer, SETTINGS)
    windows = MAKER.evaluate_features(rows, tokenizer, SETTINGS)
    assert [each.input_ids for each in labelled] == [each.input_ids for each in windows]
    scores = [perfect(each) for each in labelled]
    said = FAMILY.predict(rows, windows, scores, Asked(language, DECODING))
    return [each.text for each in said]


def perfect(window: Feature) -> NDArray[np.float32]:
    scores = np.zeros((len(window.input_ids), 2), dtype=np.float32)
    scores[list(window.labels), [0, 1]] = 9
    return scores


def unreachable(rows: Sequence[Row], tokenizer: PreTrainedTokenizerFast) -> dict[str, str]:
    """The reason for each record, by id, whose first answer no pieces make up."""
    pieces = {text: pieces_of(text, tokenizer) for text in {row["context"] for row in rows}}
    reasons = {row["id"]: reason(row, pieces) for row in rows if golds(row)}
    return {name: why for name, why in reasons.items() if why}


def pieces_of(text: str, tokenizer: PreTrainedTokenizerFast) -> list[Piece]:
    """Where each piece stands, without the white space around it: a space's is empty."""
    coded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    space = tokenizer.convert_tokens_to_ids("▁")
    named = zip(coded["input_ids"], coded["offset_mapping"], strict=True)
    return [(0, 0) if token == space else bare(text, *place) for token, place in named]


def bare(text: str, start: int, end: int) -> Piece:
    inner = text[start:end]
    return start + len(inner) - len(inner.lstrip()), start + len(inner.rstrip())


def reason(row: Row, pieces: Mapping[str, Sequence[Piece]]) -> str:
    """Why the row's first answer is out of reach; nothing where it is not."""
    answer, places = first_answer(row), pieces[row["context"]]
    assert answer is not None, row["id"]
    inside = [
        k
        for k, (start, end) in enumerate(places)
        if max(start, answer.start) < min(end, answer.end)
    ]
    (start, _), (_, end) = places[inside[0]], places[inside[-1]]
    if start > answer.start or end < answer.end:
        return DROPPED
    if (start, end) != (answer.start, answer.end):
        return JOINED
    return LONG if inside[-1] - inside[0] + 1 > DECODING.max_answer_tokens else ""
