"""What the engine asks of DeepSpeed."""

from __future__ import annotations

import pytest
from torch import nn

from tests.train.trainings import make_spec
from xtl.train.settings import EngineSettings, deepspeed_config, parameter_groups


@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_the_stage_and_the_clipping_are_the_manifests(stage: int) -> None:
    config = deepspeed_config(make_spec(clip_norm=0.5), EngineSettings(2, stage, 4))
    assert config["zero_optimization"]["stage"] == stage
    assert config["gradient_clipping"] == 0.5


def test_gradients_meet_in_fp32() -> None:
    config = deepspeed_config(make_spec(precision="bf16"), EngineSettings(2, 1, 4))
    assert config["communication_data_type"] == "fp32"
    assert config["data_types"] == {"grad_accum_dtype": "fp32"}


def test_fp32_asks_for_no_other_precision() -> None:
    config = deepspeed_config(make_spec(precision="fp32"), EngineSettings(2, 1, 4))
    assert not {"bf16", "fp16", "data_types"} & config.keys()


@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_fp16_scales_its_loss_and_sums_in_fp32_where_deepspeed_can(stage: int) -> None:
    config = deepspeed_config(make_spec(precision="fp16"), EngineSettings(2, stage, 4))
    assert (config["fp16"]["enabled"], config["fp16"]["initial_scale_power"]) == (True, 16)
    assert config["fp16"]["loss_scale_window"] > 2**40  # never: see xtl.train.scaling
    assert config.get("data_types") == ({"grad_accum_dtype": "fp32"} if stage else None)


def test_biases_and_norms_do_not_decay_and_frozen_weights_are_left_out() -> None:
    model = nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 3), nn.LayerNorm(3))
    model[0].requires_grad_(False)
    decayed, kept = parameter_groups(model, weight_decay=0.01)
    assert decayed == {"params": [model[1].weight], "weight_decay": 0.01}
    assert kept["weight_decay"] == 0.0
    assert {id(each) for each in kept["params"]} == {
        id(each) for each in (model[1].bias, model[2].weight, model[2].bias)
    }
