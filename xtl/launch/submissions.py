"""Submissions: what each job was asked to run, its id, and whether it has been looked at.

Batches: which submissions one sbatch call brings, and the id of the array that came of it.
"""

from __future__ import annotations

import json
import math
import secrets
import shutil
from collections.abc import Collection
from pathlib import Path

from xtl.files import create_once, names_in, read_json, write_whole
from xtl.launch.records import Batch, Job, Submission, read_record

_MARK = ".mark-"


class Submissions:
    """A folder for each job, by the submission's name. It is on disk before the job exists."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, name: str) -> Path:
        return self.root / name

    def write(self, submission: Submission) -> bool:
        """Before the job exists. False if a launcher has taken this name already."""
        path = self.folder(submission.name) / "submission.json"
        return create_once(path, submission.model_dump_json(indent=1))

    def write_job(self, submission: str, job: Job) -> None:
        write_whole(self.folder(submission) / "job.json", job.model_dump_json(indent=1))

    def job(self, submission: str) -> Job | None:
        return read_record(self.folder(submission) / "job.json", Job)

    def withdraw(self, submission: str) -> None:
        """There is no job of it and there will be none: its name is free again."""
        shutil.rmtree(self.folder(submission), ignore_errors=True)

    def note_left(self, submission: str, outcome: str) -> None:
        """Its job left shards undone without having failed; `outcome` is its last shard's."""
        write_whole(self.folder(submission) / "left", outcome)

    def has_left(self, submission: str) -> bool:
        return (self.folder(submission) / "left").exists()

    def give_up(self, submission: str) -> None:
        """Its job is about to be cancelled by the launcher: no person's word, and no try."""
        write_whole(self.folder(submission) / "given-up", "")

    def is_given_up(self, submission: str) -> bool:
        return (self.folder(submission) / "given-up").exists()

    def releases(self, submission: str) -> int:
        """How often its job, which Slurm held, has been let go."""
        return len(names_in(self.folder(submission) / "releases"))

    def note_release(self, submission: str) -> None:
        """Its job has been let go once more: Slurm has heard it."""
        count = self.releases(submission) + 1
        write_whole(self.folder(submission) / "releases" / str(count), "")

    def note_cancelled(self, submission: str, shards: Collection[str]) -> None:
        """A person has its job cancelled, for the sake of `shards` and of those that were meant
        before; it begins no further one."""
        every = sorted({*shards, *(self.cancelled(submission) or ())})
        write_whole(self.folder(submission) / "cancelled", json.dumps(every))

    def cancelled(self, submission: str) -> frozenset[str] | None:
        """Which of its shards a person meant who had its job cancelled; None: nobody did."""
        found = read_json(self.folder(submission) / "cancelled")
        return frozenset(found) if isinstance(found, list) else None

    def spare(self, submission: str, earlier: frozenset[str] | None) -> None:
        """It could not be cancelled after all, beyond what was meant `earlier` (None: nothing)."""
        path = self.folder(submission) / "cancelled"
        if earlier is None:
            path.unlink(missing_ok=True)
        else:
            write_whole(path, json.dumps(sorted(earlier)))

    def close(self, submission: str, seen: float) -> None:
        """Its job was over when it was `seen`, in seconds since the epoch, and its shards were
        looked at: it need not be asked about again."""
        if self.folder(submission).exists():  # it may have been withdrawn meanwhile
            write_whole(self.folder(submission) / "closed", json.dumps(seen))

    def reopen(self, submission: str) -> None:
        """Its job is not over after all."""
        (self.folder(submission) / "closed").unlink(missing_ok=True)

    def last_words(self, submission: str) -> str:
        """The last line that any rank of a job wrote on its error stream."""
        return _last_line(sorted(self.folder(submission).glob("submitit/*_log.err")))

    def is_closed(self, submission: str) -> bool:
        return (self.folder(submission) / "closed").exists()

    def closed_at(self, submission: str) -> float:
        """When the job of a closed one was seen to be over. Not known: infinity."""
        found = read_json(self.folder(submission) / "closed")
        return found if isinstance(found, float) else math.inf

    def open(self) -> list[Submission]:
        """Submissions whose job may still be alive, oldest first."""
        found = [self.find(name) for name in names_in(self.root) if not self.is_closed(name)]
        return sorted((entry for entry in found if entry), key=lambda entry: entry.created)

    def find(self, name: str) -> Submission | None:
        return read_record(self.folder(name) / "submission.json", Submission)


class Batches:
    """A folder for each sbatch array, by its name."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, name: str) -> Path:
        return self.root / name

    def count(self) -> int:
        return sum(not name.startswith(_MARK) for name in names_in(self.root))

    def mark(self) -> str:
        """What tells the jobs of this folder from those of an earlier one in its place, which Slurm
        remembers by the same names; empty before the first batch."""
        found = [name for name in names_in(self.root) if name.startswith(_MARK)]
        return min(found).removeprefix(_MARK) if found else ""

    def reserve(self, prefix: str) -> str:
        """A name that no other launcher takes: `<prefix>-<mark>-0001` and on."""
        if not self.mark():
            create_once(self.root / f"{_MARK}{secrets.token_hex(2)}", "")
        number = self.count() + 1
        while True:
            name = f"{prefix}-{self.mark()}-{number:04}"
            try:
                self.folder(name).mkdir()
            except FileExistsError:
                number += 1
                continue
            return name

    def write(self, batch: Batch) -> None:
        """Before sbatch is called: from now on the array can be found by its name."""
        write_whole(self.folder(batch.name) / "batch.json", batch.model_dump_json(indent=1))

    def find(self, name: str) -> Batch | None:
        return read_record(self.folder(name) / "batch.json", Batch)

    def write_job(self, name: str, job: Job) -> None:
        write_whole(self.folder(name) / "job.json", job.model_dump_json(indent=1))

    def job(self, name: str) -> Job | None:
        return read_record(self.folder(name) / "job.json", Job)

    def withdraw(self, name: str) -> None:
        """sbatch has said no: there is no such array and there will be none."""
        shutil.rmtree(self.folder(name), ignore_errors=True)

    def last_words(self, name: str, index: int) -> str:
        """The last line that any rank of a task wrote on its error stream."""
        return _last_line(sorted(self.folder(name).glob(f"logs/*_{index}_*_log.err")))


def _last_line(logs: list[Path]) -> str:
    for log in logs:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        if lines:
            return lines[-1]
    return ""
