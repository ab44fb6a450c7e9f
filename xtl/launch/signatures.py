"""What lines of logs say of a failure: patterns, classes and weights. Pure.

The wordings' sources, as of 2025: torch (c10/cuda/CUDACachingAllocator.cpp, c10/core/impl/
alloc_cpu.cpp, torch/cuda/__init__.py, csrc/distributed/c10d/{ProcessGroupNCCL,TCPStore}.cpp and its
gloo/transport/tcp), NCCL (src/debug.cc, src/init.cc), CUDA (the strings of cudaGetErrorString,
"CUDA Runtime API: Error Handling"), NVML (nvmlErrorString), Linux (mm/oom_kill.c, strerror), glibc
(elf/dl-load.c) and Slurm 20.11 to 25.05 (slurmstepd/mgr.c and req.c, cgroup/common, srun's
launch/slurm; those that its testbed can be made to say are recorded in the tests). Xids: NVIDIA,
"XID Errors", chapter "Analyzing Xid Errors with the Xid Catalog"
(https://docs.nvidia.com/deploy/xid-errors/analyzing-xid-catalog.html).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from xtl.launch.records import FailureClass

Weight = Literal["machine", "raised", "said", "ended", "loose", "cascade", "survived", "echo"]
"""From what explains the rest to what the rest explains. `machine`: hardware, or the kernel, that a
rank can only be a victim of; `raised`: the end of a traceback; `said`: the same words elsewhere,
which may have been survived; `ended`: by which signal a task ended; `loose`: words elsewhere of
what waits for a person, who is not to be called where a signal ended a task; `cascade`: a
connection to a rank that has gone; `survived`: a traceback after which the rank went on; `echo`:
that a task ended at all."""

WEIGHTS: tuple[Weight, ...] = get_args(Weight)

_APPLICATION_XIDS = frozenset({13, 31, 32, 37, 43, 45, 68, 69, 94, 126, 137})
"""What a program brought on itself, or is over when it is started again: bucket RESTART_APP, and 45
(cleaning up after another one). 13: graphics engine exception, 31: memory page fault, 43: GPU
stopped processing, 69: class error, 94: contained memory error, 137: NVLink privilege error."""
_INFORMATIVE_XIDS = frozenset({63, 92, 154, 162, 163, 164})
"""Nothing has failed yet: a row marked for remapping, many corrected errors, a recovery action."""


@dataclass(frozen=True)
class Signature:
    """A pattern, searched without regard to case; groups `node` and `rank` name what they say."""

    cls: FailureClass
    weight: Weight
    pattern: re.Pattern[str]


@dataclass(frozen=True)
class Match:
    """What a line says; `node` and `rank` where it names them. `text`: without a rank's prefix."""

    cls: FailureClass
    weight: Weight
    text: str
    node: str = ""
    rank: int | None = None


def _all(cls: FailureClass, weight: Weight, *patterns: str) -> Iterator[Signature]:
    for pattern in patterns:
        yield Signature(cls, weight, re.compile(pattern, re.IGNORECASE))


_STEPD = r"slurmstepd(?:-(?P<node>[\w.-]+))?: (?:error: )?"
_CONTROLLER = r"^xtl: rank (?P<rank>\d+) ended by signal "
_SRUN = r"srun: error: (?P<node>[\w.-]+): tasks? (?P<rank>\d+)[-,\d]*: "

SIGNATURES: tuple[Signature, ...] = (
    *_all(
        "node",
        "machine",
        r"uncorrectable (double.bit |ecc |nvlink )?(ecc )?error",
        r"gpu( at \S+)? has fallen off the bus|\bgpu is lost\b",
        r"nvlink\b.{0,40}\b(fatal|uncorrectable) error",
        r"cuda error: unknown error|cudaerrorunknown\b",
        r"no cuda-capable device is detected|cudaerrornodevice\b",
        r"cuda-capable device\(s\) is/are busy or unavailable",
        r"error 80[23]: system|system not yet initialized|cudaerrorsystemnotready",
        r"unsupported display driver / cuda driver combination",
        r"driver/library version mismatch",
        r"nvml: (unknown error|gpu is lost)|failed to initialize nvml",
        _STEPD + r"(error: )?couldn't chdir to",
        r"task launch for \S+ failed on node (?P<node>[\w.-]+)",
    ),
    *_all(
        "host-oom",
        "machine",
        _STEPD + r".*(detected \d+ oom.kill event|exceeded (job|step) memory limit)",
        r"detected \d+ oom.kill event",
        r"out of memory: kill(ed)? process|memory cgroup out of memory|\boom-kill:constraint",
        r"(job|step)\S* exceeded memory limit .*being killed",
        _SRUN + r"out of memory",
    ),
    *_all("node", "said", r"cancelled at \S+ due to node failure|srun: error: node failure on"),
    *_all(  # of a disk, or of a file system that all nodes share: it blames none
        "node",
        "said",
        r"\[errno (5|30)\]|input/output error|read-only file system|structure needs cleaning",
    ),
    *_all("time-limit", "said", r"cancelled at \S+ due to time limit"),
    *_all("preempted", "said", r"cancelled at \S+ due to (preemption|job requeue)"),
    *_all(
        "gpu-oom",
        "said",
        r"(cuda|hip|gpu)\b.*\bout of memory|outofmemoryerror|cudaerrormemoryallocation",
        r"cublas_status_alloc_failed|cudnn_status_alloc_failed",
        r"cublas_status_not_initialized",  # no room for its workspace, mostly
    ),
    *_all(
        "storage",
        "said",
        r"no space left on device|disk quota exceeded|quota exceeded|\benospc\b|\bedquot\b",
        r"stale (nfs )?file handle|remote i/o error",
        r"cannot send after transport endpoint shutdown",
        r"transport endpoint is not connected: ['\"/]|['\"]: transport endpoint is not connected",
        # torch's zip writer, whose own check outruns the system's word (caffe2/serialize)
        r"inline_container\.cc.*unexpected pos|pytorchstreamwriter failed writing file",
    ),
    *_all(
        "host-oom",
        "said",
        r"defaultcpuallocator: (can't allocate|not enough) memory|std::bad_alloc",
        r"cannot allocate memory|^memoryerror\b|out of shared memory",
    ),
    *_all(
        "configuration",
        "loose",
        r"^(modulenotfounderror|importerror|\S*packagenotfounderror)\b|: no module named ",
        r"error while loading shared libraries|cannot open shared object file",
        r"version `(glibc|glibcxx|cxxabi)\S*' not found",
        r"execve\(\): .*(no such file or directory|permission denied|exec format error)",
        r"driver on your system is too old|no nvidia driver on your system",
        r"driver version is insufficient|not compiled with cuda enabled",
        r"no kernel image is available",
    ),
    *_all(
        "code",
        "loose",
        r"illegal memory access|device-side assert|misaligned address|illegal instruction was",
        r"unspecified launch failure|invalid device ordinal",
    ),
    *_all("communication", "said", r"address already in use|eaddrinuse"),
    *_all(
        "communication",
        "cascade",
        r"connection (was )?(likely )?(closed|reset|refused|timed out)",
        r"(^|[]:] ?)broken pipe|transport endpoint is not connected",
        r"gloo/\S+\.(cc|h):\d+\]|\bnccl (error|warn)\b|nccl communicator was aborted",
        r"nccl(system|internal|remote|unhandledcuda)error|processgroupnccl\.cpp",
        r"watchdog caught collective|socket ?timeout|wait timeout after",
        r"socket (has |was |is )?(failed|timed out|closed)|\bsocket (error|operation)",
        r"failed to recv, got|timed out waiting|missing ranks|monitoredbarrier",
        r"heartbeat ?monitor|taking the entire process down",
    ),
    *_all("unknown", "echo", _SRUN + r"(terminated|exited with exit code)"),
    *_all("unknown", "echo", r"step_signal: terminating|force terminated", r"cancelled at \d"),
    *_all(
        "unknown",
        "ended",
        _SRUN + r"(killed|segmentation fault|bus error|illegal instruction|floating point)",
        _CONTROLLER + r"(?!6\b)",
        r"^fatal python error: (?!aborted)|^bus error|^segmentation fault",
    ),
    *_all("unknown", "echo", _SRUN, _CONTROLLER),
    *_all("unknown", "echo", r"^fatal python error: aborted|^(killed|aborted)\b"),
)

_RANK = re.compile(r"^\[?rank ?(\d+)\]?:? ?", re.IGNORECASE)  # torch's, before each line
_XID = re.compile(r"\bxid \((?:pci:)?[0-9a-f:.]+\): (\d+)", re.IGNORECASE)
_WARNS = re.compile(
    r"\bWARNING\b|Warning:|: W \S+:\d+\] |^\[?W\d{4} |Could not load dynamic library"
)  # what calls itself a warning, as Python, TensorFlow and glog do


def bare(line: str) -> str:
    """Without the prefix that torch puts before each line of a rank's traceback."""
    return _RANK.sub("", line, count=1)


def match(line: str) -> Match | None:
    """What a line of a log says of a failure, whatever came before it; None: nothing."""
    text = bare(line).strip()
    if xid := _XID.search(text):
        return _of_xid(int(xid[1]), text)
    for signature in SIGNATURES:
        if found := signature.pattern.search(text):
            if signature.weight == "loose" and _WARNS.search(text):
                return None
            groups = found.groupdict()
            rank = int(groups["rank"]) if groups.get("rank") else None
            weight = signature.weight
            return Match(signature.cls, weight, text, groups.get("node") or "", rank)
    return None


def _of_xid(number: int, text: str) -> Match | None:
    if number in _INFORMATIVE_XIDS:
        return None
    if number == 45:
        return Match("unknown", "echo", text)
    if number in _APPLICATION_XIDS:
        return Match("code", "loose", text)
    return Match("node", "machine", text)
