"""One attempt at one shard, on every rank: from a checked parent to a written result."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

from xtl.data.mirror import Mirror
from xtl.errors import UserError
from xtl.launch.claiming import FencedError
from xtl.launch.heart import Heart
from xtl.launch.outcomes import keep_predictions, training_summary
from xtl.launch.ranks import Ranks
from xtl.launch.records import (
    Artifact,
    End,
    Failure,
    FailureClass,
    PredictionsFile,
    Result,
    Submission,
)
from xtl.launch.stopping import StopFlag
from xtl.launch.store import Store
from xtl.launch.tokens import Tokens, rows_of_language
from xtl.sweep.shard import EvaluateSpec, Shard, TrainSpec
from xtl.tracking.run import RunIdentity, Tracker

if TYPE_CHECKING:
    from xtl.tasks.family import Prediction

_BATCH_TOKENS = 2048  # slots of one forward pass of a rank: quickest on a CPU core


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
        self._store, self.submission, self.shard = store, submission, shard
        self._attempt, self.ranks, self._stop = attempt, ranks, stop
        self._mirror = Mirror(store.root / submission.mirror)
        self._engine = {
            "ranks": submission.ranks,
            "zero_stage": submission.zero_stage,
            "micro_batch": submission.micro_batch,
        }
        self._tracker: Tracker | None = None
        self._heart = Heart(store, shard.id, attempt) if ranks.first else None
        self._step = 0
        self._saved: list[int] = []  # steps that no later attempt will repeat
        self._finished = False
        self._reserve = store.reserve(shard.id, attempt, ranks.rank)

    def __enter__(self) -> Self:
        self._reserve.keep()
        if self.ranks.first:
            identity = RunIdentity(
                self.submission.sweep, self.shard.stage, self.shard.name, self.shard.id,
                self._attempt,
            )  # fmt: skip
            engine = self._engine | {"deterministic": self.submission.deterministic}
            config = self.shard.spec.model_dump(mode="json") | {"engine": engine}
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
        self._reserve.give_up()

    # -- hooks -------------------------------------------------------------------------------
    def progress(self, step: int, total: int, values: Mapping[str, float]) -> None:
        self._step = step
        if self._heart:
            self._heart.at(step, total, values.get("train/loss"))
        if self._tracker and values:
            self._tracker.log(step, values)

    def saved(self, step: int) -> None:
        self._saved.append(step)
        if self._heart:
            self._heart.saved(step)

    def stop_requested(self) -> bool:
        return self._stop.requested

    def fence(self) -> None:
        if self._store.latest_attempt(self.shard.id) != self._attempt:
            raise FencedError

    # -- how it ends -------------------------------------------------------------------------
    @property
    def advanced(self) -> bool:
        """Whether it has got anywhere: to its end, or to a step that a next attempt starts from."""
        return self._finished or (bool(self._saved) and self._saved[-1] > self._saved[0])

    def note(self, failure: Failure) -> None:
        """What this rank failed of; rank 0's word also ends the attempt."""
        self._store.note_failure(self.shard.id, self._attempt, failure)
        self.end("failed", failure=failure)

    def end(
        self,
        status: Literal["done", "stopped", "failed"],
        cause: FailureClass | None = None,
        failure: Failure | None = None,
    ) -> None:
        step = (self._saved or [0])[-1] if status == "stopped" else self._step
        end = End(status=status, cause=cause, failure=failure, step=step, finished=time.time())
        if self.ranks.first:
            self._store.end_attempt(self.shard.id, self._attempt, end)

    # -- the work ----------------------------------------------------------------------------
    def run(self) -> bool:
        """True when the shard has its result; False when it was stopped and saved."""
        checks = {parent: partial(self._checked, parent) for parent in self.shard.parents}
        parents = {parent: self.ranks.on_first(check) for parent, check in checks.items()}
        started = time.time()
        spec = self.shard.spec
        start = parents[spec.parent] if spec.parent else spec.model.fingerprint
        result = self._train(spec, start) if isinstance(spec, TrainSpec) else self._evaluate(spec)
        if result is None:
            return False
        seconds = (time.time() - started) * self.ranks.world
        result = result.model_copy(update={"parents": parents, "device_seconds": seconds})
        self.ranks.on_first(partial(self._commit, result))
        self._finished = True
        return True

    def _commit(self, result: Result) -> None:
        self.fence()
        if self._tracker:
            self._tracker.summarise({"eval": result.metrics, "degenerate": result.degenerate})
            self._tracker.finish(0)  # before the result: who sees that can collect the run
        self.fence()  # that took seconds
        self._store.write_result(result.model_copy(update={"finished": time.time()}))
        self._store.discard_checkpoints(self.shard.id)

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
        spec = self.shard.spec
        public = self._mirror.find(spec.model.repo, spec.model.revision)
        return public if spec.parent is None else self._store.artifact(spec.parent)

    def _tokens(self, spec: TrainSpec | EvaluateSpec) -> Tokens:
        return Tokens(self._mirror, self._mirror.find(spec.model.repo, spec.model.revision))

    def _train(self, spec: TrainSpec, start: str) -> Result | None:
        from xtl.train.settings import EngineSettings
        from xtl.train.trainer import TrainJob, train

        tokens = self._tokens(spec)
        job = TrainJob(
            spec=spec,
            pools=tuple(tokens.open_part(spec, part) for part in spec.parts),
            start_from=self._checkpoint(),
            start=start,
            checkpoints=self._store.checkpoints(self.shard.id),
            artifact=self._store.artifact(self.shard.id),
            engine=EngineSettings(**self._engine),
            reported=tokens.open_reported(spec),
        )
        outcome = train(job, self)
        if outcome.stopped or outcome.artifact_digest is None:
            return None
        return self._result(
            artifact=Artifact(digest=outcome.artifact_digest, bytes=outcome.artifact_bytes),
            training=training_summary(outcome),
            degenerate=outcome.degenerate,
        )

    def _evaluate(self, spec: EvaluateSpec) -> Result | None:
        from xtl.evaluate.evaluator import EvaluateJob, evaluate

        tokens, asked = self._tokens(spec), spec.data
        job = EvaluateJob(
            spec=spec,
            rows={code: rows_of_language(spec, table).read(self._mirror) for code, table in asked},
            pools={code: tokens.open_language(spec, code, table) for code, table in asked},
            checkpoint=self._checkpoint(),
            head_task=self._head_task(spec),
            batch_tokens=max(1, _BATCH_TOKENS >> self.submission.halvings),
        )
        outcome = evaluate(
            job, lambda done, total: self.progress(done, total, {}), self.stop_requested
        )
        if outcome is None:
            return None
        kept = self.ranks.on_first(partial(self._keep, outcome.predictions))
        return self._result(
            metrics=outcome.metrics, predictions=kept, degenerate=outcome.degenerate
        )

    def _keep(self, predictions: list[Prediction]) -> PredictionsFile:
        self.fence()
        return keep_predictions(self._store.predictions_path(self.shard.id), predictions)

    def _head_task(self, spec: EvaluateSpec) -> str | None:
        """Of the parent's tasks, the first of the family that is asked."""
        parent = self._store.read_shard(spec.parent).spec if spec.parent else None
        parts = parent.parts if isinstance(parent, TrainSpec) else ()
        return next((part.task for part in parts if part.family == spec.family), None)

    def _result(self, **fields: object) -> Result:
        return Result.model_validate(
            {
                "shard": self.shard.id,
                "name": self.shard.name,
                "stage": self.shard.stage,
                "attempt": self._attempt,
                "parents": {},
                "device_seconds": 0.0,
                "finished": 0.0,
                **fields,
            }
        )
