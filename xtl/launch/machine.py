"""What this machine has: cores, and GPUs."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

GPU_FOLDER = Path("/proc/driver/nvidia/gpus")


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def gpus() -> int:
    """NVIDIA GPUs that this process may use: those of CUDA_VISIBLE_DEVICES, or all there are.

    As CUDA reads that variable, what follows an entry that names no GPU (such as -1) is ignored.
    """
    there, chosen = _gpus_there(), os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is None or not there:
        return there
    visible = 0
    for entry in chosen.split(","):
        name = entry.strip()
        if not (name.isdigit() and int(name) < there) and not name.startswith(("GPU-", "MIG-")):
            break
        visible += 1
    return visible


@cache
def _gpus_there() -> int:
    """As the driver lists them; where its folder is hidden, as in some containers, nvidia-smi."""
    if GPU_FOLDER.is_dir():
        return sum(1 for _ in GPU_FOLDER.iterdir())
    command = shutil.which("nvidia-smi")
    if command is None:
        return 0
    try:
        said = subprocess.run([command, "-L"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    return sum(line.startswith("GPU ") for line in said.stdout.splitlines())
