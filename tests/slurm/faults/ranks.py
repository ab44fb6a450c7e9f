"""Faults of a job's ranks: killed at every stage of a shard, out of memory, wrong in its code."""

from __future__ import annotations

from tests.slurm.faults.catalogue import fault
from tests.slurm.faults.scene import EVALUATION, TRAINING, Scene
from tests.slurm.sweeps import memory_asked

KILLED = {"unknown", "communication"}
"""What is known of a rank that ended without a word: that, or what the others saw of it."""


def tried_again(scene: Scene, name: str = TRAINING) -> str:
    """After a kill: found, tried again by itself, once."""
    scene.recover()
    scene.finish()
    (cls,) = scene.classes(name)
    assert cls in KILLED
    assert scene.told_classes() == [cls], "the class that was told is the one that is kept"
    return f"class {cls}, tried again by itself"


@fault(
    "a rank is killed in training",
    "SIGKILL of rank 1 between two updates, on the second of two nodes",
    quick=True,
)
def a_rank_killed_in_training_is_made_up_for_from_the_last_checkpoint(scene: Scene) -> str:
    scene.start()
    scene.until_under_way()
    scene.strike(lambda: scene.kill_rank(1))
    said = tried_again(scene)
    assert scene.resumed_from() > 0
    return f"{said}, from update {scene.resumed_from()} of 128"


@fault("a rank is killed in evaluation", "SIGKILL of rank 0 while it reads the evaluation set")
def a_rank_killed_in_evaluation_costs_that_evaluation_alone(scene: Scene) -> str:
    scene.meet("evaluation")
    scene.strike(lambda: scene.kill_rank(0), EVALUATION)
    said = tried_again(scene, EVALUATION)
    assert len(scene.attempts()) == 1, "the training that was done stays so"
    return f"{said}; its training stays done"


@fault(
    "a rank is killed in the middle of a checkpoint",
    "SIGKILL of rank 0 after the ranks' files are written, before they are marked complete",
)
def a_checkpoint_that_was_not_completed_is_passed_over(scene: Scene) -> str:
    scene.meet("checkpoint")
    tags = sorted(path.name for path in scene.store.checkpoints(scene.id()).glob("step-*"))
    scene.strike(lambda: scene.kill_rank(0))
    said = tried_again(scene)
    assert 0 < scene.resumed_from() < int(tags[-1].removeprefix("step-"))
    return f"{said}; {tags[-1]} is passed over, from {tags[-2]}"


@fault(
    "a rank is killed in the middle of a hand-over",
    "SIGKILL of rank 0 between the artifact's weights and the rest of its files",
)
def a_hand_over_that_was_cut_short_is_made_again(scene: Scene) -> str:
    scene.meet("hand-over")
    staged = list(scene.store.shard(scene.id()).glob(".artifact.new-*"))
    assert staged
    assert not scene.store.artifact(scene.id()).exists()
    scene.strike(lambda: scene.kill_rank(0))
    said = tried_again(scene)
    assert not any(path.exists() for path in staged)
    return f"{said}, from update {scene.resumed_from()} of 128; what it had staged is swept away"


GREEDY = f"""

_frugal = Execution._train


def _train(self: Execution, spec: TrainSpec, start: str) -> Result | None:
    if self.ranks.rank == 1:
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        self._hoard = bytearray(b"x") * max(0, {int(1.4 * 2**30)} - used)
    return _frugal(self, spec, start)


Execution._train = _train  # type: ignore[method-assign]
"""


@fault(
    "host out of memory",
    "rank 1 needs 1.4 GiB where its cgroup has 1",
    profile={"memory_per_rank_gib": 1},
    planted={"launch/execution": GREEDY},
    quick=True,
)
def a_job_that_ran_out_of_host_memory_is_given_more(scene: Scene) -> str:
    scene.start()
    scene.until(lambda: scene.attempts())
    scene.strike(lambda: None)
    scene.recover()
    scene.finish()
    assert scene.classes() == scene.told_classes() == ["host-oom"]
    assert memory_asked(scene.bench) == [1024, 1536]
    return "class host-oom, tried again by itself with 1.5 times the memory: `--mem` 1024M, 1536M"


BUG = """

_right = Execution.progress


def _wrongly(self: Execution, step: int, total: int, values: Mapping[str, float]) -> None:
    if step == 20 and self.ranks.rank == 1 and not (self._store.root / "mended").exists():
        {"a": 1}["b"]
    _right(self, step, total, values)


Execution.progress = _wrongly  # type: ignore[method-assign]
"""
NOISE = """

_joined = join_ranks
_NOISE = '''
node-1:4021:4077 [0] NCCL WARN NET/Socket : peer 10.0.0.2<49152> closed the connection
[rank{r}]:[E ProcessGroupNCCL.cpp:607] [Rank {r}] Watchdog caught collective operation timeout: \
WorkNCCL(SeqNum=41, OpType=ALLREDUCE, NumelIn=1, NumelOut=1, Timeout(ms)=600000) ran for 600021 \
milliseconds before timing out.
[rank{r}]:[E ProcessGroupNCCL.cpp:1537] [PG 0 Rank {r}] Process group watchdog thread terminated \
with exception: NCCL error: unhandled system error, NCCL version 2.20.5
RuntimeError: [{r}] is setting up NCCL communicator and retrieving ncclUniqueId from [0] via c10d
'''


def join_ranks(deterministic: bool) -> Ranks:
    import atexit
    import sys

    ranks = _joined(deterministic)
    atexit.register(lambda: sys.stderr.write(_NOISE.replace("{r}", str(ranks.rank))))
    if ranks.first:
        sys.stderr.write(_NOISE.replace("{r}", "0"))
    return ranks
"""


@fault(
    "a Python traceback under NCCL noise",
    "rank 1 raises KeyError at update 20; all ranks' logs carry NCCL's time-outs around it, and "
    "rank 0 a lost connection",
    planted={"launch/execution": BUG, "launch/ranks": NOISE},
    quick=True,
)
def a_traceback_is_found_below_the_noise_of_the_other_ranks(scene: Scene) -> str:
    scene.start()
    scene.until(lambda: scene.place()[1] > 0)
    scene.strike(lambda: None)
    scene.rest(1)
    failure = scene.verdict("code")
    assert failure.line == "KeyError: 'b'"
    assert failure.rank == 1
    assert len(scene.attempts()) == 1, "a mistake in the code is not tried again by itself"
    mend_and_resubmit(scene)
    return "class code, `KeyError: 'b'` of rank 1 is shown, not tried again; mended: it goes on"


def mend_and_resubmit(scene: Scene, *options: str) -> None:
    """A person takes away what was wrong, and says `xtl resubmit`."""
    (scene.bench.root / "mended").touch()
    resubmit(scene, *options)


def resubmit(scene: Scene, *options: str, twice: str = "") -> None:
    """To the end of it."""
    scene.start("resubmit", "--yes", *options)
    scene.finish(twice)
