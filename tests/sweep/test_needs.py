"""Needs: the tables of a manifest, and what stands for them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import lock_for
from tests.sweep.manifests import manifest
from xtl.errors import UserError
from xtl.sweep.manifest import Manifest
from xtl.sweep.needs import Need, needs
from xtl.sweep.plan import make_plan
from xtl.tasks.catalogue import TASKS


def named(asked: Manifest, name: str) -> list[Need]:
    return [need for need in needs(asked) if need.name == name]


def placed(name: str, **place: Any) -> Manifest:
    tasks = [{"task": "mnli"}, {"task": "anli+"}]
    return manifest(intermediate=tasks, training_data={name: place})


def test_a_task_needs_its_tables_and_a_target_one_a_language() -> None:
    asked = manifest()
    assert [need.ref for need in named(asked, "mnli")] == list(TASKS["mnli"].tables)
    assert [need.trained for need in named(asked, "tydiqa")] == [True] + [False] * 9


def test_a_table_that_two_tasks_share_is_needed_once() -> None:
    asked = manifest(intermediate=[{"task": "mnli"}, {"task": "anli+"}])
    refs = [need.ref for need in needs(asked)]
    assert len(refs) == len(set(refs))
    assert TASKS["mnli"].tables[0] in TASKS["anli+"].tables


def test_one_file_stands_for_all_tables_of_a_task() -> None:
    (need,) = named(placed("anli+", path="my/nli.jsonl"), "anli+")
    assert (need.ref.repo, need.ref.config, need.ref.form) == (
        "own/anli+", "default", "own:sentence-pair",
    )  # fmt: skip
    assert need.labels == TASKS["anli+"].labels


def test_a_file_a_language_stands_for_an_evaluation_set() -> None:
    asked = manifest(evaluation_data={"tydiqa": {"path": "my/tydiqa.{language}.json"}})
    (trained,) = [need for need in named(asked, "tydiqa") if need.trained]
    found = [need.ref for need in named(asked, "tydiqa") if not need.trained]
    assert trained.ref == TASKS["tydiqa"].tables[0]
    assert {ref.config for ref in found} >= {"bn", "sw", "te"}
    assert {ref.repo for ref in found} == {"own/tydiqa-evaluation"}


def test_another_repo_is_read_in_the_form_of_the_set_that_it_stands_for() -> None:
    (need,) = named(placed("mnli", repo="lab/mnli", split="validation"), "mnli")
    usual = TASKS["mnli"].tables[0]
    assert (need.ref.repo, need.ref.split) == ("lab/mnli", "validation")
    assert (need.ref.config, need.ref.form) == (usual.config, usual.form)


def test_a_folder_is_read_as_the_hub_s_set_is() -> None:
    (need,) = named(placed("mnli", path="my/mnli"), "mnli")
    usual = TASKS["mnli"].tables[0]
    assert (need.ref.repo, need.ref.config, need.ref.form) == ("own/mnli", usual.config, usual.form)


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ({}, "either `path` or `repo`"),
        ({"path": "a.csv", "repo": "a/b"}, "either `path` or `repo`"),
        ({"repo": "a/b", "columns": {"label": "y"}}, "only with `path`"),
        ({"path": "a.csv", "colums": {}}, "found an unknown key"),
    ],
)
def test_a_place_is_a_path_or_a_repo(place: dict[str, Any], line: str) -> None:
    with pytest.raises(UserError, match=line):
        placed("mnli", **place)


def test_a_name_that_nothing_has_is_refused() -> None:
    with pytest.raises(UserError, match="training_data: found 'mnly'"):
        placed("mnly", path="a.csv")


def test_a_task_that_no_hub_has_says_what_to_do() -> None:
    with pytest.raises(UserError, match=r"training_data: found nothing for ccg.*your files"):
        manifest(intermediate=[{"task": "ccg"}])


def test_data_from_another_place_than_is_locked_is_refused() -> None:
    lock = lock_for(placed("mnli", path="a.jsonl"), rows=10**6)
    with pytest.raises(UserError, match=r"training_data.mnli: found .*b.jsonl.*--update"):
        make_plan(placed("mnli", path="b.jsonl"), lock)


def test_columns_that_are_mapped_otherwise_are_another_place() -> None:
    lock = lock_for(placed("mnli", path="a.jsonl"), rows=10**6)
    with pytest.raises(UserError, match="expected what is locked"):
        make_plan(placed("mnli", path="a.jsonl", columns={"label": "y"}), lock)
