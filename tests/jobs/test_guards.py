"""What a sweep does by itself about a GPU that is too small, and about a mistake that all make.

Real trainings on this machine. The fault is planted in a copy of the checkout: there is no GPU
whose memory could run out.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.bench import Bench
from tests.slurm.checkouts import copy_checkout, make_trivial, plant
from tests.slurm.sweeps import edit_manifest

pytestmark = pytest.mark.slow

SMALL = {
    "train/engine": """

_accumulate = Engine.accumulate


def _within_memory(self, batch, **given):
    if len(batch.input_ids) > 2:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
    return _accumulate(self, batch, **given)


Engine.accumulate = _within_memory
""",
    "evaluate/forward": """

_read_all = _read


def _read(reader, sequences, batch):
    if len(batch.places) > 5:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
    return _read_all(reader, sequences, batch)
""",
}
MISTAKEN = {
    "launch/execution": """

_right = Execution.run


def _mistaken(self: Execution) -> bool:
    if self.shard.stage == "target":
        raise KeyError("start_positions")
    return _right(self)


Execution.run = _mistaken  # type: ignore[method-assign]
"""
}


def claims(bench: Bench) -> dict[str, list[tuple[int, int]]]:
    """Micro-batch and halvings of each shard's attempts, by its stage."""
    found: dict[str, list[tuple[int, int]]] = {}
    for path in sorted((bench.root / "shards").glob("*/attempts/*/claim.json")):
        claim = json.loads(path.read_text(encoding="utf-8"))
        entry = (claim["micro_batch"], claim["halvings"])
        found.setdefault(claim["stage"], []).append(entry)
    return found


def test_a_gpu_that_is_too_small_gets_half_of_the_batch_until_it_fits(
    prepared: Bench, tmp_path: Path
) -> None:
    checkout = plant(copy_checkout(tmp_path / "checkout"), SMALL)
    bench = replace(prepared.copy(tmp_path / "bench"), checkout=checkout)
    edit_manifest(bench, engine={"ranks": 1}, sizes=[0], retrieval=[])
    assert bench.sweep()["states"] == {"done": 2}
    found = claims(bench)
    assert found["target"] == [(8, 0), (4, 1), (2, 2)]
    halved = [halvings for _, halvings in found["evaluate"]]
    assert halved == list(range(halved[0], halved[0] + len(halved)))
    assert len(halved) > 1, "its batches are halved too"


def test_a_mistake_that_all_shards_make_stops_the_sweep_until_it_is_mended(
    prepared: Bench, tmp_path: Path
) -> None:
    checkout = plant(make_trivial(tmp_path / "checkout"), MISTAKEN)
    bench = replace(prepared.copy(tmp_path / "bench"), checkout=checkout)
    edit_manifest(
        bench, engine={"ranks": 1}, sizes=[0], retrieval=[], replicates=[1, 2, 3, 4, 5, 6]
    )
    stopped = bench.run("sweep")
    assert stopped.returncode == 1
    assert "stopped: 3 shards failed alike (KeyError: 'start_positions')" in stopped.stdout
    assert len(claims(bench)["target"]) == 3, "the others were never begun"
    again = bench.run("sweep")
    assert (again.returncode, len(claims(bench)["target"])) == (1, 3)
    plant(checkout, {"launch/execution": "\n\nExecution.run = _right  # type: ignore\n"})
    mended = bench.run("resubmit", "--override", "--with", "current", "--yes")
    assert mended.returncode == 0, mended.stdout + mended.stderr
    assert {shard["state"] for shard in bench.shards().values()} == {"done"}
