"""Telling Slurm which jobs are cancelled, and which of them it has not heard of."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from xtl.launch.slurm.client import Client
from xtl.launch.slurm.errors import SlurmRefusedError, SlurmSilentError


def tell(client: Client, at_once: Sequence[str], running: Sequence[str]) -> tuple[list[str], str]:
    """Cancel the first, and ask the others to stop; the jobs that were not told, and why."""
    untold, why = _tell(client.cancel, at_once)
    if untold:
        return [*untold, *running], why
    return _tell(client.ask_to_stop, running)


def _tell(how: Callable[[Collection[str]], None], jobs: Sequence[str]) -> tuple[list[str], str]:
    """All in one call. Of several of which it refuses some, each by itself: only so is it known
    which those are."""
    try:
        how(jobs)
    except SlurmSilentError as error:
        return list(jobs), str(error)
    except SlurmRefusedError as error:
        if not jobs[1:]:
            return list(jobs), str(error)
        found = [_tell(how, [job]) for job in jobs]
        return [job for untold, _ in found for job in untold], str(error)
    return [], ""
