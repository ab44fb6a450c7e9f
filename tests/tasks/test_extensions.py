"""What is installed beside xtl and adds to its catalogue, or is refused in one line."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from tests.bench import ROOT
from tests.extending import install, install_the_document_s
from xtl.errors import UserError
from xtl.sweep.places import DataName
from xtl.tasks.catalogue import EVALUATION_SETS, METRICS, TARGETS, TASKS
from xtl.tasks.entries import DatasetRef, EvaluationSet, Target, Task
from xtl.tasks.entry_checks import faults
from xtl.tasks.extensions import take_in
from xtl.tasks.families import MAKERS, MODULES
from xtl.tasks.forms import FORMS, LAYOUTS, Form
from xtl.tasks.languages import LANGUAGES, Language
from xtl.tasks.offers import Catalogue, Extension
from xtl.tasks.schema import COLUMNS, problem

TASK = replace(TASKS["mnli"], name="news")
SET = replace(EVALUATION_SETS["xnli"], name="news-test")
TARGET = replace(TARGETS["xnli"], name="news", task="news", evaluation_sets=("news-test",))
FAMILY: dict[str, Any] = {
    "COLUMNS": {"grading": {"text": "text", "grade": "number"}},
    "METRICS": {"grading": ("error",)},
    "FAMILIES": {"grading": ("my_xtl.family", "my_xtl.maker")},
}


def odd(entry: Task | Target | EvaluationSet, **values: Any) -> object:
    """With values of types that it should not have."""
    return replace(entry, **values)


def catalogue() -> Catalogue:
    return Catalogue(
        dict(TASKS), dict(TARGETS), dict(EVALUATION_SETS), dict(METRICS), dict(COLUMNS),
        dict(FORMS), list(LAYOUTS), dict(MODULES), dict(MAKERS), dict(LANGUAGES),
    )  # fmt: skip


def taken(*offers: Mapping[str, Any]) -> Catalogue:
    found = catalogue()
    take_in([Extension("my-xtl 1.0", SimpleNamespace(**each)) for each in offers], found)
    return found


def test_entries_stand_beside_xtl_s_own() -> None:
    found = taken({"TASKS": [TASK], "EVALUATION_SETS": [SET], "TARGETS": [TARGET]})
    assert (found.tasks["news"], found.targets["news"]) == (TASK, TARGET)
    assert found.evaluation_sets["news-test"] == SET
    assert found.tasks["mnli"] == TASKS["mnli"]


def test_a_family_brings_its_columns_and_can_be_read_from_own_files() -> None:
    found = taken(FAMILY)
    assert found.families["grading"] == "my_xtl.family"
    assert found.makers["grading"] == "my_xtl.maker"
    assert found.forms["own:grading"] == Form("grading", id="id")


def test_one_extension_may_build_on_another_whatever_their_order() -> None:
    task = Task("grades", "grading", (), 9, 9.0, 1, TASK.recipe)
    assert taken({"TASKS": [task]}, FAMILY).tasks["grades"] == task


def test_a_layout_is_known_by_its_form() -> None:
    offers = {"FORMS": {"mine": Form("sentence-pair")}, "LAYOUTS": [("me/*", "*", "mine")]}
    assert taken(offers).layouts[-1] == ("me/*", "*", "mine")


def test_a_language_comes_with_the_set_that_asks_in_it() -> None:
    hausa = Language("ha", "Hausa", "Latin", 0.3)
    found = taken(
        {"EVALUATION_SETS": [replace(SET, languages=("ha",))]}, {"LANGUAGES": {"ha": hausa}}
    )
    assert found.languages["ha"] == hausa
    assert found.evaluation_sets["news-test"].languages == ("ha",)


@pytest.mark.parametrize("entries", [TASKS, TARGETS, EVALUATION_SETS])
def test_xtl_s_own_entries_are_sound(entries: Mapping[str, Any]) -> None:
    own = [each for name, each in entries.items() if not name.endswith("-held-out")]
    assert [(each.name, list(faults(each))) for each in own if list(faults(each))] == []


@pytest.mark.parametrize(
    "name",
    ["news", "anli+", "a.b_c-1", "n" * 64, "n" * 65, "", "My", "a b", "-a", "a/b", "a\n", "é"],
)
def test_a_name_is_taken_where_a_manifest_can_say_it(name: str) -> None:
    try:
        TypeAdapter(DataName).validate_python(name)
        can_be_said = True
    except ValidationError:
        can_be_said = False
    assert (not list(faults(replace(TASK, name=name)))) == can_be_said


BAD: list[tuple[dict[str, Any], str]] = [
    ({"TASKS": [TASKS["mnli"]]}, "TASKS: found mnli, which is taken, expected a name of its own"),
    ({"TASKS": [TASK, TASK]}, "TASKS: found news, which is taken, expected a name of its own"),
    (
        {"TASKS": [replace(TASK, family="pairs")]},
        "TASKS: news: family: found 'pairs', expected one",
    ),
    (
        {"TASKS": [replace(TASK, tables=(DatasetRef("a/b", "c", "train", "odd"),))]},
        "TASKS: news: form: found 'odd', expected one of squad, ",
    ),
    ({"TASKS": [TARGET]}, "TASKS: found Target, expected Task"),
    ({"TASKS": TASK}, "TASKS: found what cannot be read: 'Task' object is not iterable"),
    (
        {"EVALUATION_SETS": [replace(SET, headline="f1")]},
        "headline: found 'f1', expected one of acc",
    ),
    ({"TARGETS": [TARGET]}, "TARGETS: news: task: found 'news', expected one of"),
    (
        {"TASKS": [TASK], "TARGETS": [replace(TARGET, evaluation_sets=("xquad",))]},
        "TARGETS: news: evaluation_sets: found 'xquad', expected one of xnli",
    ),
    (
        {"TASKS": [TASK], "TARGETS": [replace(TARGET, evaluation_sets=())]},
        "TARGETS: news: evaluation_sets: found none, expected one or more",
    ),
    ({"FAMILIES": FAMILY["FAMILIES"]}, "COLUMNS: found 'grading', expected one of span-qa"),
    ({**FAMILY, "METRICS": {}}, "METRICS: found 'grading', expected one of span-qa"),
    (
        {**FAMILY, "FAMILIES": {"grading": ("a",)}},
        "FAMILIES: found what cannot be read: not enough",
    ),
    (
        {"COLUMNS": {"grading": {"grade": "float"}}},
        "grading: grade: found 'float', expected one of",
    ),
    ({"COLUMNS": {"tagging": {}}}, "COLUMNS: found tagging, which is taken"),
    ({"METRICS": {"tagging": ()}}, "METRICS: found tagging, which is taken"),
    ({"FORMS": {"squad": Form("span-qa")}}, "FORMS: found squad, which is taken"),
    ({"FORMS": {"mine": Form("grading")}}, "FORMS: mine: family: found 'grading', expected one of"),
    ({"LAYOUTS": [("me/*", "*", "mine")]}, "LAYOUTS: me/*: form: found 'mine', expected one of"),
    (
        {"EVALUATION_SETS": [replace(SET, family="masked-lm", headline="f1")]},
        "news-test: family: found 'masked-lm', expected one of span-qa",
    ),
    (
        {"TASKS": [replace(TASK, family="masked-lm", tables=(), labels=())], "TARGETS": [TARGET]},
        "evaluation_sets: found 'news-test', and no set of family 'masked-lm', expected one",
    ),
    ({"METRICS": {"grading": ()}}, "METRICS: grading: found (), expected names of metrics"),
    ({"METRICS": {"grading": "error"}}, "grading: found 'error', expected names of metrics"),
    (
        {"FORMS": {"mine": Form("sentence-pair")}, "LAYOUTS": [{}]},
        "LAYOUTS: found what cannot be read: not enough",
    ),
    (
        {"TASKS": [replace(TASK, name="my news")]},
        "TASKS: my news: name: found 'my news', expected 1 to 64 of a-z, 0-9,",
    ),
    ({"EVALUATION_SETS": [replace(SET, name="mnli-held-out")]}, "and not -held-out at the end"),
    (
        {"TASKS": [replace(TASK, tables=(DatasetRef("a/b", "c", "train", "squad"),))]},
        "form: found 'squad', which is of family 'span-qa', expected one of 'sentence-pair'",
    ),
    (
        {"EVALUATION_SETS": [replace(SET, data=DatasetRef("a/b", "c", "test", "panx"))]},
        "form: found 'panx', which is of family 'tagging', expected one of 'sentence-pair'",
    ),
    ({"TASKS": [odd(TASK, epochs="3")]}, "epochs: found '3', expected a whole number above 0"),
    ({"TASKS": [replace(TASK, rows=0)]}, "rows: found 0, expected a whole number above 0"),
    ({"TASKS": [replace(TASK, tokens=-1.5)]}, "tokens: found -1.5, expected a number above 0"),
    ({"TASKS": [odd(TASK, recipe={})]}, "recipe: found {}, expected a Recipe"),
    ({"TASKS": [odd(TASK, labels="yes")]}, "labels: found 'yes', expected a tuple of names"),
    ({"TASKS": [replace(TASK, choices=0)]}, "choices: found 0, expected a whole number above 0"),
    ({"TARGETS": [replace(TARGET, epochs=True)]}, "epochs: found True, expected a whole number"),
    (
        {"TARGETS": [odd(TARGET, task="mnli", evaluation_sets="xnli")]},
        "TARGETS: news: evaluation_sets: found 'xnli', expected a tuple of names, each once",
    ),
    (
        {"EVALUATION_SETS": [replace(SET, languages=())]},
        "languages: found (), expected a tuple of languages' codes, each once",
    ),
    ({"EVALUATION_SETS": [odd(SET, languages="en")]}, "languages: found 'en', expected a tuple"),
    ({"EVALUATION_SETS": [replace(SET, languages=("en", "en"))]}, "expected a tuple of languages'"),
    (
        {"EVALUATION_SETS": [replace(SET, languages=("en", "ha"))]},
        "languages: found 'ha', expected one that LANGUAGES brings, or one of af, ar, ",
    ),
    (
        {"EVALUATION_SETS": [replace(SET, codes={"sw": "swh", "xx": "x"})]},
        "codes: found 'xx', expected one of ",
    ),
    (
        {
            "TASKS": [TASK],
            "EVALUATION_SETS": [replace(SET, labels=("no", "yes"))],
            "TARGETS": [TARGET],
        },
        "evaluation_sets: news-test: found labels no, yes, expected task news's, entailment, ",
    ),
    ({"LANGUAGES": {"en": LANGUAGES["en"]}}, "LANGUAGES: found en, which is taken"),
    ({"LANGUAGES": {"ha": "Hausa"}}, "LANGUAGES: ha: found 'Hausa', expected a Language"),
    (
        {"LANGUAGES": {"ha": Language("hau", "Hausa", "Latin", None)}},
        "ha: found the code 'hau', expected its key, two or three lower-case letters",
    ),
    ({"LANGUAGES": {"ha": Language("ha", "", "Latin", None)}}, "expected a name and a script"),
    ({"LANGUAGES": {"ha": Language("ha", "Hausa", "Latin", 0)}}, "expected GiB above 0, or None"),
]


@pytest.mark.parametrize(("offers", "words"), BAD, ids=[words for _, words in BAD])
def test_what_does_not_fit_is_one_line_that_names_the_distribution(
    offers: dict[str, Any], words: str
) -> None:
    with pytest.raises(UserError) as caught:
        taken(offers)
    assert str(caught.value).startswith("extension my-xtl 1.0: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("value", "fits"), [(4.5, True), (3, True), (float("nan"), False),
                                             ("4", False), (True, False)])  # fmt: skip
def test_a_number_is_a_finite_one(
    value: object, fits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(COLUMNS, "grading", {"grade": "number"})
    assert (problem({"grade": value}, "grading") is None) == fits


def run(path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(path)])}
    return subprocess.run(
        [sys.executable, *words], cwd=path, env=env, capture_output=True, text=True
    )


@pytest.mark.slow
def test_a_worker_that_knows_no_catalogue_finds_a_family_all_the_same(tmp_path: Path) -> None:
    """As the processes do that share the work of tokenising."""
    install_the_document_s(tmp_path)
    program = (
        "from xtl.tasks.families import feature_maker; "
        "print(type(feature_maker('similarity')).__name__)"
    )
    done = run(tmp_path, "-c", program)
    assert done.stdout.strip() == "SimilarityMaker", done.stderr


@pytest.mark.slow
def test_plan_stays_quick_and_knows_what_was_added(tmp_path: Path) -> None:
    install_the_document_s(tmp_path)
    program = (
        "import sys; from xtl.tasks.catalogue import EVALUATION_SETS, TARGETS, TASKS; "
        "print('torch' in sys.modules, TASKS['headlines'].family, TARGETS['sts'].task, "
        "EVALUATION_SETS['sts-held-out'].family)"
    )
    started = time.perf_counter()
    done = run(tmp_path, "-c", program)
    assert done.stdout.split() == ["False", "sentence-pair", "sts", "similarity"], done.stderr
    assert time.perf_counter() - started < 5


REFUSED = [
    ("from my_tools import nothing", "ModuleNotFoundError: No module named 'my_tools'"),
    ("raise ValueError('one\\ntwo')", "ValueError: one two"),
    ("import torch\nTASKS = []", "found that it imports torch, expected a module that does not"),
    ("TASK = 1", "found none of LANGUAGES, COLUMNS, METRICS, FAMILIES, FORMS, LAYOUTS, TASKS, "),
    (
        "from xtl.tasks.catalogue.tasks import TASKS as T\nTASKS = [T['mnli']]",
        "found mnli, which is taken",
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(("module", "words"), REFUSED, ids=[words for _, words in REFUSED])
def test_a_module_that_fails_is_one_line_and_exit_status_2(
    module: str, words: str, tmp_path: Path
) -> None:
    install(tmp_path, "my-xtl", {"news": "my_xtl"}, {"my_xtl.py": module})
    done = run(tmp_path, "-m", "jobs.main", "plan")
    (line,) = done.stderr.splitlines()
    assert line.startswith("xtl: extension my-xtl 1.0: ")
    assert words in line
    assert (done.returncode, done.stdout) == (2, "")
