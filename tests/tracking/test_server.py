"""A run as the server gives it becomes the same record as the file of that run."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from wandb.apis.public import Run
from wandb.apis.public.service_api import ServiceApi

from xtl.tracking.record import encode
from xtl.tracking.server import from_run

# A node of the `Runs` query: config and summary are JSON texts, each setting in a `value`.
NODE: dict[str, Any] = {
    "id": "UnVuOnYxOjVoYTFkOnh0bDp0ZWFt",
    "projectId": "1234567",
    "tags": ["xtl", "train"],
    "name": "5ha1d",
    "displayName": "squad 10% epochs s3 → tydiqa",
    "sweepName": None,
    "state": "finished",
    "config": json.dumps(
        {
            "_wandb": {"value": {"cli_version": "0.31.0", "t": {"1": [5, 41]}}},
            "model/name": {"value": "xlm-r"},
            "sizes": {"value": [0, 0.5]},
            "limit": {"value": "Infinity"},
            "shard": {"value": "5ha1d"},
            "attempt": {"value": 2},
        }
    ),
    "group": "demo",
    "jobType": "train",
    "commit": None,
    "readOnly": False,
    "createdAt": "2026-01-31T12:00:00Z",
    "heartbeatAt": "2026-01-31T12:10:00Z",
    "description": None,
    "notes": None,
    "systemMetrics": "{}",
    "summaryMetrics": json.dumps(
        {
            "_runtime": 12.5,
            "_step": 3,
            "_wandb": {"runtime": 12},
            "train/step": 20,
            "train/loss": "NaN",
            "eval/sw/f1": 51.25,
        }
    ),
    "historyLineCount": 4,
    "user": {"name": "A", "username": "a"},
    "historyKeys": None,
}


def run_of(**changes: object) -> Run:
    service = SimpleNamespace(app_url="https://wandb.ai/")  # asked for the address, for no data
    return Run(cast(ServiceApi, service), "team", "xtl", "5ha1d", {**NODE, **changes}, lazy=False)


def test_a_run_of_the_server_becomes_a_record() -> None:
    record = from_run(run_of())
    assert (record.shard, record.attempt) == ("5ha1d", 2)
    assert (record.sweep, record.stage) == ("demo", "train")
    assert record.name == "squad 10% epochs s3 → tydiqa"
    assert encode(record.config) == {
        "model/name": "xlm-r",
        "sizes": [0, 0.5],
        "limit": "Infinity",
    }
    assert record.config["limit"] == float("inf")
    assert encode(record.summary) == {"train/step": 20, "train/loss": "NaN", "eval/sw/f1": 51.25}
    assert record.last_step == 20
    assert record.source == "https://wandb.ai/team/xtl/runs/5ha1d"


@pytest.mark.parametrize(
    ("state", "code"),
    [("finished", 0), ("failed", 1), ("running", None), ("crashed", None), ("killed", None)],
)
def test_only_an_end_that_the_server_saw_has_an_exit_code(state: str, code: int | None) -> None:
    assert from_run(run_of(state=state)).exit_code == code


def test_a_run_without_anything_is_still_a_record() -> None:
    record = from_run(run_of(group=None, jobType=None, config=None, summaryMetrics=None))
    assert (record.sweep, record.attempt, record.config, record.summary) == ("", 0, {}, {})
    assert record.last_step is None


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that takes a connection and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


ASK = """
import sys
from xtl.errors import UserError
from xtl.tracking import server
server.PATIENCE_SECONDS = 0.5
try:
    server.read_server("team", "xtl", "demo")
except UserError as error:
    print(error)
"""


def asked(address: str) -> str:
    """What a process of its own says of the server there, and ends."""
    environment = {**os.environ, "WANDB_API_KEY": "0" * 40, "WANDB_BASE_URL": address}
    command = [sys.executable, "-c", ASK]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=60, check=True
    ).stdout


@pytest.mark.slow
def test_a_server_that_is_not_there_is_one_clear_line() -> None:
    (line,) = asked("http://127.0.0.1:9").splitlines()
    assert line.startswith("W&B: cannot read group 'demo' of project 'team/xtl': ")
    assert "http://127.0.0.1:9 does not answer" in line


@pytest.mark.slow
def test_a_server_that_does_not_answer_is_one_clear_line(silent: str) -> None:
    (line,) = asked(silent).splitlines()
    assert line.startswith("W&B: cannot read group 'demo' of project 'team/xtl': ")
    assert "timed out" in line
