"""Fit: the ZeRO stage and micro-batch with which trainings fit into a GPU's memory. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from xtl.errors import UserError
from xtl.sweep.choices import MOST_RANKS, Engine
from xtl.sweep.lock import LockedModel
from xtl.sweep.memory import Load, usable
from xtl.sweep.placing import MASKED_LM
from xtl.sweep.shard import Shard, TrainSpec
from xtl.tasks.catalogue import TASKS

Device = Literal["gpu", "cpu"]

USUAL_STAGE, USUAL_MICRO_BATCH = 1, 8  # where no GPU's memory says otherwise


@dataclass(frozen=True)
class Fit:
    """How trainings run, and why. `accumulation`: the micro-batches of a rank in an update."""

    zero_stage: int
    micro_batch: int
    accumulation: int
    reason: str


def fit(
    model: LockedModel,
    engine: Engine,
    shards: Iterable[Shard],
    memory_gib: float | None,
    device: Device,
) -> Fit:
    """One setting for all trainings among `shards`: of the longest length and the largest batch.

    What the manifest states stays. What it leaves open becomes the least ZeRO stage that fits, and
    then the largest power of two that fits, up to a rank's share of the batch. ZeRO 0 adds up in
    half precision, so there it is for updates of one micro-batch. A training resumes only at the
    stage that it began with, and bit for bit only at its micro-batch: give all shards of a plan,
    not those that are left. `memory_gib` is a GPU's, None where it is not known.

    Raises UserError, naming what would help, where nothing fits, and for fp16 without a GPU.
    """
    if engine.precision == "fp16" and device == "cpu":
        raise UserError("engine.precision: found fp16, expected bf16 or fp32 where there is no GPU")
    specs = [shard.spec for shard in shards if isinstance(shard.spec, TrainSpec)]
    load = _load(model, engine, specs)
    unknown = _unknown(model, specs, memory_gib, device)
    if engine.zero_stage != "auto" and engine.micro_batch != "auto":
        known = None if unknown else memory_gib
        reason = _stated(load, engine.zero_stage, engine.micro_batch, known)
        return _fit(load, engine.zero_stage, engine.micro_batch, reason)
    if unknown or memory_gib is None:
        return _usual(load, engine, unknown)
    return _least(model, load, engine, memory_gib)


def _load(model: LockedModel, engine: Engine, specs: Sequence[TrainSpec]) -> Load:
    frozen = model.embedding_parameters if any(spec.freeze for spec in specs) else 0
    shares = [-(-spec.recipe.batch_size // engine.ranks) * _together(spec) for spec in specs]
    masked = any(part.family == MASKED_LM for spec in specs for part in spec.parts)
    return Load(
        trainable=model.parameters - frozen,
        frozen=frozen,
        layers=model.layers,
        hidden=model.hidden,
        heads=model.heads or model.hidden // 32,  # an older lock has none; 32 a head is the least
        length=max((spec.recipe.max_length for spec in specs), default=0),
        share=max(shares, default=1),
        ranks=engine.ranks,
        precision=engine.precision,
        together=max(map(_together, specs), default=1),
        pieces=model.embedding_parameters // max(1, model.hidden) if masked else 0,
    )


def _together(spec: TrainSpec) -> int:
    """Sequences of an example that must meet in a micro-batch, of the task with the most."""
    return max((TASKS[part.task].choices for part in spec.parts if part.task in TASKS), default=1)


def _unknown(
    model: LockedModel, specs: Sequence[TrainSpec], memory_gib: float | None, device: Device
) -> str:
    """Why nothing can be held against memory; empty where it can."""
    if not specs:
        return "nothing is trained"
    if device == "cpu":
        return "the usual choice on a CPU"
    if memory_gib is None:
        return "the usual choice where no profile says the GPU's memory (gpu_memory_gib)"
    return "" if model.parameters else "provisional: `xtl prepare` measures the model"


def _usual(load: Load, engine: Engine, reason: str) -> Fit:
    stage = USUAL_STAGE if engine.zero_stage == "auto" else engine.zero_stage
    usual = min(max(USUAL_MICRO_BATCH, load.together), load.share)
    micro_batch = usual if engine.micro_batch == "auto" else engine.micro_batch
    return _fit(load, stage, micro_batch, reason)


def _least(model: LockedModel, load: Load, engine: Engine, memory_gib: float) -> Fit:
    choices = _choices(load, engine)
    for stage, micro_batch in choices:
        if load.need(stage, micro_batch) <= usable(memory_gib):
            reason = f"{_sizes(load, stage, micro_batch)} fit in {_of(memory_gib)}"
            others = _others(load, engine, stage, micro_batch, memory_gib)
            return _fit(load, stage, micro_batch, reason + others)
    raise UserError(_refusal(model, load, choices, memory_gib))


def _choices(load: Load, engine: Engine) -> list[tuple[int, int]]:
    """(ZeRO stage, micro-batch), the first to be preferred."""
    stages = range(4) if engine.zero_stage == "auto" else [engine.zero_stage]
    sizes = _sizes_of(load) if engine.micro_batch == "auto" else [engine.micro_batch]
    coarse = engine.zero_stage == "auto" and load.precision != "fp32"  # how ZeRO 0 adds up
    return [
        (stage, size)
        for stage in stages
        for size in sizes
        if stage or not coarse or load.accumulation(size) == 1
    ]


def _sizes_of(load: Load) -> list[int]:
    """Powers of two up to a rank's share, the largest first. Where sequences must meet there is
    room for as many, and the first has room for the whole share."""
    if load.together == 1:
        return [2**power for power in reversed(range(load.share.bit_length()))]
    least, most = (load.together - 1).bit_length(), (load.share - 1).bit_length()
    return [2**power for power in range(most, least - 1, -1)]


def _fit(load: Load, stage: int, micro_batch: int, reason: str) -> Fit:
    accumulation = load.accumulation(micro_batch)
    times = f" (×{accumulation} accumulated)" if accumulation > 1 else ""
    said = f"ZeRO {stage}, micro-batch {micro_batch}{times}: {reason}"
    return Fit(stage, micro_batch, accumulation, said)


def _stated(load: Load, stage: int, micro_batch: int, memory_gib: float | None) -> str:
    if memory_gib is None:
        return "as the manifest has it"
    enough = load.need(stage, micro_batch) <= usable(memory_gib)
    estimate = f"{_sizes(load, stage, micro_batch)} in {_of(memory_gib)}"
    doubt = "" if enough else ": that may be too little"
    return f"as the manifest has it; by estimate {estimate}{doubt}"


def _of(memory_gib: float) -> str:
    return f"{memory_gib:g} GiB, of which {memory_gib - usable(memory_gib):.1f} are set aside"


def _sizes(load: Load, stage: int, micro_batch: int) -> str:
    ranks = "1 rank" if load.ranks == 1 else f"{load.ranks} ranks"
    states = f"{load.states(stage):.1f} GiB of states on {ranks}"
    activations = load.activations(micro_batch)
    if activations < load.update:
        return f"{states} and {load.update:.1f} GiB to take an update"
    return f"{states} and {activations:.1f} GiB of activations at length {load.length}"


def _others(
    load: Load, engine: Engine, stage: int, micro_batch: int, memory_gib: float
) -> str:  # fmt: skip
    """Why not the stage below, nor twice the micro-batch, where the choice was free."""
    said = []
    if engine.zero_stage == "auto" and stage > 0:
        least = load.need(stage - 1, 1 if engine.micro_batch == "auto" else micro_batch)
        coarse = stage == 1 and least <= usable(memory_gib)
        need = f"add micro-batches up in {load.precision}" if coarse else f"need {least:.1f}"
        said.append(f"ZeRO {stage - 1} would {need}")
    if engine.micro_batch == "auto" and 2 * micro_batch <= load.share:
        need = f"{load.need(stage, 2 * micro_batch):.1f}"
        said.append(f"micro-batch {2 * micro_batch} would need {need}")
    return f" ({', '.join(said)})" if said else ""


def _refusal(
    model: LockedModel, load: Load, choices: Sequence[tuple[int, int]], memory_gib: float
) -> str:
    stage, size = min(choices, key=lambda choice: (load.need(*choice), choice[1]))
    return (
        f"engine: found {model.repo}, which takes {load.need(stage, size):.1f} GiB at the least "
        f"(ZeRO {stage}, micro-batch {size}: {_sizes(load, stage, size)}), where a GPU has "
        f"{_of(memory_gib)}; expected {' or '.join(_remedies(model, load, choices, memory_gib))}"
    )


def _remedies(
    model: LockedModel, load: Load, choices: Sequence[tuple[int, int]], memory_gib: float
) -> list[str]:
    """What would help, each by itself. A GPU of more memory always does."""

    def fits(changed: Load, size: int | None = None) -> bool:
        needs = (changed.need(stage, size or stated) for stage, stated in choices)
        return min(needs) <= usable(memory_gib)

    said = ["a GPU of more memory"]
    more = [load.ranks * 2**power for power in range(1, 11)]
    enough = [ranks for ranks in more if ranks <= MOST_RANKS and fits(replace(load, ranks=ranks))]
    said += [f"engine.ranks of {ranks}" for ranks in enough[:1]]
    if min(size for _, size in choices) > 1 and fits(load, size=1):
        said.append("a smaller engine.micro_batch")
    if len({stage for stage, _ in choices}) == 1:
        smallest = min(size for _, size in choices)
        if any(load.need(stage, smallest) <= usable(memory_gib) for stage in range(4)):
            said.append("engine.zero_stage: auto")
    embeddings = 0 if load.frozen else model.embedding_parameters
    fewer = replace(load, trainable=load.trainable - embeddings, frozen=embeddings)
    if embeddings and fits(fewer):
        said.append("model.freeze: [word_embeddings]")
    return said
