"""What the lock says of a model and of a table of data, measured on their files in the mirror."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from xtl.sweep.lock import LockedModel, LockedTable
from xtl.sweep.needs import Need

if TYPE_CHECKING:
    from datasets import Dataset
    from tokenizers import Tokenizer

    from xtl.data.mirror import Snapshot
    from xtl.tasks.tables import TableRows

_SAMPLE = 500  # rows whose mean length stands for the table's


@dataclass(frozen=True)
class Reader:
    """Tables out of the data sets' folders."""

    folders: Mapping[str, Path]

    def read(self, need: Need) -> TableRows:
        from xtl.tasks.tables import read_table

        folder = self.folders[need.ref.repo]
        return read_table(folder, need.ref, need.labels, trained=need.trained)

    def texts(self, need: Need) -> Iterator[str]:
        """What a reader of the table would read: passages, sentences, choices."""
        from xtl.tasks.tables import texts

        return texts(self.read(need).rows, need.family)


def locked_model(snapshot: Snapshot) -> LockedModel:
    """UserError where the folder has no encoder of transformers', or no tokenizer."""
    from xtl.data.sources import model_hash
    from xtl.model.architectures import architecture, is_word_embeddings, sizes
    from xtl.model.tokenizer import require_tokenizer
    from xtl.tasks.lm_weights import lm_head_in

    require_tokenizer(snapshot.folder)
    found, kind = sizes(snapshot.folder), architecture(snapshot.folder)
    shapes = _shapes(snapshot.folder)
    embedding = sum(
        math.prod(shape)
        for name, shape in shapes.items()
        if is_word_embeddings(kind, name, shape, found.vocabulary)
    )
    return LockedModel(
        repo=snapshot.repo,
        revision=snapshot.revision,
        fingerprint=model_hash(snapshot.folder),
        parameters=sum(map(math.prod, shapes.values())),
        embedding_parameters=embedding,
        layers=found.layers,
        hidden=found.hidden,
        heads=found.heads,
        lm_head=lm_head_in(snapshot.folder),
    )


def _shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """Of every tensor, from the headers alone."""
    from safetensors import safe_open

    found: dict[str, tuple[int, ...]] = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="numpy") as tensors:
            for name in tensors.keys():  # noqa: SIM118 - not a mapping
                found[name] = tuple(tensors.get_slice(name).get_shape())
    return found


def read_tokenizer(folder: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(folder / "tokenizer.json"))


def locked_table(need: Need, reader: Reader, tokenizer: Tokenizer) -> LockedTable:
    from xtl.tasks.tables import content_hash

    ref = need.ref
    found = reader.read(need)
    return LockedTable(
        repo=ref.repo,
        revision=reader.folders[ref.repo].name,
        config=ref.config,
        split=ref.split,
        form=ref.form,
        part=ref.part,
        rows=len(found.rows),
        content=content_hash(found.rows),
        mean_tokens=_mean_tokens(found.rows, tokenizer),
        labels=() if need.labels else _labels(found.rows, need.family),
        faults=found.faults,
    )


def _labels(rows: Dataset, family: str) -> tuple[str, ...]:
    """The classes or tags that a table's rows have, where no catalogue names them."""
    if family == "tagging":
        from xtl.tasks.tag_maker import tag_names

        return tag_names(rows)
    if family == "sentence-pair":
        most: int = max(rows["label"], default=-1)
        return tuple(str(number) for number in range(most + 1))
    return ()


def _mean_tokens(rows: Dataset, tokenizer: Tokenizer) -> float:
    """Tokens that a model reads of a row, a mean over evenly spaced rows."""
    step = max(1, len(rows) // _SAMPLE)
    texts = [" ".join(_read(rows[index])) for index in range(0, len(rows), step)]
    lengths = [len(encoding.ids) for encoding in tokenizer.encode_batch(texts)]
    return round(sum(lengths) / max(1, len(lengths)), 2)


def _read(row: Mapping[str, object]) -> Iterator[str]:
    """The row's texts, those of lists too; a prompt is read again with each of its choices."""
    again = len(row["choices"]) if isinstance(row.get("choices"), list) else 1  # type: ignore[arg-type]
    for column, value in row.items():
        if column in ("id", "answers", "tags", "side", "split", "match"):
            continue
        if isinstance(value, str):
            yield from [value] * again
        elif isinstance(value, list):
            yield from (str(item) for item in value)
