"""README and docs: their commands run, their links lead somewhere, their manifests are valid."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from importlib.util import find_spec
from itertools import dropwhile
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from tests.slurm.faults.table import BEGIN, END, in_order
from tests.test_packaging import VERBS, make
from xtl.sweep import arms, choices, intermediate
from xtl.sweep.choices import UNTRAINED
from xtl.sweep.manifest import Manifest
from xtl.sweep.places import DataPlace
from xtl.sweep.reading import parse_manifest
from xtl.tasks.catalogue import EVALUATION_SETS, TARGETS, TASKS

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
GUIDE = ROOT / "docs" / "manifest.md"
SECTIONS: dict[str, type[BaseModel]] = {
    "## Keys": Manifest,
    "### `model`": choices.ModelChoice,
    "### `engine`": choices.Engine,
    "### `intermediate`": intermediate.IntermediateChoice,
    "### `masked_text`": intermediate.MaskedText,
    "### `translated`": intermediate.Translated,
    "### `targets`": choices.TargetChoice,
    "### `training`": choices.Training,
    "### `retrieval`": choices.RetrievalChoice,
    "### `arms`": arms.Arm,
    "### `selection`": arms.SelectionChoice,
    "### `strong_control`": choices.StrongControl,
    "### `training_data`": DataPlace,
    "### `accept_overlap`": choices.Accepted,
    "### `primary`": choices.Primary,
}
WORDS: dict[str, Any] = {"the task's": None, "its defaults": {}}


def blocks(path: Path, language: str) -> list[str]:
    text = path.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def table(path: Path, heading: str) -> dict[str, list[str]]:
    """The first table below a heading: first cell, without its quotes, to the other cells."""
    below = path.read_text(encoding="utf-8").partition(f"\n{heading}\n")[2]
    lines = re.search(r"(?:^\|.*\n)+", below, re.MULTILINE)
    assert lines, heading
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[0].splitlines()[2:]]
    return {row[0].strip("`"): row[1:] for row in rows}


COMMANDS = [
    shlex.split(line, comments=True)
    for path in DOCUMENTS
    for block in blocks(path, "sh")
    for line in block.splitlines()
]


def test_the_readme_begins_with_its_two_commands() -> None:
    assert COMMANDS[:2] == [["make", "sweep"], ["make", "test"]]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_command_of_the_documents_exists(words: list[str]) -> None:
    words = list(dropwhile(lambda word: re.match(r"[A-Z_]+=", word), words))
    if words[0] == "make":
        assert make("-n", *words[1:], "PYTHON=python3").returncode == 0
    elif words[:2] == [".venv/bin/python", "-m"]:
        assert find_spec(f"{words[2]}.__main__") or find_spec(words[2])
    else:
        assert words[0] == ".venv/bin/xtl"
        options = VERBS[words[1]].params
        known = {option for each in options for option in (*each.opts, *each.secondary_opts)}
        assert {word for word in words if word.startswith("--")} <= known


def test_the_readme_lists_the_verbs_in_their_order() -> None:
    assert list(table(ROOT / "README.md", "## Verbs")) == list(VERBS)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_a_link_leads_to_a_file_of_the_project(path: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text(encoding="utf-8")):
        assert link.startswith("https://") or (path.parent / link).exists(), link


@pytest.mark.parametrize("path", [ROOT / "README.md", GUIDE], ids=lambda path: path.name)
def test_a_manifest_that_is_shown_is_valid(path: Path) -> None:
    whole, *fragments = blocks(path, "yaml")
    assert parse_manifest(whole, path.name).intermediate
    for fragment in fragments:
        assert parse_manifest(whole + fragment, path.name)


@pytest.mark.parametrize("heading", SECTIONS)
def test_the_guide_has_every_key_of_a_manifest(heading: str) -> None:
    assert set(table(GUIDE, heading)) == set(SECTIONS[heading].model_fields)


@pytest.mark.parametrize("heading", SECTIONS)
def test_the_guide_has_every_default(heading: str) -> None:
    for key, (_, default) in table(GUIDE, heading).items():
        field = SECTIONS[heading].model_fields[key]
        assert (default == "required") == field.is_required(), key
        if not field.is_required():
            said = WORDS[default] if default in WORDS else yaml.safe_load(default.strip("`"))
            assert said == plain(field.get_default(call_default_factory=True)), key


def plain(value: Any) -> Any:
    """As YAML has it: a value's fields that differ from their defaults, lists for tuples."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_defaults=True)
    return [plain(entry) for entry in value] if isinstance(value, tuple) else value


@pytest.mark.slow
def test_the_plans_that_are_shown_are_what_plan_prints() -> None:
    shown = blocks(ROOT / "docs" / "plans.md", "text")
    for name, text in zip(("qa-scaling", "xstilts"), shown, strict=True):
        manifest = ["--manifest", f"jobs/manifests/{name}.yaml"]
        place = ["--cluster", "slurm", "--profile", "gpu-node"]
        printed = subprocess.run(
            [sys.executable, "-m", "jobs.main", "plan", *manifest, *place],
            cwd=ROOT,
            env={**os.environ, "COLUMNS": "80"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert [line.rstrip() for line in printed.splitlines()] == text.splitlines()


def test_each_fault_that_is_made_has_its_row() -> None:
    text = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    table = text.partition(BEGIN)[2].partition(END)[0].splitlines()[3:]
    assert [row.split(" | ")[0].lstrip("| ") for row in table] == [
        each.title for each in in_order()
    ]


def test_the_guide_has_the_whole_catalogue() -> None:
    assert set(table(GUIDE, "## Tasks and sets")) == {*TASKS, *TARGETS, *EVALUATION_SETS}


def test_the_guide_says_what_each_name_can_be() -> None:
    retrieval = {name for name, entry in EVALUATION_SETS.items() if entry.family in UNTRAINED}
    places = {"intermediate": set(TASKS), "targets": set(TARGETS), "retrieval": retrieval}
    for name, (_, uses) in table(GUIDE, "## Tasks and sets").items():
        said = set(re.findall(r"`(\w+)`", uses))
        assert said == {use for use, names in places.items() if name in names}, name
