"""Submissions: what each job was asked to run, its id, and whether it has been looked at."""

from __future__ import annotations

from pathlib import Path

from xtl.files import create_once, names_in, write_whole
from xtl.launch.records import Job, Submission, read_record


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
        for log in sorted(self.folder(submission).glob("submitit/*_log.err")):
            lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            if lines:
                return lines[-1]
        return ""

    def is_closed(self, submission: str) -> bool:
        return (self.folder(submission) / "closed").exists()

    def open(self) -> list[Submission]:
        """Submissions whose job may still be alive, oldest first."""
        found = [self.find(name) for name in names_in(self.root) if not self.is_closed(name)]
        return sorted((entry for entry in found if entry), key=lambda entry: entry.created)

    def find(self, name: str) -> Submission | None:
        return read_record(self.folder(name) / "submission.json", Submission)
