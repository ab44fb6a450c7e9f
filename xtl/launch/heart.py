"""The heartbeat: where a running attempt is, written every few seconds by a thread of its own."""

from __future__ import annotations

import contextlib
import threading
import time

from xtl.launch.records import Heartbeat
from xtl.launch.store import Store

_EVERY_S = 2.0


class Heart:
    """Beats until stopped, and once more then. A beat that cannot be written (a full disk) is only
    missed."""

    def __init__(self, store: Store, shard: str, attempt: int) -> None:
        self._store, self._shard, self._attempt = store, shard, attempt
        self._place: tuple[int, int, float | None] = (0, 0, None)
        self._saved = self._began = 0
        self._ready: float | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def at(self, step: int, total: int, metric: float | None) -> None:
        """The first call says where it begins, and that its start-up is over."""
        if self._ready is None:
            self._began, self._ready = step, time.time()
        self._place = (step, total, metric)

    def saved(self, step: int) -> None:
        self._saved = step

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _beat(self) -> None:
        over = False
        while True:
            step, total, metric = self._place
            beat = Heartbeat(
                attempt=self._attempt,
                time=time.time(),
                step=step,
                total=total,
                metric=metric,
                saved=self._saved,
                began=self._began,
                ready=self._ready,
            )
            with contextlib.suppress(OSError):
                self._store.beat(self._shard, beat)
            if over:
                return
            over = self._over.wait(_EVERY_S)
