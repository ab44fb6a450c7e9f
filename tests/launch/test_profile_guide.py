"""docs/profiles.md lists every key of a profile, with its default; the examples are documented."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from tests.test_documents import plain, table
from xtl.launch import profile as models
from xtl.launch import profile_parts as parts
from xtl.launch.policy import Policy
from xtl.launch.profile import PROFILES

GUIDE = Path(__file__).parents[2] / "docs" / "profiles.md"
EVERY = set(models.Profile.model_fields)
SECTIONS: dict[str, tuple[type[BaseModel], set[str]]] = {
    "## Keys of every profile": (models.LocalProfile, {"slots"}),
    "## Keys of `cluster: local`": (models.LocalProfile, EVERY),
    "## Keys of `cluster: slurm`": (models.SlurmProfile, EVERY),
    "### `policy`": (Policy, set()),
    "### `time`": (parts.Times, set()),
    "### `mail`": (parts.Mail, set()),
    "### `limits`": (parts.Limits, set()),
    "### `reconcile`": (parts.Reconcile, set()),
}


def said(default: str) -> Any:
    return {} if default == "its defaults" else yaml.safe_load(default.strip("`"))


@pytest.mark.parametrize("heading", SECTIONS)
def test_the_guide_has_every_key_with_its_default(heading: str) -> None:
    model, elsewhere = SECTIONS[heading]
    rows = table(GUIDE, heading)
    assert set(rows) == set(model.model_fields) - elsewhere
    for key, (_, default) in rows.items():
        field = model.model_fields[key]
        assert (default == "required") == field.is_required(), key
        if not field.is_required():
            assert said(default) == plain(field.get_default(call_default_factory=True)), key


def test_the_guide_names_every_profile_that_comes_with_xtl() -> None:
    rows = table(GUIDE, "## Those that come with xtl")
    named = {re.findall(r"`(.+)`", name)[0] for name in rows}
    assert named == {path.stem for path in PROFILES.glob("*.yaml")}


@pytest.mark.parametrize("path", sorted(PROFILES.glob("*.yaml")), ids=lambda path: path.stem)
def test_an_example_begins_with_what_it_is(path: Path) -> None:
    assert path.read_text(encoding="utf-8").startswith("# ")
