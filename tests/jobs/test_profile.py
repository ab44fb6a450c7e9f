"""`xtl profile` where there is no Slurm. tests/slurm/test_profile.py has it on a real cluster."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_without_slurm_it_is_one_line_and_status_2(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "jobs.main", "profile", "--output", str(tmp_path / "p.yaml")]
    environment = {"PATH": str(tmp_path), "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("xtl: found no Slurm here, expected a login node")
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
