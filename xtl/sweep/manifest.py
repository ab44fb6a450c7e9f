"""The manifest: what a researcher asks for, in YAML, checked whole before anything happens."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from xtl.sweep.arms import Arm
from xtl.sweep.choices import (
    Accepted,
    Engine,
    ModelChoice,
    Primary,
    RetrievalChoice,
    StrongControl,
    TargetChoice,
    chosen_languages,
)
from xtl.sweep.fields import AnySize, Keys, Name, each_once
from xtl.sweep.intermediate import IntermediateChoice
from xtl.sweep.places import ONE_PLACE, DataName, DataPlace, Place, Places
from xtl.sweep.placing import MASKED_LM, Usual, is_for_each, usual_of
from xtl.tasks.catalogue import EVALUATION_SETS, METRICS, TASKS
from xtl.tasks.entries import LANGUAGE, Task
from xtl.tasks.forms import FORMS


class Manifest(Keys):
    """See jobs/manifests/demo.yaml, which is documented line by line."""

    name: Name
    model: ModelChoice
    engine: Engine = Engine()
    intermediate: tuple[IntermediateChoice, ...]
    sizes: Annotated[tuple[AnySize, ...], Field(min_length=1)]
    arms: Annotated[tuple[Arm, ...], Field(min_length=1)] = (Arm(name="epochs", fixed="epochs"),)
    replicates: Annotated[tuple[Annotated[int, Field(ge=0, lt=2**31)], ...], Field(min_length=1)]
    targets: Annotated[tuple[TargetChoice, ...], Field(min_length=1)]
    retrieval: tuple[RetrievalChoice, ...] = ()
    strong_control: StrongControl | None = None
    primary: Primary | None = None
    training_data: dict[DataName, Places] = Field(default_factory=dict)
    evaluation_data: dict[DataName, Place] = Field(default_factory=dict)
    accept_overlap: tuple[Accepted, ...] = ()
    keep: Literal["all", "targets", "nothing"] = "targets"

    @field_validator("sizes", "replicates", "arms", "intermediate", "targets", "retrieval")
    @classmethod
    def _distinct(cls, entries: tuple[Any, ...]) -> tuple[Any, ...]:
        return each_once(entries)

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if any(not size.none for size in self.sizes) and not self.intermediate:
            raise ValueError("intermediate: found nothing, expected a task for the sizes above 0")
        for choice in self.intermediate:
            _texts_have_places(self, choice)
            for entry in choice.entries if choice.translated is None else ():
                _has_data(self, entry)
                _sizes_fit(self, entry)
        for target in self.targets:
            _has_data(self, target.trained)
            _follows(self, target.after)
        _names_are_used(self)
        _one_kind(self)
        if self.strong_control:
            _control_is_planned(self, self.strong_control)
        if self.primary:
            _primary_is_planned(self, self.primary)
        return self

    def places(self, name: str) -> tuple[DataPlace, ...]:
        """Where what is trained on under this name comes from; none: from the catalogue's."""
        found = self.training_data.get(name, ())
        return found if isinstance(found, tuple) else (found,)

    @property
    def labels(self) -> list[str]:
        """What the intermediate choices are called."""
        return [choice.label for choice in self.intermediate]


def _texts_have_places(manifest: Manifest, choice: IntermediateChoice) -> None:
    if choice.masked_text:
        text = choice.masked_text
        usual = Usual(text.corpus, MASKED_LM)
        _has_place(manifest, "masked_text.corpus", usual, text.languages)
    if choice.translated:
        data = choice.translated
        usual = replace(usual_of(choice.entries[0]), name=data.data)
        _has_place(manifest, "translated.data", usual, data.languages)


def _has_place(manifest: Manifest, key: str, usual: Usual, languages: Collection[str]) -> None:
    found = f"intermediate.{key}: found {usual.name!r}"
    if usual.name in TASKS:
        raise ValueError(f"{found}, the name of a task, expected one of its own")
    if usual.name not in manifest.training_data:
        known = ", ".join(manifest.training_data) or "none yet"
        raise ValueError(f"{found}, expected a name under training_data ({known})")
    places = manifest.places(usual.name)
    if len(places) > 1:
        raise ValueError(
            f"training_data.{usual.name}: found {len(places)} places, expected {ONE_PLACE}"
        )
    _serves(f"training_data.{usual.name}", places[0], usual, languages)


def _serves(key: str, place: DataPlace, usual: Usual, languages: Collection[str]) -> None:
    if len(languages) > 1 and not is_for_each(place, usual):
        expected = "expected {language} in it: a table for each language"
        raise ValueError(f"{key}: found {place}, {expected}")


def _has_data(manifest: Manifest, entry: Task) -> None:
    if not entry.tables and entry.name not in manifest.training_data:
        raise ValueError(
            f"training_data: found nothing for {entry.name}, which no hub has, expected your "
            f"files: {entry.name}: {{path: …}} (docs/own-data.md)"
        )


def _sizes_fit(manifest: Manifest, task: Task) -> None:
    if task.name in manifest.training_data:  # then its rows are counted by prepare
        return
    for size in manifest.sizes:
        if size.examples(task.rows) > task.rows:
            known = f"the {task.rows} examples of {task.name}"
            raise ValueError(f"sizes: found {size.label}, expected at most {known}")


def _follows(manifest: Manifest, after: Any) -> None:
    for label in () if after == "all" else after:
        _planned("targets.after", label, manifest.labels)


def _names_are_used(manifest: Manifest) -> None:
    """Every name of data is one that this manifest reads."""
    trained = _trained(manifest)
    for name in manifest.training_data:
        _planned("training_data", name, trained)
        for place in manifest.places(name):
            _has_format(f"training_data.{name}", place, mined=False)
            if name in TASKS and LANGUAGE in f"{place.path}{place.config}{place.split}":
                raise ValueError(
                    f"training_data.{name}: found {place}, expected no {LANGUAGE}: English"
                )
    evaluated = _evaluated(manifest)
    for name in evaluated:
        if not EVALUATION_SETS[name].data.repo and name not in manifest.evaluation_data:
            usual_files = f"your files: {name}: {{path: …}} (docs/own-data.md)"
            bring = FORMS[EVALUATION_SETS[name].data.form].bring or usual_files
            raise ValueError(
                f"evaluation_data: found nothing for {name}, which no hub has, expected {bring}"
            )
    for name, place in manifest.evaluation_data.items():
        _planned("evaluation_data", name, list(evaluated))
        entry = EVALUATION_SETS[name]
        usual = Usual(name, entry.family, entry.data, trained=False)
        _has_format(f"evaluation_data.{name}", place, mined=entry.family == "mining")
        _serves(f"evaluation_data.{name}", place, usual, evaluated[name])
    for accepted in manifest.accept_overlap:
        _planned("accept_overlap.training", accepted.training, trained)
        _planned("accept_overlap.evaluation", accepted.evaluation, list(evaluated))


def _has_format(key: str, place: DataPlace, *, mined: bool) -> None:
    if place.format == "bucc" and not mined:
        raise ValueError(f"{key}.format: found 'bucc', expected it only of sets that are mined")


def _one_kind(manifest: Manifest) -> None:
    """A name is text or translations, not both: its rows have one family's columns."""
    texts = {choice.masked_text.corpus for choice in manifest.intermediate if choice.masked_text}
    made = {choice.translated.data for choice in manifest.intermediate if choice.translated}
    for name in texts & made:
        raise ValueError(f"training_data.{name}: found text and translations, expected one")


def _trained(manifest: Manifest) -> list[str]:
    """Names of all that is trained on."""
    names = [target.trained.name for target in manifest.targets]
    for choice in manifest.intermediate:
        names += [choice.translated.data] if choice.translated else [e.name for e in choice.entries]
        names += [choice.masked_text.corpus] if choice.masked_text else []
    return list(dict.fromkeys(names))


def _evaluated(manifest: Manifest) -> dict[str, set[str]]:
    """Names of the evaluation sets, and the languages that are run."""
    found: dict[str, set[str]] = {}
    for target in manifest.targets:
        more = target.entry.secondary_sets if target.secondary else ()
        for name in (*target.entry.evaluation_sets, *more):
            found.setdefault(name, set()).update(
                chosen_languages(EVALUATION_SETS[name], target.languages)
            )
    for choice in manifest.retrieval:
        found[choice.set] = set(chosen_languages(EVALUATION_SETS[choice.set], choice.languages))
    return found


def _control_is_planned(manifest: Manifest, control: StrongControl) -> None:
    for target in control.targets:
        _planned("strong_control.targets", target, [choice.task for choice in manifest.targets])
    _planned("strong_control.arm", control.arm, [arm.name for arm in manifest.arms])
    if _arm(manifest, control.arm).selection:
        raise ValueError(
            f"strong_control.arm: found {control.arm!r}, which selects checkpoints, expected one "
            "that hands over the last, so that recipes are all that differs"
        )
    sizes = [size.label for size in manifest.sizes]
    for label in [size.label for size in control.sizes]:
        _planned("strong_control.sizes", label, sizes)


def _primary_is_planned(manifest: Manifest, primary: Primary) -> None:
    targets = {choice.task: choice for choice in manifest.targets}
    _planned("primary.task", primary.task, manifest.labels)
    _planned("primary.arm", primary.arm, [arm.name for arm in manifest.arms])
    if _arm(manifest, primary.arm).oracle:
        raise ValueError(
            f"primary.arm: found {primary.arm!r}, whose checkpoints an oracle selects, expected "
            "another: what is chosen with a look at the evaluation sets is no result"
        )
    _planned("primary.target", primary.target, list(targets))
    target = targets[primary.target]
    if target.after != "all":
        _planned("primary.task", primary.task, target.after)
    entry = EVALUATION_SETS[target.entry.evaluation_sets[0]]
    _planned("primary.metric", primary.metric, METRICS[entry.family])
    languages = chosen_languages(entry, target.languages)
    for language in primary.languages:
        _planned("primary.languages", language, languages)


def _arm(manifest: Manifest, name: str) -> Arm:
    return next(arm for arm in manifest.arms if arm.name == name)


def _planned(key: str, found: str, planned: Sequence[str]) -> None:
    if found not in planned:
        raise ValueError(f"{key}: found {found!r}, expected one of {', '.join(planned)}")
