"""Faults of storage: a disk that is full, files that are cut short or changed.

Slurm has no part in these: they are made on this machine, in a file system of its own.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.slurm.faults.catalogue import fault
from tests.slurm.faults.ranks import resubmit
from tests.slurm.faults.scene import EVALUATION, TRAINING, Scene
from tests.slurm.sweeps import edit_manifest

SIZE_MIB = 96
NO_TRIES = {"retries": dict.fromkeys(("communication", "node", "host-oom", "unknown"), 0)}
"""Whatever spends a try ends the sweep."""


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A file system of its own in `folder`, as long as the test lasts."""
    folder.mkdir(parents=True)
    size = f"size={SIZE_MIB}m"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "xtl-small-disk", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder: Path) -> Path:
    """Take all the room that there is, to the last block."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as stream:
        for size in (2**20, 4096):
            try:
                while True:
                    stream.write(os.urandom(size))
            except OSError:
                continue
    return ballast


def paused_until_there_is_room(scene: Scene, name: str) -> str:
    """The sweep pauses; as soon as there is room it goes on by itself, with all its tries."""
    scene.until(lambda: not list(scene.ranks()))
    scene.until(lambda: scene.state(name)["state"] == "failed")
    state = scene.state(name)
    assert (state["failure"]["cls"], state["retry"]) == ("storage", True), state
    assert "nothing of its budget is spent" in state["outlook"], state
    assert not scene.ended(), "the launcher waits for room"
    (scene.bench.folder / "ballast").unlink()
    scene.recover()
    scene.finish()
    assert scene.classes(name) == scene.told_classes() == ["storage"]
    assert scene.pauses() == ["storage"]
    assert "paused, and goes on when there is room: " in scene.told
    assert len(scene.launchers) == 1, "nobody had to start it again"
    return (
        "class storage: the whole sweep pauses, spends no try, and goes on by itself when there is "
        "room"
    )


@fault(
    "disk full while writing a checkpoint",
    "a small file system is filled to its last block before a save; emptied later",
    place="local",
    profile={"policy": NO_TRIES},
)
def a_checkpoint_that_finds_no_room_pauses_the_sweep(scene: Scene) -> str:
    scene.meet("saving")
    fill(scene.bench.folder)
    scene.strike(lambda: scene.instants.release("saving"))
    return paused_until_there_is_room(scene, TRAINING)


@fault(
    "disk full while writing a result",
    "the same, before an evaluation's result",
    place="local",
    profile={"policy": NO_TRIES},
    quick=True,
)
def a_result_that_finds_no_room_pauses_the_sweep(scene: Scene) -> str:
    scene.meet("result-evaluate")
    fill(scene.bench.folder)
    scene.strike(lambda: scene.instants.release("result-evaluate"), EVALUATION)
    return paused_until_there_is_room(scene, EVALUATION)


@fault(
    "checkpoint truncated",
    "a job and its launcher are killed; the newest checkpoint's largest file loses its second half",
    place="local",
)
def a_truncated_checkpoint_is_passed_over(scene: Scene) -> str:
    scene.meet("checkpoint")  # another one is whole by then
    scene.instants.release("checkpoint")
    scene.until(lambda: len(whole_checkpoints(scene)) == 2 and scene.saved() > 0)
    scene.kill_launcher()
    for _, process in scene.ranks():
        process.kill()
    scene.until(lambda: not list(scene.ranks()))
    older, newest = whole_checkpoints(scene)

    def damage() -> None:
        truncate(max(newest.iterdir(), key=lambda path: path.stat().st_size))
        scene.start()

    scene.strike(damage)
    scene.recover()
    scene.finish()
    assert scene.resumed_from() == int(older.name.removeprefix("step-"))
    return f"{newest.name} is passed over; goes on from {older.name}"


def whole_checkpoints(scene: Scene) -> list[Path]:
    """Oldest first."""
    return sorted(path.parent for path in scene.store.checkpoints(scene.id()).glob("*/COMPLETE*"))


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


@fault(
    "result truncated",
    "a finished evaluation's result.json loses its second half",
    place="local",
    quick=True,
)
def a_truncated_result_is_no_result(scene: Scene) -> str:
    scene.start()
    scene.rest(0)
    truncate(scene.store.result_path(scene.id(EVALUATION)))
    assert scene.state(EVALUATION)["state"] == "missing"
    scene.strike(scene.start, EVALUATION)
    scene.recover()
    scene.finish(twice=EVALUATION)
    assert len(scene.attempts()) == 1
    return "counts as missing; `xtl sweep` makes it again, and nothing else"


@fault(
    "artifact changed by a byte",
    "one byte of a finished training's weights is changed; then an evaluation is added",
    place="local",
    quick=True,
)
def no_child_starts_from_an_artifact_that_is_not_its_parents(scene: Scene) -> str:
    scene.start()
    scene.rest(0)
    artifact = scene.store.artifact(scene.id())
    change_a_byte(artifact / "model.safetensors")
    edit_manifest(scene.bench, retrieval=[{"set": "lookup-pairs", "languages": ["sw"]}])
    scene.strike(scene.start)
    scene.rest(1)
    child = f"{TRAINING} · lookup-pairs"
    failure = scene.verdict("data", child)
    assert str(artifact.name) in failure.line
    refused = scene.bench.shards()[child]["id"]
    resubmit(scene, "--shard", scene.id(), "--shard", refused, "--mode", "force", twice=TRAINING)
    return (
        "the child refuses it (class data, the file is named), until a person has its parent run "
        "again: `xtl resubmit --mode force --shard ID`"
    )


def change_a_byte(path: Path) -> None:
    with path.open("r+b") as stream:
        stream.seek(-100, os.SEEK_END)
        byte = stream.read(1)
        stream.seek(-1, os.SEEK_CUR)
        stream.write(bytes([byte[0] ^ 1]))
