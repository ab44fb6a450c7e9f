"""Logs of jobs: which are an attempt's, which part of them is its own, and the line that tells why.

submitit gives each rank `<job>_<rank>_log.err` and `.out`. A job runs several shards, and its
requeued copies append: so every rank marks where an attempt begins. Logs can be gigabytes; no more
than the last `MOST_BYTES` of each are read.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from xtl.launch.failures import is_elsewhere
from xtl.launch.records import Attempt, Failure, FailureClass, Submission
from xtl.launch.signatures import WEIGHTS, Match, bare, match
from xtl.launch.store import Store
from xtl.launch.tracebacks import raised

MOST_BYTES = 8 * 2**20
_COUNTED = 2**30  # of a longer log, lines are not numbered: all of it would have to be read

_NAME = re.compile(r"_(\d+)_log\.(err|out)$")
_OWN = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ")  # a line of our own story
_MARK = re.compile(_OWN.pattern + r"(\w+): attempt (\d+) begins on (\S+)$")
_TRACEBACK = re.compile(r"\bTraceback \(most recent call last\):$")
_CAUGHT = re.compile(r"^\w+: Caught \w+ in ")  # what follows tells what was caught
_FRAME = re.compile(r"^ +File \".+\", line \d+")
_ASIDE = re.compile(r"^Exception (ignored in|in thread)\b")
_FOR_A_PERSON: frozenset[FailureClass] = frozenset({"diverged", "data", "configuration", "code"})
_ENDING = re.compile(r"step_signal: Terminating|Force Terminated|\*\*\* (JOB|STEP) .* CANCELLED")


@dataclass(frozen=True)
class Part:
    """An attempt's lines in one log. `first`: the number of the first of them in the file, 0 where
    that is not known; `node`: where the rank ran, empty where it did not get to say so."""

    path: Path
    rank: int
    first: int
    lines: tuple[str, ...]
    node: str = ""


def mark(shard: str, attempt: int) -> str:
    """What every rank logs when an attempt begins."""
    return f"{shard}: attempt {attempt} begins on {node_name()}"


def node_name() -> str:
    """This machine, as Slurm calls it."""
    return os.environ.get("SLURMD_NODENAME") or socket.gethostname()


# -- which logs ---------------------------------------------------------------------------------
def logs_of(store: Store, attempt: Attempt) -> list[Path]:
    """Of all ranks, rank 0 first, its error stream before its output."""
    submission = store.submissions.find(attempt.claim.submission)
    return logs_of_job(store, submission) if submission else []


def logs_of_job(store: Store, submission: Submission) -> list[Path]:
    """The same of a submission's job."""
    if not submission.batch:
        folder = store.submissions.folder(submission.name) / "submitit"
        return _ordered(folder.glob("*_log.*"))
    batch = store.batches.find(submission.batch)
    if batch is None:
        return []
    index = batch.submissions.index(submission.name)
    return _ordered((store.batches.folder(batch.name) / "logs").glob(f"*_{index}_*_log.*"))


def _ordered(paths: Iterator[Path]) -> list[Path]:
    return sorted((path for path in paths if _NAME.search(path.name)), key=_key)


def _key(path: Path) -> tuple[int, str]:
    return _rank(path), path.name


def _rank(path: Path) -> int:
    found = _NAME.search(path.name)
    return int(found[1]) if found else 0


# -- which part of them -------------------------------------------------------------------------
def parts(store: Store, attempt: Attempt) -> list[Part]:
    """What each rank wrote in this attempt, in `logs_of`'s order; logs without any left out."""
    claim = attempt.claim
    found = [_part(path, claim.shard, claim.attempt) for path in logs_of(store, attempt)]
    return [part for part in found if part.lines]


def tails(store: Store, attempt: Attempt, count: int) -> list[Part]:
    """The last `count` lines of each part."""
    return [_last(part, count) for part in parts(store, attempt)]


def _last(part: Part, count: int) -> Part:
    cut = max(0, len(part.lines) - count)
    first = part.first + cut if part.first else 0
    return Part(part.path, part.rank, first, part.lines[cut:], part.node)


def _part(path: Path, shard: str, attempt: int) -> Part:
    """From its mark to the next one. A rank that died before its mark wrote what is last."""
    first, lines = end_of(path)
    marks = [(index, found) for index, line in enumerate(lines) if (found := _MARK.match(line))]
    after = [index for index, _ in marks] + [len(lines)]
    for place, (index, found) in enumerate(marks):
        if (found[1], int(found[2])) == (shard, attempt):
            return _cut(path, first, lines, index, after[place + 1], found[3])
    later = any(found[1] == shard and int(found[2]) > attempt for _, found in marks)
    start = marks[-1][0] + 1 if marks else 0
    return _cut(path, first, lines, len(lines) if later else start, len(lines), "")


def _after_marks(path: Path) -> Part:
    """What a job wrote before it began, or since it was requeued."""
    return _part(path, "", 0)


def _cut(path: Path, first: int, lines: list[str], start: int, end: int, node: str) -> Part:
    return Part(path, _rank(path), first + start if first else 0, tuple(lines[start:end]), node)


def end_of(path: Path) -> tuple[int, list[str]]:
    """The lines of a log as they are numbered in evidence, from the number of the first that is
    read, which is 0 where it is not known. Of a line that was written over, the last writing."""
    try:
        with path.open("rb") as log:
            skipped = max(0, log.seek(0, os.SEEK_END) - MOST_BYTES)
            first = 1 + _lines_in(path, skipped) if skipped <= _COUNTED else 0
            log.seek(skipped)
            lines = log.read(MOST_BYTES).decode("utf-8", errors="replace").split("\n")
    except OSError:
        return 0, []
    if not lines[-1]:
        lines.pop()
    return first, [line.rstrip("\r").rpartition("\r")[2] for line in lines]


def _lines_in(path: Path, size: int) -> int:
    """How many lines end in the first `size` bytes."""
    count = 0
    with path.open("rb") as log:
        while size > 0 and (chunk := log.read(min(size, 2**20))):
            count += chunk.count(b"\n")
            size -= len(chunk)
    return count


# -- what they say ------------------------------------------------------------------------------
def root_line(store: Store, attempt: Attempt, told: bool = False) -> Failure | None:
    """The first root-cause line of all ranks' logs; None where they say nothing. `told`: where the
    scheduler has said why, it takes hardware or the end of a traceback to outdo that."""
    return _root(store, parts(store, attempt), told)


def root_line_of_job(store: Store, submission: Submission, told: bool = False) -> Failure | None:
    """The same for a job that ended before it began an attempt."""
    logs = logs_of_job(store, submission)
    return _root(store, [_after_marks(path) for path in logs], told)


def _root(store: Store, written: Sequence[Part], told: bool) -> Failure | None:
    most = WEIGHTS.index("raised" if told else "survived")
    said = [(part, index, found) for part in written for index, found in matches(part.lines)]
    said = [entry for entry in said if WEIGHTS.index(entry[2].weight) <= most]
    if not said:
        return None
    part, index, found = min(said, key=lambda entry: WEIGHTS.index(entry[2].weight))
    where = store.relative(part.path) + (f":{part.first + index}" if part.first else "")
    rank = found.rank if found.rank is not None else part.rank
    elsewhere = found.cls == "node" and found.weight != "machine"  # Slurm itself knows of it
    node = "" if elsewhere else found.node or part.node
    cls = _class_of(found, store.root)
    return Failure(cls=cls, line=found.text, file=where, rank=rank, node=node)


def _class_of(found: Match, root: Path) -> FailureClass:
    """A disk that the sweep is not on is no reason to pause it; and nobody knows why a rank ended
    that went on after what would wait for a person."""
    elsewhere = found.cls == "storage" and is_elsewhere(found.text, root)
    survived = found.weight == "survived" and found.cls in _FOR_A_PERSON
    return "unknown" if elsewhere or survived else found.cls


def matches(lines: Sequence[str]) -> Iterator[tuple[int, Match]]:
    """Lines that say something of a failure, by their index. Once Slurm has begun to end the tasks,
    how they ended says nothing. What a rank went on after was survived: a traceback, or loose
    words, which say nothing then. Nor does our own story, whatever it tells of."""
    last = max((index for index, line in enumerate(lines) if _OWN.match(line)), default=-1)
    tracing, aside, ending = False, False, False
    for index, line in enumerate(lines):
        text = bare(line)
        if _OWN.match(line):
            continue
        if _TRACEBACK.search(text):
            tracing, aside = True, index > 0 and bool(_ASIDE.match(lines[index - 1]))
        elif tracing and text[:1].strip():
            tracing = False
            if not _CAUGHT.match(text):
                yield index, _weighed(raised(text), survived=aside or index < last)
        elif not tracing and (found := match(line)):
            idle = {"ended": ending, "loose": index < last}
            yield from [] if idle.get(found.weight) else [(index, found)]
        ending = ending or bool(_ENDING.search(line))


def _weighed(found: Match, survived: bool) -> Match:
    return replace(found, weight="survived") if survived and found.weight == "raised" else found


def innermost_frame(lines: Sequence[str]) -> str:
    """`File "…", line 3, in f`: where the traceback was raised that the last of these lines ends.
    Empty where it ends none."""
    for line in reversed(lines[:-1]):
        text = bare(line)
        if _FRAME.match(text):
            return text.strip()
        if text[:1].strip():
            break
    return ""
