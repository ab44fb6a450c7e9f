"""Checkpoints that were damaged since they were written, and what is loaded then."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tests.train import scenes
from tests.train.trainings import Diary, make_job, make_spec
from xtl.train import checkpoint
from xtl.train.building import build
from xtl.train.distributed import on_rank_zero
from xtl.train.engine import Engine
from xtl.train.trainer import TrainJob, train


def damaged_checkpoints(root: Path) -> dict[str, tuple[str | None, tuple[str, ...]]]:
    """Each kind of damage to the newer of two checkpoints: what was loaded, and what was not."""
    job = make_job(root, "sound", make_spec(), scenes.EACH_UPDATE)
    train(job, Diary(stop_at=3))
    engine = Engine(build(job.spec, job.start_from), job.spec, job.engine)
    seen = {}
    for name, damage in DAMAGES.items():
        folder = root / name
        on_rank_zero(partial(_damaged_copy, job, folder, damage))
        seen[name] = loaded(engine, folder, job.layout)
    other = checkpoint.Layout(2, 1, "another parent")
    seen["start"] = loaded(engine, job.checkpoints, other)
    seen["overtaken"] = _after_an_overtaken_save(engine, job)
    engine.close()
    return seen


def _after_an_overtaken_save(engine: Engine, job: TrainJob) -> tuple[str | None, tuple[str, ...]]:
    """At an update that whoever overtook it has saved."""
    with contextlib.suppress(scenes.Overtaken):
        checkpoint.save(engine, job.checkpoints, 3, {}, job.layout, scenes.overtaken)
    return loaded(engine, job.checkpoints, job.layout)


def loaded(
    engine: Engine, folder: Path, layout: checkpoint.Layout
) -> tuple[str | None, tuple[str, ...]]:
    """After how many updates what was loaded is, and what was passed over."""
    resumed = checkpoint.load(engine, folder, layout, fence=lambda: None)
    updates = None if resumed.state is None else str(len(resumed.state["losses"]))
    return updates, resumed.passed_over


def _damaged_copy(job: TrainJob, folder: Path, damage: Callable[[Path], Any]) -> None:
    shutil.copytree(job.checkpoints, folder)
    damage(folder / "step-000003")


def cut(victim: Path) -> None:
    victim.write_bytes(victim.read_bytes()[:-1])


def _alter(tag: Path) -> None:
    victim = next(tag.glob("mp_rank*"))
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    victim.write_bytes(content)


def _unmark(folder: Path) -> None:
    for marker in folder.glob("step-*/COMPLETE.json"):
        marker.unlink()


DAMAGES: dict[str, Callable[[Path], Any]] = {
    "untouched": lambda tag: None,
    "unmarked": lambda tag: (tag / "COMPLETE.json").unlink(),
    "torn marker": lambda tag: (tag / "COMPLETE.json").write_text('{"files"'),
    "part missing": lambda tag: next(tag.glob("*rank_1*")).unlink(),
    "part truncated": lambda tag: cut(next(tag.glob("*rank_1*"))),
    "altered": _alter,
    "both gone": lambda tag: _unmark(tag.parent),
}
