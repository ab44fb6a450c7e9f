"""Failures: from evidence to the root cause, and what two of them have in common. Pure."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from xtl.errors import ConfigurationError, UserError
from xtl.launch.records import Attempt, Failure, FailureClass
from xtl.launch.signatures import match
from xtl.launch.tracebacks import class_of_raised

SILENT = "rank 0 ended without a word"

_STORAGE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.ESTALE, errno.EREMOTEIO, errno.ESHUTDOWN})
# as Python, torch (of shared memory) and the coreutils name it
_FILE = re.compile(r"(?<=['\"])/[^'\"]*|(?<=<)/[^<>]*(?=>)|(?<=: )/\S*(?=: )")


def is_storage(error: BaseException) -> bool:
    """Whether a file system has no room for us, has lost a file's handle, or is gone."""
    if not isinstance(error, OSError):
        return False
    gone = error.errno == errno.ENOTCONN and error.filename is not None  # of a file: no socket
    return gone or error.errno in _STORAGE


def is_elsewhere(words: str, root: Path) -> bool:
    """Whether all files that a message names, by absolute paths, are outside of the folder `root`.
    False where it names none."""
    folders = (root.absolute(), root.resolve())
    found = [Path(os.path.normpath(path)) for path in _FILE.findall(words)]
    return bool(found) and not any(path.is_relative_to(each) for path in found for each in folders)


def classify_exception(error: BaseException, root: Path | None = None) -> FailureClass:
    """The class of what a rank raised, or of what it was raised from: a library may wrap it.

    `root`: the sweep's folder. A disk that holds none of it is no reason to pause the sweep: what
    it has no room for is `unknown`.
    """
    cls = _class_of(error)
    if cls == "storage" and root and is_elsewhere(f"{error} {error.__context__}", root):
        return "unknown"
    return cls


def _class_of(error: BaseException) -> FailureClass:
    if error.__context__ and is_storage(error.__context__):
        return "storage"
    if isinstance(error, UserError):
        return "configuration" if isinstance(error, ConfigurationError) else "data"
    if isinstance(error, MemoryError):
        return "host-oom"
    if is_storage(error):  # whatever language it says it in
        return "storage"
    return class_of_raised(type(error).__name__, str(error))


def blames_hardware(error: BaseException) -> bool:
    """Whether what a rank raised names its own node's hardware, by CUDA's or the kernel's words."""
    found = match(str(error))
    node = classify_exception(error) == "node"
    return node and found is not None and (found.cls, found.weight) == ("node", "machine")


def root_cause(noted: Sequence[Failure]) -> Failure | None:
    """The first failure that is no echo: a person's word, then a rank's own, then what its logs
    say, then the scheduler's, then by which signal a task ended; then a lost connection, which is a
    cascade of another rank's end, and last what nobody could explain."""
    return min(noted, key=_order, default=None)


def _order(failure: Failure) -> int:
    if failure.cls == "cancelled":
        return 0
    if failure.cls == "communication":
        return 5
    if failure.cls == "unknown":
        return 4 if in_logs(failure) or failure.rank is not None else 6
    if in_logs(failure):
        return 2
    return 3 if failure.rank is None else 1


def in_logs(failure: Failure) -> bool:
    """Whether it was found in a log; else a rank or the scheduler has noted it."""
    return "_log." in failure.file


def failure_of(attempt: Attempt, noted: Sequence[Failure]) -> Failure:
    """Why an attempt that is over did not finish, with all further evidence as its facts. Unknown
    stays unknown."""
    own = attempt.end.failure if attempt.end else None
    every = [*noted, own] if own else list(noted)
    root, facts = root_cause(every), _facts(every)
    if attempt.end and attempt.end.status == "stopped" and not (root and root.cls == "cancelled"):
        line = f"asked to stop, saved at step {attempt.end.step}"
        return Failure(cls=attempt.end.cause or "preempted", line=line, facts=facts)
    unsaid = root is None or root.cls == "communication" or _order(root) == 6
    if root and (attempt.end or not unsaid):
        file = _where(root, every)
        return root.model_copy(update={"file": file, "facts": facts})
    lines = [SILENT, *([root.line] if root else [])]
    node = next((failure.node for failure in every if failure.node), "")
    return Failure(cls="unknown", line="; ".join(lines), node=node, facts=facts)


def _facts(noted: Iterable[Failure]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(fact for failure in noted for fact in failure.facts))


def _where(root: Failure, noted: Iterable[Failure]) -> str:
    """Where the root's line stands: what a rank has noted is in its log as well."""
    same = (failure for failure in noted if in_logs(failure) and failure.line == root.line)
    return next((failure.file for failure in same), root.file)


# What stays as it is, and what differs between two shards of one fault: the first that fits counts.
_KEPT = (
    r"(?P<kept>errno \d+|signal \d+|exit code \d+|exit \d+:\d+|error \d{3}:|\bxid \([^)]*\): \d+)"
)
_PATH = r"[\w.+@=~-]*(?:/[\w.+@=~-]+)+/?"
_ID = r"0x[0-9a-f]+|\b(?=\d*[a-f])(?=[a-f]*\d)[0-9a-f]{7,}(?:-[0-9a-f]{4,})*\b"
_NUMBER = r"\d+(?:\.\d+)*(?:e[+-]?\d+)?(?: ?[kmgt]i?b\b| ?bytes\b)?"
_ADDRESS = re.compile(r"\((?:pci:)?[0-9a-f:.]+\)", re.IGNORECASE)


def fingerprint(failure: Failure) -> str:
    """Class and root line without what differs between shards: numbers, addresses, paths, ids,
    hosts, ranks. Equal for one fault on two shards; errors, signals and Xids keep their numbers."""
    node = [rf"(?<![\w-]){re.escape(failure.node)}(?![\w-])"] if failure.node else []
    variable = "|".join([_KEPT, _PATH, *node, _ID, _NUMBER])

    def plain(found: re.Match[str]) -> str:
        return _ADDRESS.sub("#", found["kept"] or "#")

    line = re.sub(variable, plain, failure.line, flags=re.IGNORECASE)
    return f"{failure.cls}: {' '.join(line.split())}"
