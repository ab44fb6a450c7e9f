"""Jobs on a testbed, for tests. `Testbed.run` runs a command there, `until` waits with a limit."""

from __future__ import annotations

from pathlib import Path

from slurm.testbed import Testbed, until


def submit(testbed: Testbed, script: str, *options: str, output: Path | None = None) -> str:
    """Submit a shell script; the id of its job. Copies of a requeued job append to `output`."""
    where = f"--output={output or '/dev/null'}"
    command = ["sbatch", "--parsable", "--open-mode=append", where, *options, "--wrap", script]
    return testbed.run(*command).strip()


def facts(testbed: Testbed, job: str) -> dict[str, str]:
    """What slurmctld knows of a job, as `scontrol show job` names it."""
    words = testbed.run("scontrol", "--oneliner", "show", "job", job).split()
    return dict(word.split("=", 1) for word in words if "=" in word)


def wait_for(testbed: Testbed, job: str, *states: str, limit_s: float = 30) -> dict[str, str]:
    """Until a job is in one of some states; what is known of it then."""

    def known() -> dict[str, str]:
        found = facts(testbed, job)
        return found if found["JobState"] in states else {}

    return until(known, limit_s, f"job {job}: {' or '.join(states)}")


def lines(path: Path) -> list[str]:
    """What a job has written so far."""
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []
