"""Needs: the tables of a manifest, and what stands for them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sweep.manifests import manifest
from xtl.errors import UserError
from xtl.sweep.manifest import Manifest
from xtl.sweep.needs import Need, every_need, needs
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


def test_several_places_stand_one_after_another() -> None:
    places = [{"repo": "nyu-mll/glue", "split": "validation_matched"}, {"path": "my/nli.jsonl"}]
    asked = manifest(training_data={"mnli": places})
    first, second = named(asked, "mnli")
    assert (first.ref.config, first.ref.split) == ("mnli", "validation_matched")
    assert second.ref.repo.startswith("own/mnli-")


@pytest.mark.parametrize(
    ("places", "words"),
    [
        ([{"repo": "a/b"}, {"repo": "a/b", "paht": "c"}], r"mnli\.1\.paht: found an unknown key"),
        ([], r"training_data\.mnli: found \[\], expected "),
        ({"paht": "c"}, r"training_data\.mnli\.paht: found an unknown key"),
    ],
)
def test_a_place_that_is_none_is_named_by_its_number(places: Any, words: str) -> None:
    with pytest.raises(UserError, match=words):
        manifest(training_data={"mnli": places})


def test_text_and_translations_have_one_place() -> None:
    places = [{"path": "a.{language}.txt"}, {"path": "b.{language}.txt"}]
    tasks = [{"task": "mnli", "masked_text": {"corpus": "wiki", "languages": ["sw", "te"]}}]
    with pytest.raises(
        UserError, match=r"training_data.wiki: found 2 places, expected one place, "
    ):
        manifest(intermediate=tasks, training_data={"wiki": places})


def test_one_file_stands_for_all_tables_of_a_task() -> None:
    (need,) = named(placed("anli+", path="my/nli.jsonl"), "anli+")
    assert need.ref.repo.startswith("own/anli+-")
    assert (need.ref.config, need.ref.form) == ("default", "own:sentence-pair")
    assert need.labels == TASKS["anli+"].labels


def test_a_file_a_language_stands_for_an_evaluation_set() -> None:
    asked = manifest(evaluation_data={"tydiqa": {"path": "my/tydiqa.{language}.json"}})
    (trained,) = [need for need in named(asked, "tydiqa") if need.trained]
    found = [need.ref for need in named(asked, "tydiqa") if not need.trained]
    assert trained.ref == TASKS["tydiqa"].tables[0]
    assert {ref.config for ref in found} >= {"bn", "sw", "te"}
    assert all(ref.repo.startswith("own-evaluation/tydiqa-") for ref in found)
    assert len({ref.repo for ref in found}) == len(found)


def test_another_repo_is_read_in_the_form_of_the_set_that_it_stands_for() -> None:
    (need,) = named(placed("mnli", repo="lab/mnli", split="validation"), "mnli")
    usual = TASKS["mnli"].tables[0]
    assert (need.ref.repo, need.ref.split) == ("lab/mnli", "validation")
    assert (need.ref.config, need.ref.form) == (usual.config, usual.form)


def test_a_set_that_is_known_is_read_in_its_own_form() -> None:
    xnli = {"repo": "google/xtreme", "config": "XNLI"}
    targets = [{"task": "xnli", "languages": ["de", "sw"]}]
    asked = manifest(targets=targets, evaluation_data={"xnli": xnli})
    found = [need.ref for need in named(asked, "xnli")]
    assert [(ref.config, ref.part, ref.form) for ref in found] == [
        ("XNLI", "de", "xtreme-xnli"), ("XNLI", "sw", "xtreme-xnli"),
    ]  # fmt: skip


def test_another_repo_calls_languages_what_the_set_does_that_it_stands_for() -> None:
    targets = [{"task": "udpos", "languages": ["de", "sw"][:1]}]
    asked = manifest(targets=targets, evaluation_data={"udpos": {"repo": "lab/udpos"}})
    (ref,) = [need.ref for need in named(asked, "udpos") if not need.trained]
    assert (ref.repo, ref.config) == ("lab/udpos", "udpos.German")


def test_a_folder_is_read_as_the_hub_s_set_is() -> None:
    (need,) = named(placed("mnli", path="my/mnli"), "mnli")
    usual = TASKS["mnli"].tables[0]
    assert need.ref.repo.startswith("own/mnli-")
    assert (need.ref.config, need.ref.form) == (usual.config, usual.form)


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ({}, "either `path` or `repo`"),
        ({"path": "a.csv", "repo": "a/b"}, "either `path` or `repo`"),
        ({"repo": "a/b", "columns": {"label": "y"}}, "only for a file"),
        ({"path": "a", "columns": {"label": "y"}}, "only for a file"),
        ({"path": "a.csv", "split": "train"}, "only for a repo or a folder"),
        ({"path": "a.{language}.csv"}, "expected no {language}"),
        ({"path": "my/{language}"}, "only for files"),
        ({"path": "a.csv", "colums": {}}, "found an unknown key"),
    ],
)
def test_a_place_is_a_path_or_a_repo(place: dict[str, Any], line: str) -> None:
    with pytest.raises(UserError, match=line):
        placed("mnli", **place)


@pytest.mark.parametrize("name", ["mnly", "qqp", "../up", "squad-v1.1-held-out"])
def test_a_name_that_nothing_reads_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="training_data"):
        placed(name, path="a.csv")


def test_one_table_cannot_stand_for_several_languages() -> None:
    with pytest.raises(
        UserError, match=r"evaluation_data.tydiqa: found .*expected {language} in it"
    ):
        manifest(evaluation_data={"tydiqa": {"path": "a.json"}})
    one = [{"task": "tydiqa", "languages": ["sw"]}]
    manifest(targets=one, evaluation_data={"tydiqa": {"path": "a.json"}})


def test_translations_without_a_table_a_language_are_refused() -> None:
    translated = {"data": "mt", "languages": ["de", "ru"]}
    tasks = [{"task": "mnli", "translated": translated}]
    with pytest.raises(UserError, match=r"training_data.mt: found .*expected {language} in it"):
        manifest(intermediate=tasks, training_data={"mt": {"repo": "a/b"}})


def test_text_may_not_go_by_the_name_of_a_task() -> None:
    text = {"corpus": "mnli", "languages": ["sw"]}
    with pytest.raises(UserError, match="the name of a task, expected one of its own"):
        manifest(
            intermediate=[{"task": "mnli", "masked_text": text}],
            training_data={"mnli": {"path": "a.txt"}},
        )


def test_a_task_that_no_hub_has_says_what_to_do() -> None:
    with pytest.raises(UserError, match=r"training_data: found nothing for ccg.*your files"):
        manifest(intermediate=[{"task": "ccg"}])


def refs(**place: Any) -> list[str]:
    return [need.ref.repo for need in named(placed("mnli", **place), "mnli")]


def test_another_place_has_another_name_so_that_it_takes_nothing_that_is_locked() -> None:
    mapped = {"label": "y"}
    found = [refs(path="a.csv"), refs(path="b.csv"), refs(path="a.csv", columns=mapped)]
    assert len({repo for repos in found for repo in repos}) == 3


def test_one_place_in_two_spellings_is_one() -> None:
    columns = {"label": "y", "sentence1": "a"}
    turned = dict(reversed(columns.items()))
    assert refs(path="my/a.csv", columns=columns) == refs(path="./my/a.csv", columns=turned)


def test_a_table_that_two_tasks_share_is_named_for_each() -> None:
    asked = manifest(intermediate=[{"task": "mnli"}, {"task": "anli+"}])
    shared = TASKS["mnli"].tables[0]
    assert [need.name for need in every_need(asked) if need.ref == shared] == ["mnli", "anli+"]


def test_translated_data_have_no_bound_of_the_task_s_own() -> None:
    translated = {"data": "mt", "languages": ["de", "ru"]}
    task, place = {"task": "ccg", "translated": translated}, {"path": "mt.{language}.conll"}
    asked = manifest(intermediate=[task], sizes=[0, 10**6], training_data={"mt": place})
    assert len(named(asked, "mt")) == 2


def test_a_name_is_text_or_translations() -> None:
    text = {"corpus": "w", "languages": ["sw"]}
    tasks = [
        {"task": "mnli", "masked_text": text},
        {"task": "qqp", "translated": {"data": "w", "languages": ["de"]}},
    ]
    with pytest.raises(UserError, match=r"training_data.w: found text and translations"):
        manifest(intermediate=tasks, training_data={"w": {"path": "w.{language}.jsonl"}})
