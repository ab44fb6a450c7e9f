"""What was wrong with a sweep's data, and what of it was trained on and asked as well."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from xtl.report.data import ReportData
from xtl.report.numbers import count, plural
from xtl.sweep.leaks import Leak, leaks
from xtl.sweep.lock import Lock, LockedTable, key_of, pair_of
from xtl.sweep.manifest import Manifest
from xtl.sweep.needs import Need, every_need, passage_pairs

_NAMED = 4  # tables that a line names one by one

DataSet = tuple[str, str]
"""(name, "training" or "evaluation"), as the manifest uses it."""


@dataclass(frozen=True)
class Soundness:
    """Rows of text: of `faults`, data set, use, fault, rows and tables; of `overlaps`, the two
    names, passages whole and in part, pairs of tables and why that is accepted."""

    faults: list[list[str]]
    overlaps: list[list[str]]
    compared: str


FAULT_HEADINGS = ["data set", "used for", "found", "rows", "in tables"]
OVERLAP_HEADINGS = [
    "training", "evaluation", "passages that stand whole in training",
    "that share 13 words in a row", "pairs of tables", "accepted because",
]  # fmt: skip


def soundness(data: ReportData) -> Soundness | None:
    """What the lock knows of the data; None without a lock."""
    lock, manifest = data.lock, data.manifest
    if lock is None:
        return None
    return Soundness(_faults(manifest, lock), _overlaps(manifest, lock), _compared(manifest, lock))


def _faults(manifest: Manifest, lock: Lock) -> list[list[str]]:
    """A row for each data set and fault, with the sum over its tables."""
    rows = []
    for (name, use), tables in _data_sets(manifest, lock).items():
        found: dict[str, dict[str, int]] = defaultdict(dict)
        for key, table in tables.items():
            for fault, concerned in table.faults.items():
                found[fault][key] = concerned
        for fault, by_table in found.items():
            where = _where({_named(tables[key]): n for key, n in by_table.items()}, len(tables))
            rows.append([name, use, fault, count(sum(by_table.values())), where])
    return rows


def _data_sets(manifest: Manifest, lock: Lock) -> dict[DataSet, dict[str, LockedTable]]:
    """The lock's tables by what they are to the manifest; what it has no use for, by its repo."""
    found: dict[DataSet, dict[str, LockedTable]] = defaultdict(dict)
    for need in every_need(manifest):
        key = key_of(need.ref)
        if key in lock.tables:
            found[need.name, _use(need)][key] = lock.tables[key]
    used = {key for tables in found.values() for key in tables}
    for key, table in lock.tables.items():
        if key not in used:
            found[table.repo, "nothing now"][key] = table
    return found


def _use(need: Need) -> str:
    return "training" if need.trained else "evaluation"


def _named(table: LockedTable) -> str:
    return table.part or table.config


def _where(by_table: Mapping[str, int], tables: int) -> str:
    """`english 6, swahili 104`; `33 of 33, most in udpos.Greek (2,353)` where that is long."""
    if len(by_table) == 1:
        return next(iter(by_table))
    if len(by_table) <= _NAMED:
        return ", ".join(f"{name} {count(rows)}" for name, rows in by_table.items())
    most = max(by_table, key=lambda name: by_table[name])
    return f"{len(by_table)} of {tables}, most in {most} ({count(by_table[most])})"


def _overlaps(manifest: Manifest, lock: Lock) -> list[list[str]]:
    """A row for each pair of names, with sums over their tables."""
    found: dict[tuple[str, str], list[Leak]] = defaultdict(list)
    for leak in leaks(manifest, lock):
        found[leak.training.name, leak.evaluation.name].append(leak)
    return [
        [
            training,
            evaluation,
            count(sum(leak.overlap.contexts for leak in each)),
            count(sum(leak.overlap.sequences for leak in each)),
            count(len(each)),
            _because(manifest, training, evaluation),
        ]
        for (training, evaluation), each in found.items()
    ]


def _because(manifest: Manifest, training: str, evaluation: str) -> str:
    reasons = [
        entry.because
        for entry in manifest.accept_overlap
        if (entry.training, entry.evaluation) == (training, evaluation)
    ]
    return "; ".join(reasons) or "not accepted"


def _compared(manifest: Manifest, lock: Lock) -> str:
    """How much was held against what, of what there is to compare."""
    pairs = {
        pair_of(training.ref, evaluation.ref)
        for training, evaluations in passage_pairs(manifest).items()
        for evaluation in evaluations
    }
    if not pairs:
        return "No evaluation set of this sweep has passages to compare with training data."
    done = len(pairs.intersection(lock.leakage_checked))
    said = f"{count(done)} of {plural(len(pairs), 'pair')}"
    return f"Compared: {said} of a training table and evaluation passages."
