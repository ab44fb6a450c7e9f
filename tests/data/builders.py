"""Processes that ask for a folder, for the tests of claims."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.bench import ROOT

_PROGRAM = """
import os, sys, time
from pathlib import Path
from xtl.data.claims import build_once

root, seconds = Path(sys.argv[1]), float(sys.argv[2])

def build(folder):
    with (root / "builders").open("a") as log:
        log.write(f"{os.getpid()}\\n")
    (folder / "half").write_text("x" * 1000)
    print("building", flush=True)
    time.sleep(seconds)
    (folder / "half").rename(folder / "whole")

(root / f"ready-{os.getpid()}").touch()
while not (root / "go").exists():
    time.sleep(0.01)
build_once(root / "made" / "place", root / "desks" / "one", build, lambda line: print(line, flush=True))
"""  # noqa: E501


def asking(root: Path, seconds: float) -> subprocess.Popen[str]:
    """A process that asks for `root/made/place` once `root/go` is there; it builds that long."""
    return subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(root), str(seconds)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def said(process: subprocess.Popen[str]) -> str:
    """What it printed, once it has ended well."""
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    return output


def builders(root: Path) -> list[str]:
    return (root / "builders").read_text().split()
