"""ZeRO stage and micro-batch follow from the model, the trainings and the GPU's memory."""

from __future__ import annotations

from statistics import fmean
from typing import Any

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.conftest import DEMO, lock_for
from tests.sweep.states import live_bytes
from tests.train.ranks import run_ranks
from xtl.errors import UserError
from xtl.sweep.fit import Device, Fit, fit
from xtl.sweep.lock import LockedModel
from xtl.sweep.manifest import Manifest
from xtl.sweep.memory import Load, state_bytes
from xtl.sweep.plan import make_plan
from xtl.sweep.reading import parse_manifest
from xtl.sweep.shard import Precision

DATA: dict[str, Any] = yaml.safe_load(DEMO.read_text(encoding="utf-8"))
LARGE = LockedModel(
    repo="FacebookAI/xlm-roberta-large",
    revision="r",
    fingerprint="f",
    parameters=559_890_432,
    embedding_parameters=256_002_048,
    layers=24,
    hidden=1024,
    heads=16,
)


def manifest(
    batch_size: int = 64, max_length: int = 384, freeze: bool = False, **engine: Any
) -> Manifest:
    """One target training; a rank's share of its batch is the batch over `ranks`."""
    training = {"batch_size": batch_size, "max_length": max_length, "doc_stride": 8}
    changes = {
        "model": {"repo": LARGE.repo, "freeze": ["word_embeddings"] if freeze else []},
        "engine": engine,
        "intermediate": [],
        "sizes": [0],
        "primary": None,
        "targets": [{"task": "lookup-qa", "training": training}],
    }
    return parse_manifest(yaml.safe_dump(DATA | changes), "m.yaml")


def fitted(
    found: Manifest,
    memory_gib: float | None,
    device: Device = "gpu",
    model: LockedModel = LARGE,
) -> Fit:
    return fit(model, found.engine, make_plan(found, None).shards.values(), memory_gib, device)


def chosen(memory_gib: float | None, device: Device = "gpu", **asked: Any) -> tuple[int, int]:
    found = fitted(manifest(**asked), memory_gib, device)
    return found.zero_stage, found.micro_batch


def load(**changes: Any) -> Load:
    """A rank of four that trains XLM-R Large."""
    figures: dict[str, Any] = {
        "trainable": LARGE.parameters, "frozen": 0, "layers": 24, "hidden": 1024, "heads": 16,
        "length": 384, "share": 16, "ranks": 4, "precision": "bf16",
    }  # fmt: skip
    return Load(**figures | changes)


# -- the estimate ------------------------------------------------------------------------------
def test_a_parameter_takes_16_bytes_unsharded() -> None:
    assert load().states(0) == pytest.approx(8.34, abs=0.01)


def test_zero_1_shares_masters_and_moments() -> None:
    assert load().states(1) == pytest.approx(LARGE.parameters * (8 + 12 / 4) / 2**30)


@pytest.mark.parametrize("stage", [1, 2, 3])
def test_more_ranks_leave_less_on_each(stage: int) -> None:
    assert load(ranks=8).states(stage) < load(ranks=2).states(stage)


def test_zero_3_saves_only_where_the_gathered_weights_are_not_all_of_them() -> None:
    assert load().states(3) > load().states(2)
    assert load(trainable=10**10).states(3) < load(trainable=10**10).states(2)


def test_frozen_parameters_take_their_weights_alone() -> None:
    frozen = load(trainable=302_000_000, frozen=256_000_000)
    assert frozen.states(0) == pytest.approx((302e6 * 16 + 256e6 * 2) / 2**30)


def test_activations_are_those_of_korthikanti_et_al() -> None:
    """Table 2 there, s·b·h·(34 + 5·a·s/h) a layer; BERT Large at length 512 has 74·s·b·h."""
    layer = 512 * 2 * 1024 * (34 + 5 * 16 * 512 / 1024)
    assert load(length=512).activations(2) == pytest.approx(24 * layer / 2**30)
    assert load(length=512, precision="fp32").activations(2) == 2 * load(length=512).activations(2)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("precision", ["bf16", "fp16", "fp32"])
def test_states_are_what_the_engine_keeps(precision: Precision) -> None:
    """By the difference of two models, so that buffers of a fixed size cancel out, and in the
    mean over ranks: a matrix may be on the border of two."""
    few, many = (run_ranks(2, live_bytes, layers, precision) for layers in (1, 2))
    for stage in range(4):
        pairs = [(small[stage], large[stage]) for small, large in zip(few, many, strict=True)]
        kept = [(b - a) / (m - n) for (n, a), (m, b) in pairs]
        assert fmean(kept) == pytest.approx(state_bytes(stage, 2, precision), rel=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bf16", "fp16", "fp32"])
def test_a_layer_keeps_no_more_for_its_backward_pass_than_the_estimate(
    precision: Precision,
) -> None:
    """Fused attention, without dropout: all of 34·s·b·h but dropout's masks, and a little of s²."""
    import torch
    from transformers import XLMRobertaConfig, XLMRobertaModel

    config = XLMRobertaConfig(
        vocab_size=9, hidden_size=128, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=512, max_position_embeddings=130, type_vocab_size=1,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}[precision]
    model = XLMRobertaModel(config, add_pooling_layer=False).to(dtype)  # type: ignore[arg-type]
    owned = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, Any] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    states = torch.randn(2, 128, 128, dtype=dtype, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model.encoder.layer[0](states)
    found = sum(t.untyped_storage().nbytes() for at, t in kept.items() if at not in owned)
    figures = load(layers=1, hidden=128, heads=2, length=128, precision=precision)
    estimate = figures.activations(2) * 2**30
    assert 0.6 * estimate < found <= estimate


# -- the choice --------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("memory_gib", "expected"), [(80, (0, 16)), (24, (0, 16)), (16, (1, 8)), (11, (2, 8))]
)
def test_the_stage_is_the_least_that_fits_and_then_the_micro_batch_the_largest(
    memory_gib: float, expected: tuple[int, int]
) -> None:
    assert chosen(memory_gib, ranks=4) == expected


def test_zero_0_is_taken_where_it_adds_nothing_up_in_bf16() -> None:
    assert chosen(24, ranks=1) == (1, 16)
    assert chosen(40, ranks=1, precision="fp32") == (0, 16)
    assert chosen(24, ranks=1, zero_stage=0) == (0, 16)


@given(
    st.sampled_from([1, 2, 3, 4, 8, 12]), st.integers(1, 200), st.sampled_from([64, 384, 512]),
    st.floats(8, 160), st.booleans(), st.sampled_from(["bf16", "fp16", "fp32"]),
)  # fmt: skip
def test_what_is_chosen_fits_and_is_no_more_than_a_ranks_share(
    ranks: int, batch_size: int, length: int, memory_gib: float, freeze: bool, precision: Precision
) -> None:
    asked = manifest(batch_size, length, freeze, ranks=ranks, precision=precision)
    try:
        found = fitted(asked, memory_gib)
    except UserError:
        assume(False)
    embeddings = LARGE.embedding_parameters if freeze else 0
    figures = load(
        trainable=LARGE.parameters - embeddings, frozen=embeddings, length=length, ranks=ranks,
        precision=precision,
    )  # fmt: skip
    share = -(-batch_size // ranks)
    assert figures.need(found.zero_stage, found.micro_batch) <= 0.9 * memory_gib
    assert found.micro_batch <= share
    assert found.micro_batch.bit_count() == 1
    assert found.accumulation == -(-share // found.micro_batch)


@given(st.floats(10, 100), st.floats(0, 100))
def test_more_memory_never_asks_for_a_higher_stage(memory_gib: float, more: float) -> None:
    try:
        stage, _ = chosen(memory_gib, ranks=4)
    except UserError:
        assume(False)
    assert chosen(memory_gib + more, ranks=4)[0] <= stage


def test_all_trainings_get_what_the_most_demanding_one_needs() -> None:
    target = {"task": "lookup-qa", "training": {"batch_size": 8, "max_length": 384}}
    pool = {"task": "lookup-pool", "training": {"batch_size": 64, "max_length": 128}}
    changes = {"engine": {"ranks": 4}, "targets": [target]}
    both = parse_manifest(yaml.safe_dump(DATA | changes | {"intermediate": [pool]}), "m.yaml")
    alone = manifest(batch_size=64, max_length=384, freeze=True, ranks=4)
    for memory_gib in (10, 12, 16, 24, 80):
        assert fitted(both, memory_gib) == fitted(alone, memory_gib)


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ({"zero_stage": 3}, (3, 16)),
        ({"micro_batch": 3}, (1, 3)),
        ({"micro_batch": 100, "zero_stage": 0}, (0, 100)),
    ],
)
def test_what_the_manifest_states_is_kept(
    stated: dict[str, Any], expected: tuple[int, int]
) -> None:
    assert chosen(16, ranks=4, **stated) == expected


@pytest.mark.parametrize(("memory_gib", "device"), [(None, "gpu"), (40, "cpu"), (None, "cpu")])
def test_without_a_gpus_memory_it_is_zero_1_and_8_or_the_ranks_share(
    memory_gib: float | None, device: Device
) -> None:
    assert chosen(memory_gib, device, ranks=4) == (1, 8)
    assert chosen(memory_gib, device, ranks=4, batch_size=10) == (1, 3)
    assert chosen(memory_gib, device, ranks=4, zero_stage=2) == (2, 8)
    assert chosen(memory_gib, device, ranks=4, micro_batch=32) == (1, 32)


@pytest.mark.parametrize("stated", [{}, {"zero_stage": 1, "micro_batch": 8}])
def test_fp16_is_refused_where_there_is_no_gpu(stated: dict[str, Any]) -> None:
    asked = manifest(precision="fp16", **stated)
    assert fitted(asked, None, "gpu").zero_stage == 1
    with pytest.raises(UserError, match="found fp16, expected bf16 or fp32 where there is"):
        fitted(asked, None, "cpu")


def test_the_demo_runs_as_it_says_and_would_on_a_cpu_without_saying_so(demo: Manifest) -> None:
    engine = demo.engine.model_copy(update={"zero_stage": "auto", "micro_batch": "auto"})
    lock = lock_for(demo)
    shards = make_plan(demo, lock).shards.values()
    for asked in (demo.engine, engine):
        found = fit(lock.model, asked, shards, None, "cpu")
        assert (found.zero_stage, found.micro_batch) == (1, 8)


# -- what is said ------------------------------------------------------------------------------
def test_the_reason_says_what_fits_in_what_and_what_would_not() -> None:
    assert fitted(manifest(ranks=4), 11).reason == (
        "ZeRO 2, micro-batch 8 (×2 accumulated): 3.1 GiB of states on 4 ranks and 4.5 GiB of "
        "activations at length 384 fit in 11 GiB, of which 2.0 are set aside "
        "(ZeRO 1 would need 9.9, micro-batch 16 would need 12.1)"
    )


@pytest.mark.parametrize(
    ("engine", "memory_gib", "device", "said"),
    [
        ({"micro_batch": 2}, 40, "gpu", "4.2 GiB to take an update fit in 40 GiB"),
        ({}, 24, "gpu", "(ZeRO 0 would add micro-batches up in bf16"),
        ({"precision": "fp16"}, 24, "gpu", "(ZeRO 0 would add micro-batches up in fp16"),
        ({}, 40, "cpu", "the usual choice on a CPU"),
        ({}, None, "gpu", "where no profile says the GPU's memory (gpu_memory_gib)"),
        ({"zero_stage": 1, "micro_batch": 8}, None, "gpu", "as the manifest has it"),
        ({"zero_stage": 0, "micro_batch": 64}, 40, "gpu", "set aside: that may be too little"),
    ],
)
def test_the_reason_says_where_the_choice_is_from(
    engine: dict[str, Any], memory_gib: float | None, device: Device, said: str
) -> None:
    assert said in fitted(manifest(**engine), memory_gib, device).reason


def test_before_the_model_is_measured_the_choice_is_provisional() -> None:
    unknown = LARGE.model_copy(update={"parameters": 0})
    found = fitted(manifest(), 40, model=unknown)
    assert (found.zero_stage, found.micro_batch) == (1, 8)
    assert found.reason.endswith("provisional: `xtl prepare` measures the model")


@pytest.mark.parametrize(
    ("engine", "memory_gib", "helps"),
    [
        ({"ranks": 1}, 11, ["engine.ranks of 4", "model.freeze: [word_embeddings]"]),
        ({"ranks": 4, "zero_stage": 0}, 11, ["engine.zero_stage: auto"]),
        ({"ranks": 2, "micro_batch": 32}, 16, ["a smaller engine.micro_batch"]),
        ({"ranks": 1}, 2, []),
    ],
)
def test_where_nothing_fits_one_line_says_what_would_help(
    engine: dict[str, Any], memory_gib: float, helps: list[str]
) -> None:
    with pytest.raises(UserError) as caught:
        fitted(manifest(**engine), memory_gib)
    line = str(caught.value)
    assert line.startswith(f"engine: found {LARGE.repo}, which takes ")
    assert f"where a GPU has {memory_gib} GiB" in line
    wanted = line.partition("expected a GPU of more memory")[2]
    assert all(help in wanted for help in helps)
    assert bool(wanted) == bool(helps)
    assert "\n" not in line


# -- the keys ----------------------------------------------------------------------------------
@pytest.mark.parametrize("value", [0, -1, True, 2.5, "many", None])
def test_a_micro_batch_is_auto_or_a_count(value: Any) -> None:
    with pytest.raises(UserError, match=r"engine\.micro_batch: found .*, expected `auto` or a who"):
        manifest(micro_batch=value)


def test_a_zero_stage_is_auto_or_one_of_four() -> None:
    with pytest.raises(UserError, match=r"engine\.zero_stage: found 4, expected .*'auto', 0, 1, 2"):
        manifest(zero_stage=4)


def test_a_lock_without_heads_is_read_and_gives_the_safer_choice() -> None:
    old = LockedModel.model_validate(LARGE.model_dump(exclude={"heads"}))
    assert fitted(manifest(ranks=4), 16, model=old).micro_batch <= chosen(16, ranks=4)[1]


def test_the_choices_of_an_example_are_counted_and_never_parted() -> None:
    """CommonsenseQA: four examples of five choices are twenty sequences."""
    target = {"task": "commonsenseqa", "training": {"batch_size": 4, "max_length": 384}}
    body = DATA | {"intermediate": [], "sizes": [0], "primary": None, "targets": [target]}
    body |= {"engine": {}, "model": {"repo": LARGE.repo}}

    def found(memory_gib: float | None, device: Device = "gpu") -> Fit:
        return fitted(parse_manifest(yaml.safe_dump(body), "m.yaml"), memory_gib, device)

    assert (found(80).zero_stage, found(80).micro_batch, found(80).accumulation) == (0, 32, 1)
    assert found(24).zero_stage == 1
    assert found(24).micro_batch >= 5
    assert found(None, "cpu").accumulation == 4  # one example at a time in eight places


def test_a_masked_lm_heads_scores_take_memory() -> None:
    assert load(pieces=250_002).activations(8) > load().activations(8) + 0.15 * 384 * 8 * 3e-3
