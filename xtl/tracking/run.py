"""Logging one attempt at a shard to W&B: imported in jobs, used by rank 0 only.

Offline by default; online where `mode.is_online` says so, and offline again when the server does
not answer. Either way the run is in `<folder>/wandb/`, one fragment an attempt: an offline resume
is recorded but not enforced, and shifts steps once synced, so attempts are merged on reading.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from xtl.tracking.mode import is_online, project
from xtl.tracking.offline import is_complete
from xtl.tracking.record import ATTEMPT, SHARD, STEP, encode, flatten

if TYPE_CHECKING:
    from wandb import Run, Settings

INIT_TIMEOUT = 30.0  # seconds for a server to answer (wandb's default is 90)
FINISH_TIMEOUT = 300.0  # seconds to upload at the end; what is left stays in the file
_CLOSING = 10.0  # seconds for the service process to close a file or itself
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunIdentity:
    """Where a run stands: W&B's group, job type, display name and id, and a setting.

    sweep: name of the sweep
    stage: `train`, `evaluate`, …
    name: for people, such as `squad 10% epochs s3 → tydiqa`
    shard: the shard's id, which becomes the run's (none of `/\\#?%:`)
    attempt: number of this execution
    """

    sweep: str
    stage: str
    name: str
    shard: str
    attempt: int


class Tracker:
    """One W&B run, open until `finish` or the end of its `with` block.

    Several may follow one another in a process. W&B never stops a training: once it fails (its
    service process is gone, say), one warning is logged and the rest is silence. The result file
    stays the truth, and collecting names what W&B lacks.

    Args:
        folder: gets `wandb/`, with the run's file and what wandb would else keep in the home.
        identity: who is speaking.
        config: settings, nested or flat; flat with `/` in W&B (see `record`).

    Raises:
        ValueError: two settings have one flat key, or one is called `shard` or `attempt`.
        OSError: the folder cannot be made.
    """

    def __init__(self, folder: Path, identity: RunIdentity, config: Mapping[str, object]) -> None:
        settings = encode(_with_identity(flatten(config), identity))
        _prepare(folder)
        self._run: Run | None = None
        try:
            self._run = _open(folder, identity, settings)
        except Exception as error:
            _give_up(error)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """One row at `train/step`; names in full (`train/loss`). After `finish` it does nothing."""
        row = {STEP: int(step), **{name: float(value) for name, value in values.items()}}
        self._tell(lambda run: run.log(row))

    def summarise(self, values: Mapping[str, object]) -> None:
        """Values of the whole run, nested or flat; evaluations as `eval/<lang>/<metric>`."""
        named = encode(flatten(values))
        self._tell(lambda run: run.summary.update(named))

    def finish(self, exit_code: int = 0) -> None:
        """End the run; 143 after SIGTERM, from the loop and not from the signal's handler.

        Where SIGTERM reaches wandb's service process too, as Slurm's does, the exit code is lost
        and the run reads as not finished; rows up to a second before are kept. When this returns
        the file is complete. A second call does nothing.
        """
        self._tell(lambda run: _finish(run, exit_code))
        self._run = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.finish(_exit_code(error))

    def _tell(self, act: Callable[[Run], object]) -> None:
        if self._run is None:
            return
        try:
            act(self._run)
        except Exception as error:
            self._run = None
            _give_up(error)


def _with_identity(settings: dict[str, Any], identity: RunIdentity) -> dict[str, Any]:
    own = {SHARD: identity.shard, ATTEMPT: identity.attempt}
    if clash := settings.keys() & own.keys():
        raise ValueError(f"settings that tracking writes itself: {', '.join(sorted(clash))}")
    return {**settings, **own}


def _prepare(folder: Path) -> None:
    """Make the folder, else wandb would use a temporary one, and set wandb's environment.

    The service process takes these with it, so that the first run of a process decides.
    """
    own = folder.resolve() / "wandb"
    own.mkdir(parents=True, exist_ok=True)
    for variable in ("WANDB_CACHE_DIR", "WANDB_DATA_DIR", "WANDB_ARTIFACT_DIR"):
        os.environ.setdefault(variable, str(own / "cache"))
    os.environ.setdefault("WANDB_SILENT", "true")
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # it would wait for the network


def _open(folder: Path, identity: RunIdentity, config: dict[str, Any]) -> Run:
    try:
        return _begin(folder, identity, config)
    except Exception:  # the service process of an earlier run is gone; this starts another
        _forget_service()
        return _begin(folder, identity, config)


def _begin(folder: Path, identity: RunIdentity, config: dict[str, Any]) -> Run:
    import wandb

    if is_online():
        try:
            return _init("online", folder, identity, config)
        except wandb.Error as error:
            _LOG.warning("W&B does not answer, this run is written offline: %s", error)
            _forget_service()
    return _init("offline", folder, identity, config)


def _init(
    mode: Literal["online", "offline"], folder: Path, identity: RunIdentity, config: dict[str, Any]
) -> Run:
    import wandb

    run = wandb.init(
        mode=mode,
        resume="allow" if mode == "online" else None,
        dir=folder.resolve(),
        project=project(),
        group=identity.sweep,
        job_type=identity.stage,
        name=identity.name,
        id=identity.shard,
        tags=["xtl", identity.stage],
        config=config,
        reinit="create_new",  # the default would hand out a run that was left open
        settings=_settings(),
    )
    run.define_metric(STEP)
    run.define_metric("*", step_metric=STEP)
    return run


def _settings() -> Settings:
    import wandb

    return wandb.Settings(
        # a killed run keeps all but its last second: wandb flushes every 15 s, and 32 KiB
        x_transaction_log_flush_interval=1.0,
        init_timeout=INIT_TIMEOUT,
        finish_timeout=FINISH_TIMEOUT,  # a server that died would hang the job
        silent=True,
        console="off",  # the job's own log has it
        symlink=False,  # `latest-run` of many processes in one folder
        use_dot_wandb=False,
        allow_val_change=True,  # a later attempt has another number
        # versions, commit and host belong to the attempt's record; these cost files and time
        disable_git=True,
        disable_code=True,
        x_disable_meta=True,
        x_disable_stats=True,
        x_disable_machine_info=True,
        x_save_requirements=False,
    )


def _finish(run: Run, exit_code: int) -> None:
    folder = Path(run.dir).parent
    run.finish(exit_code=exit_code)
    closing = time.monotonic() + _CLOSING
    # under load wandb returns some milliseconds before its service has written the last block
    while not all(map(is_complete, folder.glob("*.wandb"))) and time.monotonic() < closing:
        time.sleep(0.01)
    if exit_code == 0:
        _tidy(folder)


def _tidy(folder: Path) -> None:
    """Of a run that ended well keep the `.wandb` file and `files/`: 3 inodes instead of 9."""
    with suppress(OSError):
        for log in (folder / "logs").iterdir():
            log.unlink()
        for empty in ("logs", "tmp/code", "tmp"):
            (folder / empty).rmdir()


def _give_up(error: Exception) -> None:
    kind = type(error).__name__
    _LOG.warning("W&B failed, the rest of this run is not logged there: %s: %s", kind, error)
    _forget_service()


def _forget_service() -> None:
    """Drop a service process that is dead or stuck: it would raise at exit or refuse a next run."""
    import wandb

    def teardown() -> None:
        with suppress(Exception, SystemExit):
            wandb.teardown(exit_code=1)  # a run still open did not end well

    # it waits for uploads without limit; what is left of it ends with this process
    thread = threading.Thread(target=teardown, daemon=True)
    thread.start()
    thread.join(_CLOSING)


def _exit_code(error: BaseException | None) -> int:
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    return 0 if error is None else 1
