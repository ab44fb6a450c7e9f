"""One attempt at one shard, on every rank: from a checked parent to a written result."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from xtl.data.mirror import Mirror, file_hash
from xtl.errors import UserError
from xtl.launch.heart import Heart
from xtl.launch.ranks import Ranks
from xtl.launch.records import (
    Artifact,
    PredictionsFile,
    Result,
    Submission,
    TrainingSummary,
)
from xtl.launch.stopping import StopFlag
from xtl.launch.store import Store
from xtl.sweep.shard import EvaluateSpec, Shard, Table, TrainSpec
from xtl.tracking.run import RunIdentity, Tracker

if TYPE_CHECKING:
    from datasets import Dataset

    from xtl.tasks.family import Prediction

_BATCH_TOKENS = 2048  # slots of one forward pass of a rank: quickest on a CPU core


class FencedError(Exception):
    """A later attempt has claimed this shard: nothing more may be written."""


class Execution:
    """Also the hooks that a training calls back: progress, stop, fence."""

    def __init__(
        self,
        store: Store,
        submission: Submission,
        shard: Shard,
        attempt: int,
        ranks: Ranks,
        stop: StopFlag,
    ) -> None:
        self._store, self._submission, self._shard = store, submission, shard
        self._attempt, self._ranks, self._stop = attempt, ranks, stop
        self._mirror = Mirror(store.root / submission.mirror)
        self._engine = {
            "ranks": submission.ranks,
            "zero_stage": submission.zero_stage,
            "micro_batch": submission.micro_batch,
        }
        self._tracker: Tracker | None = None
        self._heart = Heart(store, shard.id, attempt) if ranks.first else None
        self.step = 0

    def __enter__(self) -> Self:
        if self._ranks.first:
            identity = RunIdentity(
                sweep=self._submission.sweep,
                stage=self._shard.stage,
                name=self._shard.name,
                shard=self._shard.id,
                attempt=self._attempt,
            )
            config = self._shard.spec.model_dump(mode="json") | {"engine": self._engine}
            self._tracker = Tracker(self._store.root, identity, config)
        if self._heart:
            self._heart.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._heart:
            self._heart.stop()
        if self._tracker:
            self._tracker.finish(1 if error else 143 if self._stop.requested else 0)

    # -- hooks -------------------------------------------------------------------------------
    def progress(self, step: int, total: int, values: Mapping[str, float]) -> None:
        self.step = step
        if self._heart:
            self._heart.at(step, total, values.get("train/loss"))
        if self._tracker and values:
            self._tracker.log(step, values)

    def stop_requested(self) -> bool:
        return self._stop.requested

    def fence(self) -> None:
        if self._store.latest_attempt(self._shard.id) != self._attempt:
            raise FencedError

    # -- the work ----------------------------------------------------------------------------
    def run(self) -> bool:
        """True when the shard has its result; False when it was stopped and saved."""
        checks = {parent: partial(self._checked, parent) for parent in self._shard.parents}
        parents = {parent: self._ranks.on_first(check) for parent, check in checks.items()}
        started = time.time()
        spec = self._shard.spec
        start = parents[spec.parent] if spec.parent else spec.model.fingerprint
        result = self._train(spec, start) if isinstance(spec, TrainSpec) else self._evaluate(spec)
        if result is None:
            return False
        seconds = (time.time() - started) * self._ranks.world
        result = result.model_copy(update={"parents": parents, "device_seconds": seconds})
        self._ranks.on_first(partial(self._commit, result))
        return True

    def _commit(self, result: Result) -> None:
        self.fence()
        if self._tracker:
            self._tracker.summarise({"eval": result.metrics, "degenerate": result.degenerate})
            self._tracker.finish(0)  # before the result: who sees that can collect the run
        self._store.write_result(result.model_copy(update={"finished": time.time()}))
        self._store.discard_checkpoints(self._shard.id)

    def _checked(self, parent: str) -> str:
        """The parent's digest, after the artifact was held against its result."""
        digest = self._store.parent_digest(parent)
        if digest is None:
            raise UserError(
                f"{parent}: found no valid result with an artifact, expected a parent's"
            )
        from xtl.train.handover import verify_artifact

        verify_artifact(self._store.artifact(parent), digest)
        return digest

    def _checkpoint(self) -> Path:
        """The folder of the model that this shard starts from."""
        spec = self._shard.spec
        public = self._mirror.find(spec.model.repo, spec.model.revision)
        return public if spec.parent is None else self._store.artifact(spec.parent)

    def _rows(self, table: Table) -> Dataset:
        from xtl.data.loading import load_rows

        folder = self._mirror.find(table.repo, table.revision)
        return load_rows(folder, table.config, table.split)

    def _train(self, spec: TrainSpec, start: str) -> Result | None:
        from xtl.train.engine import EngineSettings
        from xtl.train.trainer import TrainJob, train

        job = TrainJob(
            spec=spec,
            rows=self._rows(spec.data),
            start_from=self._checkpoint(),
            start=start,
            checkpoints=self._store.checkpoints(self._shard.id),
            artifact=self._store.artifact(self._shard.id),
            engine=EngineSettings(**self._engine),
        )
        outcome = train(job, self)
        if outcome.stopped or outcome.artifact_digest is None:
            return None
        return self._result(
            artifact=Artifact(digest=outcome.artifact_digest, bytes=outcome.artifact_bytes),
            training=TrainingSummary(
                updates=outcome.updates,
                resumed_from=outcome.resumed_from,
                final_loss=outcome.final_loss,
                useful_tokens=outcome.useful_tokens,
            ),
            degenerate=outcome.degenerate,
        )

    def _evaluate(self, spec: EvaluateSpec) -> Result:
        from xtl.evaluate.evaluator import EvaluateJob, evaluate

        job = EvaluateJob(
            spec=spec,
            rows={language: self._rows(table) for language, table in spec.data},
            checkpoint=self._checkpoint(),
            head_task=self._head_task(spec),
            batch_tokens=_BATCH_TOKENS,
        )
        outcome = evaluate(job, lambda done, total: self.progress(done, total, {}))
        kept = self._ranks.on_first(partial(self._keep, outcome.predictions))
        return self._result(
            metrics=outcome.metrics, predictions=kept, degenerate=outcome.degenerate
        )

    def _keep(self, predictions: list[Prediction]) -> PredictionsFile:
        from xtl.evaluate.predictions import write_predictions

        self.fence()
        path = self._store.predictions_path(self._shard.id)
        write_predictions(path, predictions)
        return PredictionsFile(
            rows=len(predictions), bytes=path.stat().st_size, sha256=file_hash(path)
        )

    def _head_task(self, spec: EvaluateSpec) -> str | None:
        parent = self._store.read_shard(spec.parent).spec if spec.parent else None
        return parent.task if isinstance(parent, TrainSpec) else None

    def _result(self, **fields: object) -> Result:
        return Result.model_validate(
            {
                "shard": self._shard.id,
                "name": self._shard.name,
                "stage": self._shard.stage,
                "attempt": self._attempt,
                "parents": {},
                "device_seconds": 0.0,
                "finished": 0.0,
                **fields,
            }
        )
