"""W&B: logging from a shard (`run`), and reading runs from files or a server into one record.

`run` is for jobs. The rest is for login nodes too: it imports wandb inside functions only, since
that import takes half a second, and nothing of torch ever.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from xtl.tracking.mode import is_online, project
from xtl.tracking.offline import read_folder
from xtl.tracking.record import RunRecord, merge

__all__ = ["RunRecord", "merge", "read_runs"]


def read_runs(folder: Path, sweep: str, shards: Collection[str] = ()) -> list[RunRecord]:
    """All attempts of a sweep: from the W&B server where it is in use, else from `folder`.

    Of the runs in `folder`, those of `shards` count whatever sweep they name: a shard's id says
    all that can change its result, and the sweep may have had another name when they ran.

    The server is asked under the rule by which jobs log to it (`mode.is_online`); then a job that
    could not reach it has left its run in `folder`, so both are read. `merge` makes one of each.

    Raises:
        UserError: the server is in use and does not answer, or refuses.
    """
    wanted = set(shards)
    found = read_folder(folder)
    local = [record for record in found if record.sweep == sweep or record.shard in wanted]
    if not is_online():
        return local
    from xtl.tracking.server import read_server  # brings ssl, which is slow to import

    return read_server(os.environ.get("WANDB_ENTITY"), project(), sweep) + local
