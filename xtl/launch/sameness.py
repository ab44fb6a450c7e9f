"""Two results of one shard: whether they are the same bits, and why they need not be. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping

from xtl.launch.records import Claim, Result

_DIGEST = 64  # digits of SHA-256


def compare(old: Result, new: Result) -> tuple[bool, list[str]]:
    """Whether both hold the same, and a line for each thing that they hold."""
    pairs = [
        ("artifact", _digest(old), _digest(new)),
        ("final loss", _loss(old), _loss(new)),
        ("predictions", _predictions(old), _predictions(new)),
        *_metrics(old.metrics, new.metrics),
        *(("parent", old.parents.get(key, ""), new.parents[key]) for key in sorted(new.parents)),
    ]
    there = [pair for pair in pairs if pair[1] or pair[2]]
    return all(a == b for _, a, b in there), [_line(*pair) for pair in there]


def differs_by(old: Claim, new: Claim) -> list[str]:
    """What of the attempts differed that may change bits; empty: the results must be equal."""
    pairs = {
        "device": (old.device, new.device),
        "ranks": (str(old.world_size), str(new.world_size)),
        "micro-batch": (str(old.micro_batch), str(new.micro_batch)),
        "packages": (_packages(old, new), _packages(new, old)),
        "host": (old.host, new.host) if old.device == "cpu" else ("", ""),  # kinds of CPU differ
    }
    found = [f"{name}: {a} in the sweep, {b} here" for name, (a, b) in pairs.items() if a != b]
    if old.device != "cpu" and not (old.deterministic and new.deterministic):
        found.append("a GPU without `engine.deterministic` gives other bits each time")
    return found


def _digest(result: Result) -> str:
    return result.artifact.digest if result.artifact else ""


def _loss(result: Result) -> str:
    return repr(result.training.final_loss) if result.training else ""


def _predictions(result: Result) -> str:
    return result.predictions.sha256 if result.predictions else ""


def _metrics(
    old: Mapping[str, Mapping[str, float]], new: Mapping[str, Mapping[str, float]]
) -> list[tuple[str, str, str]]:
    """By language, as JSON has them: a NaN is equal to a NaN."""
    return [
        (f"{language} {metric}", _score(old, language, metric), _score(new, language, metric))
        for language in sorted({*old, *new})
        for metric in sorted({*old.get(language, {}), *new.get(language, {})})
    ]


def _score(metrics: Mapping[str, Mapping[str, float]], language: str, metric: str) -> str:
    value = metrics.get(language, {}).get(metric)
    return "" if value is None else json.dumps(value)


def _packages(one: Claim, other: Claim) -> str:
    """The versions of one that are not the other's."""
    own = one.versions.items() - other.versions.items()
    return ", ".join(f"{name} {version}" for name, version in sorted(own))


def _line(name: str, old: str, new: str) -> str:
    return f"{name}: {_short(new)}" + ("" if old == new else f", the sweep's is {_short(old)}")


def _short(value: str) -> str:
    return f"{value[:16]}…" if len(value) == _DIGEST and value.isalnum() else value or "none"
