"""The artifact that a training hands over: a folder that `from_pretrained` loads.

Encoder weights in fp32 safetensors, each task's head in a file of its own, config and tokenizer of
the model that the training started from, and DIGEST.json: size and sha256 of every file, and one
digest of it all. A safetensors file of that model which holds nothing but frozen tensors is
hard-linked, not written again: the demo's word embeddings are 384 MB, the rest is 86 MB.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xtl.errors import UserError
from xtl.files import read_json, sync_folder
from xtl.model.heads import Head, write_head
from xtl.train.inventory import Inventory, find_fault, take_inventory

if TYPE_CHECKING:
    from torch import Tensor

DIGEST = "DIGEST.json"
INDEX = "model.safetensors.index.json"
COPIED = (
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "sentencepiece.bpe.model",
)


@dataclass(frozen=True)
class Weights:
    """What a training has to hand over: the encoder's fp32 tensors by their name in its class, the
    heads, and the names of the encoder's frozen tensors."""

    encoder: Mapping[str, Tensor]
    heads: Sequence[Head]
    frozen: Collection[str]


@dataclass(frozen=True)
class Published:
    """An artifact in its place; `bytes` counts hard-linked files too."""

    digest: str
    bytes: int


def digest_of(folder: Path) -> str:
    """The digest that the artifact was published under. Raises UserError if there is none."""
    return str(_manifest(folder)["digest"])


def verify_artifact(folder: Path, digest: str) -> None:
    """Raise UserError unless `folder` holds, byte for byte, the artifact of that digest."""
    files: Inventory = _manifest(folder)["files"]
    found = _digest(files)
    if found != digest:
        raise UserError(f"{folder / DIGEST}: found digest {found[:12]}, expected {digest[:12]}")
    fault = find_fault(folder, files)
    if fault is not None:
        raise UserError(f"{folder}: {fault}")


def publish(artifact: Path, start: Path, weights: Weights, fence: Callable[[], None]) -> Published:
    """Write the artifact beside its place, then put it there by a rename.

    `start` is the folder of the model that the training started from: frozen tensors, config and
    tokenizer are its. Raises what `fence` raises, before anything is removed or written, and again
    before anything that others see has changed.
    """
    fence()  # who overtook this attempt may be publishing
    staging = _fresh_folder(artifact)
    known = _write_weights(staging, start, weights)
    for head in weights.heads:
        write_head(staging, head)
    for name in COPIED:
        if (start / name).is_file():
            shutil.copyfile(start / name, staging / name)
    files = take_inventory(staging, sorted(path.name for path in staging.iterdir()), known)
    digest = _digest(files)
    manifest = {"digest": digest, "files": files}
    (staging / DIGEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    take_inventory(staging, [DIGEST])
    fence()
    _put(staging, artifact)
    return Published(digest, sum(entry["size"] for entry in files.values()))


def _write_weights(staging: Path, start: Path, weights: Weights) -> dict[str, str]:
    """Link what can be linked, write the rest into one file; sha256 of linked files, if known."""
    linked = _linkable(start, weights.frozen)
    names = _weight_files(len(linked) + 1)
    places: dict[str, str] = {}
    for old, new in zip(linked, names, strict=False):
        _link(start / old, staging / new)
        places |= dict.fromkeys(linked[old], new)
    written = {**weights.encoder, **dict(_tensors(start, set(weights.frozen) - set(places)))}
    _save(written, staging / names[-1])
    if linked:
        places |= dict.fromkeys(sorted(written), names[-1])
        index = {"metadata": {}, "weight_map": places}
        (staging / INDEX).write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")
    return _known_hashes(start, dict(zip(linked, names, strict=False)))


def _weight_files(count: int) -> list[str]:
    if count == 1:
        return ["model.safetensors"]
    return [f"model-{number:05}-of-{count:05}.safetensors" for number in range(1, count + 1)]


def _linkable(start: Path, frozen: Collection[str]) -> dict[str, list[str]]:
    """Weight files that hold nothing but frozen tensors, and those tensors' names."""
    return {
        path.name: keys
        for path in _weights_of(start)
        if (keys := _keys(path)) and set(keys) <= set(frozen)
    }


def _weights_of(folder: Path) -> list[Path]:
    return sorted(folder.glob("model*.safetensors"))


def _keys(path: Path) -> list[str]:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        return sorted(file.keys())


def _tensors(folder: Path, names: Collection[str]) -> Iterator[tuple[str, Tensor]]:
    """The named encoder tensors of a model's folder. UserError where it lacks one."""
    from safetensors import safe_open

    missing = set(names)
    for path in _weights_of(folder):
        with safe_open(path, framework="pt") as file:
            for key in sorted(file.keys()):
                name = _own_name(key, missing)
                if name is not None:
                    missing.remove(name)
                    yield name, file.get_tensor(key).float()
    if missing:
        raise UserError(f"{folder}: found no {min(missing)}, which is frozen, expected its weights")


def _own_name(key: str, names: Collection[str]) -> str | None:
    """The one of `names` that a tensor is, in checkpoints that have a head behind a prefix of the
    encoder's kind (`roberta.`, `bert.`), as the hub's have."""
    bare = key.partition(".")[2]
    return key if key in names else bare if bare in names else None


def _known_hashes(start: Path, renamed: Mapping[str, str]) -> dict[str, str]:
    """An artifact knows its files' hashes; a model of the mirror is hashed as a whole."""
    manifest: Any = read_json(start / DIGEST) or {"files": {}}
    files = manifest["files"]
    return {new: files[old]["sha256"] for old, new in renamed.items() if old in files}


def _save(tensors: Mapping[str, Tensor], path: Path) -> None:
    from safetensors.torch import save_file

    contiguous = {name: tensor.contiguous() for name, tensor in sorted(tensors.items())}
    save_file(contiguous, path, metadata={"format": "pt"})


def _link(old: Path, new: Path) -> None:
    try:
        new.hardlink_to(old)
    except OSError:  # another file system, or one that has no links
        shutil.copyfile(old, new)


def _fresh_folder(artifact: Path) -> Path:
    """An empty folder beside the artifact's place; what a killed attempt left there goes."""
    artifact.parent.mkdir(parents=True, exist_ok=True)
    for left in artifact.parent.glob(f".{artifact.name}.*"):
        shutil.rmtree(left, ignore_errors=True)
    staging = artifact.with_name(f".{artifact.name}.new-{os.getpid()}")
    staging.mkdir()
    return staging


def _put(staging: Path, artifact: Path) -> None:
    sync_folder(staging)
    old = artifact.with_name(f".{artifact.name}.old-{os.getpid()}")
    if artifact.exists():
        artifact.rename(old)
    staging.rename(artifact)
    sync_folder(artifact.parent)
    shutil.rmtree(old, ignore_errors=True)


def _digest(files: Inventory) -> str:
    text = json.dumps(files, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _manifest(folder: Path) -> dict[str, Any]:
    manifest = read_json(folder / DIGEST)
    if not isinstance(manifest, dict) or not {"digest", "files"} <= manifest.keys():
        raise UserError(f"{folder / DIGEST}: found no digest, expected a published artifact")
    return manifest
