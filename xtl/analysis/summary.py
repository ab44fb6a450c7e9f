"""From the table to what is shown: language groups, gains over size 0, ranges over replicates.

Everything stays long: a row for each place and series, where a series is a language or one of
`GROUPS`. A group's mean is there only when all of its languages are, so that a missing language
never moves it.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from xtl.tasks.languages import low_resource

ENGLISH = "en"
CURVE = ["task", "arm", "target", "set", "metric"]
"""What tells one curve over sizes from another."""

PLACE = [*CURVE, "size", "examples"]
CHAIN = [*PLACE, "seed", "shard"]

LOW = "low"
HIGH = "high"
WITH_ENGLISH = "mean_with_english"
WITHOUT_ENGLISH = "mean_without_english"
GAP = "gap"

OWN_RECIPE = ""
"""What the table says of a target that is trained as the manifest has it."""

GROUPS: dict[str, str] = {
    LOW: "mean over low-resource languages (under 10 GiB of CC-100, English not among them)",
    HIGH: "mean over the other languages (10 GiB of CC-100 or more, English not among them)",
    WITH_ENGLISH: "mean over all languages, English included (XTREME's score)",
    WITHOUT_ENGLISH: "mean over all languages but English (TyDiQA's score)",
    GAP: "transfer gap: English minus the mean over all other languages",
}
"""The series that are made of several languages, and what each is."""


def members(group: str, languages: Sequence[str]) -> list[str]:
    """The languages of a mean among `languages`; empty for one that has none, and for the gap."""
    others = [code for code in languages if code != ENGLISH]
    chosen = {
        LOW: [code for code in others if low_resource(code)],
        HIGH: [code for code in others if not low_resource(code)],
        WITH_ENGLISH: list(languages) if ENGLISH in languages else [],
        WITHOUT_ENGLISH: others,
    }
    return chosen.get(group, [])


def series(table: pd.DataFrame, recipe: str = OWN_RECIPE) -> pd.DataFrame:
    """Columns `CHAIN`, `series`, `value`: each replicate's languages and groups at each size.

    Of one recipe of the targets: another is another curve.
    """
    chosen = table[table["recipe"] == recipe]
    by_language = chosen[[*CHAIN, "language", "value"]].rename(columns={"language": "series"})
    if by_language.empty:
        return by_language
    groups = [_groups(curve) for _, curve in by_language.groupby(CURVE, sort=False)]
    return pd.concat([by_language, *groups], ignore_index=True)


def _groups(curve: pd.DataFrame) -> pd.DataFrame:
    """One curve's group means and its gap."""
    wide = curve.pivot(index=CHAIN, columns="series", values="value")
    languages = [str(code) for code in wide.columns]
    means = pd.DataFrame(index=wide.index)
    for group in GROUPS:
        if chosen := members(group, languages):
            means[group] = wide[chosen].mean(axis=1, skipna=False)
    if ENGLISH in languages and WITHOUT_ENGLISH in means:
        means[GAP] = wide[ENGLISH] - means[WITHOUT_ENGLISH]
    return means.reset_index().melt(id_vars=CHAIN, var_name="series", value_name="value")


def gains(series: pd.DataFrame) -> pd.DataFrame:
    """The same rows for the sizes above 0, each less the same seed's value at size 0."""
    chain = [*CURVE, "seed", "series"]
    control = series[series["examples"] == 0].set_index(chain)["value"].rename("control")
    above = series[series["examples"] > 0].join(control, on=chain)
    return above.assign(value=above["value"] - above["control"]).drop(columns="control")


def over_replicates(series: pd.DataFrame) -> pd.DataFrame:
    """Mean and range over the replicates, sizes in order of their resolved counts.

    Columns `PLACE`, `series`, `mean`, `minimum`, `maximum`, `runs`, `planned`. `runs` counts the
    replicates that have a value and `planned` all of them, a shard that several share counted
    once (the public model has one run, whatever the number of seeds).
    """
    distinct = series.drop_duplicates([*PLACE, "series", "shard"])
    found = distinct.groupby([*PLACE, "series"], sort=False, as_index=False).agg(
        mean=("value", "mean"),
        minimum=("value", "min"),
        maximum=("value", "max"),
        runs=("value", "count"),
        planned=("shard", "size"),
    )
    return found.sort_values("examples", kind="stable", ignore_index=True)


def sizes(frame: pd.DataFrame) -> list[tuple[str, int]]:
    """(label, resolved count) of each size in the frame, by count, 0 first."""
    distinct = frame[["size", "examples"]].drop_duplicates()
    pairs = [(str(size), int(count)) for size, count in distinct.itertuples(index=False)]
    return sorted(pairs, key=lambda pair: pair[1])
