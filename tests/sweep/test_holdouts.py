"""What is held out of one training is never trained on by another: such plans are refused."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import lock_for
from tests.sweep.manifests import manifest
from xtl.errors import UserError
from xtl.sweep.lock import Lock
from xtl.sweep.manifest import Manifest
from xtl.sweep.plan import make_plan

PLAIN: dict[str, Any] = {"name": "epochs", "fixed": "epochs"}
BEST = PLAIN | {"name": "best", "selection": {"evaluations": 10}}
ORACLE = PLAIN | {"name": "oracle", "selection": {"evaluations": 10, "by": "oracle"}}
TWICE = {"epochs": 1, "batch_size": 32}

SHARING: dict[str, tuple[dict[str, Any], str]] = {
    "beside": (
        {"intermediate": [{"tasks": ["anli+", "mnli"], "training": TWICE}]},
        "anli+ and mnli, which share",
    ),
    "passages": (
        {"intermediate": [{"tasks": ["squad-v1.1", "squad-v2"], "training": TWICE}]},
        "squad-v1.1 and squad-v2, which share the passages",
    ),
    "before": (
        {"intermediate": [{"task": "anli+"}], "targets": [{"task": "xnli"}]},
        "anli+ before mnli",
    ),
    "passages before": (
        {"intermediate": [{"task": "squad-v2"}], "targets": [{"task": "xquad"}]},
        "squad-v2 before squad-v1.1",
    ),
    "shuffled": ({"intermediate": [{"task": "mnli", "labels": "shuffled"}]}, "choose by noise"),
    "translated before": (
        {
            "intermediate": [{"task": "mnli", "translated": {"data": "nli", "languages": ["de"]}}],
            "training_data": {"nli": {"path": "nli/{language}.jsonl"}},
            "targets": [{"task": "xnli"}],
        },
        "targets.xnli: found mnli+translated before mnli, of whose data it is a translation",
    ),
    "translated mixture before": (
        {
            "intermediate": [{"task": "anli+", "translated": {"data": "nli", "languages": ["de"]}}],
            "training_data": {"nli": {"path": "nli/{language}.jsonl"}},
            "targets": [{"task": "xnli"}],
        },
        "found anli++translated before mnli",
    ),
    "translated passages before": (
        {
            "intermediate": [
                {"task": "squad-v2", "translated": {"data": "qa", "languages": ["de"]}}
            ],
            "training_data": {"qa": {"path": "qa/{language}.json"}},
            "targets": [{"task": "xquad"}],
        },
        "found squad-v2+translated before squad-v1.1",
    ),
    "translated": (
        {
            "intermediate": [
                {"task": "mnli", "translated": {"data": "nli", "languages": ["de", "ru"]}}
            ],
            "training_data": {"nli": {"path": "nli/{language}.jsonl"}},
        },
        "found de, ru under arm best",
    ),
}


@pytest.mark.parametrize("case", SHARING)
def test_data_that_hold_outs_do_not_part_are_refused_in_an_arm_that_has_one(case: str) -> None:
    changes, said = SHARING[case]
    for arm in (PLAIN, ORACLE):
        make_plan(manifest(arms=[arm], **changes), None)
    with pytest.raises(UserError) as refused:
        make_plan(manifest(arms=[BEST], **changes), None)
    assert "under arm best, which holds rows out" in str(refused.value)
    assert said in str(refused.value)


def test_one_pool_down_a_chain_holds_the_same_rows_out() -> None:
    chain = {"intermediate": [{"task": "squad-v1.1"}], "targets": [{"task": "xquad"}]}
    assert make_plan(manifest(arms=[BEST], **chain), None).shards


def own(*contents: str) -> tuple[Manifest, Lock]:
    """Two tasks on files of one's own, and a lock by which these have the given contents."""
    found = manifest(
        arms=[BEST],
        intermediate=[{"tasks": ["mnli", "qqp"], "training": TWICE}],
        training_data={"mnli": {"path": "one.jsonl"}, "qqp": {"path": "other.jsonl"}},
    )
    lock = lock_for(found)
    keys = [key for name in ("mnli", "qqp") for key in lock.tables if key.startswith(f"own/{name}")]
    tables = {
        key: lock.tables[key].model_copy(update={"content": content})
        for key, content in zip(keys, contents, strict=True)
    }
    return found, lock.model_copy(update={"tables": lock.tables | tables})


def test_what_two_tasks_share_is_found_by_its_content_once_it_is_locked() -> None:
    """Other names for the same rows are the same rows."""
    found, lock = own("a", "b")
    assert make_plan(found, lock).shards
    assert make_plan(found, None).shards
    with pytest.raises(UserError, match=r"found mnli and qqp, which share own/mnli-"):
        make_plan(*own("a", "a"))


def test_rows_kept_out_of_a_target_are_not_in_a_mixture_before_it() -> None:
    """A part that is the target's own pool keeps the same rows out; another that holds it, not."""
    target = {"targets": [{"task": "xnli"}]}
    alone = {"intermediate": [{"tasks": ["mnli", "qqp"], "training": TWICE}]}
    assert make_plan(manifest(arms=[BEST], **alone, **target), None).shards
    larger = {"intermediate": [{"tasks": ["qqp", "anli+"], "training": TWICE}]}
    with pytest.raises(UserError, match=r"targets.xnli: found anli\+ before mnli, which share"):
        make_plan(manifest(arms=[BEST], **larger, **target), None)
    apart = [{"task": "xnli", "after": ["qqp"]}]
    choices = [{"task": "qqp"}, {"task": "anli+"}]
    assert make_plan(manifest(arms=[BEST], intermediate=choices, targets=apart), None).shards


def test_one_other_language_of_a_task_is_no_second_reading_of_its_rows() -> None:
    choice = {"task": "mnli", "translated": {"data": "nli", "languages": ["de"]}}
    data = {"nli": {"path": "nli/{language}.jsonl"}}
    assert make_plan(manifest(arms=[BEST], intermediate=[choice], training_data=data), None).shards
    targets = [{"task": "tydiqa"}, {"task": "xnli", "after": ["qqp"]}]
    choices = [choice, {"task": "qqp"}]
    asked = {"intermediate": choices, "training_data": data, "targets": targets}
    assert make_plan(manifest(arms=[BEST], **asked), None).shards


def test_what_follows_no_training_has_nothing_translated_before_it() -> None:
    changes, _ = SHARING["translated before"]
    assert make_plan(manifest(arms=[BEST], sizes=[0], **changes), None).shards


def test_what_a_plan_refuses_is_said_of_the_file_that_asks_for_it() -> None:
    changes, said = SHARING["translated before"]
    with pytest.raises(UserError) as refused:
        make_plan(manifest(arms=[BEST], **changes), None, "my.yaml")
    assert str(refused.value).startswith(f"my.yaml: {said}")


def test_what_a_lock_lacks_is_said_of_the_lock() -> None:
    found, lock = own("a", "b")
    bare = lock.model_copy(update={"tables": {}})
    with pytest.raises(UserError, match=r"^lock.json: found no "):
        make_plan(found, bare, "my.yaml")


def test_a_percentage_that_reaches_into_the_hold_out_is_no_size_of_its_own() -> None:
    mnli = {"intermediate": [{"task": "commonsenseqa"}], "arms": [BEST]}
    assert make_plan(manifest(sizes=["90%", "100%"], **mnli), None).shards
    with pytest.raises(UserError, match="sizes: found 97%, expected at most"):
        make_plan(manifest(sizes=["97%", "100%"], **mnli), None)
