"""The data set as it is published: what its rows promise to training and to evaluation."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.data.conftest import Rows
from xtl.data import lookup
from xtl.data.loading import config_names
from xtl.data.lookup import facts, wording
from xtl.data.lookup.facts import LANGUAGES, RELATIONS, Relation
from xtl.data.mirror import content_hash

Row = dict[str, Any]
TRAINING_SETS = [("pool", "train"), ("target", "train")]
QUESTION_SETS = [*TRAINING_SETS, *((code, "validation") for code in LANGUAGES)]
DIVISION = facts.divide(lookup.SEED)
PAGE = (Path(__file__).parents[3] / "docs" / "demo-data.md").read_text(encoding="utf-8")


ENGLISH_PLACES = {
    str(facts.place("en", fact.territory)): fact.territory for fact in facts.known_facts()
}
ENGLISH_VALUES = {str(facts.value("en", fact.relation, fact.value)) for fact in facts.known_facts()}
# Longest first, so that neither "Equatorial Guinea" nor "Port of Spain" counts as another place.
LONGEST_FIRST = sorted({*ENGLISH_PLACES, *ENGLISH_VALUES}, key=len, reverse=True)
END_OF_SENTENCE = re.compile(r"(?<=\.)(?<!St\.) (?=[A-Z])")
NAMES = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, LONGEST_FIRST))})(?!\w)")


def places_in(row: Row) -> set[str]:
    """The territories whose English names stand in the row."""
    named = NAMES.findall(f"{row['context']} {row['question']}")
    return {ENGLISH_PLACES[name] for name in named if name in ENGLISH_PLACES}


def relation_of(question: str, language: str, group: wording.Group) -> Relation:
    """The relation that the question asks for, told by its wording."""
    for relation, phrases in wording.load(language).groups[group].items():
        for phrase in phrases.questions:
            before, after = phrase.split(wording.PLACE)
            if question.startswith(before) and question.endswith(after):
                return next(known for known in RELATIONS if known == relation)
    raise AssertionError(question)


def test_its_configs_are_the_documented_ones(lookup_folder: Path) -> None:
    pairs = {f"pairs.{code}" for code in LANGUAGES[1:]}
    assert set(config_names(lookup_folder)) == {"pool", "target", *LANGUAGES, *pairs}


@pytest.mark.parametrize(
    ("config", "split", "rows"),
    [("pool", "train", 4096), ("target", "train", 256), ("bn", "validation", 96),
     ("pairs.bn", "validation", 200)],
)  # fmt: skip
def test_it_has_the_documented_number_of_rows(
    lookup_rows: Rows, config: str, split: str, rows: int
) -> None:
    assert len(lookup_rows(config, split)) == rows


@pytest.mark.parametrize(("config", "split"), QUESTION_SETS)
def test_every_gold_answer_stands_where_it_is_said_to(
    lookup_rows: Rows, config: str, split: str
) -> None:
    for row in lookup_rows(config, split):
        answers = row["answers"]
        assert len(answers["text"]) == len(answers["answer_start"]) <= 1
        for text, start in zip(answers["text"], answers["answer_start"], strict=True):
            assert text
            assert row["context"][start : start + len(text)] == text


@pytest.mark.parametrize(
    ("config", "split", "share"),
    [("pool", "train", 1 / 5), ("target", "train", 1 / 5), ("en", "validation", 1 / 6)],
)
def test_the_stated_share_of_questions_has_no_answer_whatever_is_asked(
    lookup_rows: Rows, config: str, split: str, share: float
) -> None:
    group: wording.Group = "evaluation" if config == "en" else config  # type: ignore[assignment]
    rows = lookup_rows(config, split)
    without = [row for row in rows if not row["answers"]["text"]]
    assert len(without) / len(rows) == pytest.approx(share, abs=0.005)
    asked = Counter(relation_of(row["question"], "en", group) for row in without)
    assert max(asked.values()) <= 1.4 * min(asked.values())


def test_ids_are_unique_and_so_are_the_pool_s_questions(lookup_rows: Rows) -> None:
    for config, split in QUESTION_SETS:
        rows = lookup_rows(config, split)
        assert len({row["id"] for row in rows}) == len(rows)
    pool = lookup_rows("pool", "train")
    assert len({(row["context"], row["question"]) for row in pool}) == len(pool)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_same_questions_are_asked_in_every_language(lookup_rows: Rows, language: str) -> None:
    english, other = lookup_rows("en", "validation"), lookup_rows(language, "validation")
    for one, two in zip(english, other, strict=True):
        assert one["id"] == two["id"]
        assert len(one["answers"]["text"]) == len(two["answers"]["text"])
        asked = relation_of(one["question"], "en", "evaluation")
        assert relation_of(two["question"], language, "evaluation") == asked
        if one["answers"]["text"]:
            assert facts_named(one, asked, "en") & facts_named(two, asked, language)


def facts_named(row: Row, relation: Relation, language: str) -> set[str]:
    (text,) = row["answers"]["text"]
    return {
        fact.value
        for fact in DIVISION.evaluation
        if fact.relation == relation and facts.value(language, relation, fact.value) == text
    }


def test_training_and_evaluation_speak_of_different_countries(lookup_rows: Rows) -> None:
    training = {fact.territory for fact in DIVISION.training}
    evaluation = {fact.territory for fact in DIVISION.evaluation}
    for config in ("pool", "target"):
        for row in lookup_rows(config, "train"):
            assert len(places_in(row) & training) >= 2
            assert not places_in(row) & evaluation, row
    for row in lookup_rows("en", "validation"):
        assert len(places_in(row) & evaluation) >= 2
        assert not places_in(row) & training, row


def test_no_english_sentence_is_in_training_and_in_evaluation(lookup_rows: Rows) -> None:
    def sentences(config: str, split: str) -> set[str]:
        return {
            sentence
            for row in lookup_rows(config, split)
            for sentence in [*END_OF_SENTENCE.split(row["context"]), row["question"]]
        }

    training = sentences("pool", "train") | sentences("target", "train")
    assert not training & sentences("en", "validation")
    assert not sentences("pool", "train") & sentences("target", "train")


def test_no_thirteen_words_in_a_row_are_in_training_and_in_evaluation(lookup_rows: Rows) -> None:
    def sequences(config: str, split: str) -> set[tuple[str, ...]]:
        found = set()
        for context in {row["context"] for row in lookup_rows(config, split)}:
            words = re.findall(r"\w+", context.lower())
            found |= {tuple(words[at : at + 13]) for at in range(len(words) - 12)}
        return found

    evaluation = sequences("en", "validation")
    assert evaluation
    assert not evaluation & sequences("pool", "train")
    assert not evaluation & sequences("target", "train")


def test_the_pool_never_speaks_of_cities_and_the_target_does(lookup_rows: Rows) -> None:
    pool = {relation_of(row["question"], "en", "pool") for row in lookup_rows("pool", "train")}
    target = {
        relation_of(row["question"], "en", "target") for row in lookup_rows("target", "train")
    }
    assert pool == {"currency", "language"}
    assert target == set(RELATIONS)


def test_all_wordings_are_used(lookup_rows: Rows) -> None:
    for config, group in [("pool", "pool"), ("target", "target")]:
        questions = [row["question"] for row in lookup_rows(config, "train")]
        for phrases in wording.load("en").groups[group].values():
            for phrase in phrases.questions:
                before, after = phrase.split(wording.PLACE)
                assert any(q.startswith(before) and q.endswith(after) for q in questions), phrase


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_aligned_sentences_are_distinct_and_the_english_side_is_shared(
    lookup_rows: Rows, language: str
) -> None:
    rows = lookup_rows(f"pairs.{language}", "validation")
    assert len({row["source_sentence"] for row in rows}) == len(rows)
    assert len({row["target_sentence"] for row in rows}) == len(rows)
    assert {(row["source_lang"], row["target_lang"]) for row in rows} == {(language, "en")}
    swahili = [row["target_sentence"] for row in lookup_rows("pairs.sw", "validation")]
    assert [row["target_sentence"] for row in rows] == swahili


@pytest.mark.slow
def test_building_again_in_another_process_gives_the_same_bytes(
    lookup_folder: Path, tmp_path: Path
) -> None:
    code = "import sys; from pathlib import Path; from xtl.data import lookup\n"
    code += "lookup.build(Path(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    assert content_hash(tmp_path) == content_hash(lookup_folder)


@pytest.mark.slow
def test_another_seed_gives_other_data(lookup_folder: Path, tmp_path: Path) -> None:
    lookup.build(tmp_path, seed=lookup.SEED + 1)
    assert content_hash(tmp_path) != content_hash(lookup_folder)


def test_the_recipe_names_all_that_decides_the_bytes() -> None:
    known = {"made", "version", "seed", "files", "cldr", "babel", "pyarrow"}
    assert set(lookup.recipe()) == known
    assert lookup.recipe(seed=1) != lookup.recipe(seed=2)


def test_the_documentation_s_samples_are_in_the_data(lookup_rows: Rows) -> None:
    shown = re.findall(r"^\| (\w\w) \| (.+?) \| (.+?) \| (.+?) \|$", PAGE, flags=re.MULTILINE)
    assert [language for language, *_ in shown] == ["en", "sw", "hi"]
    for language, context, question, answer in shown:
        (row,) = (r for r in lookup_rows(language, "validation") if r["id"] == "lookup-004")
        assert (row["context"], row["question"], row["answers"]["text"]) == (
            context, question, [answer]
        )  # fmt: skip


def test_the_documentation_s_counts_are_the_data_s() -> None:
    training, evaluation = DIVISION.training, DIVISION.evaluation
    countries = [len({fact.territory for fact in side}) for side in (training, evaluation)]
    counts = f"{countries[0]} countries ({len(training)} facts) are spoken of in training, "
    counts += f"{countries[1]} others ({len(evaluation)} facts)"
    assert counts in PAGE


@pytest.mark.slow
def test_english_is_short_enough_for_a_small_machine_and_spans_end_where_tokens_end(
    lookup_rows: Rows, encoder_snapshot: Any
) -> None:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(encoder_snapshot.folder / "tokenizer.json"))
    stated = dict(re.findall(r"\b(\w\w) (\d+) \(\d+\)", PAGE.partition("**Lengths**")[2]))
    for language in LANGUAGES:
        rows = lookup_rows(language, "validation")
        encodings = tokenizer.encode_batch([(row["question"], row["context"]) for row in rows])
        mean = sum(len(encoding.ids) for encoding in encodings) / len(rows)
        assert round(mean) == int(stated[language])
        assert 45 <= mean <= (60 if language == "en" else 80), (language, mean)
        for row, encoding in zip(rows, encodings, strict=True):
            assert_aligned(row, encoding)


def assert_aligned(row: Row, encoding: Any) -> None:
    context = row["context"]
    spans = [
        (at + len(context[at:end]) - len(context[at:end].lstrip()), end)
        for (at, end), part in zip(encoding.offsets, encoding.sequence_ids, strict=True)
        if part == 1
    ]
    for text, start in zip(row["answers"]["text"], row["answers"]["answer_start"], strict=True):
        assert start in {at for at, _ in spans}, (row["id"], text)
        assert start + len(text) in {end for _, end in spans}, (row["id"], text)
