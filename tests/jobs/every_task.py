"""Manifests with every task of the paper: on real records in the hub's schemas where there are
some, on records of our own writing where there are none (CCGbank's)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

CCG = (
    "ID=own.{number} PARSER=GOLD NUMPARSE=1\n"
    "(<T S[dcl] 0 2> (<T NP 0 2> (<L NP/N DT DT {the} NP/N>) (<L N NN NN {who} N>) ) "
    "(<L S[dcl]\\NP VBZ VBZ {does} S[dcl]\\NP>) )\n"
)

NINE = (
    "anli+", "mnli", "qqp", "squad-v2", "squad-v1.1", "hellaswag", "ccg", "cosmosqa",
    "commonsenseqa",
)  # fmt: skip
SPLIT_TWICE = ("mnli", "hellaswag", "ccg", "cosmosqa")
"""Tasks whose development split is trained on here, and asked."""

TRAINED = ("xnli", "paws-x", "udpos", "panx", "xquad", "mlqa", "tydiqa")
QUICK = {"epochs": 2, "batch_size": 4, "max_length": 192, "learning_rate": 1.0e-3}
XTREME = "google/xtreme"

# Development splits stand for training splits where the records have no other.
TRAINING_DATA: dict[str, Any] = {
    "anli+": [
        {"repo": "stanfordnlp/snli", "config": "plain_text", "split": "validation"},
        {"repo": "nyu-mll/glue", "config": "mnli", "split": "validation_matched"},
        {"repo": "facebook/anli", "config": "plain_text", "split": "train_r1"},
        {"repo": "facebook/anli", "config": "plain_text", "split": "train_r2"},
        {"repo": "facebook/anli", "config": "plain_text", "split": "train_r3"},
    ],
    "mnli": {"repo": "nyu-mll/glue", "config": "mnli", "split": "validation_matched"},
    "squad-v2": {"repo": "rajpurkar/squad_v2", "config": "squad_v2", "split": "validation"},
    "squad-v1.1": {
        "repo": "xtl/squad-dev-minus-xquad", "config": "plain_text", "split": "train",
    },
    "hellaswag": {"repo": "Rowan/hellaswag", "split": "validation"},
    "cosmosqa": {"repo": "allenai/cosmos_qa", "split": "validation"},
    "paws-x": {"repo": "google-research-datasets/paws-x", "split": "validation"},
    "text": {"repo": "xtl/bucc2018-zh-en-dev-pool", "config": "{language}", "split": "validation"},
    "mnli-translated": {"repo": "facebook/xnli", "config": "{language}", "split": "validation"},
}  # fmt: skip
EVALUATION_DATA: dict[str, Any] = {
    "paws-x": {"repo": "google-research-datasets/paws-x", "split": "validation"},
    "mlqa": {"repo": XTREME, "split": "validation"},
    "bucc2018": {"repo": "xtl/bucc2018-zh-en-dev-pool", "config": "gold", "split": "validation"},
}
# Those of the records whose test split has tags.
TAGGED = ["en", "kk", "mr", "ta", "te", "th", "tl", "yo"]


def write_ccg(folder: Path, rows: int = 24) -> Path:
    path = folder / "own.auto"
    words = [("The", "dog"), ("A", "cat"), ("Every", "river"), ("No", "street")]
    path.write_text(
        "".join(
            CCG.format(number=n, the=words[n % 4][0], who=words[n % 3][1], does=f"runs{n}")
            for n in range(rows)
        )
    )
    return path


def intermediate(folder: Path, examples: int) -> dict[str, Any]:
    """Nine tasks, all of them together, one with masked text, and one by machine translation;
    each again as a target of its own, on its English development set."""
    ccg = {"path": str(write_ccg(folder))}
    single = [{"task": name, "training": QUICK} for name in NINE]
    several = [
        {"name": "multi-task", "tasks": list(NINE), "training": QUICK},
        {"task": "mnli", "masked_text": {"corpus": "text", "languages": ["en", "zh"]},
         "training": QUICK},
        {"task": "mnli", "translated": {"data": "mnli-translated", "languages": ["de", "sw"]},
         "training": QUICK},
    ]  # fmt: skip
    targets = [
        {"task": name, "training": QUICK, "train_on": 8, "evaluate_on": 30, "after": [name],
         "head": "carried"}
        for name in NINE
    ]  # fmt: skip
    return {
        "intermediate": single + several,
        "sizes": [examples],
        "targets": targets,
        "training_data": {
            name: place for name, place in TRAINING_DATA.items() if name != "paws-x"
        } | {"ccg": ccg},
        "evaluation_data": {"ccg-dev": ccg},
        "accept_overlap": [
            {"training": one, "evaluation": other, "because": "the same development split"}
            for one in ("squad-v1.1", "squad-v2", "anli+", "mnli")
            for other in ("squad-v1.1-dev", "squad-v2-dev")
        ]
        + [
            {"training": one, "evaluation": f"{other}-dev", "because": "the same development split"}
            for one, other in [*zip(SPLIT_TWICE, SPLIT_TWICE, strict=True), ("anli+", "mnli")]
        ],
    }  # fmt: skip


def targets(train_on: int) -> dict[str, Any]:
    """Every target of XTREME in every language that the records have, and what trains nothing."""
    asked: list[dict[str, Any]] = [
        {"task": name, "training": QUICK, "evaluate_on": 20} | _changes(name, train_on)
        for name in TRAINED
    ]
    return {
        "intermediate": [],
        "sizes": [0],
        "targets": asked,
        "retrieval": [
            {"set": "tatoeba", "evaluate_on": 50},
            {"set": "bucc2018", "languages": ["zh"]},
        ],
        "training_data": {name: TRAINING_DATA[name] for name in ("mnli", "squad-v1.1", "paws-x")},
        "evaluation_data": EVALUATION_DATA,
        "accept_overlap": [
            {"training": one, "evaluation": other, "because": "small records"}
            for one in ("squad-v1.1", "tydiqa")
            for other in ("xquad", "mlqa", "tydiqa")
            if {one, other} != {"squad-v1.1", "tydiqa"}
        ]
        + [{"training": "paws-x", "evaluation": "paws-x", "because": "the same split"}],
    }


def _changes(name: str, train_on: int) -> dict[str, Any]:
    changes: dict[str, Any] = {} if name == "panx" else {"train_on": train_on}
    return changes | ({"languages": TAGGED} if name == "udpos" else {})
