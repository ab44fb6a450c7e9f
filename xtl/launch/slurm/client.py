"""The Slurm client: the commands that ask or tell a cluster, each with a time limit.

A scheduler is shared: `queue` and `accounts` are one command each, whatever the number of jobs.
Options and format letters are those of Slurm 20.11 and later.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
import time
from collections.abc import Collection
from functools import cached_property
from pathlib import Path

from xtl.launch.slurm.errors import SlurmSilentError, problem
from xtl.launch.slurm.facts import ASSOCIATION_FORMAT, NODE_FORMAT, QOS_FORMAT
from xtl.launch.slurm.rows import (
    ACCOUNT_FIELDS,
    QUEUE_FORMAT,
    AccountRow,
    QueueRow,
    parse_accounts,
    parse_queue,
)

ANSWER_S = 60.0  # a busy controller answers late; Slurm's own limits are below that
PROBE_S = 2.0  # whether there is a cluster at all
SKEW_S = 7200.0  # sacct's window opens that much earlier: clocks that differ, summer time
CONFIGURATIONS = tuple(
    Path(folder, "slurm.conf")  # the last: fetched by a node's daemon from the controller
    for folder in ("/etc/slurm", "/etc/slurm-llnl", "/usr/local/etc", "/run/slurm/conf")
)

_SETTINGS = ("SLURM_", "SLURMD_", "SBATCH_", "SRUN_", "SQUEUE_", "SACCT_", "SINFO_", "SCONTROL_")
_ID = re.compile(r"^(\d+)(?:;.*)?$", re.MULTILINE)  # `12`, or `12;cluster`
_START = re.compile(r"to start at (\S+)(.*)")
# Which cluster (a configless one has no file), and the keys to it.
_KEPT = ("SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_JWT", "SLURM_SACK_KEY", "SLURM_SACK_JWKS")


class Client:
    """One cluster: the machine's own, or that of `slurm_conf`."""

    def __init__(self, slurm_conf: str | None = None) -> None:
        self.slurm_conf = slurm_conf

    @cached_property
    def environment(self) -> dict[str, str]:
        """Of sbatch: without the user's defaults for these commands, which would outdo what a
        script says and filter what is asked for, and without what a job that asks was given."""
        own = {name: value for name, value in os.environ.items() if not _is_setting(name)}
        return own | ({"SLURM_CONF": self.slurm_conf} if self.slurm_conf else {})

    @cached_property
    def _questions(self) -> dict[str, str]:
        """Of the commands that ask: words in English, times in seconds, lists of tasks in full."""
        fixed = {"LC_ALL": "C", "SLURM_TIME_FORMAT": "%s", "SLURM_BITSTR_LEN": "0"}
        return self.environment | fixed

    def queue(self, names: Collection[str]) -> list[QueueRow]:
        """What the controller knows of the jobs of these names, recently ended ones too."""
        if not names:
            return []
        options = ["--array", "--noheader", "--states=all", f"--format={QUEUE_FORMAT}"]
        said = self._ask("squeue", *options, f"--name={','.join(names)}")
        return parse_queue(said, time.time())

    def accounts(self, names: Collection[str], since: float) -> list[AccountRow]:
        """What the database knows of them, with a row for each step. It lags the controller."""
        if not names:
            return []
        opened = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(since - SKEW_S))
        options = [
            "--parsable2",
            "--noheader",
            "--allusers",
            f"--format={','.join(ACCOUNT_FIELDS)}",
        ]
        said = self._ask("sacct", *options, f"--starttime={opened}", f"--name={','.join(names)}")
        return parse_accounts(said)

    def config(self) -> dict[str, str]:
        """The controller's settings, as `scontrol show config` has them."""
        lines = self._ask("scontrol", "show", "config").splitlines()
        pairs = (line.partition("=") for line in lines if "=" in line)
        return {key.strip(): value.strip() for key, _, value in pairs}

    @cached_property
    def has_accounting(self) -> bool:
        """Whether sacct has a database behind it."""
        return has_accounting(self.config())

    def requeue(self, job: str) -> None:
        """Put a job that runs, or has ended, back into the queue under its id."""
        self._ask("scontrol", "requeue", job)

    def release(self, job: str) -> None:
        """Let a job go that is held."""
        self._ask("scontrol", "release", job)

    def cancel(self, jobs: Collection[str]) -> None:
        """Cancel jobs, array tasks (`12_3`) or arrays (`12`). Ended ones are left alone."""
        if jobs:
            self._ask("scancel", *jobs)

    def ask_to_stop(self, jobs: Collection[str]) -> None:
        """SIGTERM to the ranks of jobs that run, and nothing after it: they take their time."""
        if jobs:
            self._ask("scancel", "--signal=TERM", *jobs)

    def submit(self, script: Path) -> str:
        """The id of the job, or array, that the script asks for.

        After SlurmSilentError there may be one all the same: its name tells.
        """
        said = self._run(["sbatch", "--parsable", str(script)], self.environment)
        found = _ID.search(_checked(said))
        if not found:
            raise SlurmSilentError("sbatch: it gave no job id")
        return found[1]

    def test_only(self, script_text: str) -> str:
        """When this script's job would start, were it submitted now, in words."""
        said = self._run(["sbatch", "--test-only"], self._questions, script_text)
        found = _START.search(_checked(said) + said.stderr)
        if not found:
            raise problem("sbatch", said.stderr or said.stdout)
        when = found[1]
        if when.isdecimal():
            when = time.strftime("%Y-%m-%d %H:%M", time.localtime(int(when)))
        return f"would start {when} {found[2].strip()}"

    def my_jobs(self) -> int:
        """Jobs of this user that count against limits, each array task for one: not those that are
        over but for their nodes' clearing up, which can last."""
        options = ["--array", "--noheader", "--format=%T", f"--user={os.geteuid()}"]
        return sum(state != "COMPLETING" for state in self._ask("squeue", *options).split())

    def nodes(self) -> str:
        """Partitions with their nodes, alike ones in one row, as `facts.read_nodes` reads them."""
        return self._ask("sinfo", "--exact", "--noheader", f"--format={NODE_FORMAT}")

    def partitions(self) -> str:
        """Partitions' settings, a line each, as `facts.read_partitions` reads them."""
        return self._ask("scontrol", "--oneliner", "show", "partition")

    def associations(self, cluster: str) -> str:
        """What this user may charge, as `facts.read_associations` reads it."""
        mine = [f"user={_user()}", f"cluster={cluster}"]
        return self._ask("sacctmgr", "-nP", "show", "associations", *mine, ASSOCIATION_FORMAT)

    def qualities(self) -> str:
        """Every QOS with its limits, as `facts.read_qualities` reads them."""
        return self._ask("sacctmgr", "-nP", "show", "qos", QOS_FORMAT)

    def _ask(self, *command: str) -> str:
        return _checked(self._run(list(command), self._questions))

    def _run(
        self, command: list[str], environment: dict[str, str], text: str = ""
    ) -> subprocess.CompletedProcess[str]:
        conf = environment.get("SLURM_CONF")
        if conf and not Path(conf).exists():  # Slurm would look for it for a minute
            raise SlurmSilentError(f"{command[0]}: found no {conf}, which slurm_conf names")
        try:
            return subprocess.run(
                command,
                input=text,
                env=environment,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=ANSWER_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise SlurmSilentError(f"{command[0]}: no answer within {ANSWER_S:.0f} s") from None
        except OSError as error:
            raise SlurmSilentError(f"{command[0]}: {error.strerror or error}") from None


def configured() -> bool:
    """Whether this machine belongs to a cluster: the packages alone make none of it."""
    if not shutil.which("sbatch"):
        return False
    named = os.environ.get("SLURM_CONF") or os.environ.get("SLURM_CONF_SERVER")
    if named or any(path.exists() for path in CONFIGURATIONS):
        return True
    try:  # built with another folder, or served by the controller itself
        command = ["scontrol", "show", "config"]
        return not subprocess.run(command, capture_output=True, timeout=PROBE_S).returncode
    except (OSError, subprocess.TimeoutExpired):
        return False


def has_accounting(config: dict[str, str]) -> bool:
    """Whether settings name a database; clusters without one call it none, or (null)."""
    return "slurmdbd" in config.get("AccountingStorageType", "")


def _user() -> str:
    """As the cluster knows this user."""
    number = os.geteuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _is_setting(name: str) -> bool:
    return name.startswith(_SETTINGS) and name not in _KEPT


def _checked(said: subprocess.CompletedProcess[str]) -> str:
    if said.returncode:
        raise problem(said.args[0], said.stderr or said.stdout, said.returncode)
    return str(said.stdout)
