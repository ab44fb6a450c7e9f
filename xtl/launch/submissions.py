"""Submissions: what each job was asked to run, its id, and whether it has been looked at.

Batches: which submissions one sbatch call brings, and the id of the array that came of it.
"""

from __future__ import annotations

from pathlib import Path

from xtl.files import create_once, names_in, write_whole
from xtl.launch.records import Batch, Job, Submission, read_record


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

    def close(self, submission: str) -> None:
        """Its job is over and its shards were looked at: it need not be asked about again."""
        write_whole(self.folder(submission) / "closed", "")

    def last_words(self, submission: str) -> str:
        """The last line that any rank of a job wrote on its error stream."""
        return _last_line(sorted(self.folder(submission).glob("submitit/*_log.err")))

    def is_closed(self, submission: str) -> bool:
        return (self.folder(submission) / "closed").exists()

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
        return len(names_in(self.root))

    def reserve(self, prefix: str) -> str:
        """A name that no other launcher takes: `<prefix>-0001` and on."""
        self.root.mkdir(parents=True, exist_ok=True)
        number = self.count() + 1
        while True:
            name = f"{prefix}-{number:04}"
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

    def refuse(self, name: str, line: str) -> None:
        """sbatch has said no: there is no such array and there will be none."""
        write_whole(self.folder(name) / "refused", line)

    def last_words(self, name: str, index: int) -> str:
        """The last line that any rank of a task wrote on its error stream."""
        return _last_line(sorted(self.folder(name).glob(f"logs/*_{index}_*_log.err")))

    def refused(self, name: str) -> bool:
        return (self.folder(name) / "refused").exists()


def _last_line(logs: list[Path]) -> str:
    for log in logs:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        if lines:
            return lines[-1]
    return ""
