"""The headline in words: no more certain than its replicates allow."""

from dataclasses import replace

from tests.analysis.runs import METRICS, PRIMARY, evaluation, manifest, plan, runs, straight
from xtl.analysis.coverage import ShardState
from xtl.analysis.table import build_table
from xtl.report.data import ReportData
from xtl.report.wording import NOT_A_CAUSE, Headline, coverage_line, group_line, headline
from xtl.sweep.cells import Cell


def data(replicates: list[int], without: list[tuple[str, int]] | None = None) -> ReportData:
    chosen = manifest(replicates=replicates)
    planned = plan(replicates=replicates)
    found = runs(planned, straight, METRICS)
    for size, seed in without or []:
        del found[evaluation(planned, size, seed)]
    return ReportData(chosen, planned, build_table(planned, found))


def said(found: ReportData) -> Headline:
    result = headline(found)
    assert result is not None
    return result


def test_the_headline_is_the_declared_slope() -> None:
    found = said(data([1, 2]))
    assert (found.figure, found.unit) == ("+3.0", "F1 points for ten times the examples")
    assert found.claim == (
        "Slope of F1 on lookup-qa from 40 to 4,000 examples of lookup-pool, size 0 apart; "
        "mean over Swahili and Bengali; arm epochs."
    )
    assert found.chains == (("replicate 1", "+3.0"), ("replicate 2", "+3.0"))
    assert "Leaving one language out: +2.0 without Swahili, +4.0 without Bengali." in found.remarks


def test_two_replicates_have_no_interval_and_are_undecided() -> None:
    assert said(data([1, 2])).certainty == (
        "2 replicates: no interval (that takes 3), so undecided."
    )


def test_three_replicates_have_an_interval_and_a_verdict() -> None:
    planned = plan(replicates=[1, 2, 3])

    def score(cell: Cell, set_name: str, language: str, metric: str) -> float:
        return straight(cell, set_name, language, metric) + cell.seed * cell.examples / 4000

    found = ReportData(
        manifest(replicates=[1, 2, 3]), planned, build_table(planned, runs(planned, score, METRICS))
    )
    assert said(found).certainty.startswith("95% interval +")
    assert said(found).certainty.endswith("(t over 3 replicates): above 0.")


def test_no_headline_claims_resource_level_as_the_cause() -> None:
    for found in (said(data([1, 2])), said(data([1, 2, 3]))):
        assert NOT_A_CAUSE in found.remarks
        everything = " ".join([found.claim, found.certainty, *found.remarks])
        assert "because" not in everything


def test_missing_runs_are_said_to_be_missing() -> None:
    line = "Some runs of this contrast are missing: the figure may move with them."
    assert line in said(data([1, 2], without=[("400", 1)])).remarks
    assert line not in said(data([1, 2])).remarks


def test_a_diverged_training_counts_as_the_floor_with_the_figure_given_success_beside_it() -> None:
    found = data([1, 2], without=[("4000", 1)])
    (cell,) = (
        cell for cell in found.plan.cells if (cell.size, cell.seed) == ("4000", 1) and cell.target
    )
    diverged = replace(found, states={cell.checkpoint or "": ShardState("failed", "diverged")})
    treated = said(diverged)
    assert treated.figure.startswith("−")
    assert (
        "This contrast has 1 diverged training, counted as 0 (intention to treat); "
        "given success the figure is +3.0."
    ) in treated.remarks


ARMS = [{"name": "epochs", "fixed": "epochs"}, {"name": "updates", "fixed": "updates"}]


def collapsed(arm: str, state: ShardState) -> str:
    """What the headline says where the largest size's trainings of an arm came to this state."""
    planned, chosen = plan(arms=ARMS), manifest(arms=ARMS)
    states = {
        shard: state
        for cell in planned.cells
        if (cell.arm, cell.size, cell.target) == (arm, "4000", "lookup-qa")
        for shard in (cell.intermediate, cell.checkpoint)
        if shard
    }
    assert len(states) == 4
    table = build_table(planned, runs(planned, straight, METRICS))
    return " ".join(said(ReportData(chosen, planned, table, states=states)).remarks)


def test_what_collapsed_in_another_arm_is_not_said_beside_the_figure() -> None:
    for state in (ShardState("failed", "diverged"), ShardState("done", degenerate=True)):
        word = "diverged" if state.failure else "degenerate"
        assert f"This contrast has 4 {word}" in collapsed("epochs", state)
        assert word not in collapsed("updates", state)


def test_what_the_contrast_does_not_read_is_not_said_beside_the_figure() -> None:
    found = data([1, 2])
    asked = [evaluation(found.plan, "400", 1, name) for name in ("lookup-pairs", "lookup-qa")]
    degenerate = [replace(found, states={s: ShardState("done", degenerate=True)}) for s in asked]
    remarks = [" ".join(said(each).remarks) for each in degenerate]
    assert ["1 degenerate shard," in each for each in remarks] == [False, True]


def test_a_manifest_without_a_primary_contrast_has_no_headline() -> None:
    found = data([1, 2])
    assert headline(replace(found, manifest=manifest(primary=None))) is None


def test_any_minus_zero_says_what_is_taken_from_what() -> None:
    chosen = manifest(primary={**PRIMARY, "contrast": "any-minus-zero"})
    found = said(replace(data([1, 2]), manifest=chosen))
    assert (found.figure, found.unit) == ("+13.0", "F1 points")
    assert "with any of 40 to 4,000 examples of lookup-pool, less without" in found.claim


def test_the_coverage_line_names_the_kinds_that_are_there() -> None:
    found = data([1, 2])
    ids = list(found.plan.shards)
    states = dict.fromkeys(ids, ShardState("done"))
    assert coverage_line(replace(found, states=states)) == f"{len(ids)} of {len(ids)} shards done"
    states[ids[0]] = ShardState("done", degenerate=True)
    states[ids[1]] = ShardState("failed", "code")
    assert coverage_line(replace(found, states=states)) == (
        f"{len(ids) - 1} of {len(ids)} shards done (1 degenerate), 1 failed"
    )


def test_the_groups_are_said_with_their_rule_and_without_english() -> None:
    assert group_line(["bn", "de", "en", "sw"]) == (
        "Low-resource: under 10 GiB of CC-100 text (Swahili and Bengali). "
        "English is in neither group."
    )
