"""The English development sets of intermediate tasks, on which each can be a target by itself.

`rows` and `tokens` are as in `evaluation_sets`, but ANLI's tokens are measured on nine records a
round, and QQP's are those of its training set. Torch-free, plain data.
"""

from __future__ import annotations

from xtl.tasks.catalogue.recipes import PAIRS_LENGTH, QA_LENGTH
from xtl.tasks.entries import DatasetRef, EvaluationSet
from xtl.tasks.forms import DUPLICATE, FORMS, NLI, OWN_FORM
from xtl.tasks.settings import DecodingSettings

_SHORT = DecodingSettings(max_length=PAIRS_LENGTH)
_QA = DecodingSettings(max_length=QA_LENGTH)


def _development(
    name: str,
    data: DatasetRef,
    rows: int,
    tokens: float,
    decoding: DecodingSettings = _SHORT,
    headline: str = "accuracy",
    labels: tuple[str, ...] = (),
) -> EvaluationSet:
    """In English; of the family that the data's form is of."""
    family = FORMS[data.form].family
    return EvaluationSet(
        name, family, data, ("en",), headline, rows, tokens, decoding=decoding, labels=labels
    )


def _nli(name: str, data: DatasetRef, rows: int, tokens: float) -> EvaluationSet:
    return _development(name, data, rows, tokens, labels=NLI)


def _anli(number: int, rows: int, tokens: float) -> EvaluationSet:
    data = DatasetRef("facebook/anli", "plain_text", f"dev_r{number}", "nli")
    return _nli(f"anli-r{number}", data, rows, tokens)


_NO_TABLE = DatasetRef("", "default", "validation", f"{OWN_FORM}tagging")
"""No repo: what is read is the user's, by `evaluation_data`."""

DEVELOPMENT_SETS = (
    _nli("mnli-dev", DatasetRef("nyu-mll/glue", "mnli", "validation_matched", "nli"), 9_815, 46),
    _nli(
        "snli-dev",
        DatasetRef("stanfordnlp/snli", "plain_text", "validation", "nli"),
        rows=9_842,  # labelled ones, recalled
        tokens=34,
    ),
    _anli(1, 1_000, 96),
    _anli(2, 1_000, 93),
    _anli(3, 1_200, 126),
    _development(
        "qqp-dev",
        DatasetRef("nyu-mll/glue", "qqp", "validation", "qqp"),
        rows=40_430,  # recalled
        tokens=37,
        labels=DUPLICATE,
    ),
    _development(
        "squad-v2-dev",
        DatasetRef("rajpurkar/squad_v2", "squad_v2", "validation", "squad"),
        rows=11_873,
        tokens=215,
        decoding=_QA.model_copy(update={"scoring": "squad-v2"}),
        headline="f1",
    ),
    _development(
        "squad-v1.1-dev",
        DatasetRef("rajpurkar/squad", "plain_text", "validation", "squad"),
        rows=10_570,
        tokens=217,
        decoding=_QA,
        headline="f1",
    ),
    _development(
        "hellaswag-dev",
        DatasetRef("Rowan/hellaswag", "default", "validation", "hellaswag"),
        rows=10_042,
        tokens=215,
    ),
    _development(
        "cosmosqa-dev",
        DatasetRef("allenai/cosmos_qa", "default", "validation", "cosmosqa"),
        rows=2_985,
        tokens=470,
    ),
    _development(
        "commonsenseqa-dev",
        DatasetRef("tau/commonsense_qa", "default", "validation", "commonsenseqa"),
        rows=1_221,
        tokens=113,
    ),
    _development(
        "ccg-dev",
        _NO_TABLE,
        rows=1_913,  # recalled, of section 00
        tokens=30,  # not measured, as the task's are not
        headline="token_accuracy",
    ),
)
