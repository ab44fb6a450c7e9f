"""Records as they stand in a sweep's folder, for tests."""

from __future__ import annotations

from xtl.launch.records import (
    Artifact,
    Attempt,
    Claim,
    End,
    Failure,
    FailureClass,
    FalseStart,
    Result,
)
from xtl.sweep.shard import Stage


def claim(shard: str, attempt: int, job: str = "1") -> Claim:
    return Claim(
        shard=shard,
        attempt=attempt,
        submission=f"{shard}-{attempt}-1",
        job=job,
        restarts=0,
        host="here",
        device="cpu",
        world_size=2,
        micro_batch=8,
        versions={},
        commit="",
        started=100.0,
    )


def attempt(number: int, end: End | None = None) -> Attempt:
    saved = end.step if end and end.status == "stopped" else 0
    return Attempt(claim=claim("a", number), end=end, saved=saved)


def why(cls: FailureClass = "unknown", time: float = 100.0) -> FalseStart:
    """Of a job that never began."""
    return FalseStart(cls=cls, line="why", attempt=1, time=time)


def failed(cls: FailureClass) -> End:
    return End(status="failed", failure=Failure(cls=cls, line="why"), finished=200.0)


def finished() -> End:
    return End(status="done", finished=200.0)


def stopped(step: int) -> End:
    return End(status="stopped", step=step, finished=200.0)


def result(
    shard: str,
    digest: str | None = "d",
    parents: dict[str, str] | None = None,
    stage: Stage = "target",
) -> Result:
    artifact = Artifact(digest=digest, bytes=1) if digest else None
    return Result(
        shard=shard,
        name=shard,
        stage=stage,
        attempt=1,
        parents=parents or {},
        artifact=artifact,
        device_seconds=1.0,
        finished=2.0,
    )
