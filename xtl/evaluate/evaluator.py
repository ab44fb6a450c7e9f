"""One checkpoint on one evaluation set, all languages in one pass of the model.

Every rank calls `evaluate`; each makes all features (cheap) and reads its share of the distinct
sequences; rank 0 gathers, decodes and scores.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from xtl.errors import UserError
from xtl.evaluate import checkpoint, forward
from xtl.evaluate.batches import distinct
from xtl.model.tokenizer import load_tokenizer
from xtl.sweep.shard import EvaluateSpec
from xtl.tasks.families import evaluable_family
from xtl.tasks.family import EvaluableFamily, Feature, Prediction, Row

if TYPE_CHECKING:
    import datasets

CONSTANT_SHARE = 0.95
"""A language is answered constantly if one text is given to at least this share of its rows."""


@dataclass(frozen=True)
class EvaluateJob:
    """`rows` by language; `checkpoint` is an artifact's folder or the public model's.

    `head_task` names the head to load where the family needs one; `batch_tokens` bounds the
    slots of a batch, padding included (on a CPU about 2,000 is quickest).
    """

    spec: EvaluateSpec
    rows: Mapping[str, datasets.Dataset]
    checkpoint: Path
    head_task: str | None
    batch_tokens: int


@dataclass(frozen=True)
class EvaluateOutcome:
    """Rank 0 has all of it; on other ranks metrics and predictions are empty.

    `metrics` is language → metric → percent; `useful_tokens` counts what was read, over all
    ranks, without padding; `degenerate`: in every language constant, or no better than chance.
    """

    seconds: float
    useful_tokens: int
    metrics: dict[str, dict[str, float]] = field(default_factory=dict)
    predictions: list[Prediction] = field(default_factory=list)
    degenerate: bool = False


def evaluate(
    job: EvaluateJob, progress: Callable[[int, int], None], stop_requested: Callable[[], bool]
) -> EvaluateOutcome | None:
    """Read, decode and score. Collective; raises UserError for rows or heads that are missing.

    None on every rank if one was asked to stop before all was read: nothing is kept then.
    """
    began = time.perf_counter()
    rows = _rows(job)
    kind = evaluable_family(job.spec.family)
    tokenizer = load_tokenizer(job.checkpoint)
    features = {
        language: kind.evaluate_features(rows[language], tokenizer, job.spec.decoding)
        for language in rows
    }
    sequences, which = distinct(
        [feature.input_ids for each in features.values() for feature in each]
    )
    reader = _reader(job, kind, tokenizer.pad_token_id)
    share = forward.read_share(reader, sequences, job.batch_tokens, progress, stop_requested)
    if share is None:
        return None
    outputs = forward.gathered(share, len(sequences))
    tokens = sum(len(one) for one in sequences)
    if outputs is None:
        return EvaluateOutcome(time.perf_counter() - began, tokens)
    answers = _answers(job, kind, rows, features, [outputs[place] for place in which])
    return EvaluateOutcome(
        seconds=time.perf_counter() - began,
        useful_tokens=tokens,
        metrics={language: kind.summarise(said) for language, said in answers.items()},
        predictions=[each for said in answers.values() for each in said],
        degenerate=all(degenerate(kind, said) for said in answers.values()),
    )


def degenerate(kind: EvaluableFamily, predictions: Sequence[Prediction]) -> bool:
    """Whether one language's answers are (almost) all the same, or no better than guessing."""
    _, commonest = Counter(said.text for said in predictions).most_common(1)[0]
    constant = len(predictions) > 1 and commonest >= CONSTANT_SHARE * len(predictions)
    return constant or kind.at_chance(predictions)


def _rows(job: EvaluateJob) -> dict[str, list[Row]]:
    """Plain rows of the spec's languages, in its order."""
    rows: dict[str, list[Row]] = {}
    for language in job.spec.languages:
        rows[language] = list(job.rows[language]) if language in job.rows else []
        if not rows[language]:
            raise UserError(f"{job.spec.set}: language {language} has no rows; expected some")
    return rows


def _reader(job: EvaluateJob, kind: EvaluableFamily, pad: int) -> forward.Reader:
    device = forward.device()
    encoder = checkpoint.load_encoder(job.checkpoint, kind, job.spec)
    hidden_size, head = encoder.config.hidden_size, None
    if kind.needs_head:
        head = checkpoint.load_head(job.checkpoint, job.spec, job.head_task, hidden_size)
        head.to(device)
    return forward.Reader(kind, nn.Module.to(encoder, device), head, pad, device)


def _answers(
    job: EvaluateJob,
    kind: EvaluableFamily,
    rows: Mapping[str, Sequence[Row]],
    features: Mapping[str, Sequence[Feature]],
    outputs: Sequence[forward.Floats],
) -> dict[str, list[Prediction]]:
    answers: dict[str, list[Prediction]] = {}
    start = 0
    for language, each in features.items():
        end = start + len(each)
        answers[language] = kind.predict(
            rows[language], each, outputs[start:end], language, job.spec.decoding
        )
        start = end
    return answers
