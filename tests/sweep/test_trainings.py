"""What a choice comes to: parts, counts, weights and updates, from published counts."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.sweep.manifests import manifest
from xtl.errors import UserError
from xtl.sweep.provisional import provisional_lock
from xtl.sweep.shard import TrainSpec
from xtl.sweep.sizes import parse_size
from xtl.sweep.trainings import Trainings
from xtl.tasks.catalogue import TASKS

MNLI, HELLASWAG, SQUAD = (TASKS[name].rows for name in ("mnli", "hellaswag", "squad-v1.1"))


def training(size: Any = "100%", arm: dict[str, Any] | None = None, **choice: Any) -> TrainSpec:
    """The intermediate training of the choice, at one size and one arm."""
    arms = [arm or {"name": "epochs", "fixed": "epochs"}]
    data = {"text": {"path": "t/{language}.txt"}} if "masked_text" in choice else {}
    data |= {"mt": {"path": "m/{language}.jsonl"}} if "translated" in choice else {}
    asked = manifest(intermediate=[{"task": "mnli"} | choice], arms=arms, training_data=data)
    made = Trainings(asked, provisional_lock(asked))
    return made.intermediate(asked.intermediate[0], parse_size(size), asked.arms[0], seed=1)


def test_updates_are_the_passes_over_the_subset() -> None:
    recipe = {"batch_size": 24, "epochs": 2}
    assert training("10%", training=recipe).updates == 2 * -(-39_270 // 24)


def test_fixed_updates_are_those_of_the_tenth_unless_they_are_stated() -> None:
    recipe = {"batch_size": 24, "epochs": 2}
    arm = {"name": "updates", "fixed": "updates"}
    tenth = training("10%", training=recipe).updates
    sizes = ["3%", "10%", "100%"]
    assert {training(size, arm, training=recipe).updates for size in sizes} == {tenth}
    assert training("3%", arm | {"updates": 7}, training=recipe).updates == 7


def test_a_small_subset_is_repeated_no_more_often_than_the_arm_says() -> None:
    recipe = {"batch_size": 24, "epochs": 2}
    arm = {"name": "updates", "fixed": "updates", "max_epochs": 5}
    assert training(48, arm, training=recipe).updates == 5 * 2


def test_several_tasks_are_weighed_by_their_examples_up_to_the_cap() -> None:
    recipe = {"batch_size": 32, "epochs": 3}
    spec = training("10%", task=None, tasks=["mnli", "hellaswag"], training=recipe)
    assert [part.weight for part in spec.parts] == [131_072, HELLASWAG]
    assert [part.examples for part in spec.parts] == [39_270, 3_991]
    assert spec.updates == 3 * -(-(39_270 + 3_991) // 32)


def test_at_full_size_a_capped_task_counts_for_its_cap() -> None:
    recipe = {"batch_size": 32, "epochs": 1}
    spec = training(task=None, tasks=["mnli", "hellaswag"], training=recipe)
    assert spec.updates == -(-(131_072 + HELLASWAG) // 32)


def test_mixed_tasks_are_cut_at_the_longest_length_of_them() -> None:
    recipe = {"batch_size": 32, "epochs": 1}
    spec = training(task=None, tasks=["mnli", "squad-v1.1"], training=recipe)
    assert spec.recipe.max_length == TASKS["squad-v1.1"].recipe.max_length


def test_masked_text_takes_its_share_and_adds_its_updates() -> None:
    text = {"corpus": "text", "languages": ["sw", "te"], "share": 0.25}
    recipe = {"batch_size": 24, "epochs": 2}
    spec = training("10%", training=recipe, masked_text=text)
    assert [part.task for part in spec.parts] == ["mnli", "masked-lm"]
    assert [part.weight for part in spec.parts] == [3, 1]
    assert [table.config for table in spec.parts[1].data] == ["sw", "te"]
    alone = training("10%", training=recipe).updates // 2
    assert spec.updates == 2 * math.ceil(alone * 4 / 3)


def test_translated_data_stands_in_for_english() -> None:
    spec = training(translated={"data": "mt", "languages": ["de", "ru"]})
    (part,) = spec.parts
    assert [table.config for table in part.data] == ["de", "ru"]
    assert all(table.repo.startswith("own/mt-") for table in part.data)


def test_shuffled_labels_and_drawn_paragraphs_are_in_the_id() -> None:
    gold = training(task="squad-v1.1")
    assert training(task="squad-v1.1", labels="shuffled").identity() != gold.identity()
    assert training(task="squad-v1.1", subset="paragraph").identity() != gold.identity()


def test_one_task_s_weight_says_nothing() -> None:
    (part,) = training().parts
    assert part.weight == 1


@pytest.mark.parametrize(
    ("choice", "line"),
    [
        ({"tasks": ["mnli", "qqp"]}, "either `task` or `tasks`"),
        ({"task": None, "tasks": ["mnli", "qqp"]}, "found no epochs and batch_size"),
        ({"subset": "paragraph"}, "expected a task of questions on passages"),
        (
            {"masked_text": {"corpus": "other", "languages": ["sw"]}},
            "expected a name under training_data",
        ),
    ],
)
def test_what_does_not_go_together_is_one_line(choice: dict[str, Any], line: str) -> None:
    with pytest.raises(UserError, match=line):
        training(**choice)


def test_equal_mixtures_under_different_caps_are_one_training() -> None:
    arm = {"name": "updates", "fixed": "updates", "updates": 5}
    recipe = {"batch_size": 32, "epochs": 1}
    both = {"task": None, "tasks": ["mnli", "qqp"], "training": recipe}
    specs = [training("10%", arm, **both, cap=cap) for cap in (1000, 2000)]
    assert specs[0].identity() == specs[1].identity()


def test_the_order_of_languages_says_nothing() -> None:
    orders = [{"data": "mt", "languages": languages} for languages in (["de", "ru"], ["ru", "de"])]
    one, other = (training(translated=order) for order in orders)
    assert one.identity() == other.identity()


def test_a_part_names_its_classes_as_the_catalogue_does() -> None:
    (part,) = training().parts
    assert part.labels == ("entailment", "neutral", "contradiction")


def test_classes_that_no_catalogue_names_are_those_of_the_locked_tables() -> None:
    asked = manifest(
        intermediate=[{"task": "ccg"}],
        training_data={"ccg": [{"path": "a.conll"}, {"path": "b.conll"}]},
    )
    lock = provisional_lock(asked)
    found = [("N", "NP"), ("N", "(S\\NP)/NP")]
    own = [key for key, table in lock.tables.items() if table.repo.startswith("own/")]
    tables = {
        key: lock.tables[key].model_copy(update={"labels": labels})
        for key, labels in zip(own, found, strict=True)
    }
    made = Trainings(asked, lock.model_copy(update={"tables": lock.tables | tables}))
    spec = made.intermediate(asked.intermediate[0], parse_size("100%"), asked.arms[0], seed=1)
    assert spec.parts[0].labels == ("(S\\NP)/NP", "N", "NP")
