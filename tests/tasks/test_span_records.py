"""Gold answers of real records, through the tokenizer and back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet
from transformers import PreTrainedTokenizerFast

from xtl.tasks.span_features import first_answer, golds, tokenise_contexts

XQUAD = "google-research-datasets/xquad/xquad.{}"
TYDIQA = "google-research-datasets/tydiqa/secondary_task"


def records(hub: Path, config: str, split: str, limit: int) -> list[dict[str, Any]]:
    (file,) = (hub / config).glob(f"{split}-*.parquet")
    rows: list[dict[str, Any]] = parquet.read_table(file).slice(0, limit).to_pylist()
    return rows


def round_trips(
    rows: list[dict[str, Any]], tokenizer: PreTrainedTokenizerFast
) -> Iterator[tuple[str, str, str]]:
    """(id, gold answer, what its tokens cover) of every row with an answer."""
    contexts = tokenise_contexts([row["context"] for row in rows], tokenizer)
    for row in rows:
        if not golds(row):
            continue
        answer = first_answer(row)
        assert answer is not None, row["id"]
        context = contexts[row["context"]]
        span = context.tokens_of(answer.start, answer.end)
        assert span is not None, row["id"]
        start, end = context.offsets[span[0]][0], context.offsets[span[1]][1]
        yield row["id"], golds(row)[0].strip(), context.text[start:end]


@pytest.mark.parametrize(
    "language", ["ar", "de", "el", "en", "es", "hi", "ro", "ru", "th", "tr", "vi", "zh"]
)
def test_xquads_answers_come_back_whole_or_with_the_rest_of_a_token(
    language: str, hub: Path, xlmr_tokenizer: PreTrainedTokenizerFast
) -> None:
    """A piece such as `).` cannot be cut: the answer comes back with at most a few neighbours."""
    rows = records(hub, XQUAD.format(language), "validation", limit=400)
    inexact = [(gold, got) for _, gold, got in round_trips(rows, xlmr_tokenizer) if gold != got]
    assert all(gold in got and len(got) - len(gold) <= 12 for gold, got in inexact), inexact
    assert len(inexact) <= 0.05 * len(rows)


@pytest.mark.slow
def test_tydiqas_wrong_starts_are_mended(
    hub: Path, xlmr_tokenizer: PreTrainedTokenizerFast
) -> None:
    rows = records(hub, TYDIQA, "validation", limit=5077)
    answers = [first_answer(row) for row in rows]
    assert sum(answer is not None and answer.repaired for answer in answers) == 1283
    assert all(gold in got for _, gold, got in round_trips(rows, xlmr_tokenizer))
