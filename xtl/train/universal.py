"""Resume state that another number of ranks takes over, under ZeRO 1 and 2.

There each rank saved its own part of the masters and of Adam's moments. DeepSpeed puts the parts
together in its universal format, of which each rank then reads what is its part now. That is made
anew each time, from files that were checked, and removed once read: no later attempt believes it.
"""

from __future__ import annotations

import contextlib
import io
import shutil
import tempfile
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch.distributed as dist

from xtl.train.distributed import on_rank_zero
from xtl.train.engine import Engine

_PREFIX = "universal-"


class NothingTakenError(Exception):
    """There are no moments in the state: fp16 has skipped all updates so far."""


def load(engine: Engine, folder: Path, tag: str, fence: Callable[[], None]) -> dict[str, Any]:
    """Take over `folder/tag`, which the caller has found whole; our state in it. Collective.

    Raises what `fence` raises, before anything has changed, and NothingTakenError: DeepSpeed would
    take the masters from the parameters' rounded values.
    """
    converted = on_rank_zero(lambda: _convert(folder, tag, fence))
    state = engine.load(converted, tag, universal=True)
    dist.barrier()  # all have read it
    on_rank_zero(lambda: shutil.rmtree(converted, ignore_errors=True))
    return state


def clear(folder: Path) -> None:
    """Remove what conversions may have left there when they were killed."""
    for left in folder.glob(f"{_PREFIX}*"):
        shutil.rmtree(left, ignore_errors=True)


def _convert(folder: Path, tag: str, fence: Callable[[], None]) -> Path:
    """The folder in which `tag` is in universal format."""
    from deepspeed.checkpoint.ds_to_universal import main

    fence()
    clear(folder)
    converted = Path(tempfile.mkdtemp(dir=folder, prefix=_PREFIX))
    arguments = Namespace(
        input_folder=str(folder / tag),
        output_folder=str(converted / tag),
        num_extract_workers=1,
        num_merge_workers=1,
        keep_temp_folder=False,
        strict=True,
        inject_missing_state=True,  # what Megatron's models would have to tell of themselves
    )
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            main(arguments)
        if not any((converted / tag).glob("zero/*/exp_avg.pt")):
            raise NothingTakenError("found no update that was taken, expected one")
    except BaseException:
        shutil.rmtree(converted, ignore_errors=True)  # it may be for want of space
        raise
    return converted
