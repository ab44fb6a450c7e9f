"""Runs read from a W&B server, used where jobs log to one."""

from __future__ import annotations

import urllib.error
import urllib.request
from typing import TYPE_CHECKING

from xtl.errors import UserError
from xtl.tracking.record import RunRecord, make_record

if TYPE_CHECKING:
    from wandb.apis.public import Run

PAGE = 200  # runs a request, each with its config and summary
PATIENCE_SECONDS = 20

# The server keeps a state, no exit code; a killed run reads `running` at first, `crashed` later.
_EXIT_CODES = {"finished": 0, "failed": 1}


def read_server(entity: str | None, project: str, sweep: str) -> list[RunRecord]:
    """The runs of a sweep (its W&B group); `entity` None is the key's default.

    Attempts at a shard are one run on the server, since a later one resumes it.

    Raises:
        UserError: no answer, no permission, or no such project.
    """
    import wandb
    from wandb.sdk.lib.service.service_connection import WandbApiFailedError

    path = f"{entity}/{project}" if entity else project
    try:
        _require_answer(wandb.setup().settings.base_url)
        # not lazy: summaries fetched one by one cost 55 ms a run, in pages 3 ms
        runs = wandb.Api().runs(path, filters={"group": sweep}, per_page=PAGE, lazy=False)
        return [from_run(run) for run in runs]
    except (wandb.Error, WandbApiFailedError, ValueError, OSError) as error:
        line = " ".join(str(error).split())
        raise UserError(f"W&B: cannot read group {sweep!r} of project {path!r}: {line}") from error


def _require_answer(address: str) -> None:
    """OSError where nobody answers there: W&B's own client then asks on for minutes, and makes
    the end of this process wait for it."""
    try:
        urllib.request.urlopen(address, timeout=PATIENCE_SECONDS).close()
    except urllib.error.HTTPError as refusal:  # an answer all the same
        refusal.close()
    except urllib.error.URLError as error:
        raise OSError(f"{address} does not answer: {error.reason}") from error


def from_run(run: Run) -> RunRecord:
    """The record of a run as `wandb.Api` gives it, all attributes loaded."""
    return make_record(
        shard=run.id,
        sweep=run.group or "",
        stage=run.job_type or "",
        name=run.name or run.id,
        config=run.config,
        summary=run.summary_metrics,
        exit_code=_EXIT_CODES.get(run.state),
        source=run.url,
    )
