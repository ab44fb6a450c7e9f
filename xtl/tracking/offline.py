"""Runs read from the `.wandb` files that every attempt leaves, finished, killed, cut or damaged.

`wandb leet inspect` reads the same files one at a time; this reads a folder of them, and a contract
test holds the two together. wandb's protobuf module is imported when the first file is read.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xtl.tracking.framing import payloads
from xtl.tracking.record import RunRecord, decode, make_record
from xtl.tracking.recordcache import RecordCache

if TYPE_CHECKING:
    from wandb.proto.wandb_internal_pb2 import Record

FRAGMENTS = "wandb/*run-*/run-*.wandb"  # `offline-run-…` or `run-…`, one folder an attempt


def read_folder(folder: Path) -> list[RunRecord]:
    """All attempts that `folder` (that of `Tracker`) holds, ordered by path; unreadable ones apart.

    What was read is kept in `<folder>/wandb/records.json` until a file's size or time changes.
    """
    with RecordCache(folder / "wandb" / "records.json") as cache:
        paths = sorted(folder.glob(FRAGMENTS))
        found = [cache.get(path, path.relative_to(folder).as_posix(), _read) for path in paths]
    return [record for record in found if record is not None]


def read_fragment(path: Path) -> RunRecord | None:
    """One attempt, or None for a file that names no run: one killed in its first second."""
    return _read(path, str(path))


def read_history(path: Path, keys: Collection[str]) -> list[dict[str, float]]:
    """The logged rows in order, of each the numbers under `keys`; rows without any are left out."""
    wanted = set(keys)
    rows = (
        {name: value for name, value in _items(record.history.item) if name in wanted}
        for record in _records(path)
        if record.WhichOneof("record_type") == "history"
    )
    numeric = ({name: decode(json.loads(text)) for name, text in row.items()} for row in rows)
    kept = ({name: x for name, x in row.items() if isinstance(x, int | float)} for row in numeric)
    return [row for row in kept if row]


def is_complete(path: Path) -> bool:
    """True when the file holds the record of the run's end."""
    return any(record.WhichOneof("record_type") == "exit" for record in _records(path))


def _read(path: Path, source: str) -> RunRecord | None:
    run: Any = None
    config: dict[str, str] = {}
    summary: dict[str, str] = {}
    exit_code: int | None = None
    for record in _records(path):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            run = record.run
            _apply(config, run.config)
        elif kind == "config":
            _apply(config, record.config)
        elif kind == "summary":
            _apply(summary, record.summary)
        elif kind == "exit":
            exit_code = record.exit.exit_code
    if run is None:
        return None
    return make_record(
        shard=run.run_id,
        sweep=run.run_group,
        stage=run.job_type,
        name=run.display_name,
        config={key: json.loads(text) for key, text in config.items()},
        summary={key: json.loads(text) for key, text in summary.items()},
        exit_code=exit_code,
        source=source,
    )


def _records(path: Path) -> Iterator[Record]:
    from google.protobuf.message import DecodeError
    from wandb.proto.wandb_internal_pb2 import Record

    for payload in payloads(path.read_bytes()):
        try:
            yield Record.FromString(payload)
        except DecodeError:  # whole, and still not a record of this version of wandb
            continue


def _apply(values: dict[str, str], change: Any) -> None:
    """Apply the updates and removals of a config or summary record; values stay JSON texts."""
    values.update(_items(change.update))
    for item in change.remove:
        values.pop(_name(item), None)


def _items(items: Any) -> Iterator[tuple[str, str]]:
    return ((_name(item), item.value_json) for item in items)


def _name(item: Any) -> str:
    return item.key or "/".join(item.nested_key)
