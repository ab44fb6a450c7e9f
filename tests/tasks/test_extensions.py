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

from tests.bench import ROOT
from tests.extending import install, install_the_document_s
from xtl.errors import UserError
from xtl.tasks.catalogue import EVALUATION_SETS, METRICS, TARGETS, TASKS
from xtl.tasks.entries import DatasetRef, Task
from xtl.tasks.extensions import Catalogue, Extension, take_in
from xtl.tasks.families import MAKERS, MODULES
from xtl.tasks.forms import FORMS, LAYOUTS, Form
from xtl.tasks.schema import COLUMNS, problem

TASK = replace(TASKS["mnli"], name="news")
SET = replace(EVALUATION_SETS["xnli"], name="news-test")
TARGET = replace(TARGETS["xnli"], name="news", task="news", evaluation_sets=("news-test",))
FAMILY: dict[str, Any] = {
    "COLUMNS": {"grading": {"text": "text", "grade": "number"}},
    "METRICS": {"grading": ("error",)},
    "FAMILIES": {"grading": ("my_xtl.family", "my_xtl.maker")},
}


def catalogue() -> Catalogue:
    return Catalogue(
        dict(TASKS), dict(TARGETS), dict(EVALUATION_SETS), dict(METRICS), dict(COLUMNS),
        dict(FORMS), list(LAYOUTS), dict(MODULES), dict(MAKERS),
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
    ("TASK = 1", "found none of COLUMNS, METRICS, FAMILIES, FORMS, LAYOUTS, TASKS, "),
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
