"""How a data set's rows become a family's: one form for each layout. Plain data, torch-free.

Adding a data set of a known family is one entry in `FORMS`, if its layout is new, and one line in
`LAYOUTS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from xtl.errors import UserError
from xtl.tasks import mining_rows, repairs

if TYPE_CHECKING:
    from xtl.tasks.repairs import Repair

Row = Mapping[str, Any]

NLI = ("entailment", "neutral", "contradiction")
PARAPHRASE = ("different", "paraphrase")
DUPLICATE = ("not_duplicate", "duplicate")
UPOS = (
    "ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM", "PART", "PRON", "PROPN",
    "PUNCT", "SCONJ", "SYM", "VERB", "X",
)  # fmt: skip
NAMES = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC")


@dataclass(frozen=True)
class Form:
    """A layout: where each canonical column of the family comes from.

    `columns` maps canonical columns to the set's; a canonical one that is not in it has its own
    name. `labels` are the names of class or tag numbers, in the set's order, for files that do
    not carry them. `row` makes the canonical columns that it returns out of a whole row. `id` is
    the column of names that are unique in a table, for families whose schema has none. `part` is
    the column whose values, up to `until` if that is set, tell the languages of a table apart.
    `pools` are the configs with the foreign and the English sentences of a table of gold pairs.
    `lacking` is said where a table has not the family's columns, and cannot have; `bring` where
    a set in this form has no place in any hub, and the manifest names none.
    """

    family: str
    columns: Mapping[str, str] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    row: Callable[[Row], dict[str, Any]] | None = None
    id: str = ""
    part: str = ""
    until: str = ""
    pools: tuple[str, str] | None = None
    lacking: str = ""
    bring: str = ""
    repairs: tuple[Repair, ...] = ()

    def source(self, column: str) -> str:
        return self.columns.get(column, column)


def _hellaswag(row: Row) -> dict[str, Any]:
    begun = row["ctx_b"] + " "
    return {
        "prompt": row["ctx_a"],
        "choices": [(begun + ending).strip() for ending in row["endings"]],
    }


def _cosmos(row: Row) -> dict[str, Any]:
    return {
        "prompt": row["context"] + " " + row["question"],
        "choices": [row[f"answer{number}"] for number in range(4)],
    }


def _commonsense(row: Row) -> dict[str, Any]:
    """The letter of the answer becomes its place; one that is no choice's stays as it is."""
    letters, key = list(row["choices"]["label"]), row["answerKey"]
    return {
        "prompt": row["question"],
        "choices": row["choices"]["text"],
        "label": str(letters.index(key)) if key in letters else key,
    }


OWN_FORM = "own:"
"""Before a family's name: the form of rows that have the canonical columns already."""

_BUCC_FILES = (
    "BUCC 2018's own files (`evaluation_data: "
    '{bucc2018: {path: "bucc2018/{language}-en", format: bucc}}`, docs/own-data.md); '
    "bucc2018-pairs takes the pairs alone, for a figure that is not XTREME's"
)
_NO_POOLS = f"found gold pairs alone, no pools to mine them in, expected {_BUCC_FILES}"

_PREMISE = {"sentence1": "premise", "sentence2": "hypothesis"}
_QUESTIONS = {"sentence1": "question1", "sentence2": "question2"}
_MASAKHANE = (*NAMES, "B-DATE", "I-DATE")

FORMS: dict[str, Form] = {
    "squad": Form("span-qa", repairs=(repairs.answers,)),
    "tydiqa": Form("span-qa", part="id", until="-", repairs=(repairs.answers,)),
    "nli": Form("sentence-pair", _PREMISE, NLI),
    "xtreme-xnli": Form("sentence-pair", {"label": "gold_label"}, NLI, part="language"),
    "qqp": Form("sentence-pair", _QUESTIONS, DUPLICATE),
    "paws-x": Form("sentence-pair", labels=PARAPHRASE),
    "hellaswag": Form("multiple-choice", row=_hellaswag),
    "cosmosqa": Form("multiple-choice", row=_cosmos, id="id"),
    "commonsenseqa": Form("multiple-choice", row=_commonsense, id="id"),
    "udpos": Form(
        "tagging", {"tags": "pos_tags"}, UPOS, repairs=(repairs.treebanks, repairs.tokens)
    ),
    "panx": Form("tagging", {"tags": "ner_tags"}, NAMES, repairs=(repairs.tokens,)),
    "masakhaner": Form("tagging", {"tags": "ner_tags"}, _MASAKHANE, repairs=(repairs.tokens,)),
    "sentences": Form("retrieval", repairs=(repairs.line_breaks,)),
    "bucc": Form(
        "mining", lacking=_NO_POOLS, bring=_BUCC_FILES, repairs=(mining_rows.whole_pools,)
    ),
    "bucc-pairs": Form("retrieval", repairs=(repairs.no_pools,)),
    "bucc-pools": Form("mining", pools=("zh", "en"), repairs=(mining_rows.whole_pools,)),
    "bucc-pool": Form("masked-lm", {"text": "sentence"}, id="id"),
    "text": Form("masked-lm"),
    f"{OWN_FORM}span-qa": Form("span-qa", repairs=(repairs.answers,)),
    f"{OWN_FORM}sentence-pair": Form("sentence-pair", id="id"),
    f"{OWN_FORM}multiple-choice": Form("multiple-choice", id="id"),
    f"{OWN_FORM}tagging": Form("tagging", id="id", repairs=(repairs.tokens,)),
    f"{OWN_FORM}retrieval": Form("retrieval", id="id", repairs=(repairs.line_breaks,)),
    f"{OWN_FORM}mining": Form("mining", repairs=(mining_rows.whole_pools,)),
    f"{OWN_FORM}masked-lm": Form("masked-lm", id="id"),
}

LAYOUTS: list[tuple[str, str, str]] = [
    ("rajpurkar/squad*", "*", "squad"),
    ("xtl/squad-dev-minus-xquad", "*", "squad"),
    ("google-research-datasets/xquad", "*", "squad"),
    ("facebook/mlqa", "*", "squad"),
    ("google/xtreme", "XQuAD.*", "squad"),
    ("google/xtreme", "MLQA.*", "squad"),
    ("google/xtreme", "SQuAD", "squad"),
    ("google/xtreme", "tydiqa", "tydiqa"),
    ("google-research-datasets/tydiqa", "secondary_task", "tydiqa"),
    ("stanfordnlp/snli", "*", "nli"),
    ("facebook/anli", "*", "nli"),
    ("facebook/xnli", "??", "nli"),
    ("nyu-mll/glue", "mnli*", "nli"),
    ("nyu-mll/glue", "qqp", "qqp"),
    ("google/xtreme", "XNLI", "xtreme-xnli"),
    ("google/xtreme", "PAWS-X.*", "paws-x"),
    ("google-research-datasets/paws-x", "*", "paws-x"),
    ("Rowan/hellaswag", "*", "hellaswag"),
    ("allenai/cosmos_qa", "*", "cosmosqa"),
    ("tau/commonsense_qa", "*", "commonsenseqa"),
    ("google/xtreme", "udpos.*", "udpos"),
    ("google/xtreme", "PAN-X.*", "panx"),
    ("masakhane/masakhaner2", "*", "masakhaner"),
    ("google/xtreme", "tatoeba.*", "sentences"),
    ("google/xtreme", "bucc18.*", "bucc-pairs"),
    ("xtl/bucc2018-zh-en-dev-pool", "gold", "bucc-pools"),
    ("xtl/bucc2018-zh-en-dev-pool", "*", "bucc-pool"),
    ("wikimedia/wikipedia", "*", "text"),
    ("xtl/cldr-lookup", "pairs.*", "sentences"),
    ("xtl/cldr-lookup", "*", "squad"),
]
"""(repo, config, form) of the sets that are known, the first two as patterns; the first that fits
is the one."""


def known_form(repo: str, config: str) -> str | None:
    """The name of the form of a data set that xtl knows; None for one that it does not."""
    for known, configs, form in LAYOUTS:
        if fnmatchcase(repo, known) and fnmatchcase(config, configs):
            return form
    return None


def form_named(name: str) -> Form:
    """The form of that name. UserError for a name that is none."""
    if name not in FORMS:
        raise UserError(f"form {name!r} is unknown; expected one of {', '.join(FORMS)}")
    return FORMS[name]
