"""One checkpoint on one evaluation set, all languages in one pass of the model.

Every rank calls `evaluate`; each maps the tokenised pools and reads its share of the distinct
sequences; rank 0 gathers, decodes and scores.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from xtl.data.subsets import Indices, sampled
from xtl.errors import UserError
from xtl.evaluate import checkpoint, forward
from xtl.evaluate.sequences import DistinctSequences
from xtl.model.device import device
from xtl.sweep.shard import EvaluateSpec
from xtl.tasks.families import evaluable_family
from xtl.tasks.family import Asked, EvaluableFamily, Prediction, Row
from xtl.tasks.pool_arrays import Features
from xtl.tasks.pools import Pool

CONSTANT_SHARE = 0.95
"""A language is answered constantly if one text is given to at least this share of its rows."""


@dataclass(frozen=True)
class EvaluateJob:
    """`rows` (a `datasets.Dataset` or a sequence) and their tokenised `pools`, by language: all
    rows of a pool, even where the spec's `held_out` chooses some. `checkpoint` is an artifact's
    folder or the public model's.

    `head_task` names the head to load where the family needs one; `batch_tokens` bounds the slots
    of a batch, padding included (on a CPU about 2,000 is quickest).
    """

    spec: EvaluateSpec
    rows: Mapping[str, Any]
    pools: Mapping[str, Pool]
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
    sets = {language: _set(job, language) for language in job.spec.languages}
    kind = evaluable_family(job.spec.family)
    sequences = DistinctSequences([each.features for each in sets.values()])
    reader, head_labels = _reader(job, kind)
    share = forward.read_share(reader, sequences, job.batch_tokens, progress, stop_requested)
    if share is None:
        return None
    outputs = forward.gathered(share, len(sequences))
    if outputs is None:
        return EvaluateOutcome(time.perf_counter() - began, sequences.tokens)
    asked = {
        language: Asked(language, job.spec.decoding, job.spec.labels, head_labels)
        for language in sets
    }
    answers = _answers(kind, sets, asked, [outputs[place] for place in sequences.which])
    return EvaluateOutcome(
        seconds=time.perf_counter() - began,
        useful_tokens=sequences.tokens,
        metrics={language: kind.summarise(said) for language, said in answers.items()},
        predictions=[each for said in answers.values() for each in said],
        degenerate=all(
            degenerate(kind, sets[language].rows, said, asked[language])
            for language, said in answers.items()
        ),
    )


def degenerate(
    kind: EvaluableFamily, rows: Sequence[Row], predictions: Sequence[Prediction], asked: Asked
) -> bool:
    """Whether one language's answers are (almost) all the same, or no better than guessing."""
    _, commonest = Counter(said.text for said in predictions).most_common(1)[0]
    constant = len(predictions) > 1 and commonest >= CONSTANT_SHARE * len(predictions)
    return constant or kind.at_chance(rows, predictions, asked)


def asked_places(spec: EvaluateSpec, pool: Pool) -> Indices | None:
    """The places, in a language's rows, of those that the spec asks; None: all, in their order."""
    held = spec.held_out
    if held is not None:
        return pool.held_out_after(held.after, held.subset_seed, held.subset)
    if spec.examples is not None and spec.examples < pool.rows:
        return sampled(pool.rows, spec.examples)
    return None


@dataclass(frozen=True)
class _Set:
    """What one language is asked: plain rows, and the windows of each."""

    rows: Sequence[Row]
    features: Features


def _set(job: EvaluateJob, language: str) -> _Set:
    """All rows of the language, or those that the spec's training has not seen."""
    name, given = job.spec.set, job.rows.get(language, ())
    if not len(given):
        raise UserError(f"{name}: language {language} has no rows; expected some")
    pool = job.pools[language]
    if len(given) != pool.rows:
        raise UserError(
            f"{name}: {language}: found {len(given):,} rows, expected the {pool.rows:,} that were "
            "tokenised: run `xtl prepare`"
        )
    places = asked_places(job.spec, pool)
    if places is None:
        return _Set(_plain(given), pool.features())
    if not len(places):
        raise UserError(f"{name}: {language}: found no row that the training has not seen")
    taken = given.select(places) if hasattr(given, "select") else [given[k] for k in places]
    return _Set(_plain(taken), pool.features(places))


def _plain(rows: Any) -> list[Row]:
    """At once: a data set hands over single rows a hundred times slower."""
    return list(rows.to_list() if hasattr(rows, "to_list") else rows)


def _reader(job: EvaluateJob, kind: EvaluableFamily) -> tuple[forward.Reader, tuple[str, ...]]:
    """What reads sequences, and the names of its head's classes."""
    where = device()
    encoder = checkpoint.load_encoder(job.checkpoint, kind, job.spec)
    hidden_size, head = encoder.config.hidden_size, None
    labels: tuple[str, ...] = ()
    if kind.needs_head:
        head, labels = checkpoint.load_head(job.checkpoint, job.spec, job.head_task, hidden_size)
        require_classes(job.spec, labels)
        head.to(where)
    pad = next(iter(job.pools.values())).pad
    return forward.Reader(kind, nn.Module.to(encoder, where), head, pad, where), labels


def require_classes(spec: EvaluateSpec, head_labels: tuple[str, ...]) -> None:
    """UserError where a head chooses among other classes than the set has names for."""
    if spec.family == "sentence-pair" and spec.labels and spec.labels != head_labels:
        raise UserError(
            f"{spec.set}: found a head for {', '.join(head_labels)}, expected one for "
            f"{', '.join(spec.labels)}"
        )


def _answers(
    kind: EvaluableFamily,
    sets: Mapping[str, _Set],
    asked: Mapping[str, Asked],
    outputs: Sequence[forward.Floats],
) -> dict[str, list[Prediction]]:
    answers: dict[str, list[Prediction]] = {}
    start = 0
    for language, given in sets.items():
        end = start + len(given.features)
        answers[language] = kind.predict(
            given.rows, given.features, outputs[start:end], asked[language]
        )
        start = end
    return answers
