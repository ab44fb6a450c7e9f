"""What is made of Slurm's answers for each submission: by the name of its array, and its index."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from pathlib import Path

import pytest

from xtl.launch.records import Batch, Job, Submission
from xtl.launch.slurm.client import Client
from xtl.launch.slurm.errors import SlurmSilentError
from xtl.launch.slurm.rows import AccountRow, QueueRow
from xtl.launch.slurm.watch import ORPHAN_S, Watch
from xtl.launch.store import Store

BATCH = "xtl-small-1a2b-0001"


class Prepared(Client):
    """A cluster whose controller lists the tasks of one array, and whose database is empty."""

    def __init__(self, *indexes: int, name: str = BATCH, silent: bool = False) -> None:
        super().__init__()
        self.rows = [row(name, index) for index in indexes]
        self.silent = silent
        self.questions: list[list[str]] = []

    def queue(self, names: Collection[str]) -> list[QueueRow]:
        self.questions.append(list(names))
        if self.silent:
            raise SlurmSilentError("squeue: no answer")
        return self.rows

    def accounts(self, names: Collection[str], since: float) -> list[AccountRow]:
        return []


def row(name: str, index: int) -> QueueRow:
    return QueueRow(
        array="7", index=index, job=f"7_{index}", name=name, state="RUNNING", node="n1",
        start=1.0, end=None, reason="None", age_s=0.0,
    )  # fmt: skip


def submit(store: Store, count: int, age_s: float = 0.0, batch: bool = True) -> list[Submission]:
    """An array of `count` jobs, on disk and without an id."""
    created = time.time() - age_s
    found = [
        Submission(
            name=f"s{index}-1-1", sweep="small", cluster="slurm", shards=((f"s{index}", 1),),
            batch=BATCH, ranks=2, zero_stage=1, micro_batch=8, mirror="mirror", commit="",
            created=created,
        )
        for index in range(count)
    ]  # fmt: skip
    for submission in found:
        store.submissions.write(submission)
    if batch:
        names = tuple(submission.name for submission in found)
        store.batches.write(Batch(name=BATCH, submissions=names, created=created))
    return found


def looked(client: Client, store: Store, submissions: Sequence[Submission]) -> list[str]:
    sights = Watch(client, accounting=True).look(store, submissions)
    return [sights[submission.name].liveness for submission in submissions]


def test_a_job_is_found_by_its_arrays_name_and_its_index(tmp_path: Path) -> None:
    store = Store(tmp_path)
    submissions = submit(store, 2)
    sights = Watch(Prepared(1), accounting=True).look(store, submissions)
    assert sights["s1-1-1"].job == "7_1"
    assert sights["s1-1-1"].liveness == "alive"


def test_all_jobs_of_a_sweep_are_one_question(tmp_path: Path) -> None:
    store, client = Store(tmp_path), Prepared(*range(50))
    watch = Watch(client, accounting=True)
    submissions = submit(store, 50)
    for _ in range(3):
        watch.look(store, submissions)
    assert client.questions == [[BATCH]], "and it is not asked again within poll_seconds"
    watch.forget()
    watch.look(store, submissions)
    assert len(client.questions) == 2


@pytest.mark.parametrize(("age_s", "liveness"), [(0.0, "unknown"), (ORPHAN_S + 1, "gone")])
@pytest.mark.parametrize("batch", [True, False])
def test_a_batch_that_slurm_has_not_heard_of_was_never_submitted(
    tmp_path: Path, batch: bool, age_s: float, liveness: str
) -> None:
    """Its launcher died before sbatch, or even before the batch was on disk."""
    store = Store(tmp_path)
    submissions = submit(store, 1, age_s, batch)
    assert looked(Prepared(), store, submissions) == [liveness]
    (sight,) = Watch(Prepared(), accounting=True).look(store, submissions).values()
    assert sight.dropped, "no try is used up"


def test_while_slurm_is_silent_an_orphan_may_still_be_there(tmp_path: Path) -> None:
    store = Store(tmp_path)
    submissions = submit(store, 1, ORPHAN_S + 1)
    watch = Watch(Prepared(silent=True), accounting=True)
    (sight,) = watch.look(store, submissions).values()
    assert (sight.liveness, sight.asked) == ("unknown", False)
    assert watch.said == "squeue: no answer"


def test_a_job_with_an_id_that_neither_knows_is_unknown(tmp_path: Path) -> None:
    store = Store(tmp_path)
    submissions = submit(store, 1, ORPHAN_S + 1)
    store.batches.write_job(BATCH, Job(id="7", host="login"))
    (sight,) = Watch(Prepared(), accounting=True).look(store, submissions).values()
    assert (sight.liveness, sight.asked) == ("unknown", True)


def test_another_array_of_the_same_name_is_not_taken_for_this_one(tmp_path: Path) -> None:
    """Of a folder that was deleted: Slurm remembers."""
    store = Store(tmp_path)
    submissions = submit(store, 1)
    store.batches.write_job(BATCH, Job(id="8", host="login"))
    assert looked(Prepared(0), store, submissions) == ["unknown"]


def test_two_launchers_never_take_the_same_name(tmp_path: Path) -> None:
    names = [Store(tmp_path).batches.reserve("xtl-small") for _ in range(3)]
    mark = Store(tmp_path).batches.mark()
    assert names == [f"xtl-small-{mark}-000{number}" for number in (1, 2, 3)]


def test_a_new_folder_has_names_of_its_own(tmp_path: Path) -> None:
    names = {Store(tmp_path / str(place)).batches.reserve("xtl-small") for place in range(5)}
    assert len(names) > 1


def test_what_sbatch_refused_leaves_no_trace(tmp_path: Path) -> None:
    store = Store(tmp_path)
    (submission,) = submit(store, 1)
    store.batches.withdraw(BATCH)
    store.submissions.withdraw(submission.name)
    assert store.submissions.open() == []
    assert store.batches.count() == 0


def test_of_an_array_that_takes_long_to_write_none_is_taken_for_never_sent(tmp_path: Path) -> None:
    """Its first submissions are old when its last are written, and older yet at sbatch."""
    store, now = Store(tmp_path), time.time()
    old, new = (
        entry.model_copy(update={"created": now - age_s})
        for entry, age_s in zip(submit(store, 2, batch=False), (600, 1), strict=True)
    )
    assert looked(Prepared(), store, [old, new]) == ["unknown", "unknown"]
    assert looked(Prepared(), store, [old]) == ["gone"], "its launcher is dead"
    store.batches.write(Batch(name=BATCH, submissions=(old.name, new.name), created=now))
    assert looked(Prepared(), store, [old, new]) == ["unknown", "unknown"]
    assert looked(Prepared(), store, [old]) == ["unknown"]


def test_what_squeue_lists_no_more_is_asked_for_though_the_database_is_away(tmp_path: Path) -> None:
    """Else a sweep would wait for such a job for as long as the database is away."""

    class Bookless(Prepared):
        def accounts(self, names: Collection[str], since: float) -> list[AccountRow]:
            raise SlurmSilentError("sacct: no answer")

    store = Store(tmp_path)
    submissions = submit(store, 1, ORPHAN_S + 1)
    store.batches.write_job(BATCH, Job(id="7", host="login"))
    (sight,) = Watch(Bookless(), accounting=True).look(store, submissions).values()
    assert (sight.liveness, sight.asked) == ("unknown", True)
