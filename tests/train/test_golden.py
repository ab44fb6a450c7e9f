"""Golden runs: what the same settings give is what it was, until the recipe version is raised."""

from __future__ import annotations

from typing import Any

import pytest

from tests.train import golden
from tests.train.ranks import run_ranks
from xtl.sweep.shard import RECIPE_VERSION

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("name", golden.RUNS)]

OTHER_RESULTS = (
    "the same settings give other results than they did: if that is meant, raise RECIPE_VERSION in "
    "xtl/sweep/shard.py, as shards that are done would be taken for those of the new code, and "
    "then run `python -m tests.train.golden`"
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    (found,) = run_ranks(1, golden.play, tmp_path_factory.mktemp("golden"))
    return dict(found)


def require_the_same_draws(name: str) -> None:
    kept = golden.kept(name)
    if golden.draws() != kept["draws"]:
        pytest.skip(f"torch draws other numbers here than {kept['torch']} where the run was kept")


def test_a_run_is_kept_for_this_recipe_version(name: str) -> None:
    kept = golden.kept(name)["recipe_version"]
    assert kept == RECIPE_VERSION, (
        f"{golden.path_of(name)} is of recipe version {kept}, not {RECIPE_VERSION}: run "
        "`python -m tests.train.golden`, which is right only because the version was raised"
    )


def test_updates_are_of_the_same_examples(runs: dict[str, dict[str, Any]], name: str) -> None:
    """And of the same masks and labels, in the same order."""
    assert runs[name]["examples"] == golden.kept(name)["examples"], OTHER_RESULTS


def test_losses_and_gradients_are_the_same(runs: dict[str, dict[str, Any]], name: str) -> None:
    require_the_same_draws(name)
    kept, tolerance = golden.kept(name), golden.RUNS[name].tolerance
    for kind in ("losses", "norms", "rates"):
        assert runs[name][kind] == pytest.approx(kept[kind], rel=tolerance), OTHER_RESULTS


def test_what_is_selected_and_handed_over_is_the_same(
    runs: dict[str, dict[str, Any]], name: str
) -> None:
    require_the_same_draws(name)
    kept, tolerance = golden.kept(name), golden.RUNS[name].tolerance
    assert runs[name]["weights"] == pytest.approx(kept["weights"], rel=tolerance), OTHER_RESULTS
    assert runs[name]["selected"] == kept["selected"], OTHER_RESULTS
    for validation, expected in zip(runs[name]["validations"], kept["validations"], strict=True):
        assert validation == pytest.approx(expected, rel=tolerance), OTHER_RESULTS
