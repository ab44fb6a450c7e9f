"""Subsets: nested, exact in number, fair to labels, and blind to the order of rows."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xtl.data.subsets import fair_turns, held_out, held_out_after, ranking, row_digests, sampled

keys_of_pools = st.lists(st.text(max_size=8), unique=True, min_size=1, max_size=40)
seeds = st.integers(0, 2**32)
counts_of_labels = st.lists(
    st.one_of(st.integers(1, 4), st.integers(1, 300)), min_size=1, max_size=10
)
pools_in_groups = st.dictionaries(st.text(max_size=4), st.sampled_from("abcdefg"), min_size=1)
shuffles = st.randoms(use_true_random=False)


def greatest_error(turns: np.ndarray[Any, Any], counts: list[int]) -> int:
    """Over all prefixes and labels, |turns · rows - share · rows|: rows times the error."""
    rows = sum(counts)
    places = np.arange(rows + 1)
    return max(
        int(np.abs(np.concatenate([[0], np.cumsum(turns == label)]) * rows - places * count).max())
        for label, count in enumerate(counts)
    )


@given(keys_of_pools, seeds, shuffles)
def test_shuffled_rows_give_the_same_examples_in_the_same_order(
    keys: list[str], seed: int, shuffle: random.Random
) -> None:
    shuffled = shuffle.sample(keys, len(keys))
    chosen = [keys[place] for place in ranking(keys, seed)]
    assert chosen == [shuffled[place] for place in ranking(shuffled, seed)]


@given(keys_of_pools, seeds, st.data())
def test_every_ranking_has_every_row_once(
    keys: list[str], seed: int, data: st.DataObject
) -> None:  # fmt: skip
    labels = data.draw(st.lists(st.integers(-1, 3), min_size=len(keys), max_size=len(keys)))
    groups = [str(label) for label in labels]
    everything = [*range(len(keys))]
    assert sorted(ranking(keys, seed)) == everything
    assert sorted(ranking(keys, seed, strata=labels)) == everything
    assert sorted(ranking(keys, seed, groups=groups)) == everything


def test_another_seed_takes_other_rows() -> None:
    keys = [str(number) for number in range(1000)]
    groups = [str(number // 2) for number in range(1000)]
    for by in ({}, {"strata": [0] * 500 + [1] * 500}, {"groups": groups}):
        shared = {*ranking(keys, 1, **by)[:100]} & {*ranking(keys, 2, **by)[:100]}
        assert len(shared) < 30  # 10 are expected


def test_subsets_stay_what_they_were() -> None:
    keys = ["a", "b", "c", "d", "e", "f"]
    assert ranking(keys, 7).tolist() == [0, 2, 3, 4, 5, 1]
    assert ranking(keys, 7, strata=[0, 0, 1, 0, 1, 0]).tolist() == [0, 2, 3, 5, 4, 1]
    assert ranking(keys, 7, groups=["x", "x", "y", "z", "y", "z"]).tolist() == [0, 1, 3, 5, 2, 4]


def test_a_pool_without_rows_has_a_ranking_without_places() -> None:
    assert ranking(row_digests([]), 1).tolist() == []
    assert ranking([], 1, strata=[]).tolist() == []
    assert ranking([], 1, groups=[]).tolist() == []


@given(counts_of_labels)
def test_each_prefix_has_each_labels_share_to_within_one_row(counts: list[int]) -> None:
    rows, labels = sum(counts), len(counts)
    turns = fair_turns(np.array(counts))
    assert Counter(turns.tolist()) == dict(enumerate(counts))
    error = greatest_error(turns, counts)
    assert error < rows
    assert error * max(1, 2 * labels - 2) <= rows * max(1, 2 * labels - 3)  # Tijdeman's bound


@pytest.mark.parametrize(
    "counts",
    [
        [1, 99_999],
        [1] * 9 + [20_000],
        [2**k for k in range(10)],
        [3001] * 10,
        [1, 1, 1, 9999, 5000],
    ],
)
def test_rare_and_equal_labels_have_their_share_too(counts: list[int]) -> None:
    assert greatest_error(fair_turns(np.array(counts)), counts) < sum(counts)


@given(counts_of_labels, seeds, shuffles)
def test_a_stratified_ranking_is_blind_to_the_order_of_rows(
    counts: list[int], seed: int, shuffle: random.Random
) -> None:
    pool = [f"{label} {k}" for label, count in enumerate(counts) for k in range(count)]
    shuffled = shuffle.sample(pool, len(pool))
    labels = [[int(key.split()[0]) for key in keys] for keys in (pool, shuffled)]
    chosen = [pool[place] for place in ranking(pool, seed, strata=labels[0])]
    assert chosen == [shuffled[place] for place in ranking(shuffled, seed, strata=labels[1])]


def test_within_a_label_rows_keep_their_rank() -> None:
    keys = [str(number) for number in range(200)]
    labels = [number % 7 % 3 for number in range(200)]
    plain, fair = ranking(keys, 5).tolist(), ranking(keys, 5, strata=labels).tolist()
    for label in range(3):
        assert [p for p in plain if labels[p] == label] == [p for p in fair if labels[p] == label]
    assert plain != fair


@given(pools_in_groups, seeds)
def test_groups_follow_each_other_whole(pool: dict[str, str], seed: int) -> None:
    groups = [*pool.values()]
    followed = [groups[place] for place in ranking([*pool], seed, groups=groups)]
    changes = sum(one != other for one, other in pairwise(followed))
    assert changes == len({*groups}) - 1


@given(pools_in_groups, seeds, shuffles)
def test_a_ranking_by_groups_is_blind_to_the_order_of_rows(
    pool: dict[str, str], seed: int, shuffle: random.Random
) -> None:
    keys, groups = [*pool], [*pool.values()]
    shuffled = shuffle.sample(keys, len(keys))
    chosen = [keys[place] for place in ranking(keys, seed, groups=groups)]
    theirs = ranking(shuffled, seed, groups=[pool[key] for key in shuffled])
    assert chosen == [shuffled[place] for place in theirs]


@given(pools_in_groups, seeds, st.data())
def test_what_is_held_out_shares_no_group_with_what_is_trained_on(
    pool: dict[str, str], seed: int, data: st.DataObject
) -> None:
    groups = [*pool.values()]
    ranked = ranking([*pool], seed, groups=groups)
    larger = data.draw(st.integers(0, len(pool)))
    smaller = data.draw(st.integers(0, larger))
    left = held_out_after(ranked, groups, larger)
    trained = {groups[place] for place in ranked[:larger]}
    assert {*left} == {place for place in range(len(pool)) if groups[place] not in trained}
    assert {*left} <= {*held_out_after(ranked, groups, smaller)}
    assert [*left] == [place for place in ranked if place in {*left}]


@given(pools_in_groups, seeds, st.integers(0, 20))
def test_what_is_held_out_is_whole_groups_and_no_more_than_asked(
    pool: dict[str, str], seed: int, count: int
) -> None:
    groups, ranked = [*pool.values()], ranking([*pool], seed)
    kept = [*held_out(ranked, groups, count)]
    taken = {groups[place] for place in kept}
    assert len(kept) <= count
    assert {*kept} == {place for place, group in enumerate(groups) if group in taken}
    assert kept == [place for place in ranked if place in {*kept}]
    for group, size in Counter(groups).items():
        assert group in taken or size > count - len(kept), "there was room for it"


@given(pools_in_groups, seeds, shuffles, st.integers(0, 20))
def test_what_is_held_out_is_the_same_whatever_the_order_of_rows(
    pool: dict[str, str], seed: int, shuffle: random.Random, count: int
) -> None:
    keys = [*pool]
    shuffled = shuffle.sample(keys, len(keys))
    here, there = (
        [names[k] for k in held_out(ranking(names, seed), [pool[key] for key in names], count)]
        for names in (keys, shuffled)
    )
    assert here == there


@given(counts_of_labels, seeds, st.data())
def test_without_groups_the_last_ranked_are_held_out_and_each_label_has_its_share(
    counts: list[int], seed: int, data: st.DataObject
) -> None:
    labels = [label for label, rows in enumerate(counts) for _ in range(rows)]
    keys = [str(number) for number in range(len(labels))]
    count = data.draw(st.integers(0, len(keys)))
    ranked = ranking(keys, seed, strata=labels)
    kept = held_out(ranked, keys, count)
    assert [*kept] == [*ranked[len(keys) - count :]]
    found = Counter(labels[place] for place in kept)
    for label, rows in enumerate(counts):
        assert abs(found[label] - count * rows / len(keys)) < 1


def test_a_group_that_has_no_room_is_passed_over() -> None:
    ranked = np.array([0, 1, 2, 3, 4, 5])
    groups = ["one", "two", "two", "three", "two", "three"]
    assert held_out(ranked, groups, 6).tolist() == [0, 1, 2, 3, 4, 5]
    assert held_out(ranked, groups, 5).tolist() == [1, 2, 3, 4, 5]
    assert held_out(ranked, groups, 4).tolist() == [0, 3, 5]
    assert held_out(ranked, groups, 1).tolist() == [0]
    assert held_out(ranked, groups, 0).tolist() == []


def test_strata_and_groups_at_once_are_refused() -> None:
    with pytest.raises(ValueError, match="not by both"):
        ranking(["a"], 1, strata=[0], groups=["x"])


def test_a_label_is_wanted_for_each_row() -> None:
    with pytest.raises(ValueError, match="found 1 strata or groups for 2 keys"):
        ranking(["a", "b"], 1, strata=[0])


def test_keys_in_one_array_rank_as_they_do_one_by_one() -> None:
    digests = row_digests({"text": str(number)} for number in range(50))
    assert digests.shape == (50, 16)
    assert [*ranking(digests, 3)] == [*ranking([row.tobytes() for row in digests], 3)]


def test_rows_are_known_by_their_id_where_each_has_its_own() -> None:
    english = [{"id": "x", "text": "one"}, {"id": "y", "text": "two"}]
    german = [{"id": "x", "text": "eins"}, {"id": "y", "text": "zwei"}]
    assert np.array_equal(row_digests(english), row_digests(german))


@given(st.lists(st.text(max_size=4), unique=True, min_size=1, max_size=12), seeds, shuffles)
def test_tables_that_share_ids_are_known_by_content_whatever_their_order(
    ids: list[str], seed: int, shuffle: random.Random
) -> None:
    both = [{"id": name, "text": f"{name} {code}"} for code in ("de", "ru") for name in ids]
    other = shuffle.sample(both, len(both))
    assert [both[place] for place in ranking(row_digests(both), seed)] == [
        other[place] for place in ranking(row_digests(other), seed)
    ]
    german, changed = both[: len(ids)], [{**row, "text": "x"} for row in both]
    assert np.array_equal(row_digests(german), row_digests(changed[: len(ids)]))
    assert not np.array_equal(row_digests(both), row_digests(changed))


def test_one_row_without_an_id_makes_the_whole_pool_known_by_content() -> None:
    named = [{"id": "x", "text": "one"}, {"id": "y", "text": "two"}]
    some = row_digests([*named, {"text": "three"}])
    assert not {row.tobytes() for row in row_digests(named)} & {row.tobytes() for row in some}


@pytest.mark.parametrize("extra", [{}, {"id": "always the same"}, {"id": None}])
def test_other_rows_are_known_by_their_content(extra: dict[str, Any]) -> None:
    rows = [{"text": text, "n": [1, None], **extra} for text in ("one", "two", "three")]
    digests = row_digests(rows)
    assert np.array_equal(digests, row_digests(rows[::-1])[::-1])
    assert np.array_equal(digests, row_digests(dict(reversed(row.items())) for row in rows))
    assert len({row.tobytes() for row in digests}) == 3


def test_equal_rows_are_equal_wherever_they_stand() -> None:
    rows = [{"text": "one", "label": 0}, {"text": "two", "label": 1}, {"text": "one", "label": 0}]
    digests = row_digests(rows)
    assert np.array_equal(digests[0], digests[2])
    assert not np.array_equal(digests[0], digests[1])


def test_another_process_ranks_alike() -> None:
    program = (
        "import json; from xtl.data.subsets import *; keys = [str(k) for k in range(500)]; "
        "labels = [k % 3 for k in range(500)]; "
        "digests = row_digests({'text': key} for key in keys); "
        "groups = [str(k // 5) for k in range(500)]; print(json.dumps([ranking(keys, 1).tolist(), "
        "ranking(digests, 1, strata=labels).tolist(), ranking(keys, 1, groups=groups).tolist()]))"
    )
    assert run(program, hash_seed=1) == run(program, hash_seed=2)


def run(program: str, hash_seed: int) -> Any:
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed), "PYTHONPATH": str(root)}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, capture_output=True, check=True)
    return json.loads(done.stdout)


def test_a_sample_is_of_the_same_places_for_as_many_rows() -> None:
    places = sampled(1190, 100)
    assert np.array_equal(places, sampled(1190, 100))
    assert len(set(places.tolist())) == 100
    assert (np.diff(places) > 0).all()
    assert set(sampled(1190, 50).tolist()) < set(places.tolist())
