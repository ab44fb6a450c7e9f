"""Flat keys, numbers that JSON lacks, and the rule of attempts."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xtl.tracking.record import RunRecord, decode, encode, flatten, make_record, merge

RECORD = RunRecord("s1", 1, "demo", "train", "a name", {}, {}, 0, None, "here")

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text("ab")


def test_nested_settings_become_flat_keys_with_slashes() -> None:
    tree = {"model": {"name": "x", "head": {"dropout": 0.1}}, "languages": ["sw", "te"]}
    assert flatten(tree) == {
        "model/name": "x",
        "model/head/dropout": 0.1,
        "languages": ["sw", "te"],
    }


def test_an_empty_mapping_stays_as_a_value() -> None:
    assert flatten({"a": {"b": {}}}) == {"a/b": {}}


@pytest.mark.parametrize("tree", [{"a": {"b": 1}, "a/b": 2}, {"a/b": 2, "a": {"b": 1}}])
def test_two_settings_with_one_flat_key_are_refused(tree: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="'a/b'"):
        flatten(tree)


@settings(max_examples=50)
@given(st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text("ab"), inner)))
def test_decoding_undoes_encoding(value: object) -> None:
    assert decode(encode(value)) == value


def test_nan_and_infinities_are_named_at_any_depth() -> None:
    named = encode({"a": [math.nan, {"b": math.inf}], "c": -math.inf})
    assert named == {"a": ["NaN", {"b": "Infinity"}], "c": "-Infinity"}
    assert math.isnan(decode(named)["a"][0])
    assert decode(named)["c"] == -math.inf


def test_the_latest_attempt_that_finished_well_wins() -> None:
    good = replace(RECORD, attempt=1, exit_code=0)
    better = replace(RECORD, attempt=2, exit_code=0)
    killed = replace(RECORD, attempt=3, exit_code=None)
    assert merge([better, killed, good]) == {"s1": better}


def test_without_a_good_attempt_the_latest_wins() -> None:
    failed = replace(RECORD, attempt=1, exit_code=1)
    killed = replace(RECORD, attempt=2, exit_code=None)
    assert merge([killed, failed]) == {"s1": killed}


def test_shards_are_merged_apart() -> None:
    other = replace(RECORD, shard="s2", exit_code=None)
    assert merge([RECORD, other]) == {"s1": RECORD, "s2": other}


def test_the_keys_of_wandb_itself_and_nulls_of_the_summary_are_left_out() -> None:
    record = make_record(
        shard="s1",
        sweep="demo",
        stage="train",
        name="a name",
        config={"_wandb": {"cli_version": "0.31.0"}, "lr": 0.1, "shard": "s1", "attempt": 3},
        summary={"_step": 9, "_wandb": {"runtime": 3}, "train/step": 70, "gone": None},
        exit_code=0,
        source="here",
    )
    assert record.config == {"lr": 0.1}
    assert record.summary == {"train/step": 70}
    assert (record.attempt, record.last_step) == (3, 70)
