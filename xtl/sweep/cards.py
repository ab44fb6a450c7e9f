"""Graphics cards by the names that clusters give them: what they hold, and what they reckon in."""

from __future__ import annotations

import re

from xtl.sweep.shard import Precision

_MOST_CARD_GIB = 300

_CARDS: dict[str, tuple[float, float]] = {
    # GiB and dense bf16 (before Ampere: fp16) TFLOP/s, from NVIDIA's data sheets. Where a card
    # comes in two sizes and the name does not tell, the smaller one.
    "b200": (180, 2250),
    "h200": (141, 989),
    "gh200": (96, 989),
    "h100": (80, 989),
    "h100pcie": (80, 756),
    "h100nvl": (94, 835),
    "h800": (80, 989),
    "a100": (40, 312),
    "a800": (40, 312),
    "a30": (24, 165),
    "a40": (48, 150),
    "a10g": (24, 125),
    "a10": (24, 125),
    "a16": (16, 36),
    "a2": (16, 18),
    "l40s": (48, 362),
    "l40": (48, 181),
    "l4": (24, 121),
    "v100": (16, 125),
    "p100": (12, 19),
    "t4": (16, 65),
    "k80": (12, 4),
    "rtx6000ada": (48, 364),
    "rtxa6000": (48, 155),
    "a6000": (48, 155),
    "a5000": (24, 111),
    "a4000": (16, 77),
    "rtx6000": (24, 130),
    "rtx8000": (48, 130),
    "rtx4090": (24, 165),
    "rtx3090": (24, 71),
    "rtx2080ti": (11, 54),
    "titanrtx": (24, 65),
}

_SINGLE: dict[str, float] = {
    # Their TFLOP/s in fp32 proper, which is what torch computes fp32 in: not TF32.
    "h200": 67,
    "gh200": 67,
    "h100": 67,
    "h100pcie": 51,
    "h100nvl": 60,
    "a100": 19.5,
    "a800": 19.5,
    "a30": 10.3,
    "a40": 37.4,
    "a10": 31.2,
    "l40s": 91.6,
    "l40": 90.5,
    "l4": 30.3,
    "v100": 15.7,
    "t4": 8.1,
    "rtxa6000": 38.7,
    "a6000": 38.7,
    "rtx6000ada": 91.1,
    "rtx4090": 82.6,
    "rtx3090": 35.6,
}

_VOLTA, _AMPERE = 7.0, 8.0  # compute capability from which a card has fp16, and bf16, for DeepSpeed
_BEFORE_AMPERE = {  # "rtx6000" is a card of Turing, and of Ada where its name is cut short
    "v100": 7.0,
    "t4": 7.5,
    "rtx8000": 7.5,
    "rtx2080ti": 7.5,
    "titanrtx": 7.5,
    "p100": 6.0,
    "k80": 3.7,
}


def look_up(gres: str) -> tuple[float, float] | None:
    """(GiB, dense TFLOP/s) of a GRES type such as `a100`, `nvidia_a100-sxm4-80gb` or `1g.5gb`.

    A figure is 0 where it is not known; None where neither is.
    """
    name = gres.lower()
    memory, rate = _CARDS.get(_card_of(name), (0.0, 0.0))
    size = re.search(r"(\d+)gb", name)
    if size and int(size[1]) <= _MOST_CARD_GIB:  # a GH200 is called by its host memory, 480 GB
        memory = float(size[1])
    rate *= _share(name)
    return (memory, rate) if memory or rate else None


def peak_tflops(name: str, precision: Precision) -> float | None:
    """Dense TFLOP/s of a card by a name such as torch's, `NVIDIA A100-SXM4-40GB`, as its data sheet
    has them; None where they are not known."""
    name = name.lower()
    card = _card_of(name)
    rate = _SINGLE.get(card) if precision == "fp32" else _CARDS.get(card, (0.0, None))[1]
    return rate * _share(name) if rate else None


def _share(name: str) -> float:
    """MIG: so many sevenths of a card."""
    part = re.search(r"(?<!\d)(\d)g\.\d+gb", name)
    return int(part[1]) / 7 if part else 1.0


def _names(card: str, name: str) -> bool:
    """`rtx3090` stands in `geforce_rtx_3090`, and `a100` not in `a1000`."""
    parts = re.findall(r"[a-z]+|[0-9]+", card)
    return bool(re.search(rf"(?<![a-z0-9]){'[-_ ]?'.join(parts)}(?![a-z0-9])", name))


def lacks(gres: str, precision: Precision) -> bool:
    """Whether it is known of a GRES type that it cannot train in `precision`."""
    least = {"fp32": 0.0, "fp16": _VOLTA, "bf16": _AMPERE}[precision]
    return _BEFORE_AMPERE.get(_card_of(gres.lower()), _AMPERE) < least


def _card_of(name: str) -> str:
    """Its key in the table; empty where it has none."""
    return max((card for card in _CARDS if _names(card, name)), key=len, default="")
