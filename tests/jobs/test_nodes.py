"""`xtl nodes`: which nodes are left out, and taking one back."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from jobs.nodes import nodes
from jobs.options import DEMO
from xtl.errors import UserError
from xtl.launch.records import ExcludedNode
from xtl.launch.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    found, now = Store(tmp_path), time.time()
    entry = ExcludedNode(
        node="gpu-7", line="NVRM: Xid 79", shard="a", attempt=1, since=now, until=now + 7200
    )
    found.nodes.exclude(entry)
    return found


def test_it_lists_those_that_are_left_out_and_why(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    nodes(DEMO, store.root, "local")
    said = capsys.readouterr().out
    assert all(part in said for part in ("gpu-7", "2 h 00 min", "NVRM: Xid 79"))


def test_a_readmitted_node_is_sent_jobs_again(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    nodes(DEMO, store.root, "local", readmit=["gpu-7"], dry_run=True)
    assert "would be readmitted" in capsys.readouterr().out
    assert store.nodes.excluded(time.time())
    nodes(DEMO, store.root, "local", readmit=["gpu-7"], json=True)
    said = json.loads(capsys.readouterr().out)
    assert said == {"excluded": [], "kept": [], "readmitted": ["gpu-7"]}
    assert not store.nodes.excluded(time.time())


def test_a_node_that_is_not_left_out_is_named_in_one_line(store: Store) -> None:
    with pytest.raises(UserError, match="--readmit: found gpu-8, expected one of gpu-7"):
        nodes(DEMO, store.root, "local", readmit=["gpu-8"])


def test_nodes_that_are_blamed_and_kept_are_named(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    now = time.time()
    kept = ExcludedNode(
        node="gpu-8", line="NVRM: Xid 79", shard="b", attempt=1, since=now, until=now
    )
    store.nodes.exclude(kept)
    nodes(DEMO, store.root, "local")
    assert "node gpu-8 is blamed, and kept, as too many are left out" in capsys.readouterr().out
    nodes(DEMO, store.root, "local", json=True)
    assert [each["node"] for each in json.loads(capsys.readouterr().out)["kept"]] == ["gpu-8"]
