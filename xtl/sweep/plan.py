"""The plan: the shards of a manifest and their parents. A pure function of (manifest, lock).

Shards are addressed by content, so whatever two cells have in common is one shard: size 0 belongs
to every task, two arms meet where their updates are equal, a checkpoint is evaluated once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import product

from xtl.errors import UserError
from xtl.sweep.arms import Arm
from xtl.sweep.cells import Cell, recipe_name
from xtl.sweep.choices import TargetChoice
from xtl.sweep.holdouts import require_untranslated
from xtl.sweep.intermediate import IntermediateChoice
from xtl.sweep.leaks import require_accepted
from xtl.sweep.lock import Lock, UnlockedError
from xtl.sweep.manifest import Manifest
from xtl.sweep.needs import AskedSet, retrieval_sets, set_table, sets_of
from xtl.sweep.provisional import provisional_lock
from xtl.sweep.shard import EvaluateSpec, HeldOut, Shard, Spec, Stage, Table, TrainSpec, shard_id
from xtl.sweep.sizes import Size
from xtl.sweep.trainings import Trainings
from xtl.tasks.catalogue import EVALUATION_SETS
from xtl.tasks.entries import EvaluationSet


@dataclass(frozen=True)
class Plan:
    """Shards by id, parents before children, in the order in which they should run."""

    sweep: str
    locked: bool
    keep: str
    shards: dict[str, Shard]
    cells: tuple[Cell, ...]
    wanted: int  # shards that the cells ask for, before sharing

    @property
    def shared(self) -> int:
        """How many shards sharing saves."""
        return self.wanted - len(self.shards)


def make_plan(manifest: Manifest, lock: Lock | None, source: str = "") -> Plan:
    """Raises UserError where the lock and the manifest do not fit (another model, a table missing,
    a size over the data, an overlap that is not accepted), or what is held out would be trained on.
    `source` names the manifest's file where it asks for what is not to be had.

    Without a lock, counts are the published ones and ids are provisional.
    """
    if lock is not None:
        lock.require(manifest.model.repo)
        require_accepted(manifest, lock)
    try:
        return draft_plan(manifest, lock)
    except UnlockedError:  # says which file by itself
        raise
    except UserError as error:
        raise UserError(f"{source}: {error}" if source else str(error)) from None


def draft_plan(manifest: Manifest, lock: Lock | None) -> Plan:
    """The same of a lock that may not be fit to run: to show what another would change."""
    require_untranslated(manifest)
    return _Planner(manifest, lock or provisional_lock(manifest), lock is not None).plan()


@dataclass
class _Planner:
    manifest: Manifest
    lock: Lock
    locked: bool
    shards: dict[str, Shard] = field(default_factory=dict)
    cells: list[Cell] = field(default_factory=list)
    wanted: int = 0
    _made: dict[tuple[str, tuple[str, ...]], tuple[tuple[str, Table], ...]] = field(
        default_factory=dict
    )

    def __post_init__(self) -> None:
        self.trainings = Trainings(self.manifest, self.lock)

    def plan(self) -> Plan:
        """All sizes of one chain first, so that a sweep stopped anywhere can be analysed; of the
        chains, those of the primary contrast, and an oracle's last."""
        for seed in self.manifest.replicates:
            for choice, arm in self._chains():
                for size in self.manifest.sizes:
                    self._chain(choice, size, arm, seed)
        return Plan(
            self.manifest.name,
            self.locked,
            self.manifest.keep,
            self.shards,
            tuple(self.cells),
            self.wanted,
        )

    def _chains(self) -> list[tuple[IntermediateChoice | None, Arm]]:
        primary = self.manifest.primary
        task, name = (primary.task, primary.arm) if primary else ("", "")

        def later(chain: tuple[IntermediateChoice | None, Arm]) -> tuple[bool, bool, bool]:
            choice, arm = chain
            return (arm.oracle, choice is None or choice.label != task, arm.name != name)

        chains = product(self.manifest.intermediate or (None,), self.manifest.arms)
        return sorted(chains, key=later)

    def _chain(self, choice: IntermediateChoice | None, size: Size, arm: Arm, seed: int) -> None:
        """The intermediate training, then each target on top of it, each with its evaluations."""
        label, examples, trained = "public model", 0, None
        if choice and not size.none:
            label = f"{choice.label} {size.label} {arm.name} s{seed}"
            spec = self.trainings.intermediate(choice, size, arm, seed)
            examples = sum(part.examples for part in spec.parts[: len(choice.entries)])
            trained = (self._add("intermediate", label, spec), spec)
        parent = trained[0] if trained else None
        place = {
            "task": choice.label if choice else "none",
            "size": size.label,
            "examples": examples,
            "arm": arm.name,
            "seed": seed,
            "intermediate": parent,
        }
        self._cell(place, None, parent, label, [])
        own = f" {arm.name}" if arm.selection else ""  # other arms share what follows size 0
        start = f"0{own} s{seed}" if parent is None else label
        for target in self._targets(choice):
            name = f"{start} → {target.task}"
            spec = self.trainings.target(target, trained, arm, seed)
            checkpoint = self._add("target", name, spec)
            self._cell(place, target.task, checkpoint, name, sets_of(target))
            self._strong(place, target, trained, name, size)

    def _targets(self, choice: IntermediateChoice | None) -> Iterator[TargetChoice]:
        for target in self.manifest.targets:
            if choice is None or target.after == "all" or choice.label in target.after:
                yield target

    def _strong(
        self, place: dict[str, object], target: TargetChoice,
        trained: tuple[str, TrainSpec] | None, name: str, size: Size,
    ) -> None:  # fmt: skip
        """The target under every recipe of the strong control, where it asks for this place."""
        control = self.manifest.strong_control
        if control is None or target.task not in control.targets or place["arm"] != control.arm:
            return
        if size.label not in [wanted.label for wanted in control.sizes]:
            return
        seed = int(str(place["seed"]))
        for epochs, rate in product(control.epochs, control.learning_rates):
            recipe = recipe_name(epochs, rate)
            spec = self.trainings.tuned(target, trained, seed, epochs, rate, control.held_out)
            named = f"{name} (strong {recipe})"
            checkpoint = self._add("target", named, spec)
            held_out = (
                f"{target.trained.name}-held-out",
                self._held_out(target, spec, checkpoint, named),
            )
            tuned = place | {"recipe": recipe}
            self._cell(tuned, target.task, checkpoint, named, sets_of(target), held_out)

    def _held_out(
        self, target: TargetChoice, spec: TrainSpec, checkpoint: str, name: str
    ) -> str:  # fmt: skip
        """The evaluation that a recipe is chosen by: English that none of the grid trained on."""
        (part,) = spec.parts
        entry = EVALUATION_SETS[f"{target.trained.name}-held-out"]
        tables = tuple((language, part.data[0]) for language in entry.languages)
        rest = HeldOut(after=part.examples, subset=part.subset, subset_seed=spec.subset_seed)
        return self._evaluate(entry, tables, checkpoint, name, rest)

    def _cell(
        self,
        place: dict[str, object],
        target: str | None,
        checkpoint: str | None,
        name: str,
        sets: list[AskedSet],
        *more: tuple[str, str],
    ) -> None:
        evaluations = [
            (asked.entry.name, self._ask(asked, checkpoint, name))
            for asked in [*sets, *retrieval_sets(self.manifest.retrieval)]
        ]
        found = {"target": target, "checkpoint": checkpoint, "evaluations": (*evaluations, *more)}
        self.cells.append(Cell.model_validate(place | found))

    def _ask(self, asked: AskedSet, checkpoint: str | None, name: str) -> str:
        tables = self._tables(asked.entry, asked.languages)
        fewer = asked.examples and any(table.rows > asked.examples for _, table in tables)
        examples = asked.examples if fewer else None  # what asks for all is the same shard
        entry, layers = asked.entry, self.lock.model.layers
        if asked.layer is not None:
            if layers and asked.layer > layers:
                raise UserError(
                    f"retrieval.{entry.name}.layer: found {asked.layer}, expected at most the "
                    f"{layers} layers of {self.lock.model.repo}"
                )
            decoding = entry.decoding.model_copy(update={"layer": asked.layer})
            entry = replace(entry, decoding=decoding)
        return self._evaluate(entry, tables, checkpoint, name, examples=examples)

    def _evaluate(
        self,
        entry: EvaluationSet,
        tables: tuple[tuple[str, Table], ...],
        checkpoint: str | None,
        name: str,
        held_out: HeldOut | None = None,
        examples: int | None = None,
    ) -> str:
        spec = EvaluateSpec(
            set=entry.name,
            family=entry.family,
            model=self.lock.model.reference(),
            parent=checkpoint,
            data=tables,
            held_out=held_out,
            examples=examples,
            labels=entry.labels,
            decoding=entry.decoding,
            precision=self.manifest.engine.precision,
        )
        return self._add("evaluate", f"{name} · {entry.name}", spec)

    def _tables(
        self, entry: EvaluationSet, languages: tuple[str, ...]
    ) -> tuple[tuple[str, Table], ...]:
        """A set's tables, made once: thousands of evaluations share them."""
        if (entry.name, languages) not in self._made:
            refs = [(code, set_table(self.manifest, entry, code)) for code in languages]
            tables = [(code, self.lock.find(ref).table()) for code, ref in refs]
            self._made[entry.name, languages] = tuple(tables)
        return self._made[entry.name, languages]

    def _add(self, stage: Stage, name: str, spec: Spec) -> str:
        self.wanted += 1
        shard = Shard(id=shard_id(spec), stage=stage, name=name, spec=spec)
        return self.shards.setdefault(shard.id, shard).id
