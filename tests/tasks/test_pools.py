"""Pools of the token cache: named by all that changes them, and read without a copy."""

from __future__ import annotations

import pickle
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tasks.pools import SETTINGS, pool_of, request_for
from tests.tasks.records import PARAGRAPHS, question
from tests.tiny import tokenizer_into
from xtl.data.tokens import DATA
from xtl.errors import UserError
from xtl.model.tokenizer import load_tokenizer
from xtl.tasks import pools, span_maker
from xtl.tasks.family import Feature
from xtl.tasks.pool_facts import facts_of
from xtl.tasks.pools import By, Pool, PoolRequest, has_pool, open_pool
from xtl.tasks.settings import DecodingSettings, Recipe
from xtl.tasks.span_maker import MAKER
from xtl.tasks.tokenising import ensure_pool

ROWS = [
    question(f"{start} {context} {start}", answer, asked=f"{place} {language}?", name=f"{place}")
    for place, (language, (context, answer)) in enumerate(PARAGRAPHS.items())
    for start in [" ".join(["It is near York."] * (place % 3))]
]
SEVERAL = [question("York is by the Ouse. " * 8, "York", f"{k}?", str(k), 0) for k in range(4)]


@pytest.fixture(scope="module")
def tokenizer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizer_into(folder)
    return folder


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mirror")


@pytest.fixture(scope="module")
def pool(mirror: Path, tokenizer_folder: Path) -> Pool:
    return pool_of(mirror, ROWS + SEVERAL, tokenizer_folder)


def bare(features: list[Feature]) -> list[Feature]:
    return [replace(feature, example=0) for feature in features]


def test_a_pools_features_are_those_of_its_rows(pool: Pool, tokenizer_folder: Path) -> None:
    tokenizer = load_tokenizer(tokenizer_folder)
    made = MAKER.train_features(ROWS + SEVERAL, tokenizer, SETTINGS)
    assert list(pool.features()) == made
    assert len(made) > pool.rows == len(ROWS) + 4
    assert pool.pad == tokenizer.pad_token_id


def test_an_evaluations_features_have_offsets_and_no_labels(
    mirror: Path, tokenizer_folder: Path
) -> None:
    features = pool_of(mirror, SEVERAL, tokenizer_folder, use="evaluate").features()
    tokenizer = load_tokenizer(tokenizer_folder)
    assert list(features) == MAKER.evaluate_features(SEVERAL, tokenizer, SETTINGS)
    assert features[1:3] == list(features)[1:3]
    assert features.lengths.tolist() == [len(each.input_ids) for each in features]


def test_the_windows_of_a_subset_are_those_of_its_rows_tokenised_by_themselves(
    pool: Pool, tokenizer_folder: Path
) -> None:
    places = np.array([11, 2, 0, 5])
    rows = [(ROWS + SEVERAL)[place] for place in places]
    made = MAKER.train_features(rows, load_tokenizer(tokenizer_folder), SETTINGS)
    windows = pool.examples(places)
    assert [list(each) for each in windows] == [
        [feature for feature in made if feature.example == example] for example in range(4)
    ]
    tokens = [sum(len(feature.input_ids) for feature in each) for each in windows]
    assert windows.shortest == windows[tokens.index(min(tokens))]


def test_ids_are_views_of_the_mapped_file(pool: Pool) -> None:
    ids = pool.features().ids(3)
    assert ids.dtype == np.int32
    assert not ids.flags.owndata


@given(st.integers(0, 13), st.integers(0, 13), st.integers(0, 5))
def test_subsets_are_nested_and_their_counts_exact(
    pool: Pool, first: int, second: int, seed: int
) -> None:
    smaller, larger = sorted((first, second))
    chosen = pool.subset(larger, seed).tolist()
    assert len(set(chosen)) == larger
    assert pool.subset(smaller, seed).tolist() == chosen[:smaller]


def test_a_subset_is_the_same_whatever_the_order_of_the_rows(
    pool: Pool, mirror: Path, tokenizer_folder: Path
) -> None:
    rows = ROWS + SEVERAL
    backwards = pool_of(mirror, rows[::-1], tokenizer_folder)
    there, here = backwards.subset(5, seed=1), pool.subset(5, seed=1)
    assert [rows[::-1][place]["id"] for place in there] == [rows[place]["id"] for place in here]
    assert bare(list(backwards.features(there))) == bare(list(pool.features(here)))


def test_paragraphs_are_drawn_whole_where_that_is_asked_for(pool: Pool) -> None:
    ranked = pool.subset(pool.rows, 3, "paragraph").tolist()
    places = sorted(ranked.index(row) for row in (9, 10, 11, 12))
    assert places == list(range(places[0], places[0] + 4))


def test_the_class_of_each_row_is_kept_beside_the_tokens() -> None:
    rows = [{"sentence1": str(k), "sentence2": "b", "label": int(k % 4 == 0)} for k in range(80)]
    facts = facts_of([rows[:50], rows[50:]], "sentence-pair")
    assert facts["strata"].tolist() == [row["label"] for row in rows]
    assert len(facts["digests"]) == 80
    assert len(facts["groups"]) == 0


def test_what_is_held_out_shares_no_paragraph_with_what_is_trained_on(pool: Pool) -> None:
    for seed in range(5):
        trained, left = pool.subset(4, seed).tolist(), pool.held_out_after(4, seed).tolist()
        assert not set(trained) & set(left)
        several = {9, 10, 11, 12}
        assert not (set(trained) & several and set(left) & several)
        assert len(left) >= pool.rows - 4 - 3


PARAGRAPH = {9, 10, 11, 12}
"""Rows of the pool that ask about one paragraph."""


@given(st.integers(0, 13), st.integers(0, 5), st.sampled_from(["example", "paragraph"]))
def test_what_is_held_out_is_in_no_subset_nor_is_any_of_its_paragraphs(
    pool: Pool, count: int, seed: int, by: By
) -> None:
    kept = pool.held_out(count, seed).tolist()
    left = pool.rows - len(kept)
    largest = pool.subset(left, seed, by, held_out=count).tolist()
    assert len(kept) <= count
    assert sorted(kept + largest) == list(range(pool.rows))
    assert {*kept} >= PARAGRAPH or not {*kept} & PARAGRAPH
    for examples in range(left):
        assert pool.subset(examples, seed, by, held_out=count).tolist() == largest[:examples]
    with pytest.raises(UserError, match=f"own: found {left} rows, expected {left + 1} or more"):
        pool.subset(left + 1, seed, by, held_out=count)


@given(st.integers(0, 13), st.integers(0, 5))
def test_the_rows_to_judge_by_are_those_held_out_that_have_a_window(
    pool: Pool, count: int, seed: int
) -> None:
    asked = pool.examples(pool.held_out(count, seed))
    assert pool.rows_to_judge_by(count, seed) == len(asked)


def test_where_rows_stand_alone_as_many_as_asked_are_judged_by(
    mirror: Path, tokenizer_folder: Path
) -> None:
    rows = [{"sentence1": str(k % 20), "sentence2": "b", "label": 0} for k in range(30)]
    pool = pool_of(mirror, rows, tokenizer_folder, family="sentence-pair")
    for count in (5, 10, 11, 12, 30):  # ten rows stand there twice
        assert pool.rows_to_judge_by(count, 1) == len(pool.held_out(count, 1))


def test_what_is_left_keeps_its_order(pool: Pool) -> None:
    kept = pool.held_out(3, 1).tolist()
    for by in get_args(By):
        ranked = pool.subset(pool.rows, 1, by).tolist()
        left = pool.subset(pool.rows - len(kept), 1, by, held_out=3).tolist()
        assert left == [row for row in ranked if row not in kept]


def test_what_is_held_out_is_the_same_whatever_the_order_of_the_rows(
    pool: Pool, mirror: Path, tokenizer_folder: Path
) -> None:
    rows = ROWS + SEVERAL
    backwards = pool_of(mirror, rows[::-1], tokenizer_folder)
    for seed in range(5):
        there, here = backwards.held_out(6, seed), pool.held_out(6, seed)
        assert [rows[::-1][place]["id"] for place in there] == [rows[place]["id"] for place in here]


def test_without_paragraphs_keeping_rows_out_changes_no_subset_that_there_is_room_for(
    mirror: Path, tokenizer_folder: Path
) -> None:
    rows = [{"sentence1": str(k), "sentence2": "b", "label": int(k % 4 == 0)} for k in range(80)]
    pool = pool_of(mirror, rows, tokenizer_folder, family="sentence-pair")
    for seed in range(5):
        whole, kept = pool.subset(80, seed).tolist(), pool.held_out(20, seed).tolist()
        assert kept == whole[60:]
        assert sum(rows[place]["label"] for place in kept) in (4, 5, 6)
        assert pool.subset(60, seed, held_out=20).tolist() == whole[:60]


def test_rows_that_are_equal_are_held_out_together(mirror: Path, tokenizer_folder: Path) -> None:
    """Or what a checkpoint is chosen by would have been trained on."""
    rows = [{"sentence1": str(k % 20), "sentence2": "b", "label": 0} for k in range(40)]
    pool = pool_of(mirror, rows, tokenizer_folder, family="sentence-pair")
    for count in (5, 10):
        kept = sorted(place % 20 for place in pool.held_out(count, 1).tolist())
        assert len(kept) == count - count % 2
        assert kept[::2] == kept[1::2]


def test_more_examples_than_rows_are_one_clear_line(pool: Pool) -> None:
    with pytest.raises(UserError, match="own: found 13 rows, expected 14 or more"):
        pool.subset(14, seed=1)


def test_a_pool_without_paragraphs_is_one_clear_line(mirror: Path, tokenizer_folder: Path) -> None:
    rows = [{"source_sentence": "Mto", "target_sentence": "River"}]
    pool = pool_of(mirror, rows, tokenizer_folder, family="retrieval", use="evaluate")
    assert pool.subset(1, seed=1).tolist() == [0]
    assert pool.held_out_after(0, seed=1).tolist() == [0]
    with pytest.raises(UserError, match="own: found no paragraphs, expected subset: example"):
        pool.subset(1, seed=1, by="paragraph")


def test_an_answer_that_no_token_has_a_part_of_gives_no_window_and_is_counted(
    mirror: Path, tokenizer_folder: Path
) -> None:
    rows = [*SEVERAL[:2], question("in York", "Leeds", start=3, name="lost")]
    pool = pool_of(mirror, rows, tokenizer_folder)
    assert (pool.rows, pool.left_out) == (3, 1)
    assert len(pool.subset(3, seed=1)) == 3
    assert len(pool.examples(pool.subset(3, seed=1))) == 2
    assert not pool.examples(np.array([2]))


@pytest.mark.parametrize(
    ("family", "row", "why"),
    [
        (
            "span-qa",
            question("in York", "Leeds", start=3, name="lost"),
            "no token has a part of their answer",
        ),
        ("masked-lm", {"text": " "}, "they have no token that could be masked"),
    ],
)
def test_why_rows_give_no_window_is_said(
    mirror: Path, tokenizer_folder: Path, family: str, row: dict[str, Any], why: str
) -> None:
    said: list[str] = []
    request = request_for([row], tokenizer_folder, family=family)
    ensure_pool(mirror, request, lambda: [row], tokenizer_folder, processes=1, report=said.append)
    assert said[-1] == f"own: 1 rows give no window: {why}"


def test_another_process_maps_the_same_file(pool: Pool) -> None:
    content = pickle.dumps(pool)
    assert len(content) < 1000
    assert list(pickle.loads(content).features()) == list(pool.features())


@pytest.mark.parametrize(
    "other",
    [
        lambda one: replace(one, tables=("other",)),
        lambda one: replace(one, tables=(*one.tables, "more")),
        lambda one: replace(one, tokenizer="other"),
        lambda one: replace(one, family="retrieval"),
        lambda one: replace(one, use="evaluate"),
        lambda one: replace(one, shuffle_seed=0),
        lambda one: replace(one, settings=one.settings.model_copy(update={"max_length": 63})),
        lambda one: replace(one, settings=one.settings.model_copy(update={"doc_stride": 15})),
        lambda one: replace(
            one, settings=one.settings.model_copy(update={"max_question_tokens": 9})
        ),
    ],
)
def test_another_length_tokenizer_or_content_never_finds_this_one(
    pool: Pool, mirror: Path, tokenizer_folder: Path, other: Callable[[PoolRequest], PoolRequest]
) -> None:
    request = request_for(ROWS + SEVERAL, tokenizer_folder)
    assert has_pool(mirror, request)
    assert request.folder(mirror) == pool.folder
    assert not has_pool(mirror, other(request))


def test_other_versions_never_find_this_one(
    pool: Pool, mirror: Path, tokenizer_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = request_for(ROWS + SEVERAL, tokenizer_folder)
    monkeypatch.setattr(span_maker.SpanMaker, "version", 99)
    assert request.key != pool.key
    monkeypatch.undo()
    monkeypatch.setattr(pools, "_libraries", lambda: ("tokenizers 0.1", "transformers 4"))
    assert request.key != pool.key
    monkeypatch.undo()
    assert replace(request, name="another name").key == pool.key


def test_only_what_concerns_features_counts_of_a_trainings_settings() -> None:
    recipe = Recipe(batch_size=8, learning_rate=1e-3, max_length=128, doc_stride=64)
    one = PoolRequest.training("a", "span-qa", ["t"], "tokenizer", recipe)
    quick = recipe.model_copy(update={"learning_rate": 1.0})
    assert PoolRequest.training("a", "span-qa", ["t"], "tokenizer", quick).key == one.key
    asked = DecodingSettings(max_length=128, doc_stride=64)
    other = PoolRequest.evaluation("a", "span-qa", ["t"], "tokenizer", asked)
    assert (other.settings, other.use) == (one.settings, "evaluate")


def test_a_pool_that_is_not_there_says_what_to_do(mirror: Path, tokenizer_folder: Path) -> None:
    request = request_for(ROWS[:1], tokenizer_folder)
    with pytest.raises(UserError, match=r"found no tokens of own .* run `xtl prepare`"):
        open_pool(mirror, request)


def test_a_cut_pool_is_neither_there_nor_missing_but_told(
    tmp_path: Path, tokenizer_folder: Path
) -> None:
    pool = pool_of(tmp_path, ROWS, tokenizer_folder)
    (pool.folder / DATA).chmod(0o644)
    (pool.folder / DATA).write_bytes((pool.folder / DATA).read_bytes()[:-64])
    for ask in (has_pool, open_pool):
        with pytest.raises(UserError, match=r"delete .* and run `xtl prepare`"):
            ask(tmp_path, request_for(ROWS, tokenizer_folder))


def test_a_large_pool_is_open_in_milliseconds(tmp_path: Path, tokenizer_folder: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"source_sentence": str(k), "target_sentence": "River"} for k in range(20_000)
    ]
    made = pool_of(tmp_path, rows, tokenizer_folder, family="retrieval", use="evaluate")
    started = time.perf_counter()
    Pool(made.folder, made.key)
    assert time.perf_counter() - started < 0.05


def test_asking_for_a_pool_and_making_one_import_no_torch(
    tmp_path: Path, tokenizer_folder: Path
) -> None:
    program = (
        "import sys\nfrom pathlib import Path\n"
        "from tests.tasks.pools import pool_of\nfrom tests.tasks.records import ROWS\n"
        "for use in ('train', 'evaluate'):\n"
        "    pool_of(Path(sys.argv[1]), list(ROWS.values()), Path(sys.argv[2]), use=use)\n"
        "print([name for name in ('torch', 'datasets', 'pandas') if name in sys.modules])"
    )
    command = [sys.executable, "-c", program, str(tmp_path), str(tokenizer_folder)]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stderr
