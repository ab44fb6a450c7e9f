"""Which shards a person means: by id, how an id begins, or name; by class, size or task."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, get_args

import typer

from jobs.wording import many
from xtl.errors import UserError
from xtl.launch.records import FailureClass
from xtl.launch.states import State
from xtl.sweep.cells import Cell
from xtl.sweep.plan import Plan
from xtl.sweep.sizes import parse_size

CLASSES: tuple[str, ...] = get_args(FailureClass)
_SHOWN = 4  # candidates that an error names
_ARROW = re.compile(r"\s*(->|→)\s*")


def one_shard(plan: Plan, known: Mapping[str, State], text: str) -> str:
    """The id of the shard that `text` means. UserError where it means none, or several."""
    found = matches(plan, text)
    if len(found) == 1:
        return found[0]
    if not found:
        raise UserError(
            f"found no shard {text!r}, expected an id, how one begins, or a name: "
            "`xtl status --all --json` lists them"
        )
    raise UserError(
        f"found {text!r} for {many(len(found), 'shard')} ({candidates(plan, known, found)}), "
        "expected one"
    )


def matches(plan: Plan, text: str) -> list[str]:
    """The ids that `text` fits best: as an id or a whole name, else as how an id begins, else as a
    part of a name, in which `->` may stand for `→`. Empty: none. Before there is a lock there are
    no ids to go by."""
    shards, wanted = plan.shards.values(), _ARROW.sub(" → ", text).strip().casefold()
    ids = [shard.id for shard in shards if plan.locked and wanted]
    ways = (
        [shard.id for shard in shards if shard.name.casefold() == wanted],
        [key for key in ids if key.startswith(wanted)],
        [shard.id for shard in shards if wanted and wanted in shard.name.casefold()],
    )
    return next((found for found in ways if found), [])


def candidates(plan: Plan, known: Mapping[str, State], found: list[str]) -> str:
    """Some of them, each by the beginning of its id, its name and its state."""
    some = [_called(plan, known, key) for key in found[:_SHOWN]]
    return "; ".join(some) + ("; …" if found[_SHOWN:] else "")


def _called(plan: Plan, known: Mapping[str, State], key: str) -> str:
    state = known[key].name if key in known else "missing"
    beginning = f"{key[:8]} " if plan.locked else ""
    return f"{beginning}{plan.shards[key].name}, {state}"


Shards = Annotated[
    list[str] | None,
    typer.Option(
        "--shard",
        help="Those that this fits: an id or its beginning, a name or a part of it. As often as "
        "you like.",
    ),
]
Classes = Annotated[
    list[str] | None,
    typer.Option("--class", help="Those that failed with this class. As often as you like."),
]
Sizes = Annotated[
    list[str] | None,
    typer.Option("--size", help="Those of this size, as the manifest has it: 10%, 1000."),
]
Tasks = Annotated[
    list[str] | None,
    typer.Option("--task", help="Those of this intermediate or target task."),
]


def choose(
    plan: Plan,
    known: Mapping[str, State],
    shard: Sequence[str] | None = None,
    cls: Sequence[str] | None = None,
    size: Sequence[str] | None = None,
    task: Sequence[str] | None = None,
) -> list[str]:
    """The ids that fit one at least of each kind of filter that is given, in the plan's order; all
    without a filter. UserError for a value that fits nothing in the plan."""
    found = set(plan.shards)
    if shard:
        found &= {key for text in shard for key in _some(plan, text)}
    if cls:
        _require("--class", cls, CLASSES)
        found &= {key for key, state in known.items() if state.failure and state.failure.cls in cls}
    if size:
        found &= _of_sizes(plan, size)
    if task:
        found &= _of_tasks(plan, task)
    return [key for key in plan.shards if key in found]


def _some(plan: Plan, text: str) -> list[str]:
    found = matches(plan, text)
    if not found:
        raise UserError(
            f"--shard: found no shard {text!r}, expected an id, how one begins, or a name or a "
            "part of one: `xtl status --all --json` lists them"
        )
    return found


def _of_sizes(plan: Plan, wanted: Sequence[str]) -> set[str]:
    """Shards of the cells of these sizes: an intermediate training, and all that follows on it."""
    labels = [_label(text) for text in wanted]
    _require("--size", labels, list(dict.fromkeys(cell.size for cell in plan.cells)))
    return {key for cell in plan.cells if cell.size in labels for key in _shards_of(cell)}


def _label(text: str) -> str:
    """`10.0%` is 10%."""
    try:
        return parse_size(int(text) if text.isdecimal() else text).label
    except ValueError:
        return text


def _of_tasks(plan: Plan, wanted: Sequence[str]) -> set[str]:
    """Of an intermediate task all that follows on it too; of a target, its trainings and what they
    are evaluated on."""
    names = [name for cell in plan.cells for name in (cell.task, cell.target) if name]
    _require("--task", wanted, list(dict.fromkeys(names)))
    found: set[str] = set()
    for cell in plan.cells:
        if cell.task in wanted:
            found |= _shards_of(cell)
        if cell.target in wanted:
            found |= _shards_of(cell) - {cell.intermediate or ""}
    return found


def _shards_of(cell: Cell) -> set[str]:
    own = (cell.intermediate, cell.checkpoint, *(shard for _, shard in cell.evaluations))
    return {key for key in own if key}


def _require(option: str, found: Sequence[str], expected: Sequence[str]) -> None:
    for value in found:
        if value not in expected:
            raise UserError(
                f"{option}: found {value!r}, expected one of {', '.join(expected) or 'none'}"
            )
