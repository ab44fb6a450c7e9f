"""What a line says: the wordings of torch, NCCL, CUDA, the kernel and Slurm."""

from __future__ import annotations

import pytest

from xtl.launch.records import FailureClass
from xtl.launch.signatures import Weight, match
from xtl.launch.tracebacks import raised

OOM_KILL = "Some of your processes may have been killed by the cgroup out-of-memory handler."


@pytest.mark.parametrize(
    ("line", "cls", "weight"),
    [
        # Host memory, as slurmstepd of several versions, srun and the kernel say it.
        (f"slurmstepd: error: Detected 1 oom-kill event(s) in step 3.0 cgroup. {OOM_KILL}",
         "host-oom", "machine"),
        ("slurmstepd: error: Detected 1 oom_kill event in StepId=7.batch. Some of the step tasks "
         "have been OOM Killed.", "host-oom", "machine"),
        ("srun: error: gpu03: task 1: Out Of Memory", "host-oom", "machine"),
        ("slurmstepd: error: Exceeded job memory limit at some point.", "host-oom", "machine"),
        ("slurmstepd: error: StepId=7.0 exceeded memory limit (215040 > 102400), being killed",
         "host-oom", "machine"),
        ("[ 123.4] Out of memory: Killed process 4711 (python) total-vm:9kB", "host-oom",
         "machine"),
        ("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.", "host-oom",
         "said"),
        # The hardware of a node, and what drives it.
        ("NVRM: Xid (PCI:0000:10:1c): 79, pid=18, GPU has fallen off the bus.", "node", "machine"),
        ("NVRM: Xid (PCI:0000:3b:00): 48, pid=1, An uncorrectable double bit error (DBE)", "node",
         "machine"),
        ("kernel: NVRM: Xid (PCI:0000:b9:00): 74, NVLink: fatal error detected on link 6", "node",
         "machine"),
        ("NVRM: Xid (0000:3b:00): 95, Uncontained ECC error", "node", "machine"),
        ("NVRM: GPU 0000:18:00.0: GPU has fallen off the bus.", "node", "machine"),
        ("Unable to determine the device handle for GPU0: GPU is lost.", "node", "machine"),
        ("Failed to initialize NVML: Driver/library version mismatch", "node", "machine"),
        # A file system, which may be every node's.
        ("OSError: [Errno 30] Read-only file system: '/local'", "node", "said"),
        ("cat: x: Input/output error", "node", "said"),
        # Storage.
        ("tee: log: No space left on device", "storage", "said"),
        ("cp: error writing 'x': Disk quota exceeded", "storage", "said"),
        ("ls: cannot open directory '.': Stale file handle", "storage", "said"),
        ("cat: x: Remote I/O error", "storage", "said"),
        ("cp: cannot stat '/scratch/x': Transport endpoint is not connected", "storage", "said"),
        ("slurmstepd: error: io_init_msg_write_to_fd: Transport endpoint is not connected",
         "communication", "cascade"),
        # What the job was set up with.
        ("/usr/bin/python: No module named xtl", "configuration", "loose"),
        ("slurmstepd: error: execve(): /no/such/python: No such file or directory",
         "configuration", "loose"),
        ("python: error while loading shared libraries: libpython3.11.so.1.0: cannot open shared "
         "object file: No such file or directory", "configuration", "loose"),
        # How Slurm ended it.
        ("slurmstepd: error: *** STEP 4.0 ON n1 CANCELLED AT 2026-11-23T04:43:14 DUE TO TIME "
         "LIMIT ***", "time-limit", "said"),
        ("slurmstepd: error: *** JOB 11 ON n3 CANCELLED AT 2026-11-23T04:36:02 DUE TO "
         "PREEMPTION ***", "preempted", "said"),
        # Of which nobody knows why.
        ("srun: error: n1: task 0: Killed", "unknown", "ended"),
        ("srun: error: n1: task 0: Segmentation fault (core dumped)", "unknown", "ended"),
        ("Fatal Python error: Bus error", "unknown", "ended"),
        # Of ranks that lost another one.
        ("[rank0]:[E1218 20:27:21.4 ProcessGroupNCCL.cpp:629] [Rank 0] Watchdog caught collective "
         "operation timeout: WorkNCCL(SeqNum=1, OpType=BROADCAST)", "communication", "cascade"),
        ("[rank1]:[W1123 TCPStore.cpp:106] [c10d] recvValue failed on SocketImpl(fd=3): Failed to "
         "recv, got 0 bytes. Connection was likely closed.", "communication", "cascade"),
        ("RuntimeError: [../third_party/gloo/gloo/transport/tcp/pair.cc:144] no error",
         "communication", "cascade"),
        ("sendBytes failed on SocketImpl(fd=26): Broken pipe", "communication", "cascade"),
        ("n1:1:9 [0] NCCL WARN Call to recv from 10.0.0.1 failed : Connection reset by peer",
         "communication", "cascade"),
        # Which tell no more than that it is over.
        ("srun: error: n1: task 1: Exited with exit code 1", "unknown", "echo"),
        ("srun: error: n1: tasks 0,2-3: Terminated", "unknown", "echo"),
        ("srun: error: n1: task 0: Aborted (core dumped)", "unknown", "echo"),
        ("slurmstepd: error: *** STEP 11.0 ON n3 CANCELLED AT 2026-11-23T04:29:55 ***", "unknown",
         "echo"),
        ("NVRM: Xid (PCI:0000:1b:00): 45, pid=7, Ch 00000010", "unknown", "echo"),
    ],
)  # fmt: skip
def test_a_line_of_a_log_has_a_class_and_a_weight(
    line: str, cls: FailureClass, weight: Weight
) -> None:
    found = match(line)
    assert found is not None
    assert (found.cls, found.weight) == (cls, weight)


@pytest.mark.parametrize("line", ["Killed", "slurm_script: line 46: 2113061 Killed   python x.py",
                                  "srun: error: n1: task 3: Killed"])  # fmt: skip
def test_a_bare_killed_is_not_out_of_memory(line: str) -> None:
    found = match(line)
    assert found is None or found.cls == "unknown"


@pytest.mark.parametrize("xid", [13, 31, 43, 69, 94])
def test_an_xid_of_an_application_is_no_hardware(xid: int) -> None:
    found = match(f"NVRM: Xid (PCI:0000:1b:00): {xid}, pid=7, Graphics SM Warp Exception")
    assert found is not None
    assert found.cls == "code"


@pytest.mark.parametrize("xid", [63, 92])
def test_an_xid_that_foretells_is_no_failure(xid: int) -> None:
    assert match(f"NVRM: Xid (PCI:0000:10:1c): {xid}, pid=1896, Row Remapper: New row") is None


@pytest.mark.parametrize(
    ("line", "cls"),
    [
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a "
         "total capacity of 79.10 GiB", "gpu-oom"),
        ("RuntimeError: CUDA error: out of memory", "gpu-oom"),
        ("RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(h)`",
         "gpu-oom"),
        ("RuntimeError: CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(h)`",
         "gpu-oom"),
        ("MemoryError", "host-oom"),
        ("OSError: [Errno 12] Cannot allocate memory", "host-oom"),
        ("RuntimeError: CUDA error: uncorrectable ECC error encountered", "node"),
        ("RuntimeError: CUDA error: unknown error", "node"),
        ("RuntimeError: No CUDA GPUs are available: no CUDA-capable device is detected", "node"),
        ("RuntimeError: Unexpected error from cudaGetDeviceCount(). Error 802: system not yet "
         "initialized", "node"),
        ("torch.AcceleratorError: CUDA error: an illegal memory access was encountered", "code"),
        ("RuntimeError: CUDA error: device-side assert triggered", "code"),
        ("ModuleNotFoundError: No module named 'deepspeed'", "configuration"),
        ("ImportError: libcudart.so.12: cannot open shared object file: No such file", 
         "configuration"),
        ("RuntimeError: The NVIDIA driver on your system is too old (found version 11040).",
         "configuration"),
        ("AssertionError: Torch not compiled with CUDA enabled", "configuration"),
        ("OSError: [Errno 28] No space left on device", "storage"),
        ("OSError: [Errno 107] Transport endpoint is not connected: '/scratch/x'", "storage"),
        ("OSError: [Errno 5] Input/output error: '/scratch/x'", "node"),
        ("RuntimeError: [enforce fail at inline_container.cc:603] . PytorchStreamWriter failed "
         "writing file data/1: file write failed: No space left on device", "storage"),
        ("RuntimeError: [../gloo/transport/tcp/pair.cc:534] Connection closed by peer "
         "[10.0.0.2]:4711", "communication"),
        ("torch.distributed.DistBackendError: NCCL error in: ProcessGroupNCCL.cpp:2356, remote "
         "process exited or there was a network error", "communication"),
        ("torch.distributed.DistNetworkError: The client socket has timed out after 600000ms",
         "communication"),
        ("RuntimeError: Gloo connectFullMesh failed with [../third_party/gloo/gloo/transport/tcp/"
         "pair.cc:144] no error", "communication"),
        ("RuntimeError: Socket Timeout", "communication"),
        ("RuntimeError: Broken pipe", "communication"),
        ("BrokenPipeError: [Errno 32] Broken pipe", "communication"),
        ("OSError: [Errno 107] Transport endpoint is not connected", "communication"),
        ("RuntimeError: ProcessGroupGloo does not support reduce_scatter", "code"),
        ("RuntimeError: No backend type associated with device type cpu: gloo, nccl", "code"),
        ("RuntimeError: 12 tags of the socket were expected", "code"),
        ("RuntimeError: Distributed package doesn't have NCCL built in", "code"),
        ("RuntimeError: the filter wrote to a broken pipe", "code"),
        ("xtl.train.update.DivergedError: update 7: the loss is nan", "diverged"),
        ("xtl.errors.UserError: pool.jsonl: row 3: no space left on device", "data"),
        ("KeyError: 'nccl'", "code"),
        ("ValueError: a socket has two ends", "code"),
        ("KeyError: 'No space left on device'", "code"),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'x.json'", "code"),
    ],
)  # fmt: skip
def test_the_last_line_of_a_traceback_has_a_class(line: str, cls: FailureClass) -> None:
    assert raised(line).cls == cls
    assert raised(f"[rank3]: {line}").cls == cls


def test_a_line_names_the_node_and_the_rank_that_it_is_about() -> None:
    found = match("srun: error: gpu-03.lab: tasks 5-7: Out Of Memory")
    assert found is not None
    assert (found.node, found.rank) == ("gpu-03.lab", 5)
    failed = match("srun: error: Task launch for StepId=1.0 failed on node n2: Header lengths")
    assert failed is not None
    assert (failed.cls, failed.node) == ("node", "n2")


@pytest.mark.parametrize(
    "line",
    ["", "2026-11-23 03:41:28,739 63fa0c74bd32eb86: done", "epoch 3: loss 0.31", "out of memory",
     "srun: Job step aborted: Waiting up to 4 seconds for job step to finish.",
     "Skipping rows of the pool that are not memory mapped",
     "n1:1:9 [0] NCCL INFO NET/Socket : Using [0]eth0:10.0.0.1<0>", "backend: gloo",
     "WARNING: No module named 'flash_attn', falling back: No module named 'flash_attn'",
     "x.py:3: UserWarning: no kernel image is available for the fused path",
     "2026-11-23 03:41:28.739: W tensorflow/dso_loader.cc:64] Could not load dynamic library "
     "'libnvinfer.so.7'; dlerror: libnvinfer.so.7: cannot open shared object file: No such file"],
)  # fmt: skip
def test_a_line_of_a_run_that_is_well_says_nothing(line: str) -> None:
    assert match(line) is None
