"""What a profile's mappings are made of: kinds of values."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from xtl.launch.clocks import seconds_of

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MAIL_TYPES = (
    *("NONE", "BEGIN", "END", "FAIL", "REQUEUE", "ALL", "INVALID_DEPEND", "STAGE_OUT"),
    *("TIME_LIMIT", "TIME_LIMIT_90", "TIME_LIMIT_80", "TIME_LIMIT_50", "ARRAY_TASKS"),
)


def minutes(value: object) -> int:
    """Whole minutes, begun ones counted, of `D-HH:MM:SS`, `HH:MM:SS` or a number of minutes."""
    problem = ValueError('D-HH:MM:SS, HH:MM:SS or whole minutes, one at least (such as "08:00:00")')
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise problem
    seconds = seconds_of(text := str(value))
    if seconds is not None and text.count(":") == 2:  # two figures alone would be either
        found = -(-seconds // 60)
    elif text.strip().isdecimal():
        found = int(value)
    else:
        raise problem
    if not 1 <= found <= 60 * 24 * 366:
        raise problem
    return found


def _word(value: str) -> str:
    if not re.fullmatch(r"[!-~]+", value):
        raise ValueError("one word, without spaces")
    return value


def _line(value: str) -> str:
    if not value.isprintable():
        raise ValueError("one line of text")
    return value


def _environment(value: Any) -> Any:
    """Numbers as they are written in a shell; YAML reads `OMP_NUM_THREADS: 8` as one."""
    if not isinstance(value, dict):
        return value
    for name in value:
        if not isinstance(name, str) or not _VARIABLE.fullmatch(name):
            raise ValueError("names of environment variables")
    return {
        name: str(entry) if isinstance(entry, (int, float)) and entry is not bool(entry) else entry
        for name, entry in value.items()
    }


def _mail_type(value: str) -> str:
    if not set(value.split(",")) <= set(_MAIL_TYPES):
        raise ValueError(f"words of Slurm's --mail-type: {', '.join(_MAIL_TYPES)}")
    return value


Minutes = Annotated[int, BeforeValidator(minutes)]
Word = Annotated[str, AfterValidator(_word)]
Line = Annotated[str, AfterValidator(_line)]
Gib = Annotated[float, Field(gt=0)]
Environment = Annotated[dict[str, Line], BeforeValidator(_environment)]
MailType = Annotated[Word, AfterValidator(_mail_type)]
