"""A manifest that is wrong gets one line: file, key, what was found, what was expected."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import DEMO, lock_for
from xtl.errors import UserError
from xtl.sweep.needs import needs
from xtl.sweep.plan import make_plan
from xtl.sweep.reading import parse_manifest, read_manifest
from xtl.sweep.shard import Shard
from xtl.tasks import qa_metrics, retrieval
from xtl.tasks.catalogue import EVALUATION_SETS, METRICS

DATA = yaml.safe_load(DEMO.read_text(encoding="utf-8"))


def complaint(text: str) -> str:
    with pytest.raises(UserError) as caught:
        parse_manifest(text, "m.yaml")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def changed(**changes: Any) -> str:
    return complaint(yaml.safe_dump(DATA | changes))


def test_the_demo_is_a_manifest() -> None:
    assert read_manifest(DEMO).name == "demo"


def test_an_unknown_key_is_named() -> None:
    assert changed(replicas=[1]).startswith("m.yaml: replicas: found an unknown key")


def test_a_key_with_a_line_break_in_it_is_named_in_one_line() -> None:
    line = changed(engine={"ranks\r\n": 1})
    assert line.startswith(r"m.yaml: engine.'ranks\r\n': found an unknown key")


def test_an_unknown_task_is_answered_with_those_there_are() -> None:
    line = changed(intermediate=[{"task": "squat"}])
    assert line.startswith("m.yaml: intermediate.0.task: found 'squat', expected one of anli+, ccg")
    assert line.endswith(", tydiqa, udpos")


def test_a_task_without_evaluation_is_no_target() -> None:
    assert "targets.0.task: found 'lookup-pool'" in changed(targets=[{"task": "lookup-pool"}])


def test_a_size_over_the_data_is_refused() -> None:
    assert changed(sizes=[0, 5000]) == (
        "m.yaml: sizes: found 5000, expected at most the 4096 examples of lookup-pool"
    )


def test_a_bare_fraction_is_refused_because_1_and_1_0_look_alike() -> None:
    assert "sizes.1: found 0.1, expected a count" in changed(sizes=[0, 0.1])


def test_a_duplicate_replicate_is_refused() -> None:
    assert "replicates: found [1, 1], expected each entry once" in changed(replicates=[1, 1])


def test_an_arm_s_name_that_stands_twice_is_named_and_the_arms_are_not_printed() -> None:
    line = changed(arms=[{"name": "one", "fixed": fixed} for fixed in ("epochs", "updates")])
    assert line == "m.yaml: arms: expected each entry once; one stands 2 times"


def test_an_entry_goes_by_its_name_or_where_that_is_not_its_own_by_its_number() -> None:
    """As in a plan's errors; numbers are from 0."""
    bad = {"name": "b", "fixed": "updates", "updates": 0}
    plain = {"name": "a", "fixed": "epochs"}
    assert "arms.b.updates: found 0" in changed(arms=[plain, bad])
    assert "arms.0.updates: found 0" in changed(arms=[bad, bad])
    assert "arms.1.name: found 3" in changed(arms=[plain, bad | {"name": 3}])


def test_a_language_that_the_target_lacks_is_named() -> None:
    line = changed(targets=[{"task": "lookup-qa", "languages": ["en", "yo"]}])
    assert (
        "targets.lookup-qa.languages: found ['en', 'yo'], expected languages of lookup-qa" in line
    )


def test_a_negative_number_is_refused() -> None:
    assert "replicates.0: found -1, expected greater than or equal to 0" in changed(replicates=[-1])


def test_a_primary_contrast_that_is_not_planned_is_refused() -> None:
    line = changed(primary=DATA["primary"] | {"arm": "updates"})
    assert line == "m.yaml: primary.arm: found 'updates', expected one of epochs"


@pytest.mark.parametrize("metric", ["bogus", "accuracy"])
def test_a_primary_metric_that_the_target_does_not_yield_is_refused(metric: str) -> None:
    line = changed(primary=DATA["primary"] | {"metric": metric})
    assert line == (
        f"m.yaml: primary.metric: found '{metric}', "
        "expected one of exact_match, f1, exact_match_unicode, f1_unicode"
    )


def test_each_evaluation_set_s_headline_is_a_metric_of_its_family() -> None:
    for entry in EVALUATION_SETS.values():
        assert entry.headline in METRICS[entry.family]


def test_the_catalogue_s_metrics_are_what_the_families_yield() -> None:
    assert METRICS["span-qa"] == qa_metrics.METRICS
    assert METRICS["retrieval"] == retrieval.METRICS


def test_a_primary_language_that_stands_twice_is_refused() -> None:
    line = changed(primary=DATA["primary"] | {"languages": ["sw", "te", "sw"]})
    assert line == (
        "m.yaml: primary.languages: found ['sw', 'te', 'sw'], "
        "expected each entry once; sw stands 2 times"
    )


@pytest.mark.parametrize("number", [float("inf"), float("nan"), float("-inf")])
@pytest.mark.parametrize("key", ["clip_norm", "learning_rate", "weight_decay", "epochs"])
def test_a_number_that_is_not_finite_is_refused(key: str, number: float) -> None:
    line = changed(targets=[{"task": "lookup-qa", "training": {key: number}}])
    assert (
        line
        == f"m.yaml: targets.lookup-qa.training.{key}: found {number}, expected a finite number"
    )


def test_an_infinite_margin_is_refused() -> None:
    line = changed(primary=DATA["primary"] | {"margin": float("inf")})
    assert line == "m.yaml: primary.margin: found inf, expected a finite number"


@pytest.mark.parametrize("training", [{"doc_stride": 128}, {"max_length": 64}])
def test_windows_that_could_step_over_tokens_are_refused(training: dict[str, int]) -> None:
    line = changed(intermediate=[{"task": "lookup-pool", "training": training}])
    expected = f"expected less than max_length, {training.get('max_length', 128)}"
    stride = training.get("doc_stride", 64)
    assert (
        line == f"m.yaml: intermediate.lookup-pool.training.doc_stride: found {stride}, {expected}"
    )


def test_sizes_above_0_need_an_intermediate_task() -> None:
    assert "intermediate: found nothing" in changed(intermediate=[], primary=None)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: [1", "not YAML"),
        ("- a\n- b\n", "expected a mapping of keys"),
        ("", "expected a mapping of keys"),
        ("name: !!python/object/apply:os.system [ls]", "not YAML"),
    ],
)
def test_what_is_not_a_mapping_in_yaml_is_refused(text: str, words: str) -> None:
    assert words in complaint(text)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.yaml: found no such file"):
        read_manifest(tmp_path / "nowhere.yaml")


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="cannot be read as text"):
        read_manifest(path)


def test_a_folder_is_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read as text"):
        read_manifest(tmp_path)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(max_size=6) | st.sampled_from(["task", "set", "languages", "training"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(st.sampled_from([*DATA, "arms", "zzz"]), VALUES, max_size=3),
    st.sets(st.sampled_from(list(DATA)), max_size=2),
)
def test_any_change_to_the_demo_gives_a_manifest_or_one_line(
    changes: dict[str, Any], dropped: set[str]
) -> None:
    data = {key: value for key, value in (DATA | changes).items() if key not in dropped}
    _manifest_or_one_line(yaml.safe_dump(data, allow_unicode=True))


TRAININGS = st.fixed_dictionaries(
    {},
    optional={
        "epochs": st.integers(1, 5),
        "batch_size": st.integers(0, 10**9),
        "learning_rate": st.floats(0, 1),
        "clip_norm": st.floats(0),
        "dropout": st.floats(0, 0.9),
        "max_length": st.integers(16, 512),
        "doc_stride": st.integers(1, 512),
    },
)
SIZES = st.integers(0, 5000) | st.floats(0, 100).map(lambda percent: f"{percent:f}%")
LANGUAGES = st.sampled_from(["ar", "bn", "en", "sw", "te", "yo"])
ARMS = st.fixed_dictionaries(
    {"name": st.sampled_from(["epochs", "b"]), "fixed": st.sampled_from(["epochs", "updates"])},
    optional={"updates": st.integers(1, 10**9)},
)
LIKELY = st.fixed_dictionaries(
    {},
    optional={
        "model": st.just({"repo": "owner/model"}),
        "intermediate": st.lists(
            st.builds(
                lambda task, training: {"task": task, "training": training},
                st.sampled_from(["lookup-pool", "lookup-qa"]),
                TRAININGS,
            ),
            max_size=2,
        ),
        "sizes": st.lists(SIZES, max_size=4),
        "arms": st.lists(ARMS, max_size=2),
        "replicates": st.lists(st.integers(0, 2**31), max_size=3),
        "targets": st.builds(
            lambda languages, training: [
                {"task": "lookup-qa", "languages": languages, "training": training}
            ],
            st.lists(LANGUAGES, max_size=3) | st.just("all"),
            TRAININGS,
        ),
        "retrieval": st.just([]),
        "primary": st.none(),
    },
)


@settings(max_examples=100, deadline=None)
@given(LIKELY)
def test_any_likely_change_to_the_demo_gives_a_plan_or_one_line(changes: dict[str, Any]) -> None:
    _manifest_or_one_line(yaml.safe_dump(DATA | {"primary": None} | changes))


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200))
def test_any_text_gives_a_manifest_or_one_line(text: str) -> None:
    _manifest_or_one_line(text)


def _manifest_or_one_line(text: str) -> None:
    """What parses also plans, before and after it is locked, and its shards can be written."""
    try:
        manifest = parse_manifest(text, "m.yaml")
        for lock in (None, lock_for(manifest)):
            for shard in make_plan(manifest, lock).shards.values():
                assert Shard.model_validate_json(shard.model_dump_json()) == shard
    except UserError as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017


def test_one_size_in_two_spellings_is_refused() -> None:
    assert "sizes: found " in changed(sizes=["10%", "10.0%"])


def test_a_target_that_follows_nothing_is_refused() -> None:
    after = DATA["targets"][0] | {"after": []}
    assert "targets.lookup-qa.after" in changed(targets=[after])


def test_passes_are_limited_only_where_updates_are_fixed() -> None:
    arm = {"name": "epochs", "fixed": "epochs", "max_epochs": 5}
    assert "`max_epochs:` only with `fixed: updates`" in changed(arms=[arm], primary=None)


# -- places -------------------------------------------------------------------------------------
POOL = {"repo": "xtl/bucc2018-zh-en-dev-pool", "config": "gold", "split": "validation"}
MINED = [{"set": "bucc2018", "languages": ["zh"]}]


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("a.json", "found 'a.json', expected a mapping such as {path: file.jsonl}"),
        (None, "found None, expected a mapping such as {path: file.jsonl}"),
        ([], "found [], expected one or more places"),
    ],
)
def test_a_place_that_is_no_mapping_is_refused(place: Any, words: str) -> None:
    assert changed(training_data={"lookup-pool": place}) == (
        f"m.yaml: training_data.lookup-pool: {words}"
    )


def test_one_of_several_places_that_is_no_mapping_is_named_by_its_number() -> None:
    assert changed(training_data={"lookup-pool": [{"path": "a.json"}, "b.json"]}) == (
        "m.yaml: training_data.lookup-pool.1: found 'b.json', "
        "expected a mapping such as {path: file.jsonl}"
    )


def test_an_evaluation_set_has_one_place() -> None:
    line = changed(evaluation_data={"lookup-qa": [{"path": "a.json"}]})
    assert line.startswith("m.yaml: evaluation_data.lookup-qa: found [")
    assert line.endswith(", expected one place, with {language} in its path")


def test_pools_to_be_mined_must_be_brought() -> None:
    line = changed(retrieval=MINED)
    assert line == (
        "m.yaml: evaluation_data: found nothing for bucc2018, which no hub has, expected BUCC "
        "2018's own files (`evaluation_data: "
        '{bucc2018: {path: "bucc2018/{language}-en", format: bucc}}`, docs/own-data.md); '
        "bucc2018-pairs takes the pairs alone, for a figure that is not XTREME's"
    )


def test_the_line_that_asks_for_pools_has_the_place_that_does() -> None:
    said = changed(retrieval=MINED).split("`")[1]
    found = parse_manifest(yaml.safe_dump(DATA | {"retrieval": MINED} | yaml.safe_load(said)), "m")
    assert found.evaluation_data["bucc2018"].format == "bucc"


def test_pools_of_a_hub_are_read_in_their_own_form() -> None:
    text = yaml.safe_dump(DATA | {"retrieval": MINED, "evaluation_data": {"bucc2018": POOL}})
    asked = parse_manifest(text, "m.yaml")
    (ref,) = [need.ref for need in needs(asked) if need.name == "bucc2018"]
    assert (ref.repo, ref.config, ref.split, ref.form) == (*POOL.values(), "bucc-pools")


def test_the_hub_s_pairs_in_place_of_pools_are_read_in_the_form_that_refuses_them() -> None:
    pairs = {"repo": "google/xtreme", "config": "bucc18.{language}"}
    text = yaml.safe_dump(DATA | {"retrieval": MINED, "evaluation_data": {"bucc2018": pairs}})
    (ref,) = [need.ref for need in needs(parse_manifest(text, "m")) if need.name == "bucc2018"]
    assert (ref.config, ref.form) == ("bucc18.zh", "bucc")


BUCC = {"path": "a/zh-en", "format": "bucc"}


def test_bucc_s_format_is_for_what_is_mined() -> None:
    expected = "found 'bucc', expected it only of sets that are mined"
    assert changed(training_data={"lookup-pool": BUCC}) == (
        f"m.yaml: training_data.lookup-pool.format: {expected}"
    )
    assert changed(evaluation_data={"lookup-qa": BUCC | {"path": "{language}-en"}}) == (
        f"m.yaml: evaluation_data.lookup-qa.format: {expected}"
    )


def test_bucc_s_columns_are_known() -> None:
    mapped = BUCC | {"columns": {"text": "sentence"}}
    line = changed(retrieval=MINED, evaluation_data={"bucc2018": mapped})
    assert line == (
        "m.yaml: evaluation_data.bucc2018: "
        "expected `columns` not with `format: bucc`, whose columns are known"
    )


# -- values -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"head": "foo"}, "head: found 'foo', expected 'new' or 'carried'"),
        ({"train_on": "10%"}, "train_on: found '10%', expected a whole number"),
        ({"train_on": 1.5}, "train_on: found 1.5, expected a whole number"),
        ({"train_on": [1]}, "train_on: found [1], expected a whole number"),
        ({"train_on": True}, "train_on: found True, expected a whole number greater than 0"),
        ({"secondary": "maybe"}, "secondary: found 'maybe', expected true or false"),
        ({"training": 3}, "training: found 3, expected a mapping of keys"),
        ({"training": {"dropout": "low"}}, "training.dropout: found 'low', expected a number"),
    ],
)
def test_a_value_of_another_kind_is_refused_in_plain_words(
    change: dict[str, Any], words: str
) -> None:
    assert changed(targets=[DATA["targets"][0] | change]) == f"m.yaml: targets.lookup-qa.{words}"


def test_a_list_without_entries_is_refused_in_plain_words() -> None:
    assert changed(sizes=[]) == "m.yaml: sizes: found [], expected one entry or more"


def test_a_cap_is_for_several_tasks() -> None:
    line = changed(intermediate=[DATA["intermediate"][0] | {"cap": 5}])
    assert line == (
        "m.yaml: intermediate.lookup-pool.cap: found 5 beside one task, expected it with `tasks`"
    )
