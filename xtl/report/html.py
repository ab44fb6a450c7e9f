"""The report: one HTML file that stands alone, with its pictures, styles and sources inside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from jinja2 import Environment, StrictUndefined

from xtl.analysis.coverage import KINDS, Covered, Kind, coverage
from xtl.analysis.summary import GROUPS
from xtl.report import accounting, arms, numbers
from xtl.report.boards import HOW, boards
from xtl.report.boards import TITLE as BOARDS_TITLE
from xtl.report.control import control_tables
from xtl.report.data import ReportData
from xtl.report.pictures import Picture, pictures, retrieval_pictures
from xtl.report.soundness import FAULT_HEADINGS, OVERLAP_HEADINGS, soundness
from xtl.report.tables import covariates, group_table, language_row, secondary, shown
from xtl.report.trained import trained
from xtl.report.views import View, is_low, make_views
from xtl.report.wording import (
    UNDECLARED,
    control_line,
    coverage_line,
    group_line,
    headline,
    treated_table,
)
from xtl.sweep.arms import Arm
from xtl.sweep.choices import Engine
from xtl.sweep.plan import Plan

_QUESTION = (
    "Does more English intermediate-task data help low-resource languages in zero-shot "
    "cross-lingual {}?"
)


def render(data: ReportData) -> str:
    """The whole page. Everything that is not ours is escaped; the same data give the same bytes."""
    table = treated_table(data)
    views = make_views(table, data.manifest.primary)
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    source = files("xtl.report").joinpath("template.html.j2").read_text(encoding="utf-8")
    return environment.from_string(source).render(
        data=data,
        question=question(data),
        headline=headline(data),
        undeclared=UNDECLARED,
        facts=_facts(data),
        curves=[_curve(data, views, view) for view in views if not view.retrieval],
        retrieval=retrieval_pictures([view for view in views if view.retrieval]),
        secondary=secondary(table, data),
        boards=boards(table, data),
        boards_title=BOARDS_TITLE,
        boards_how=HOW,
        control=control_tables(table, data),
        accounting=accounting,
        took=accounting.accounting(data.books),
        arms=arms,
        selecting=arms.arm_line(data),
        handed_over=arms.handed_over(data),
        covariates=[covariates(data, view) for view in views if _has_covariates(view)][:1],
        soundness=soundness(data),
        fault_headings=FAULT_HEADINGS,
        overlap_headings=OVERLAP_HEADINGS,
        coverage_line=coverage_line(data),
        control_line=control_line(data),
        kinds=_kinds(data),
        lock_text=data.lock.model_dump_json(indent=1) if data.lock else "",
        number=numbers,
        shown=shown,
        groups=GROUPS,
    )


def question(data: ReportData) -> str:
    """What the sweep asks: of question answering where all its targets are that."""
    families = {choice.trained.family for choice in data.manifest.targets}
    return _QUESTION.format("question answering" if families == {"span-qa"} else "transfer")


def _has_covariates(view: View) -> bool:
    return not view.retrieval and not view.english_alone


def _facts(data: ReportData) -> list[tuple[str, str]]:
    """What the sweep was, as (term, description)."""
    manifest = data.manifest
    frozen = ", ".join(part.replace("_", " ") for part in manifest.model.freeze) or "nothing"
    engine = manifest.engine
    return [
        ("Model", _model(data)),
        ("Frozen", frozen),
        ("Intermediate tasks", numbers.listing(manifest.labels) or "none"),
        ("Sizes", _sizes(data)),
        ("Arms", "; ".join(_arm(data.plan, arm) for arm in manifest.arms)),
        ("Targets", numbers.listing([choice.task for choice in manifest.targets])),
        ("Retrieval", numbers.listing([choice.set for choice in manifest.retrieval]) or "none"),
        ("Replicates", f"{len(manifest.replicates)} (seeds {_joined(manifest.replicates)})"),
        ("Engine", _engine(engine)),
        *[("Trainings", said) for said in [trained(data)] if said],
        ("Shards", f"{coverage_line(data)}; sharing saves {data.plan.shared}"),
    ]  # fmt: skip


def _model(data: ReportData) -> str:
    repo = data.manifest.model.repo
    if data.lock is None:
        return f"{repo} (not locked)"
    size = f"{data.lock.model.parameters / 1e6:.1f} M parameters"
    embeddings = f"{data.lock.model.embedding_parameters / 1e6:.1f} M of them word embeddings"
    return f"{repo}: {data.lock.model.layers} layers, {size}, {embeddings}"


def _engine(engine: Engine) -> str:
    said = f"{numbers.plural(engine.ranks, 'rank')}, {_zero(engine)}, {engine.precision}"
    return f"{said}, deterministic" if engine.deterministic else said


def _zero(engine: Engine) -> str:
    chosen = engine.zero_stage == "auto"
    return "the least ZeRO stage that fits" if chosen else f"ZeRO stage {engine.zero_stage}"


def _sizes(data: ReportData) -> str:
    """Each task's labels and resolved counts."""
    counts: dict[str, dict[str, int]] = {}
    for cell in data.plan.cells:  # an arm that holds rows out has fewer at the full size
        sizes = counts.setdefault(cell.task, {})
        sizes[cell.size] = max(cell.examples, sizes.get(cell.size, 0))
    return "; ".join(
        (f"{task}: " if len(counts) > 1 else "")
        + ", ".join(
            numbers.count(n) if label == str(n) else f"{label} = {numbers.count(n)}"
            for label, n in sorted(sizes.items(), key=lambda pair: pair[1])
        )
        for task, sizes in counts.items()
    )


def _arm(plan: Plan, arm: Arm) -> str:
    updates = f": {numbers.count(arm.updates)}" if arm.updates else ""
    selected = f"; {arms.selected_by(plan, arm)}" if arm.selection else ""
    return f"{arm.name} (fixed {arm.fixed}{updates}{selected})"


def _joined(values: Sequence[object]) -> str:
    return ", ".join(map(str, values))


@dataclass(frozen=True)
class Curve:
    """A view with its pictures and its two tables, ready to be written."""

    title: str
    view: View
    pictures: list[Picture]
    group_headings: list[str]
    group_rows: list[list[str]]
    language_rows: list[tuple[bool, list[str]]]
    legend: str
    selected: str
    group_legend: str
    partial: bool


def _curve(data: ReportData, views: Sequence[View], view: View) -> Curve:
    headings, rows = group_table(views, view)
    return Curve(
        title=view.title,
        view=view,
        pictures=pictures(view, len(data.manifest.replicates)),
        group_headings=headings,
        group_rows=rows,
        language_rows=[(is_low(code), language_row(view, code)) for code in view.languages],
        legend="" if view.english_alone else group_line(view.languages),
        selected=arms.arm_line(data, view.arm),
        group_legend=_group_legend(headings),
        partial=view.partial,
    )


def _group_legend(headings: Sequence[str]) -> str:
    """What the columns are, of those that there are."""
    told = ["Range over replicates", "gain over the same seed's size 0"]
    if "gap" in headings:
        told.append("gap is English less the mean without English")
    if any(heading.endswith((" before", " after")) for heading in headings):
        told.append("retrieval is the mean over its languages, before and after target training")
    return f"In %. {'; '.join(told)}."


def _kinds(data: ReportData) -> list[tuple[Kind, str, list[Covered]]]:
    """The kinds that need a word, each with its shards; what is done needs none."""
    found = coverage(data.plan, data.states)
    control = coverage(data.plan, data.states, control=True)
    both = {kind: [*found[kind], *control[kind]] for kind in KINDS if kind != "done"}
    return [(kind, KINDS[kind], entries) for kind, entries in both.items() if entries]
