"""How a training is computed, and what DeepSpeed and AdamW are told of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from xtl.sweep.shard import TrainSpec
from xtl.train.scaling import SETTINGS

_REDUCE_BUCKET = 50_000_000  # elements; the default takes 1 GB of memory for any model


@dataclass(frozen=True)
class EngineSettings:
    """How a training is computed; changes its result by rounding only, so it is no identity.

    `micro_batch` counts sequences of one rank; `checkpoint_seconds` is the time between saves.
    """

    ranks: int
    zero_stage: int
    micro_batch: int
    checkpoint_seconds: float = 60.0


def deepspeed_config(spec: TrainSpec, settings: EngineSettings) -> dict[str, Any]:
    """DeepSpeed's configuration. Gradients are summed in fp32 wherever DeepSpeed can.

    (It cannot under ZeRO 0 with bf16 or fp16: there micro-batches add up in that.)
    """
    config: dict[str, Any] = {
        "train_micro_batch_size_per_gpu": settings.micro_batch,
        # One a step for DeepSpeed: an update's micro-batches are counted here, they vary.
        "gradient_accumulation_steps": 1,
        "gradient_clipping": spec.recipe.clip_norm,
        "communication_data_type": "fp32",
        "zero_optimization": {
            "stage": settings.zero_stage,
            "overlap_comm": False,
            "reduce_bucket_size": _REDUCE_BUCKET,
        },
        "steps_per_print": None,
    }
    if spec.precision != "fp32":
        config[spec.precision] = dict(SETTINGS) if spec.precision == "fp16" else {"enabled": True}
        if settings.zero_stage > 0:
            config["data_types"] = {"grad_accum_dtype": "fp32"}
    return config


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Trainable parameters in two groups: no decay on biases and LayerNorm (vectors)."""
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return [
        {"params": [each for each in trainable if each.ndim > 1], "weight_decay": weight_decay},
        {"params": [each for each in trainable if each.ndim <= 1], "weight_decay": 0.0},
    ]
