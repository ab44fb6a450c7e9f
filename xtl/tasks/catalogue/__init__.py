"""The catalogue: every task, target and evaluation set by name, as plain data.

Adding a task of a known family is one entry in `tasks`; what is installed beside xtl may add more
(docs/extending.md). Torch-free. Settings are Phang et al.
2020's ("English Intermediate-Task Training Improves Zero-Shot Cross-Lingual Transfer Too") and
XTREME's (Hu et al. 2020, and its code); what was recalled rather than read says so beside it.
"""

from __future__ import annotations

from xtl.tasks.catalogue.evaluation_sets import EVALUATION_SETS as _SETS
from xtl.tasks.catalogue.evaluation_sets import LOOKUP_LANGUAGES
from xtl.tasks.catalogue.held_out import held_out
from xtl.tasks.catalogue.targets import TARGETS
from xtl.tasks.catalogue.tasks import TASKS
from xtl.tasks.extensions import installed, take_in
from xtl.tasks.offers import Catalogue

__all__ = [
    "EVALUATION_SETS",
    "LOOKUP_LANGUAGES",
    "METRICS",
    "NOTES",
    "TARGETS",
    "TASKS",
]

METRICS: dict[str, tuple[str, ...]] = {
    "span-qa": ("exact_match", "f1", "exact_match_unicode", "f1_unicode"),
    "sentence-pair": ("accuracy",),
    "multiple-choice": ("accuracy",),
    "tagging": ("f1", "token_accuracy"),  # f1 is of spans, as seqeval has it; XTREME's POS too
    "retrieval": ("accuracy", "accuracy_from_foreign"),
    "mining": ("f1", "precision", "recall"),
}
"""What an evaluation of each family yields for a language."""

take_in(installed(), Catalogue(TASKS, TARGETS, _SETS, METRICS))

EVALUATION_SETS = _SETS | held_out()

NOTES: dict[str, str] = {
    "xtl/cldr-lookup": "The data are generated, not written by people: questions about facts from "
    "Unicode's CLDR in short made-up paragraphs. They test look-up across languages, not reading.",
    "xtl/multilingual-e5-small-q4": "The encoder is a small relative of XLM-R (12 layers, hidden "
    "384, XLM-R's tokenizer) with weights rounded to 4 bits: its scores say nothing of XLM-R.",
}
"""What a reader of a report must know of a model or a data set, by repo."""
