from __future__ import annotations

import subprocess
import sys

import pytest

from xtl.tasks.catalogue import EVALUATION_SETS, METRICS, TARGETS, TASKS
from xtl.tasks.entries import DatasetRef
from xtl.tasks.families import MODULES
from xtl.tasks.forms import FORMS, known_form
from xtl.tasks.languages import LANGUAGES

COUNTS = {
    "xnli": 15, "paws-x": 7, "udpos": 33, "panx": 40, "xquad": 11, "mlqa": 7, "tydiqa": 9,
    "tydiqa-unseen": 3, "bucc2018": 4, "bucc2018-pairs": 4, "tatoeba": 36, "lookup-qa": 12,
    "lookup-pairs": 11,
}  # fmt: skip

SIZES = {
    "mnli-dev": 9_815, "snli-dev": 9_842, "anli-r1": 1_000, "anli-r2": 1_000, "anli-r3": 1_200,
    "qqp-dev": 40_430, "squad-v2-dev": 11_873, "squad-v1.1-dev": 10_570, "hellaswag-dev": 10_042,
    "cosmosqa-dev": 2_985, "commonsenseqa-dev": 1_221, "ccg-dev": 1_913,
}  # fmt: skip

INTERMEDIATE = (
    "anli+", "mnli", "qqp", "squad-v2", "squad-v1.1", "hellaswag", "ccg", "cosmosqa",
    "commonsenseqa",
)  # fmt: skip


def all_tables() -> list[tuple[str, DatasetRef]]:
    """(family, table) of everything in the catalogue that a hub has, in every language."""
    tasks = [(task.family, ref) for task in TASKS.values() for ref in task.tables]
    sets = [
        (entry.family, entry.table(language))
        for entry in EVALUATION_SETS.values()
        for language in entry.languages
        if entry.data.repo
    ]
    return tasks + sets


def test_each_evaluation_set_has_as_many_languages_as_xtreme_does() -> None:
    sets = {name: entry for name, entry in EVALUATION_SETS.items() if name in COUNTS}
    assert {name: len(set(entry.languages)) for name, entry in sets.items()} == COUNTS


def test_the_other_sets_are_english_development_sets_and_what_is_held_out() -> None:
    others = {name: each for name, each in EVALUATION_SETS.items() if name not in COUNTS}
    held_out = {f"{target.task}-held-out" for target in TARGETS.values()}
    assert set(others) == SIZES.keys() | held_out
    assert {entry.languages for entry in others.values()} == {("en",)}
    assert {name: others[name].rows for name in SIZES} == SIZES


def test_what_is_held_out_of_a_target_s_training_is_english_and_scored_as_its_set_is() -> None:
    held_out, asked = EVALUATION_SETS["squad-v1.1-held-out"], EVALUATION_SETS["xquad"]
    assert held_out.data == TASKS["squad-v1.1"].tables[0]
    assert (held_out.languages, held_out.decoding) == (("en",), asked.decoding)


def test_each_intermediate_task_is_a_target_too_trained_as_it_is_there() -> None:
    for name in INTERMEDIATE:
        task, target = TASKS[name], TARGETS[name]
        assert (target.task, target.epochs, target.recipe) == (name, task.epochs, task.recipe)
        for each in (*target.evaluation_sets, *target.secondary_sets):
            assert EVALUATION_SETS[each].languages == ("en",)
            assert EVALUATION_SETS[each].decoding.max_length == task.recipe.max_length


def test_anli_plus_is_measured_on_the_rounds_of_anli_and_if_asked_on_the_rest() -> None:
    target = TARGETS["anli+"]
    assert target.evaluation_sets == ("anli-r1", "anli-r2", "anli-r3")
    assert target.secondary_sets == ("snli-dev", "mnli-dev")


def test_no_task_is_measured_on_what_it_trains_on() -> None:
    for target in TARGETS.values():
        sets = [EVALUATION_SETS[name] for name in target.evaluation_sets]
        asked = {entry.table(code) for entry in sets for code in entry.languages}
        assert not asked & set(TASKS[target.task].tables)


def test_mlqa_alone_is_scored_by_mlqa_s_rules() -> None:
    own = [name for name, each in EVALUATION_SETS.items() if each.decoding.scoring == "mlqa"]
    assert own == ["mlqa"]


def test_every_language_of_the_catalogue_is_known() -> None:
    evaluated = [entry.languages for entry in EVALUATION_SETS.values()]
    assert {code for codes in evaluated for code in codes} <= set(LANGUAGES)


def test_every_table_is_read_by_the_known_form_its_repo_and_of_its_family() -> None:
    for family, ref in all_tables():
        assert ref.form == known_form(ref.repo, ref.config)
        assert FORMS[ref.form].family == family
        assert "{" not in ref.config + ref.split + ref.part


def test_the_codes_that_a_set_gives_languages_are_those_of_its_languages() -> None:
    for entry in EVALUATION_SETS.values():
        assert set(entry.codes) in (set(), set(entry.languages))
    assert EVALUATION_SETS["udpos"].table("af").config == "udpos.Afrikaans"
    assert EVALUATION_SETS["tatoeba"].table("sw").config == "tatoeba.swh"
    assert EVALUATION_SETS["tydiqa"].table("te").part == "telugu"
    assert EVALUATION_SETS["mlqa"].table("hi").config == "MLQA.hi.hi"


def test_a_target_s_task_and_sets_are_in_the_catalogue() -> None:
    for target in TARGETS.values():
        family = TASKS[target.task].family
        for name in (*target.evaluation_sets, *target.secondary_sets):
            assert EVALUATION_SETS[name].family == family
            assert EVALUATION_SETS[name].labels == TASKS[target.task].labels


def test_xquad_and_mlqa_share_a_training() -> None:
    xquad, mlqa = TARGETS["xquad"], TARGETS["mlqa"]
    assert (xquad.task, xquad.epochs, xquad.recipe) == (mlqa.task, mlqa.epochs, mlqa.recipe)
    assert TASKS[xquad.task].tables[0].repo == "rajpurkar/squad"


def test_anli_plus_is_snli_mnli_and_three_rounds_of_anli() -> None:
    repos = [ref.repo for ref in TASKS["anli+"].tables]
    assert repos == ["stanfordnlp/snli", "nyu-mll/glue", *["facebook/anli"] * 3]
    assert TASKS["anli+"].labels == TASKS["mnli"].labels


def test_ccgbank_and_bucc_s_pools_have_no_table_as_no_hub_has_them() -> None:
    assert [name for name, task in TASKS.items() if not task.tables] == ["ccg"]
    sets = [name for name, entry in EVALUATION_SETS.items() if not entry.data.repo]
    assert sets == ["bucc2018", "ccg-dev", "ccg-held-out"]
    families = {FORMS[EVALUATION_SETS[name].data.form].family for name in sets}
    assert families == {"tagging", "mining"}


@pytest.mark.parametrize(
    ("name", "epochs", "batch_size", "max_length"),
    [
        ("xnli", 2, 32, 256),
        ("paws-x", 5, 32, 256),
        ("udpos", 10, 32, 256),
        ("panx", 10, 32, 256),
        ("xquad", 2, 16, 384),
        ("mlqa", 2, 16, 384),
        ("tydiqa", 2, 16, 384),
    ],
)
def test_a_target_s_settings_are_xtreme_s(
    name: str, epochs: int, batch_size: int, max_length: int
) -> None:
    target = TARGETS[name]
    recipe = target.recipe
    assert (target.epochs, recipe.batch_size, recipe.max_length) == (epochs, batch_size, max_length)
    assert (recipe.learning_rate, recipe.adam_epsilon, recipe.clip_norm) == (1e-5, 1e-8, 1.0)
    assert {EVALUATION_SETS[name].decoding.max_length for name in target.evaluation_sets} == {
        max_length
    }


def test_retrieval_reads_up_to_512_tokens() -> None:
    assert EVALUATION_SETS["tatoeba"].decoding.max_length == 512
    assert EVALUATION_SETS["bucc2018"].decoding.max_length == 512


def test_the_demo_s_settings_are_its_own() -> None:
    pool, target = TASKS["lookup-pool"], TARGETS["lookup-qa"]
    assert (pool.rows, pool.epochs, TASKS["lookup-qa"].rows, target.epochs) == (4096, 1, 256, 2)
    assert pool.recipe == target.recipe
    assert (pool.recipe.batch_size, pool.recipe.learning_rate) == (16, 2e-4)
    assert (pool.recipe.max_length, pool.recipe.doc_stride) == (128, 64)


def test_each_headline_is_a_metric_of_its_family() -> None:
    for entry in EVALUATION_SETS.values():
        assert entry.headline in METRICS[entry.family]


def test_every_family_but_masked_lm_is_measured() -> None:
    assert METRICS.keys() == MODULES.keys() - {"masked-lm"}


def test_a_provisional_plan_finds_a_size_and_a_length_everywhere() -> None:
    tasks = [(task.rows, task.tokens) for task in TASKS.values()]
    sets = [(entry.rows, entry.tokens) for entry in EVALUATION_SETS.values()]
    assert all(rows > 0 and tokens > 0 for rows, tokens in tasks + sets)


def test_reading_the_catalogue_imports_neither_torch_nor_tables() -> None:
    heavy = "{'torch', 'transformers', 'datasets', 'pyarrow', 'pandas'}"
    program = f"import sys, xtl.tasks.catalogue; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
