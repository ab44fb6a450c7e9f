"""What the manifest's mappings are made of: kinds of values, and checks that several keys share."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, PlainSerializer, PlainValidator

from xtl.sweep.sizes import Size, parse_size
from xtl.tasks.settings import Frozen


def count_or_auto(value: object) -> int | Literal["auto"]:
    """`auto` or a positive whole number as it stands; a ValueError that says so otherwise."""
    if value == "auto":
        return "auto"
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= 10**9:
        raise ValueError("`auto` or a whole number greater than 0")
    return value


def _no_boolean(value: object) -> object:
    """YAML's true is Python's 1."""
    if isinstance(value, bool):
        raise ValueError("a whole number greater than 0")
    return value


Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]
Positive = Annotated[int, BeforeValidator(_no_boolean), Field(gt=0, le=10**9)]
PositiveOrAuto = Annotated[int | Literal["auto"], PlainValidator(count_or_auto)]
AnySize = Annotated[
    Size, BeforeValidator(parse_size), PlainSerializer(lambda size: size.label, return_type=str)
]


class Keys(Frozen):
    """A mapping of the manifest: closed, and every number in it finite."""

    model_config = ConfigDict(allow_inf_nan=False)


def one_of(name: str, entries: dict[str, Any]) -> str:
    """The name, where it is one of the entries; a ValueError that lists them otherwise."""
    if name not in entries:
        raise ValueError(f"one of {', '.join(sorted(entries))}")
    return name


def each_once(entries: tuple[Any, ...]) -> tuple[Any, ...]:
    """The entries, where no two have the same label; a ValueError that names one otherwise."""
    labels = [_label(entry) for entry in entries]
    twice = [label for label in labels if labels.count(label) > 1]
    if twice:
        raise ValueError(f"each entry once; {twice[0]} stands {labels.count(twice[0])} times")
    return entries


def _label(entry: Any) -> str:
    for attribute in ("label", "name", "task", "set"):
        if hasattr(entry, attribute):
            return str(getattr(entry, attribute))
    return str(entry)
