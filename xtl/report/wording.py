"""The headline in words: what was declared, what came out, and what it does not say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from xtl.analysis.contrast import CHAINS_FOR_AN_INTERVAL, Contrast, contrast
from xtl.analysis.coverage import coverage, diverged, intention_to_treat
from xtl.analysis.summary import OWN_RECIPE
from xtl.report.arms import arm_line
from xtl.report.data import ReportData
from xtl.report.numbers import count, listing, metric_name, plural, signed, signed_span
from xtl.report.views import by_resource
from xtl.tasks.languages import language

UNDECLARED = "The manifest declares no primary contrast: what follows is exploratory."

NOT_A_CAUSE = (
    "This is what these languages did in this sweep. Resource level goes together with script, "
    "family, tokenisation and the size of the evaluation sets, so no cause is claimed."
)


@dataclass(frozen=True)
class Headline:
    """One figure, what it is of, each replicate's, how sure it is, and what qualifies it."""

    figure: str
    unit: str
    claim: str
    chains: tuple[tuple[str, str], ...]  # ("replicate 1", "+2.3")
    certainty: str
    remarks: tuple[str, ...]


def headline(data: ReportData) -> Headline | None:
    """The primary contrast by intention to treat, in words; None where none is declared."""
    primary = data.manifest.primary
    if primary is None:
        return None
    treated = contrast(treated_table(data), primary)
    given_success = contrast(data.table, primary)
    return Headline(
        figure=signed(treated.mean),
        unit=_unit(treated),
        claim=_claim(treated),
        chains=tuple((f"replicate {seed}", signed(v)) for seed, v in treated.chains.items()),
        certainty=_certainty(treated),
        remarks=tuple(_remarks(data, treated, given_success)),
    )


def treated_table(data: ReportData) -> pd.DataFrame:
    """The table by intention to treat, of which all is made that is shown."""
    return intention_to_treat(data.table, diverged(data.plan, data.states))


def _unit(found: Contrast) -> str:
    metric = metric_name(found.primary.metric)
    per = " for ten times the examples" if found.primary.contrast == "slope" else ""
    return f"{metric} points{per}"


def _names(found: Contrast) -> list[str]:
    return [language(code).name for code in by_resource(found.primary.languages)]


def _claim(found: Contrast) -> str:
    primary = found.primary
    target = "" if found.set == primary.target else f" (target {primary.target})"
    of = f"{metric_name(primary.metric)} on {found.set}{target}"
    where = f"mean over {listing(_names(found))}"
    if not found.chains:
        return f"No replicate has the runs yet that the contrast needs: {of}, {where}."
    counts = sorted({n for sizes in found.sizes.values() for n in sizes if n})
    among = f"{count(counts[0])} to {count(counts[-1])} examples of {primary.task}"
    if primary.contrast == "slope":
        what = f"Slope of {of} from {among}, size 0 apart"
    else:
        what = f"{of} with any of {among}, less without"
    return f"{what}; {where}; arm {primary.arm}."


def _certainty(found: Contrast) -> str:
    chains = plural(len(found.chains), "replicate")
    if found.verdict == "no data":
        return "Nothing to report yet."
    if found.interval is None:
        low, high = (signed(value) for value in found.range)
        spread = "" if low == high else f", {low} to {high}"
        return f"{chains}{spread}: no interval (that takes {CHAINS_FOR_AN_INTERVAL}), so undecided."
    interval = f"95% interval {signed_span(*found.interval)} (t over {chains})"
    return f"{interval}: {_verdict(found)}"


def _verdict(found: Contrast) -> str:
    margin = f"±{found.primary.margin:g}"
    return {
        "positive": "above 0.",
        "negative": "below 0.",
        "equivalent": f"within the declared margin of {margin}, by two one-sided tests at 5%.",
    }.get(found.verdict, f"undecided, neither clear of 0 nor within the margin of {margin}.")


def _remarks(data: ReportData, treated: Contrast, given_success: Contrast) -> list[str]:
    remarks = [line for line in [arm_line(data, treated.primary.arm)] if line]
    if treated.chains and treated.without:
        parts = [
            f"{signed(treated.without[code])} without {language(code).name}"
            for code in by_resource(list(treated.without))
        ]
        remarks.append(f"Leaving one language out: {', '.join(parts)}.")
    if treated.unbalanced:
        remarks.append("Some runs of this contrast are missing: the figure may move with them.")
    remarks += _collapses(data, treated, given_success)
    return [*remarks, NOT_A_CAUSE]


def _collapses(data: ReportData, treated: Contrast, given_success: Contrast) -> list[str]:
    """Diverged and degenerate shards behind the headline, and the figure without the diverged."""
    behind = _behind(data, treated)
    kinds = {
        kind: [entry for entry in entries if entry.shard.id in behind]
        for kind, entries in coverage(data.plan, data.states).items()
    }
    remarks = []
    if kinds["diverged"]:
        shards = plural(len(kinds["diverged"]), "diverged training")
        success = "" if treated.mean == given_success.mean else signed(given_success.mean)
        beside = f"; given success the figure is {success}" if success else ""
        remarks.append(f"This contrast has {shards}, counted as 0 (intention to treat){beside}.")
    if kinds["degenerate"]:
        shards = plural(len(kinds["degenerate"]), "degenerate shard")
        remarks.append(f"This contrast has {shards}, whose score is kept.")
    return remarks


def _behind(data: ReportData, found: Contrast) -> set[str]:
    """The shards that the contrast's figure is made of: trainings, and its set's evaluations."""
    primary = found.primary
    declared = (primary.task, primary.arm, primary.target, OWN_RECIPE)
    shards: set[str | None] = set()
    for cell in data.plan.cells:
        if (cell.task, cell.arm, cell.target, cell.recipe) == declared:
            shards |= {cell.intermediate, cell.checkpoint, dict(cell.evaluations).get(found.set)}
    return {shard for shard in shards if shard}


def coverage_line(data: ReportData, *, control: bool = False) -> str:
    """`51 of 57 shards done (1 degenerate), 2 failed, 4 missing`, without kinds that have none.

    Of all but the strong control, or of that alone.
    """
    kinds = coverage(data.plan, data.states, control=control)
    degenerate, shards = len(kinds["degenerate"]), sum(map(len, kinds.values()))
    done = f"{len(kinds['done']) + degenerate} of {shards} shards done"
    rest = [
        f"{len(entries)} {kind}"
        for kind, entries in kinds.items()
        if entries and kind not in ("done", "degenerate")
    ]
    return ", ".join([done + (f" ({degenerate} degenerate)" if degenerate else ""), *rest])


def control_line(data: ReportData) -> str:
    """The strong control's own coverage; empty where the manifest has none."""
    if data.manifest.strong_control is None:
        return ""
    return f"Strong control: {coverage_line(data, control=True)}"


def group_line(languages: Sequence[str]) -> str:
    """Which languages count as low-resource, by what rule, and that English is in no group."""
    low = [language(code) for code in by_resource(languages) if language(code).low_resource]
    names = listing([entry.name for entry in low if entry.code != "en"])
    return (
        f"Low-resource: under 10 GiB of CC-100 text ({names or 'none here'}). "
        "English is in neither group."
    )
