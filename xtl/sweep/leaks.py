"""Leaks: evaluation passages in training data, and those that a manifest accepts by name. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from xtl.data.leakage import SEQUENCE_WORDS, Overlap
from xtl.errors import UserError
from xtl.sweep.lock import Lock, pair_of
from xtl.sweep.manifest import Manifest
from xtl.sweep.needs import Need, passage_pairs


@dataclass(frozen=True)
class Leak:
    """What an evaluation table and a training table share."""

    training: Need
    evaluation: Need
    overlap: Overlap

    def __str__(self) -> str:
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


def require_accepted(manifest: Manifest, lock: Lock) -> None:
    """UserError where there is a leak that the manifest does not accept by name."""
    accepted = {(entry.training, entry.evaluation) for entry in manifest.accept_overlap}
    refused = [
        leak
        for leak in leaks(manifest, lock)
        if (leak.training.name, leak.evaluation.name) not in accepted
    ]
    if refused:
        more = f" (and {len(refused) - 1} more pairs of tables)" if len(refused) > 1 else ""
        names = dict.fromkeys((leak.training.name, leak.evaluation.name) for leak in refused)
        entries = [f"{{training: {one}, evaluation: {other}, because: …}}" for one, other in names]
        raise UserError(
            f"leakage: {refused[0]}{more}, expected none: choose other data, or accept it by name: "
            f"accept_overlap: [{', '.join(entries)}]"
        )
