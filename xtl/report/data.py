"""What a report is made of. All of it is handed in: a report reads no file and no clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from xtl.analysis.coverage import ShardState
from xtl.analysis.table import Difference
from xtl.launch.books import Books
from xtl.sweep.lock import Lock
from xtl.sweep.manifest import Manifest
from xtl.sweep.plan import Plan


@dataclass(frozen=True)
class HandedOver:
    """Of a training that ended: how many updates it took, after which its weights were handed over,
    how many fp16 skipped, how much of the devices it used, and the worst rank's peak of memory."""

    updates: int
    selected: int
    skipped: int = 0
    utilisation: float | None = None
    memory_bytes: int = 0


@dataclass(frozen=True)
class ReportData:
    """
    table: as `xtl.analysis.table.build_table` makes it
    states: shard id → state; a shard without one counts as not run
    differences: between W&B and the result files
    handed_over: shard → how a training ended, of those that have
    books: device time and space, used and to come
    versions: package or machine fact → version, as the attempts recorded them
    notes: what a reader must know of the data, one sentence each ("synthetic look-up data …")
    manifest_text: the file as the researcher wrote it
    created: when the report was made, as it is to be shown
    """

    manifest: Manifest
    plan: Plan
    table: pd.DataFrame
    lock: Lock | None = None
    states: Mapping[str, ShardState] = field(default_factory=dict)
    differences: Sequence[Difference] = ()
    handed_over: Mapping[str, HandedOver] = field(default_factory=dict)
    books: Books | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    manifest_text: str = ""
    created: str = ""
