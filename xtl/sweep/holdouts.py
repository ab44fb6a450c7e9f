"""Hold-outs: what one pool keeps out must not be trained on by way of another. Pure.

A training keeps rows out of each part's pool by itself: of two pools with data in common, what is
kept out of one may be taken by the other. Pools of the same tables in the same order keep the same
rows out, in a training and in its parent alike, since both draw by one seed.
"""

from __future__ import annotations

from itertools import combinations, product

from xtl.errors import UserError
from xtl.sweep.arms import Arm
from xtl.sweep.choices import TargetChoice
from xtl.sweep.intermediate import IntermediateChoice
from xtl.sweep.manifest import Manifest
from xtl.sweep.needs import task_tables
from xtl.sweep.shard import Part, Table, TrainSpec
from xtl.tasks.entries import Task

SAME_PASSAGES = (frozenset({"rajpurkar/squad", "rajpurkar/squad_v2"}),)
"""Data sets of other content whose splits of one name ask about the same passages."""


def require_intermediate(choice: IntermediateChoice, spec: TrainSpec, arm: Arm) -> None:
    """UserError where the arm holds rows out and this training cannot be judged by them."""
    if not arm.held_out:
        return
    key, held = f"intermediate.{choice.label}", _held(arm)
    if choice.labels == "shuffled":
        raise UserError(
            f"{key}.labels: found shuffled {held}, expected gold: held-out labels that are noise "
            "choose by noise; put the control beside arms that hand over the last checkpoint"
        )
    if choice.translated and len(choice.translated.languages) > 1:
        found = ", ".join(choice.translated.languages)
        raise UserError(
            f"{key}.translated.languages: found {found} {held}, expected one language: a row that "
            "is kept out would be trained on in another"
        )
    for one, other in combinations(spec.parts, 2):
        if common := _common(one, other):
            raise UserError(
                f"{key}: found {one.task} and {other.task}, which share {common}, {held}, expected "
                "tasks without data in common: what is kept out of one would be trained on by the "
                "other"
            )


def require_target(target: TargetChoice, spec: TrainSpec, parent: TrainSpec, arm: Arm) -> None:
    """UserError where rows that are kept out of the target were trained on by its parent, or the
    other way round."""
    (part,) = spec.parts
    for before in parent.parts if arm.held_out else ():
        common = "" if _pool(before) == _pool(part) else _common(before, part)
        if common:
            raise UserError(
                f"targets.{target.task}: found {before.task} before {part.task}, which share "
                f"{common}, {_held(arm)}, expected the same data whole or none in common: what "
                "is kept out of one would be trained on by the other; leave it out by `after`, or "
                "use an arm that holds nothing out"
            )


def require_untranslated(manifest: Manifest) -> None:
    """UserError where a target's rows are trained on before it in another language, under an arm
    that holds some of them out: which these are in the translation nobody can tell."""
    arms = [arm for arm in manifest.arms if arm.held_out]
    if not arms or all(size.none for size in manifest.sizes):
        return
    for target, choice in product(manifest.targets, manifest.intermediate):
        follows = target.after == "all" or choice.label in target.after
        if choice.translated and follows and _is_made_of(manifest, choice, target.trained):
            raise UserError(
                f"targets.{target.task}: found {choice.label} before {target.trained.name}, of "
                f"whose data it is a translation, {_held(arms[0])}, expected none of it before: "
                "what is kept out of one would be trained on by the other in another language; "
                "leave it out by `after`, or use an arm that holds nothing out"
            )


def _is_made_of(manifest: Manifest, choice: IntermediateChoice, trained: Task) -> bool:
    """Whether the English data of the choice's task and of the other's have rows in common."""
    tables = [ref for task in choice.entries for ref in task_tables(manifest, task)]
    return any(
        one == other or (one.split == other.split and {one.repo, other.repo} in SAME_PASSAGES)
        for one, other in product(tables, task_tables(manifest, trained))
    )


def _held(arm: Arm) -> str:
    return f"under arm {arm.name}, which holds rows out"


def _pool(part: Part) -> tuple[str, tuple[str, ...]]:
    """Which rows a seed keeps out follows from this."""
    return part.family, tuple(table.content for table in part.data)


def _common(one: Part, other: Part) -> str:
    """What both have, in words; "" for nothing that is known."""
    for first in one.data:
        for second in other.data:
            if first.content == second.content:
                return _name(first)
            if first.split == second.split and {first.repo, second.repo} in SAME_PASSAGES:
                return f"the passages of {_name(first)}"
    return ""


def _name(table: Table) -> str:
    return f"{table.repo}/{table.config}/{table.split}"
