"""The sbatch script of an array, as submitit's SlurmExecutor writes it. Pure but for the sizes."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xtl.launch.profile import SlurmProfile


@dataclass(frozen=True)
class Script:
    """One sbatch call: `tasks` jobs of `ranks` ranks each, of `minutes` at most.

    `command` is what every rank runs; `after` a Slurm dependency, or empty; `memory`: a multiple of
    the profile's; `exclude`: nodes besides the profile's; `alone`: one process without srun, for
    the job that reconciles.
    """

    name: str
    tasks: int
    ranks: int
    minutes: int
    command: str
    root: Path
    logs: Path
    after: str = ""
    alone: bool = False
    begin: str = ""
    memory: float = 1.0
    exclude: tuple[str, ...] = ()


def render(script: Script, profile: SlurmProfile) -> str:
    """The text that sbatch is given: submitit's, with our command."""
    from submitit.slurm.slurm import SlurmExecutor  # slow to import

    executor = SlurmExecutor(script.logs)
    executor.update_parameters(**_parameters(script, profile))
    if not script.alone:
        executor.parameters["map_count"] = script.tasks
    command = script.command if script.alone else _on_every_node(script.command, profile)
    return executor._make_submission_file_text(command, uid="")


def _on_every_node(command: str, profile: SlurmProfile) -> str:
    """With the node's own folder, which each rank makes: where its parent folder is missing, Slurm
    has made /tmp of a rank's TMPDIR."""
    if not profile.local:
        return command
    make = 'mkdir -p "$1" && export TMPDIR="$1"; shift; exec "$@"'
    return f'sh -c {shlex.quote(make)} sh "$TMPDIR" {command}'


def _parameters(script: Script, profile: SlurmProfile) -> dict[str, Any]:
    """By the names that submitit gives them, which are sbatch's but for a few."""
    if script.alone:
        profile, resources = profile.reconciling, _one_core(profile)
    else:
        resources = _resources(profile, *profile.nodes_for(script.ranks), script.memory)
    at_once = profile.limits.at_once or script.tasks
    return {
        "job_name": script.name,
        "time": script.minutes,
        "partition": profile.partition,
        "account": profile.account,
        "qos": profile.qos,
        "constraint": profile.constraint,
        "exclude": ",".join(filter(None, (profile.exclude, *script.exclude))) or None,
        "dependency": script.after or None,
        "mail_user": profile.mail and profile.mail.user,
        "mail_type": profile.mail and profile.mail.type,
        "signal_delay_s": profile.signal_seconds,
        "array_parallelism": at_once,
        "setup": [*_private(profile), *profile.setup, *_exports(profile, script.alone)],
        "srun_args": [f"--cpus-per-task={profile.cpus_per_rank}", "--kill-on-bad-exit=1"],
        "use_srun": not script.alone,
        "wckey": None,
        "additional_parameters": _additional(script, profile),
    } | resources


def _resources(profile: SlurmProfile, nodes: int, tasks: int, memory: float) -> dict[str, Any]:
    gpus: int | str | None = tasks if profile.gpus_per_node else None
    if gpus and profile.gpu_type:
        gpus = f"{profile.gpu_type}:{gpus}"
    return {
        "nodes": nodes,
        "ntasks_per_node": tasks,
        "cpus_per_task": profile.cpus_per_rank,
        "gpus_per_node": gpus,
        "mem": f"{round(1024 * profile.memory_per_rank_gib * memory * tasks)}M",
    }


def _one_core(profile: SlurmProfile) -> dict[str, Any]:
    return {
        "nodes": 1,
        "ntasks_per_node": 1,
        "cpus_per_task": 1,
        "mem": f"{round(1024 * profile.reconcile.memory_gib)}M",
    }


def _additional(script: Script, profile: SlurmProfile) -> dict[str, Any]:
    """What submitit has no name for."""
    wanted = {
        "chdir": str(script.root),
        "requeue": not script.alone or None,
        "reservation": profile.reservation,
        "kill-on-invalid-dep": "yes" if script.after and not script.alone else None,
        "begin": script.begin or None,
    }
    return {key: value for key, value in wanted.items() if value is not None}


def _private(profile: SlurmProfile) -> list[str]:
    return [] if profile.umask is None else [f"umask {profile.umask:04o}"]


def _exports(profile: SlurmProfile, alone: bool) -> list[str]:
    """One thread a core of the rank; nothing is fetched. The job that reconciles takes folders from
    the sweep's own profile, which has settled what these variables said."""
    variables = {
        "OMP_NUM_THREADS": str(profile.cpus_per_rank),
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        **profile.environment,
    }
    lines = ["unset XTL_MIRROR XTL_CACHE"] if alone else []
    lines += [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    if profile.local:  # variables in it, such as $SLURM_JOB_ID, are the node's
        lines.append(f'export TMPDIR="{profile.local}"; mkdir -p "$TMPDIR"')
    return lines
