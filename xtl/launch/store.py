"""The sweep's folder: how everything about a sweep is read and written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from xtl.errors import UserError
from xtl.files import create_once, names_in, read_json, write_whole
from xtl.launch.memo import Memo
from xtl.launch.nodes import Nodes
from xtl.launch.pauses import Pauses
from xtl.launch.places import Places
from xtl.launch.records import (
    Attempt,
    Claim,
    End,
    Failure,
    FalseStart,
    Heartbeat,
    Result,
    read_record,
)
from xtl.launch.removal import remove
from xtl.launch.reserve import Reserve
from xtl.launch.submissions import Batches, Submissions
from xtl.sweep.lock import Lock
from xtl.sweep.shard import Shard


class Store(Places):
    """A sweep's folder. Reading never fails on a torn file: it counts as absent. All methods read
    afresh; `memo` is for looks at the whole sweep: see `traces`."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.memo = Memo()
        self.submissions = Submissions(root / "submissions")
        self.batches = Batches(root / "batches")
        self.pauses = Pauses(root)
        self.nodes = Nodes(root / "nodes")

    # -- manifest and lock -------------------------------------------------------------------
    def read_lock(self) -> Lock | None:
        """Raises UserError where the lock is there and cannot be read."""
        if not self.lock_path.exists():
            return None
        try:
            return Lock.model_validate(read_json(self.lock_path))
        except ValidationError:
            raise UserError(
                f"{self.lock_path}: found a lock that this version of xtl cannot read, expected "
                "one of its own: go on with the version that wrote it, or start a new folder, or "
                "delete it and run `xtl prepare`"
            ) from None

    def write_lock(self, lock: Lock) -> None:
        write_whole(self.lock_path, lock.model_dump_json(indent=1))

    # -- shards ------------------------------------------------------------------------------
    def write_shard(self, shard: Shard) -> None:
        """Again where it differs: the same content may have moved to another revision."""
        path = self.shard(shard.id) / "shard.json"
        text = shard.model_dump_json(indent=1)
        if read_json(path) != json.loads(text):
            write_whole(path, text)

    def read_shard(self, shard: str) -> Shard:
        return Shard.model_validate(read_json(self.shard(shard) / "shard.json"))

    def result(self, shard: str) -> Result | None:
        """A valid result, with its predictions whole beside it."""
        return self.proven(shard, self.record_of_result(shard))

    def record_of_result(self, shard: str) -> Result | None:
        return read_record(self.result_path(shard), Result)

    def proven(self, shard: str, found: Result | None) -> Result | None:
        """What was found as a shard's result, if it is that, and its predictions are whole."""
        if found is None or found.shard != shard:
            return None
        path, kept = self.predictions_path(shard), found.predictions
        whole = kept is None or (path.is_file() and path.stat().st_size == kept.bytes)
        return found if whole else None

    def write_result(self, result: Result) -> None:
        write_whole(self.result_path(result.shard), result.model_dump_json(indent=1))

    def artifact_digest(self, shard: str) -> str | None:
        """The digest that the artifact on disk was published under; None where there is none."""
        found = read_json(self.digest_path(shard))
        return found.get("digest") if isinstance(found, dict) else None

    def parent_digest(self, parent: str) -> str | None:
        """The digest that children must read: the result's, where the artifact is there too."""
        result = self.result(parent)
        if result is None or result.artifact is None:
            return None
        digest = result.artifact.digest
        return digest if self.artifact_digest(parent) == digest else None

    def discard_checkpoints(self, shard: str) -> None:
        """Resume state goes when the result is valid."""
        shutil.rmtree(self.checkpoints(shard), ignore_errors=True)

    def release_artifact(self, shard: str) -> None:
        """Delete the artifact, if nobody was quicker; its result stays."""
        remove(self.artifact(shard))

    # -- attempts ----------------------------------------------------------------------------
    def attempts(self, shard: str) -> list[Attempt]:
        """All attempts, oldest first."""
        return [one for number in self.numbers(shard) if (one := self.attempt(shard, number))]

    def numbers(self, shard: str) -> list[int]:
        """Of attempts, oldest first, claimed or not."""
        names = names_in(self.shard(shard) / "attempts")
        return sorted(int(name) for name in names if name.isdigit())

    def attempt(self, shard: str, number: int) -> Attempt | None:
        folder = self.attempt_folder(shard, number)
        claim = read_record(folder / "claim.json", Claim)
        if claim is None:
            return None
        end, beat = read_record(folder / "end.json", End), self.heartbeat(shard, number)
        if end and end.status == "done":
            return Attempt(claim=claim, end=end, beat=beat)
        saved = end.step if end and end.status == "stopped" else beat.saved if beat else 0
        noted = tuple(self.noted_failures(shard, number))
        return Attempt(claim=claim, end=end, saved=saved, beat=beat, noted=noted)

    def latest_attempt(self, shard: str) -> int:
        """The highest number that was claimed; 0 where there is none."""
        return max((n for n in self.numbers(shard) if self.is_claimed(shard, n)), default=0)

    def is_claimed(self, shard: str, number: int) -> bool:
        """If only by a claim that cannot be read."""
        return (self.attempt_folder(shard, number) / "claim.json").exists()

    def claim(self, claim: Claim) -> bool:
        """Take attempt `claim.attempt` of the shard; False if somebody has it already."""
        folder = self.attempt_folder(claim.shard, claim.attempt)
        return create_once(folder / "claim.json", claim.model_dump_json(indent=1))

    def end_attempt(self, shard: str, attempt: int, end: End) -> None:
        write_whole(self.attempt_folder(shard, attempt) / "end.json", end.model_dump_json(indent=1))

    def beat(self, shard: str, beat: Heartbeat) -> None:
        """Renamed into place, so never torn; not synced, as the next one comes in seconds."""
        path = self.attempt_folder(shard, beat.attempt) / "heartbeat.json"
        staged = path.with_name(".heartbeat.json")
        staged.write_text(beat.model_dump_json(), encoding="utf-8")
        staged.replace(path)

    def heartbeat(self, shard: str, attempt: int) -> Heartbeat | None:
        return read_record(self.attempt_folder(shard, attempt) / "heartbeat.json", Heartbeat)

    def reserve(self, shard: str, attempt: int, rank: int) -> Reserve:
        """Room for what a rank has to say at its end."""
        return Reserve(self.attempt_folder(shard, attempt) / f".reserve-rank{rank}")

    def free_reserves(self, shard: str, attempt: int) -> None:
        """Those of ranks that died without a word."""
        for path in self.attempt_folder(shard, attempt).glob(".reserve-rank*"):
            path.unlink(missing_ok=True)

    def note_failure(self, shard: str, attempt: int, failure: Failure, who: str = "") -> None:
        """Kept for each rank, for the scheduler and for the logs (`who`): the root cause is chosen
        when it is read."""
        who = who or ("scheduler" if failure.rank is None else f"rank{failure.rank}")
        path = self.attempt_folder(shard, attempt) / f"failure-{who}.json"
        write_whole(path, failure.model_dump_json(indent=1))

    def noted_failures(self, shard: str, attempt: int) -> list[Failure]:
        folder = self.attempt_folder(shard, attempt)
        names = sorted(name for name in names_in(folder) if name.startswith("failure-"))
        return [found for name in names if (found := read_record(folder / name, Failure))]

    # -- pardons: attempts and false starts up to now no longer count against the retry budget --
    def pardon(self, shard: str, now: float) -> None:
        text = json.dumps({"attempts": self.latest_attempt(shard), "time": now})
        write_whole(self.pardon_path(shard), text)

    def pardoned(self, shard: str) -> int:
        """The latest attempt that no longer counts."""
        return int(self.pardon_of(shard).get("attempts", 0))

    def pardon_of(self, shard: str) -> dict[str, float]:
        return read_json(self.pardon_path(shard)) or {}

    def note_false_start(self, shard: str, submission: str, start: FalseStart) -> None:
        """A job that ended without claiming the shard."""
        path = self.shard(shard) / "false-starts" / f"{submission}.json"
        create_once(path, start.model_dump_json())

    def false_starts(self, shard: str) -> list[FalseStart]:
        """Those that count: since the pardon, at an attempt that nobody has claimed since."""
        found = self.noted_false_starts(shard)
        return self.counting(found, self.latest_attempt(shard), self.pardon_of(shard))

    def noted_false_starts(self, shard: str) -> list[FalseStart]:
        folder = self.shard(shard) / "false-starts"
        names = [name for name in names_in(folder) if name.endswith(".json")]
        return [start for name in names if (start := read_record(folder / name, FalseStart))]

    @staticmethod
    def counting(
        found: list[FalseStart], taken: int, pardon: Mapping[str, float]
    ) -> list[FalseStart]:
        """Oldest first."""
        since = pardon.get("time", 0)
        count = (start for start in found if start.attempt > taken and start.time > since)
        return sorted(count, key=lambda start: start.time)
