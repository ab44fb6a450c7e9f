"""Where the time of a training goes, how much of the device it uses, and how much memory it takes.

Utilisation is the arithmetic of useful tokens alone, padding being waste, against what the data
sheets of the devices promise. A token of a sequence of length s costs 6·body + 12·layers·hidden·s
operations, forward and backward (Chowdhery et al. 2022, PaLM, appendix B); `body` are the encoder's
parameters without its embeddings, which are looked up, not multiplied. Heads are not counted.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from xtl.sweep.cards import peak_tflops
from xtl.sweep.shard import Precision

Phase = Literal["data", "forward", "backward", "step", "checkpoint", "judging", "hand-over"]

_ASYNCHRONOUS: frozenset[Phase] = frozenset(("forward", "backward", "step"))
_PROCESS = Path("/proc/self")


class Clock:
    """Seconds by phase, of this rank.

    What a GPU computes after Python has gone on is timed by events on its stream. They are read
    when they have passed, without waiting for them: the end of a step may count to the next update.
    """

    def __init__(self, device: torch.device) -> None:
        self._on_gpu = device.type == "cuda"
        self._spent: dict[Phase, float] = {}
        self._pending: list[tuple[Phase, Any, Any]] = []  # with its begin and end

    @contextmanager
    def __call__(self, phase: Phase) -> Iterator[None]:
        """Time what is done within it; what raises is not counted."""
        if self._on_gpu and phase in _ASYNCHRONOUS:
            event: Any = torch.cuda.Event
            begin, end = event(enable_timing=True), event(enable_timing=True)
            begin.record()
            yield
            end.record()
            self._pending.append((phase, begin, end))
        else:
            started = time.perf_counter()
            yield
            self._add(phase, time.perf_counter() - started)

    def take(self) -> dict[Phase, float]:
        """What has been spent since it was last taken."""
        while self._pending and self._pending[0][2].query():
            phase, begin, end = self._pending.pop(0)
            self._add(phase, begin.elapsed_time(end) / 1000)
        spent, self._spent = self._spent, {}
        return spent

    def _add(self, phase: Phase, seconds: float) -> None:
        self._spent[phase] = self._spent.get(phase, 0.0) + seconds


@dataclass(frozen=True)
class Work:
    """What an encoder's arithmetic is made of: parameters without embeddings, layers, hidden."""

    body: int
    layers: int
    hidden: int

    @classmethod
    def of(cls, encoder: nn.Module) -> Work | None:
        """None where the encoder's configuration does not say its layers and its hidden size."""
        config: Any = getattr(encoder, "config", None)
        layers = getattr(config, "num_hidden_layers", None)
        hidden = getattr(config, "hidden_size", None)
        if not isinstance(layers, int) or not isinstance(hidden, int):
            return None
        return cls(_body(encoder), layers, hidden)

    def operations(self, lengths: Sequence[int]) -> int:
        """Floating-point operations, forward and backward, of sequences of these lengths."""
        attention = 12 * self.layers * self.hidden
        return 6 * self.body * sum(lengths) + attention * sum(length**2 for length in lengths)


def _body(encoder: nn.Module) -> int:
    """Parameters outside of embeddings; under ZeRO 3 a rank has its share, and knows the whole."""
    looked_up = {id(each.weight) for each in encoder.modules() if isinstance(each, nn.Embedding)}
    counted = (each for each in encoder.parameters() if id(each) not in looked_up)
    return sum(int(getattr(each, "ds_numel", each.numel())) for each in counted)


def peak_operations(device: torch.device, precision: Precision) -> float | None:
    """Operations a second that the device's data sheet promises; None where it is not known."""
    if device.type != "cuda":
        return None
    rate = peak_tflops(torch.cuda.get_device_name(device), precision)
    return rate * 1e12 if rate else None


def begin_peak(device: torch.device) -> None:
    """From here on `peak_bytes` tells what has been needed since: a job trains several shards."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        with suppress(OSError):  # it then counts from the start of the process
            (_PROCESS / "clear_refs").write_text("5")


def peak_bytes(device: torch.device) -> int:
    """The most that this rank has held at once: of a GPU's memory in tensors, or resident."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    with suppress(OSError, ValueError):
        lines = (_PROCESS / "status").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM:"))
    return 0
