"""Heads: new ones for a training, carried-over ones, and the file that each is handed over in.

`head-<task>.safetensors` tells by itself what it is: its metadata hold the family and the names of
the classes or tags, in the order of the head's outputs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from xtl.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

_ABOUT = "head"  # one key alone: safetensors writes several in an order of its own, each time


@dataclass(frozen=True)
class Head:
    """A head as it is handed over: of which task and family, with which classes or tags."""

    task: str
    family: str
    labels: tuple[str, ...]
    tensors: Mapping[str, Tensor]


def head_file(task: str) -> str:
    return f"head-{task}.safetensors"


def write_head(folder: Path, head: Head) -> None:
    from safetensors.torch import save_file

    about = json.dumps({"family": head.family, "labels": head.labels}, ensure_ascii=False)
    tensors = {name: tensor.contiguous() for name, tensor in sorted(head.tensors.items())}
    save_file(tensors, folder / head_file(head.task), metadata={_ABOUT: about})


def read_head(folder: Path, task: str, family: str) -> Head:
    """UserError where the folder has no head of the task, or one of another family."""
    from safetensors import safe_open

    path = folder / head_file(task)
    if not path.is_file():
        raise UserError(f"{path}: found no such file, expected the head of a trained checkpoint")
    with safe_open(path, framework="pt") as file:
        about = json.loads((file.metadata() or {}).get(_ABOUT, "{}"))
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if about.get("family") != family:
        raise UserError(f"{path}: found a head of {about.get('family')}, expected one of {family}")
    return Head(task, family, tuple(about["labels"]), tensors)


def require_labels(head: Head, labels: Sequence[str], where: str) -> None:
    """UserError unless the head's classes are these."""
    if head.labels != tuple(labels):
        raise UserError(
            f"{where}: found a head for {', '.join(head.labels) or 'no classes'}, expected "
            f"{', '.join(labels) or 'none'}"
        )
