"""Leaks: evaluation passages in training data, and those that a manifest accepts by name. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from xtl.data.leakage import SEQUENCE_WORDS, Overlap
from xtl.errors import UserError
from xtl.sweep.lock import Lock, pair_of
from xtl.sweep.manifest import Manifest
from xtl.sweep.needs import Need, passage_pairs, table_pairs


@dataclass(frozen=True)
class Leak:
    """What an evaluation table and a training table share; `same`: they are one table."""

    training: Need
    evaluation: Need
    overlap: Overlap
    same: bool = False

    @property
    def names(self) -> tuple[str, str]:
        return self.training.name, self.evaluation.name

    @property
    def passages(self) -> int:
        """The larger of both counts: one that stands whole may be too short for a sequence."""
        return max(self.overlap.contexts, self.overlap.sequences)

    def __str__(self) -> str:
        if self.same:
            pair = pair_of(self.training.ref, self.evaluation.ref)
            return f"{pair}: found the same {self.overlap.contexts:,} rows in both"
        return (
            f"{pair_of(self.training.ref, self.evaluation.ref)}: found {self.overlap.contexts} "
            f"evaluation contexts in the training table and {self.overlap.sequences} that share "
            f"{SEQUENCE_WORDS} words in a row with it"
        )


def leaks(manifest: Manifest, lock: Lock) -> Iterator[Leak]:
    """All that the lock says of the tables of this manifest, accepted or not."""
    for training, evaluations in passage_pairs(manifest).items():
        for evaluation in evaluations:
            overlap = lock.leakage.get(pair_of(training.ref, evaluation.ref))
            if overlap:
                yield Leak(training, evaluation, overlap)
    yield from _same_tables(manifest, lock)


def _same_tables(manifest: Manifest, lock: Lock) -> Iterator[Leak]:
    """Tables that are trained on and asked, row for row. Passages are compared more closely."""
    for training, evaluation in dict.fromkeys(table_pairs(manifest)):
        found = lock.find(evaluation.ref)
        if training.family != "span-qa" and lock.find(training.ref).content == found.content:
            yield Leak(training, evaluation, Overlap(found.rows, 0), same=True)


def require_accepted(manifest: Manifest, lock: Lock) -> None:
    """UserError where there is a leak that the manifest does not accept by name, or so much of."""
    refused = [leak for leak in leaks(manifest, lock) if not _is_accepted(manifest, leak)]
    if refused:
        more = f" (and {len(refused) - 1} more pairs of tables)" if len(refused) > 1 else ""
        raise UserError(
            f"leakage: {refused[0]}{more}, expected none: choose other data, or accept it by name: "
            f"accept_overlap: [{', '.join(_entries(refused))}]"
        )


def _is_accepted(manifest: Manifest, leak: Leak) -> bool:
    return any(
        (entry.training, entry.evaluation) == leak.names
        and (entry.at_most is None or leak.passages <= entry.at_most)
        for entry in manifest.accept_overlap
    )


def _entries(refused: list[Leak]) -> list[str]:
    """What to write into the manifest, once for each pair of names."""
    most: dict[tuple[str, str], int] = {}
    for leak in refused:
        most[leak.names] = max(leak.passages, most.get(leak.names, 0))
    return [
        f"{{training: {training}, evaluation: {evaluation}, at_most: {count}, because: …}}"
        for (training, evaluation), count in most.items()
    ]
