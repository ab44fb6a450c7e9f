"""DeepSpeed's engine for one training: AdamW over fp32 masters, ZeRO 0–3; bf16, fp16 or fp32."""

from __future__ import annotations

import contextlib
import gc
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.lr_scheduler import LambdaLR

from xtl.data.batches import PaddedBatch
from xtl.sweep.shard import TrainSpec
from xtl.train.distributed import require_precision
from xtl.train.scaling import LEAST, LossScale
from xtl.train.schedule import linear_factor
from xtl.train.settings import EngineSettings, deepspeed_config, parameter_groups
from xtl.train.timing import Clock, Work

CLIENT_KEY = "xtl"
"""Our part of a checkpoint's client state; DeepSpeed keeps keys of its own beside it."""


class Engine:
    """One training's model, optimiser and schedule. All methods but `close` are collective.

    UserError, on every rank, where the device cannot compute in the spec's precision. `skipped`
    counts the updates of this engine that fp16 overflowed in, and was given a smaller scale for;
    `clock` tells where this rank's time goes.
    """

    def __init__(self, model: nn.Module, spec: TrainSpec, settings: EngineSettings) -> None:
        import deepspeed

        require_precision(spec.precision)
        recipe = spec.recipe
        self.skipped = 0
        # Held through initialisation, which casts the parameters' data to half precision.
        weights = {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}
        optimizer = torch.optim.AdamW(
            parameter_groups(model, recipe.weight_decay),
            lr=recipe.learning_rate,
            eps=recipe.adam_epsilon,
            fused=True,
        )
        self._linear = functional.linear
        with _silence():
            self._engine, *_ = deepspeed.initialize(
                model=model,
                optimizer=optimizer,
                lr_scheduler=lambda basic: LambdaLR(
                    basic,
                    lambda update: linear_factor(update, spec.updates, recipe.warmup_fraction),
                ),
                config=deepspeed_config(spec, settings),
                dist_init_required=False,
            )
        self._engine.train()
        self.clock = Clock(self._engine.device)
        self._scale = LossScale(self._engine.optimizer) if spec.precision == "fp16" else None
        # DeepSpeed 0.19 without ZeRO divides gradients by the scale that no loss was multiplied by.
        self._scales_itself = self._scale is not None and settings.zero_stage == 0
        self._reset(weights)

    @property
    def learning_rate(self) -> float:
        """The rate that the next update is taken with."""
        return float(self._engine.get_lr()[0])

    @property
    def device(self) -> torch.device:
        """Where this rank computes."""
        found: torch.device = self._engine.device
        return found

    @property
    def work(self) -> Work | None:
        """What the encoder's arithmetic is made of, where its configuration says it."""
        return Work.of(self._engine.module.encoder)

    @property
    def frozen(self) -> list[str]:
        """Names of the parameters that are not trained."""
        named = self._engine.module.named_parameters()
        return [name for name, parameter in named if not parameter.requires_grad]

    def accumulate(
        self, batch: PaddedBatch, weight: float, last: bool, task: int = 0
    ) -> tuple[Tensor, Tensor]:
        """Add `weight` × the batch's gradient to the update's; (sum of losses, correct targets).

        `last` says that this is the rank's last micro-batch of the update, `task` which head's.
        """
        self._engine.set_gradient_accumulation_boundary(last)
        with self.clock("data"):
            arrays = self._moved(batch)
        with self.clock("forward"):
            loss, correct = self._engine(*arrays, task)
        # DeepSpeed means over ranks: undone here, so that the weights alone decide.
        scaled = loss * (weight * dist.get_world_size())
        if self._scale and self._scales_itself:
            scaled = scaled * self._scale.value
        with self.clock("backward"):
            self._engine.backward(scaled, scale_wrt_gas=False)
        return loss.detach(), correct

    def measure(self, batch: PaddedBatch, task: int) -> tuple[Tensor, Tensor]:
        """(sum of losses, correct targets) without dropout; nothing is learnt from it."""
        self._engine.eval()
        with torch.no_grad():
            loss, correct = self._engine(*self._moved(batch), task)
        self._engine.train()
        return loss, correct

    def step(self) -> float | None:
        """Take the update. The gradient's norm before clipping, where DeepSpeed tells it.

        A norm that is not finite leaves the parameters as they were; the schedule goes on.
        """
        scale = self._scale.value if self._scale else 1.0
        before = self._engine.skipped_steps
        with self.clock("step"):
            self._engine.step()
        if self._engine.skipped_steps > before:
            self.skipped += scale > LEAST
            self._engine.lr_scheduler.step()  # DeepSpeed's waits, and would end too high
        elif self._scale:
            self._scale.rise()
        norm = self._engine.get_global_grad_norm()
        if norm is None:
            return None
        return float(norm) / scale if self._scales_itself else float(norm)

    def masters(self) -> Iterator[tuple[str, Tensor]]:
        """(name, whole fp32 master) of every trainable parameter."""
        from deepspeed.utils import safe_get_full_fp32_param

        copies = self._unpartitioned_masters()
        for name, parameter in self._trainable():
            master = safe_get_full_fp32_param(parameter)
            if master is None:  # ZeRO 0
                master = copies.get(parameter, parameter).detach()
            yield name, master

    def save(self, folder: Path, tag: str, state: Mapping[str, Any]) -> None:
        """Write `folder/tag` with our `state` in it. Frozen parameters are left out."""
        with _silence():
            self._engine.save_checkpoint(
                str(folder),
                tag=tag,
                client_state={CLIENT_KEY: dict(state)},
                save_latest=False,
                exclude_frozen_parameters=True,
            )

    def load(self, folder: Path, tag: str, universal: bool = False) -> dict[str, Any]:
        """Take over `folder/tag`; our state in it. Frozen parameters stay as they are.

        `universal` says that it is in DeepSpeed's universal format, as `save` never writes it.
        """
        # A setting, but read at each load alone; a training may load both kinds.
        self._engine._config.load_universal_checkpoint = universal
        with _silence():
            _, client_state = self._engine.load_checkpoint(
                str(folder), tag=tag, load_module_strict=False
            )
        if universal:
            self._own_steps()
        state: dict[str, Any] = client_state[CLIENT_KEY]
        return state

    def close(self) -> None:
        """Let go of what DeepSpeed holds, so that another training can follow in this process."""
        self._engine.destroy()
        for parameter in self._engine.module.parameters():
            parameter.__dict__.clear()  # DeepSpeed's methods on it, which refer to it
        # Of ZeRO 3's autograd functions, which torch never lets go of, each refers to a module and
        # to what shares the parameters out: so those are emptied.
        if offload := getattr(self._engine.optimizer, "parameter_offload", None):
            for held in (*self._engine.module.modules(), offload.param_coordinator, offload):
                held.__dict__.clear()
        # Its parts refer to each other: or a next training would lie beside all this one's states.
        del self._engine
        self._scale = None
        gc.collect()
        # ZeRO 3 overrides it for good, and its own rounds otherwise.
        functional.linear = self._linear

    def _own_steps(self) -> None:
        """Give each group a count of steps of its own, where AdamW wants it: the universal format's
        are read to the CPU, and one that groups shared would be raised by each of them."""
        for parameter, state in self._engine.basic_optimizer.state.items():
            state["step"] = state["step"].to(parameter.device, copy=True)

    def _moved(self, batch: PaddedBatch) -> list[Tensor]:
        """To where the model is."""
        arrays = (batch.input_ids, batch.mask, batch.labels)
        return [torch.from_numpy(array).to(self._engine.device) for array in arrays]

    def _trainable(self) -> Iterator[tuple[str, nn.Parameter]]:
        named = self._engine.module.named_parameters()
        return ((name, parameter) for name, parameter in named if parameter.requires_grad)

    def _unpartitioned_masters(self) -> dict[nn.Parameter, Tensor]:
        """fp32 copies by parameter under ZeRO 0 with bf16 or fp16; empty elsewhere."""
        optimizer = self._engine.optimizer
        groups = zip(
            getattr(optimizer, "fp16_groups", ()), getattr(optimizer, "fp32_groups", ()),
            strict=False,
        )  # fmt: skip
        return {p: copy for group in groups for p, copy in zip(*group, strict=True)}

    def _reset(self, weights: Mapping[str, Tensor]) -> None:
        """Make masters the `weights` exactly, and the optimiser one that took no step.

        DeepSpeed derives masters from parameters that it has rounded to half precision, and under
        ZeRO 0 takes a step with zero gradients, which decays weights and counts as Adam's first.
        """
        self._engine.basic_optimizer.state.clear()
        copies = self._unpartitioned_masters()
        for name, parameter in self._trainable():
            if parameter in copies:
                copies[parameter].data.copy_(weights[name])
            else:
                _set_master(parameter, weights[name])


def _set_master(parameter: nn.Parameter, value: Tensor) -> None:
    from deepspeed.utils import safe_set_full_fp32_param, safe_set_local_fp32_param

    if not hasattr(parameter, "ds_tensor"):
        safe_set_full_fp32_param(parameter, value)
        return
    # ZeRO 3 refuses a whole value whose size the ranks do not divide.
    part = parameter.ds_tensor.numel()
    padded = functional.pad(value.flatten(), (0, part * dist.get_world_size() - value.numel()))
    safe_set_local_fp32_param(parameter, padded[part * dist.get_rank() :][:part])


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """DeepSpeed prints memory figures and the like unasked."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield
