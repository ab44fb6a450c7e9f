"""Reading a table: rows of a data set in their family's canonical columns, mended, with a count
of every fault. Torch-free.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from xtl.data.loading import in_memory, load_rows
from xtl.errors import UserError
from xtl.tasks.checking import BadRowError, canonical_table
from xtl.tasks.entries import DatasetRef
from xtl.tasks.forms import Form, form_named
from xtl.tasks.mining_rows import pooled
from xtl.tasks.schema import COLUMNS
from xtl.tasks.shaping import shaped

if TYPE_CHECKING:
    import datasets
    import pyarrow as pa

_BATCH_ROWS = 10_000


@dataclass(frozen=True)
class TableRows:
    """A table's canonical rows; `faults` says in words what was wrong, and of how many rows."""

    rows: datasets.Dataset
    faults: dict[str, int]


def read_table(
    folder: Path,
    ref: DatasetRef,
    labels: Sequence[str] = (),
    scratch: Path | None = None,
    *,
    trained: bool = False,
) -> TableRows:
    """The rows of `ref` in the snapshot `folder`, in memory. No network, and no cache is left.

    `labels` are the names of the task's classes or tags, in its order (the form's own if empty).
    What is `trained` on is without the answers that their context lacks; what is evaluated on has
    them, so that one table may have two contents.
    The columns are the family's in the schema's order, then `id` where the set has unique ones.
    UserError where the config or the split is missing, where the files cannot be read, and for
    the first row that breaks the schema, counted from 1.
    """
    form = form_named(ref.form)
    try:
        table, faults = _shaped(folder, ref, form, tuple(labels), scratch)
        for repair in form.repairs:
            table, met = repair(table, ref, trained)
            faults |= met
    except BadRowError as bad:
        raise UserError(f"{folder}: {ref.config}/{ref.split}: {bad}") from None
    return TableRows(in_memory(table), faults)


def _shaped(
    folder: Path, ref: DatasetRef, form: Form, labels: tuple[str, ...], scratch: Path | None
) -> tuple[pa.Table, dict[str, int]]:
    names = labels or form.labels
    loaded = load_rows(folder, ref.config, ref.split, scratch)
    if form.lacking and not set(COLUMNS[form.family]) <= set(loaded.column_names):
        raise UserError(f"{folder}: {ref.config}/{ref.split}: {form.lacking}")
    if form.pools is not None:
        foreign, english = (load_rows(folder, pool, ref.split, scratch) for pool in form.pools)
        loaded = pooled(loaded, foreign, english)
    table, faults = shaped(loaded, form, names, ref)
    return canonical_table(table, form.family, names), faults


def content_hash(rows: datasets.Dataset) -> str:
    """SHA-256, 64 hex digits, over the rows as canonical JSON lines, whatever file they came in."""
    encode = json.JSONEncoder(sort_keys=True, ensure_ascii=False).encode
    digest = hashlib.sha256()
    for batch in _batches(rows):
        digest.update("".join(f"{encode(row)}\n" for row in batch.to_pylist()).encode())
    return digest.hexdigest()


def texts(rows: datasets.Dataset, family: str) -> Iterator[str]:
    """What a search for leaked text must look at: contexts (a run of equal ones once), both
    sentences of a pair, prompts and each choice, the tokens of a sentence joined, plain text."""
    for batch in _batches(rows):
        yield from _TEXTS.get(family, partial(_every_text, family))(batch)


def _contexts(batch: pa.Table) -> Iterator[str]:
    import pyarrow.compute as pc

    yield from pc.unique(batch["context"]).to_pylist()


def _columns(batch: pa.Table, *names: str) -> Iterator[str]:
    for name in names:
        yield from batch[name].to_pylist()


def _prompts_and_choices(batch: pa.Table) -> Iterator[str]:
    yield from batch["prompt"].to_pylist()
    for choices in batch["choices"].to_pylist():
        yield from choices


def _every_text(family: str, batch: pa.Table) -> Iterator[str]:
    """Of an extension's family: all that its columns call text."""
    for name, kind in COLUMNS[family].items():
        if kind == "text" and name != "id":
            yield from batch[name].to_pylist()
        elif kind == "texts":
            yield from chain.from_iterable(batch[name].to_pylist())


_TEXTS: dict[str, Callable[[pa.Table], Iterator[str]]] = {
    "span-qa": _contexts,
    "sentence-pair": lambda batch: _columns(batch, "sentence1", "sentence2"),
    "multiple-choice": _prompts_and_choices,
    "tagging": lambda batch: map(" ".join, batch["tokens"].to_pylist()),
    "retrieval": lambda batch: _columns(batch, "source_sentence", "target_sentence"),
    "mining": lambda batch: _columns(batch, "text"),
    "masked-lm": lambda batch: _columns(batch, "text"),
}


def _batches(rows: datasets.Dataset) -> Iterator[pa.Table]:
    yield from rows.with_format("arrow").iter(batch_size=_BATCH_ROWS)
