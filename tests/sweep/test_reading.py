"""A manifest that is wrong gets one line: file, key, what was found, what was expected."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import DEMO
from xtl.errors import UserError
from xtl.sweep.manifest import Manifest
from xtl.sweep.reading import parse_manifest, read_manifest

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


def test_an_unknown_task_is_answered_with_those_there_are() -> None:
    line = changed(intermediate=[{"task": "squat"}])
    assert (
        line == "m.yaml: intermediate.0.task: found 'squat', expected one of lookup-pool, lookup-qa"
    )


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


def test_a_language_that_the_target_lacks_is_named() -> None:
    line = changed(targets=[{"task": "lookup-qa", "languages": ["en", "yo"]}])
    assert "targets.0.languages: found ['en', 'yo'], expected languages of lookup-qa" in line


def test_a_negative_number_is_refused() -> None:
    assert "replicates.0: found -1, expected greater than or equal to 0" in changed(replicates=[-1])


def test_a_primary_contrast_that_is_not_planned_is_refused() -> None:
    line = changed(primary=DATA["primary"] | {"arm": "updates"})
    assert line == "m.yaml: primary.arm: found 'updates', expected one of epochs"


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


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(st.sampled_from([*DATA, "arms", "zzz"]), VALUES, max_size=3),
    st.sets(st.sampled_from(list(DATA)), max_size=2),
)
def test_any_change_to_the_demo_gives_a_manifest_or_one_line(
    changes: dict[str, Any], dropped: set[str]
) -> None:
    data = {key: value for key, value in (DATA | changes).items() if key not in dropped}
    _manifest_or_one_line(yaml.safe_dump(data, allow_unicode=True))


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200))
def test_any_text_gives_a_manifest_or_one_line(text: str) -> None:
    _manifest_or_one_line(text)


def _manifest_or_one_line(text: str) -> None:
    try:
        assert isinstance(parse_manifest(text, "m.yaml"), Manifest)
    except UserError as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017
