"""The plan: the shards of a manifest and their parents. A pure function of (manifest, lock).

Shards are addressed by content, so whatever two cells have in common is one shard: size 0 belongs
to every task, two arms meet where their updates are equal, a checkpoint is evaluated once.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from xtl.errors import UserError
from xtl.sweep.cells import Cell
from xtl.sweep.lock import Lock, LockedTable, key_of, unlocked_model, unlocked_table
from xtl.sweep.manifest import Arm, Manifest, RetrievalChoice, TargetChoice, TaskChoice
from xtl.sweep.shard import EvaluateSpec, Shard, Spec, Stage, Table, TrainSpec, shard_id
from xtl.sweep.sizes import Size
from xtl.tasks.catalogue import EVALUATION_SETS, DatasetRef, EvaluationSet, Task


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


def make_plan(manifest: Manifest, lock: Lock | None) -> Plan:
    """Raises UserError where the lock and the manifest do not fit (another model, a table missing,
    a size over the data). Without a lock, counts are the catalogue's and ids are provisional."""
    if lock is not None:
        lock.require(manifest.model.repo)
    return _Planner(manifest, lock or provisional_lock(manifest), lock is not None).plan()


def provisional_lock(manifest: Manifest) -> Lock:
    """A lock that names what is not yet resolved, with the catalogue's published row counts."""
    rows = {key_of(choice.entry.train): choice.entry.rows for choice in _choices(manifest)}
    tables = {
        key_of(ref): unlocked_table(ref, rows.get(key_of(ref), 0)) for ref in tables_of(manifest)
    }
    return Lock(model=unlocked_model(manifest.model.repo), tables=tables)


def tables_of(manifest: Manifest) -> list[DatasetRef]:
    """Every table of data that the manifest needs, each once."""
    refs = [choice.entry.train for choice in _choices(manifest)]
    for entry, languages in _evaluations(manifest):
        refs += [entry.data.of(language) for language in languages]
    return list(dict.fromkeys(refs))


def passage_pairs(manifest: Manifest) -> dict[DatasetRef, list[DatasetRef]]:
    """Each training table of span QA, with the evaluation tables that it must not hold."""
    trained = [choice.entry.train for choice in _choices(manifest) if _has_passages(choice.entry)]
    asked = [
        entry.data.of(language)
        for entry, languages in _evaluations(manifest)
        if _has_passages(entry)
        for language in languages
    ]
    return {ref: list(dict.fromkeys(asked)) for ref in trained}


def _has_passages(entry: Task | EvaluationSet) -> bool:
    return entry.family == "span-qa"


def _choices(manifest: Manifest) -> list[TaskChoice]:
    return [*manifest.intermediate, *manifest.targets]


def _evaluations(manifest: Manifest) -> list[tuple[EvaluationSet, tuple[str, ...]]]:
    chosen = [_sets_of(target) for target in manifest.targets]
    return [pair for pairs in chosen for pair in pairs] + _retrieval_sets(manifest.retrieval)


def _sets_of(target: TargetChoice) -> list[tuple[EvaluationSet, tuple[str, ...]]]:
    entries = [EVALUATION_SETS[name] for name in target.entry.evaluation_sets]
    return [(entry, _chosen(entry, target.languages)) for entry in entries]


def _retrieval_sets(
    choices: tuple[RetrievalChoice, ...],
) -> list[tuple[EvaluationSet, tuple[str, ...]]]:
    entries = [(EVALUATION_SETS[choice.set], choice.languages) for choice in choices]
    return [(entry, _chosen(entry, languages)) for entry, languages in entries]


def _chosen(entry: EvaluationSet, languages: tuple[str, ...] | str) -> tuple[str, ...]:
    return entry.languages if isinstance(languages, str) else tuple(sorted(languages))


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

    def plan(self) -> Plan:
        """All sizes of one chain first, so that a sweep stopped anywhere can be analysed."""
        for seed in self.manifest.replicates:
            for choice in self.manifest.intermediate or (None,):
                for arm in self.manifest.arms:
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

    def _chain(self, choice: TaskChoice | None, size: Size, arm: Arm, seed: int) -> None:
        """The intermediate training, then each target on top of it, each with its evaluations."""
        label, examples, parent = "public model", 0, None
        if choice and not size.none:
            table = self.lock.find(choice.entry.train)
            examples = resolved(size, table)
            label = f"{choice.task} {size.label} {arm.name} s{seed}"
            spec = self._train(choice, None, table, examples, seed, arm)
            parent = self._add("intermediate", label, spec)
        place = {
            "task": choice.task if choice else "none",
            "size": size.label,
            "examples": examples,
            "arm": arm.name,
            "seed": seed,
            "intermediate": parent,
        }
        self._cell(place, None, parent, label, [])
        for target in self.manifest.targets:
            start = f"0 s{seed}" if parent is None else label
            self._target(place, target, parent, f"{start} → {target.task}", seed)

    def _target(
        self,
        place: dict[str, object],
        target: TargetChoice,
        parent: str | None,
        name: str,
        seed: int,
    ) -> None:
        table = self.lock.find(target.entry.train)
        spec = self._train(target, parent, table, table.rows, seed, None)
        checkpoint = self._add("target", name, spec)
        self._cell(place, target.task, checkpoint, name, _sets_of(target))

    def _cell(
        self,
        place: dict[str, object],
        target: str | None,
        checkpoint: str | None,
        name: str,
        sets: list[tuple[EvaluationSet, tuple[str, ...]]],
    ) -> None:
        evaluations = [
            (entry.name, self._evaluate(entry, languages, checkpoint, name))
            for entry, languages in [*sets, *_retrieval_sets(self.manifest.retrieval)]
        ]
        self.cells.append(
            Cell.model_validate(
                place
                | {"target": target, "checkpoint": checkpoint, "evaluations": tuple(evaluations)}
            )
        )

    def _train(
        self,
        choice: TaskChoice,
        parent: str | None,
        table: LockedTable,
        examples: int,
        seed: int,
        arm: Arm | None,
    ) -> TrainSpec:
        recipe = choice.training.recipe(choice.entry)
        by_epochs = -(-examples // recipe.batch_size) * choice.training.epochs_of(choice.entry)
        return TrainSpec(
            task=choice.task,
            family=choice.entry.family,
            model=self.lock.model.reference(),
            parent=parent,
            data=table.table(),
            examples=examples,
            subset_seed=seed,
            updates=(arm.updates if arm else None) or by_epochs,
            recipe=recipe,
            freeze=self.manifest.model.freeze,
            precision=self.manifest.engine.precision,
            seed=seed,
        )

    def _evaluate(
        self, entry: EvaluationSet, languages: tuple[str, ...], checkpoint: str | None, name: str
    ) -> str:
        spec = EvaluateSpec(
            set=entry.name,
            family=entry.family,
            model=self.lock.model.reference(),
            parent=checkpoint,
            data=self._tables(entry, languages),
            decoding=entry.decoding,
            precision=self.manifest.engine.precision,
        )
        return self._add("evaluate", f"{name} · {entry.name}", spec)

    def _tables(
        self, entry: EvaluationSet, languages: tuple[str, ...]
    ) -> tuple[tuple[str, Table], ...]:
        """A set's tables, made once: thousands of evaluations share them."""
        if (entry.name, languages) not in self._made:
            tables = [(code, self.lock.find(entry.data.of(code)).table()) for code in languages]
            self._made[entry.name, languages] = tuple(tables)
        return self._made[entry.name, languages]

    def _add(self, stage: Stage, name: str, spec: Spec) -> str:
        self.wanted += 1
        shard = Shard(id=shard_id(spec), stage=stage, name=name, spec=spec)
        return self.shards.setdefault(shard.id, shard).id


def resolved(size: Size, table: LockedTable) -> int:
    """The size's count of examples, within the table's rows."""
    examples = size.examples(table.rows)
    if examples > table.rows:
        where = f"{table.repo}/{table.config}/{table.split}"
        raise UserError(f"sizes: found {size.label}, expected at most the {table.rows} of {where}")
    return examples
