"""What the sweep's folder says of a shard: its attempts, its heartbeat, its result."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from xtl.files import read_json
from xtl.sweep.shard import Stage

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
    """A class with its evidence: the root-cause line, and where it stands.

    `file`: `path:number`, relative to the sweep's folder; `node`: the one that the evidence names,
    or that it ran on; `facts`: further evidence, a short line each.
    """

    cls: FailureClass
    line: str
    file: str = ""
    rank: int | None = None
    node: str = ""
    facts: tuple[str, ...] = ()


class FalseStart(Failure):
    """Of a job that ended before it claimed the attempt that it was given."""

    attempt: int
    time: float


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
    halvings: int = 0  # of the batch, by earlier ends in gpu-oom
    stage: Stage | None = None
    deterministic: bool = False
    versions: dict[str, str]
    commit: str
    started: float  # seconds since the epoch
    launched: float | None = None  # rank 0's process, on the same clock; None: not recorded


class End(Record):
    """How an attempt ended. `stopped`: asked to stop for `cause`, saved, to be resumed; `failed`:
    of `failure`, as far as rank 0 knew."""

    status: Literal["done", "stopped", "failed"]
    failure: Failure | None = None
    cause: FailureClass | None = None
    step: int = 0
    finished: float


class Heartbeat(Record):
    """Where a running attempt is. `metric` is the last loss of a training. `ready`: when its
    start-up was over, in seconds since the epoch, at step `began`; None before."""

    attempt: int
    time: float
    step: int
    total: int
    saved: int = 0  # the step of its last checkpoint
    metric: float | None = None
    began: int = 0
    ready: float | None = None


class Attempt(Record):
    """A claim with its end, None while it runs (or when it died without a word).

    `saved`: the step from which another attempt goes on; 0 for an evaluation. `beat`: its last sign
    of life, as far as it left one. `noted`: what is kept with it of why it did not finish.
    """

    claim: Claim
    end: End | None
    saved: int = 0
    beat: Heartbeat | None = None
    noted: tuple[Failure, ...] = ()


class Pause(Record):
    """Why a sweep submits nothing, and its queued jobs leave. `storage` ends by itself when there
    is room; `repeated`, the same failure of several shards, by a person's word.

    `shards`: which failed so, at which attempt, or in which false start, by its time in ms.
    """

    cause: Literal["storage", "repeated"]
    line: str
    fingerprint: str = ""
    shards: dict[str, int] = Field(default_factory=dict)
    since: float


class ExcludedNode(Record):
    """A node that no job is sent to until `until`, for what a log of that attempt says of it."""

    node: str
    line: str
    shard: str
    attempt: int
    since: float
    until: float


class Artifact(Record):
    """The consolidated model of a training: the digest of its files, and their bytes."""

    digest: str
    bytes: int


class TrainingSummary(Record):
    """How a training went. `selected`: the update whose weights were handed over; `verdicts`: what
    it was chosen by, (update, accuracy, loss); `skipped`: updates that fp16 overflowed in.

    `seconds` are rank 0's, by phase, and `updates`, the time of all updates, of which the phases
    from data to step are parts; `memory_bytes` is the worst rank's peak.
    """

    updates: int
    resumed_from: int
    final_loss: float
    useful_tokens: int
    selected: int | None = None
    verdicts: tuple[tuple[int, float, float], ...] = ()
    skipped: int = 0
    seconds: dict[str, float] = Field(default_factory=dict)
    utilisation: float | None = None
    memory_bytes: int = 0


class PredictionsFile(Record):
    rows: int
    bytes: int
    sha256: str


class Result(Record):
    """`result.json`: written last, the only proof of done."""

    shard: str
    name: str
    stage: Stage
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
    slot: int = 0  # of this machine, for local jobs: which of its GPUs
    batch: str = ""  # the array that it is a task of, for Slurm jobs
    ranks: int
    zero_stage: int
    micro_batch: int
    halvings: int = 0  # that are in micro_batch; an evaluation's batches are halved as often
    deterministic: bool = False
    minutes: int = 0  # its time limit; 0: none
    signal_seconds: int = 0  # before that limit it is told to stop
    mirror: str  # relative to the sweep's folder
    code: str = ""  # the frozen code that it runs, relative to the sweep's folder
    commit: str
    created: float


class Job(Record):
    """The job of a submission, or the array of a batch, once the scheduler has given it an id."""

    id: str
    host: str


class Batch(Record):
    """One sbatch array: its tasks' submissions by index. On disk before sbatch is called, and so
    the token by which an array is found whose launcher died before it learnt the id."""

    name: str  # Slurm's job name
    submissions: tuple[str, ...]
    created: float


def read_record(path: Path, kind: type[R]) -> R | None:
    """The record in `path`; None where it is absent, truncated or not valid."""
    try:
        return kind.model_validate(read_json(path))
    except ValidationError:
        return None
