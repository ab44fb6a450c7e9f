"""Writing the data set `xtl/cldr-lookup`: parquet files by config and split, as on the hub."""

from __future__ import annotations

import hashlib
import importlib.metadata
import random
import string
from collections.abc import Iterable, Iterator, Sequence
from importlib import resources
from itertools import cycle
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from babel.core import get_global

from xtl.data.lookup import compose, facts
from xtl.data.lookup.compose import Composer, Outline
from xtl.data.lookup.facts import LANGUAGES, Fact, Relation
from xtl.data.lookup.wording import Group

REPO = "xtl/cldr-lookup"
VERSION = 1  # raise it when the same seed would give other rows
SEED = 2025

POOL_EXAMPLES = 4096
POOL_RELATIONS: tuple[Relation, ...] = ("currency", "language")
TARGET_EXAMPLES = 256
EVALUATION_EXAMPLES = 96
PAIRS = 200
TRAINING_UNANSWERABLE = 5  # one question in five
EVALUATION_UNANSWERABLE = 6

_QUESTIONS = pa.schema(
    {
        "id": pa.string(),
        "title": pa.string(),
        "context": pa.string(),
        "question": pa.string(),
        "answers": pa.struct({"text": pa.list_(pa.string()), "answer_start": pa.list_(pa.int32())}),
    }
)
_SENTENCES = pa.schema(
    dict.fromkeys(("source_sentence", "target_sentence", "source_lang", "target_lang"), pa.string())
)


def recipe(seed: int = SEED) -> dict[str, Any]:
    """All that decides the files' bytes: the seed, this package's own files, the libraries."""
    return {
        "made": REPO,
        "version": VERSION,
        "seed": seed,
        "files": _own_files(),
        "cldr": get_global("cldr")["version"],
        "babel": importlib.metadata.version("babel"),
        "pyarrow": pa.__version__,
    }


def build(folder: Path, seed: int = SEED) -> None:
    """Write every config and the README into `folder`, the same bytes for the same recipe."""
    division = facts.divide(seed)
    pool = training_outlines("pool", division.training, POOL_RELATIONS, POOL_EXAMPLES, seed)
    target = training_outlines("target", division.training, facts.RELATIONS, TARGET_EXAMPLES, seed)
    _write(folder, "pool", "train", _rows(pool, "en", "pool", seed), _QUESTIONS)
    _write(folder, "target", "train", _rows(target, "en", "target", seed), _QUESTIONS)
    questions = evaluation_outlines(division.evaluation, seed)
    for language in LANGUAGES:
        rows = _rows(questions, language, "evaluation", seed)
        _write(folder, language, "validation", rows, _QUESTIONS)
    told = pair_facts(division.evaluation, seed)
    for language in LANGUAGES[1:]:
        rows = [_pair(fact, language, seed) for fact in told]
        _write(folder, f"pairs.{language}", "validation", rows, _SENTENCES)
    _write_card(folder, seed)


def training_outlines(
    name: str, known: Sequence[Fact], relations: Sequence[Relation], count: int, seed: int
) -> list[Outline]:
    """`count` different outlines over `relations` in turn, one in five without an answer."""
    allowed = [fact for fact in known if fact.relation in relations]
    composer = Composer(allowed, random.Random(f"{seed}/{name}"))
    asked = _in_turn(composer, relations)
    outlines: dict[tuple[Fact, tuple[Fact, ...]], Outline] = {}
    while len(outlines) < count:
        number = len(outlines)
        answerable = _has_answer(number, TRAINING_UNANSWERABLE)
        outline = composer.outline(f"{name}-{number:04d}", next(asked), answerable)
        outlines.setdefault((outline.asked, outline.stated), outline)
    return list(outlines.values())


def evaluation_outlines(known: Sequence[Fact], seed: int) -> list[Outline]:
    """The outlines that all languages share: no fact is asked for twice."""
    composer = Composer(known, random.Random(f"{seed}/evaluation"))
    each = -(-EVALUATION_EXAMPLES // len(facts.RELATIONS))
    asked = [composer.facts_of(relation)[:each] for relation in facts.RELATIONS]
    in_turn = [fact for step in zip(*asked, strict=True) for fact in step]
    return [
        composer.outline(f"lookup-{number:03d}", fact, _has_answer(number, EVALUATION_UNANSWERABLE))
        for number, fact in enumerate(in_turn[:EVALUATION_EXAMPLES])
    ]


def pair_facts(known: Sequence[Fact], seed: int) -> list[Fact]:
    """The facts that the aligned sentences tell, the same in every language."""
    if len(known) < PAIRS:
        raise ValueError(f"{REPO}: found {len(known)} evaluation facts, expected {PAIRS} or more")
    return random.Random(f"{seed}/pairs").sample(list(known), PAIRS)


def _has_answer(number: int, unanswerable: int) -> bool:
    """One question in `unanswerable` has none; its place in each round moves on by one, so that
    it does not always fall on the same relation."""
    turn, place = divmod(number, unanswerable)
    return place != turn % unanswerable


def _in_turn(composer: Composer, relations: Sequence[Relation]) -> Iterator[Fact]:
    """Facts to ask for, relation by relation, each relation's facts equally often."""
    queues = {relation: cycle(composer.facts_of(relation)) for relation in relations}
    return (next(queues[relation]) for relation in cycle(relations))


def _rows(
    outlines: Iterable[Outline], language: str, group: Group, seed: int
) -> list[dict[str, Any]]:
    return [compose.example(outline, language, group, seed) for outline in outlines]


def _pair(fact: Fact, language: str, seed: int) -> dict[str, str]:
    return {
        "source_sentence": compose.sentence(fact, language, seed),
        "target_sentence": compose.sentence(fact, "en", seed),
        "source_lang": language,
        "target_lang": "en",
    }


def _write(
    folder: Path, config: str, split: str, rows: list[dict[str, Any]], schema: pa.Schema
) -> None:
    (folder / config).mkdir(parents=True)
    table = pa.Table.from_pylist(rows, schema=schema)
    pq.write_table(table, folder / config / f"{split}-00000-of-00001.parquet")


def _write_card(folder: Path, seed: int) -> None:
    card = resources.files("xtl.data.lookup").joinpath("card.md").read_text(encoding="utf-8")
    filled = string.Template(card).substitute(
        configs="\n".join(_card_config(path) for path in sorted(folder.glob("*/*.parquet"))),
        version=VERSION, seed=seed, cldr=get_global("cldr")["version"],
    )  # fmt: skip
    (folder / "README.md").write_text(filled, encoding="utf-8")


def _card_config(path: Path) -> str:
    config, split = path.parent.name, path.name.partition("-")[0]
    lines = (f"- config_name: {config}", "  data_files:", f"  - split: {split}")
    return "\n".join([*lines, f"    path: {config}/{split}-*"])


def _own_files() -> str:
    """One digest of this package's code and wordings: an edit is never taken for the old data."""
    own = Path(__file__).parent
    total = hashlib.sha256()
    for path in sorted([*own.glob("*.py"), *own.glob("*.md"), *own.glob("wordings/*.json")]):
        total.update(path.name.encode() + b"\0" + path.read_bytes())
    return total.hexdigest()
