"""What a training keeps in a GPU's memory, by ZeRO stage and micro-batch: an estimate. Pure.

States are counted as this engine keeps them. Under ZeRO 0 they are the usual 16 bytes a trainable
parameter: weight, gradient, master, and AdamW's two moments. Stages 1 to 3 share some of that among
the ranks, and in bf16 and fp16 add gradients up in fp32, 4 bytes that ZeRO 1 keeps whole on every
rank.

Activations are those of Korthikanti et al. 2022 (Reducing Activation Recomputation in Large
Transformer Models, section 4.1), nothing recomputed: a layer keeps 34·s·b·h + 5·a·s²·b bytes in
bf16 or fp16, and twice that in fp32, for length s, micro-batch b, hidden size h and a heads. That
is an upper bound: fused attention keeps nothing of size s². Taking an update needs memory too, but
only once the activations are gone.
"""

from __future__ import annotations

from dataclasses import dataclass

from xtl.sweep.shard import Precision

GIB = 2**30

_STATES: dict[Precision, tuple[tuple[int, int], ...]] = {
    "bf16": ((16, 0), (8, 12), (2, 16), (0, 18)),
    "fp16": ((16, 0), (6, 12), (2, 16), (0, 18)),
    "fp32": ((16, 0), (8, 12), (4, 16), (0, 20)),
}
"""By ZeRO stage, bytes a trainable parameter: (on every rank, shared among the ranks).

For bf16 and ZeRO 1: weight 2, gradient 2 and its sum 4; then master 4 and the moments 8, shared.
In fp16 gradients go one by one, once they are in the sum.
"""

_WEIGHT: dict[Precision, int] = {"bf16": 2, "fp16": 2, "fp32": 4}  # bytes
_MASKED = 0.15  # of a text's tokens
_SCORE = 12  # bytes a score of the masked-LM head: in fp32, its softmax and its gradient
_GATHERED = 10**9  # weights that ZeRO 3 leaves gathered: DeepSpeed's stage3_max_live_parameters
_UPDATE = 8  # bytes a trainable parameter, measured: gradients reduced in fp32, then the step
_RESERVE_GIB, _RESERVE_SHARE = 2.0, 0.1  # the larger: CUDA, NCCL, DeepSpeed's buckets, fragments


def state_bytes(stage: int, ranks: int, precision: Precision) -> float:
    """Bytes a trainable parameter that stay from update to update on each of `ranks`."""
    whole, shared = _STATES[precision][stage]
    return whole + shared / ranks


@dataclass(frozen=True)
class Load:
    """What a rank has to hold: counts of parameters, and the largest batch that goes through."""

    trainable: int
    frozen: int
    layers: int
    hidden: int
    heads: int
    length: int
    share: int  # sequences of an update, of one rank
    ranks: int
    precision: Precision
    together: int = 1  # sequences that no micro-batch may part: the choices of an example
    pieces: int = 0  # that a masked-LM head scores

    def states(self, stage: int) -> float:
        """GiB that stay from update to update."""
        weight = _WEIGHT[self.precision]
        held = self.trainable * state_bytes(stage, self.ranks, self.precision)
        if stage < 3:
            return (held + weight * self.frozen) / GIB
        gathered = weight * min(self.trainable + self.frozen, _GATHERED)
        return (held + weight * self.frozen / self.ranks + gathered) / GIB

    def activations(self, micro_batch: int) -> float:
        """GiB kept for the backward pass."""
        s, b, h, a = self.length, max(micro_batch, self.together), self.hidden, self.heads
        layer = 34 * s * b * h + 5 * a * s**2 * b
        scores = _MASKED * s * b * self.pieces * (_WEIGHT[self.precision] + _SCORE)
        return (self.layers * layer * _WEIGHT[self.precision] / 2 + scores) / GIB

    @property
    def update(self) -> float:
        """GiB to reduce gradients and take a step."""
        return self.trainable * _UPDATE / GIB

    def accumulation(self, micro_batch: int) -> int:
        """Micro-batches of an update, each of as many whole examples as it has room for."""
        examples = -(-self.share // self.together)
        return -(-examples // max(1, micro_batch // self.together))

    def need(self, stage: int, micro_batch: int) -> float:
        """GiB at the worst moment, what is set aside not counted."""
        return self.states(stage) + max(self.activations(micro_batch), self.update)


def usable(memory_gib: float) -> float:
    """GiB of a GPU that are not set aside."""
    return memory_gib - max(_RESERVE_GIB, _RESERVE_SHARE * memory_gib)
