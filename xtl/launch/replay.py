"""Replay: `python -m xtl.launch.replay ROOT SHARD` runs one shard again, alone, before one's eyes.

It runs as the attempt did (ranks, micro-batch, ZeRO stage, the profile's environment) in a folder
of its own, and says at the end whether the result is the sweep's. The sweep's folder is only read:
parents' artifacts by links, checked by digest as a job does. Inside a Slurm allocation the ranks
start by srun, elsewhere on this machine. The first rank has the terminal: `breakpoint()` works.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from xtl.errors import UserError
from xtl.files import names_in
from xtl.launch.checkout import CHECKOUT
from xtl.launch.foreground import NAME, Replay, run_here, run_in_allocation
from xtl.launch.profile import read_profile
from xtl.launch.records import Submission
from xtl.launch.sameness import compare, differs_by
from xtl.launch.store import Store

_LOOK_S = 1.0
_ATTEMPT = "as this one ran (default: the one that gave the result, else the latest)"


def original(store: Store, shard: str, attempt: int | None = None, name: str = "") -> Submission:
    """What the job was asked to run that the shard is replayed of: that of `attempt`, by default
    of the one that gave the result, else the latest. UserError, which calls the shard by `name`,
    where there is none."""
    result, attempts = store.result(shard), store.attempts(shard)
    wanted = attempt or (result.attempt if result else 0)
    claims = [entry.claim for entry in attempts if wanted in (0, entry.claim.attempt)]
    if attempt and not claims:
        numbers = ", ".join(str(entry.claim.attempt) for entry in attempts) or "none"
        raise UserError(f"--attempt: found {attempt}, expected one that there was ({numbers})")
    names = [claims[-1].submission] if claims else _never_begun(store, shard)
    found = store.submissions.find(names[-1]) if names else None
    if found is None:
        raise UserError(
            f"{name or shard}: found no job that was to run it, expected one: `xtl sweep` submits "
            "it"
        )
    return found


def _never_begun(store: Store, shard: str) -> list[str]:
    """The submissions that a shard without attempts was a part of, oldest first."""
    every = (store.submissions.find(name) for name in names_in(store.submissions.root))
    found = [entry for entry in every if entry and shard in dict(entry.shards)]
    return [entry.name for entry in sorted(found, key=lambda entry: entry.created)]


def prepare(root: Path, shard: str, into: Path, attempt: int | None = None) -> Replay:
    """Lay the shard and its parents out in the empty or new folder `into`.

    Raises UserError where the folder is in use, the shard was never submitted, or a parent's
    artifact is not there.
    """
    kept, own = Store(root), Store(into)
    asked = original(kept, shard, attempt, _name(kept, shard))
    _require_apart(root, into)
    found = kept.read_shard(shard)
    for parent in found.parents:
        _require_artifact(kept, parent)
    own.write_shard(found)
    for parent in found.parents:
        _lend(kept, own, parent)
    submission = asked.model_copy(
        update={
            "name": NAME,
            "cluster": "local",  # nobody puts it back into a queue
            "shards": ((shard, 1),),
            "batch": "",
            "minutes": 0,
            "mirror": own.relative(root / asked.mirror),
            "code": own.relative(CHECKOUT),
        }
    )
    own.submissions.write(submission)
    named = str(kept.profile_path) if kept.profile_path.exists() else "local"
    return Replay(kept, own, shard, submission, read_profile(named))


def _name(kept: Store, shard: str) -> str:
    """For people; empty where the sweep's folder does not have the shard."""
    return kept.read_shard(shard).name if kept.shard(shard).is_dir() else ""


def _require_apart(root: Path, into: Path) -> None:
    if into.resolve().is_relative_to(root.resolve()):
        raise UserError(f"--into: found {into}, expected a folder outside of the sweep's {root}")
    if into.exists() and not into.is_dir():
        raise UserError(f"--into: found {into}, which is a file, expected a folder")
    if names_in(into):
        raise UserError(f"--into: found {into}, which is not empty, expected a new folder")


def _require_artifact(kept: Store, parent: str) -> None:
    if kept.parent_digest(parent) is None:
        name = kept.read_shard(parent).name
        raise UserError(
            f"{kept.artifact(parent)}: found no artifact of {name}, its parent, expected the one "
            "that its result names: where it was released, `keep: all` keeps it of a next run"
        )


def _lend(kept: Store, own: Store, parent: str) -> None:
    """A parent's result by copy, its artifact by a link."""
    own.write_shard(kept.read_shard(parent))
    result = kept.result(parent)
    assert result
    own.write_result(result)
    own.artifact(parent).symlink_to(kept.artifact(parent).resolve(), target_is_directory=True)


# -- running ----------------------------------------------------------------------------------
def run(replay: Replay, say: Callable[[str], None]) -> int:
    """Run it to its end, saying where it is; the first bad exit status of a rank, or 0."""
    over = threading.Event()
    follower = threading.Thread(target=_follow, args=(replay, say, over), daemon=True)
    follower.start()
    interrupt = signal.signal(signal.SIGINT, lambda *_: None)  # the ranks get it from the terminal
    try:
        return run_in_allocation(replay) if "SLURM_JOB_ID" in os.environ else run_here(replay)
    finally:
        signal.signal(signal.SIGINT, interrupt)
        over.set()
        follower.join()


def _follow(replay: Replay, say: Callable[[str], None], over: threading.Event) -> None:
    last = 0
    while not over.wait(_LOOK_S):
        beat = replay.own.heartbeat(replay.shard, 1)
        if beat and beat.total and beat.step != last:
            last = beat.step
            loss = f"  loss {beat.metric:.4f}" if beat.metric is not None else ""
            say(f"{beat.step}/{beat.total}{loss}")


# -- the end ----------------------------------------------------------------------------------
def verdict(replay: Replay) -> tuple[bool, list[str]]:
    """Whether the replay brought what it should have, and lines that say what it brought."""
    new, old = replay.own.result(replay.shard), replay.kept.result(replay.shard)
    if new is None:
        return False, ["it ended without a result"]
    if old is None:
        return True, ["it has a result; the sweep has none to hold it against"]
    same, lines = compare(old, new)
    if same:
        return True, ["equal to the sweep's result, bit for bit:", *lines]
    before = replay.kept.attempt(replay.shard, old.attempt)
    now = replay.own.attempt(replay.shard, new.attempt)
    why = differs_by(before.claim, now.claim) if before and now else []
    if why:
        return True, ["not the sweep's bits, as may be:", *why, *lines]
    return False, ["NOT equal to the sweep's result, and it should be, bit for bit:", *lines]


def main(arguments: Sequence[str]) -> int:
    """Exit status 0: its result is the sweep's, or differs for a reason; 1: it failed, or differs
    without one; 2: it cannot be run; 130: interrupted."""
    asked = _parse(arguments)
    into = asked.into or _new_folder(asked.shard)
    try:
        replay = prepare(asked.root, asked.shard, into, asked.attempt)
    except UserError as error:
        if asked.into is None:
            into.rmdir()
        print(f"xtl: {error}", file=sys.stderr)
        return 2
    _say(f"replaying {replay.own.read_shard(asked.shard).name} in {into}")
    status = run(replay, _say)
    if status in (130, -signal.SIGINT):
        return 130
    well, lines = verdict(replay) if status == 0 else (False, [f"failed, exit status {status}"])
    _say("\n  ".join(lines))
    _say(f"its files are in {into}")
    return 0 if well else 1


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("xtl.launch.replay", description=(__doc__ or "").strip())
    parser.add_argument("root", type=Path, help="the sweep's folder; it is only read")
    parser.add_argument("shard", help="the shard's id")
    parser.add_argument("--into", type=Path, help="a new folder (default: a temporary one)")
    parser.add_argument("--attempt", type=int, help=_ATTEMPT)
    return parser.parse_args(arguments)


def _new_folder(shard: str) -> Path:
    """Where none was named: in an allocation one that all of its nodes see, as a rule."""
    place = Path.cwd() if "SLURM_JOB_ID" in os.environ else None
    return Path(tempfile.mkdtemp(prefix=f"xtl-replay-{shard[:8]}-", dir=place))


def _say(line: str) -> None:
    print(f"replay: {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
