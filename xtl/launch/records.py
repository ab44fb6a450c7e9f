"""What the sweep's folder says of a shard: its attempts, its heartbeat, its result."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from xtl.files import read_json

R = TypeVar("R", bound="Record")

FailureClass = Literal[
    "gpu-oom",
    "host-oom",
    "time-limit",
    "preempted",
    "node",
    "communication",
    "storage",
    "diverged",
    "data",
    "configuration",
    "code",
    "cancelled",
    "unknown",
]


class Record(BaseModel):
    """Read back from disk: unknown keys are a later version's, and are left alone."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Failure(Record):
    """A class with its evidence: the root-cause line, and where it stands."""

    cls: FailureClass
    line: str
    file: str = ""
    rank: int | None = None


class Claim(Record):
    """An attempt: one execution of a shard, fenced by its number and by job id and restarts."""

    shard: str
    attempt: int
    submission: str
    job: str
    restarts: int
    host: str
    device: str
    world_size: int
    micro_batch: int
    versions: dict[str, str]
    commit: str
    started: float  # seconds since the epoch


class End(Record):
    """How an attempt ended. `stopped`: asked to stop, saved, to be resumed."""

    status: Literal["done", "stopped", "failed"]
    failure: Failure | None = None
    step: int = 0
    finished: float


class Attempt(Record):
    """A claim with its end, None while it runs (or when it died without a word)."""

    claim: Claim
    end: End | None


class Heartbeat(Record):
    """Where a running attempt is. `metric` is the last loss of a training."""

    attempt: int
    time: float
    step: int
    total: int
    metric: float | None = None


class Artifact(Record):
    """The consolidated model of a training: the digest of its files, and their bytes."""

    digest: str
    bytes: int


class TrainingSummary(Record):
    updates: int
    resumed_from: int
    final_loss: float
    useful_tokens: int


class PredictionsFile(Record):
    rows: int
    bytes: int
    sha256: str


class Result(Record):
    """`result.json`: written last, the only proof of done."""

    shard: str
    name: str
    stage: Literal["intermediate", "target", "evaluate"]
    attempt: int
    parents: dict[str, str]  # parent id → digest of the artifact that was read
    artifact: Artifact | None = None
    training: TrainingSummary | None = None
    metrics: dict[str, dict[str, float]] = Field(default_factory=dict)  # language → metric → %
    predictions: PredictionsFile | None = None
    degenerate: bool = False
    device_seconds: float
    finished: float


class Submission(Record):
    """What one job was asked to run, parents first. On disk before the job exists."""

    name: str
    sweep: str
    cluster: Literal["local", "slurm"]
    shards: tuple[tuple[str, int], ...]  # (shard id, attempt number that the job may claim)
    slot: int  # of this machine, for local jobs: which of its GPUs
    ranks: int
    zero_stage: int
    micro_batch: int
    mirror: str  # relative to the sweep's folder
    commit: str
    created: float


class Job(Record):
    """The job of a submission, once the scheduler has given it an id."""

    id: str
    host: str


def read_record(path: Path, kind: type[R]) -> R | None:
    """The record in `path`; None where it is absent, truncated or not valid."""
    try:
        return kind.model_validate(read_json(path))
    except ValidationError:
        return None
