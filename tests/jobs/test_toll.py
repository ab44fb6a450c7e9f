"""What a cancellation would do, for people and as data: from the picture alone."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from jobs.toll import Toll
from tests.launch.records import attempt
from tests.launch.test_cancelling import RUNS, chain, known, seen, submission
from xtl.launch.cancelling import what_to_cancel
from xtl.launch.records import Heartbeat
from xtl.launch.sight import Sight
from xtl.launch.states import Evidence, State
from xtl.sweep.plan import Plan

BEAT = Heartbeat(attempt=1, time=160.0, step=60, total=100, saved=40)


@pytest.fixture
def toll(plan: Plan) -> Toll:
    """Of a job that runs a training, and has its child and another training to come."""
    first, second, _ = chain(plan)
    stranger = next(key for key, shard in plan.shards.items() if not shard.parents and key != first)
    members = (first, second, stranger)
    observation = seen(plan, submission(*members, name="a-1-1"))
    runs = Evidence(attempts=(attempt(1),), heartbeat=BEAT, job="alive", sight=RUNS)
    evidence = observation.evidence | {first: runs}
    states = known(plan, members) | {first: State("running")}
    doomed = what_to_cancel(plan, states, replace(observation, evidence=evidence), [first], False)
    return Toll(plan, doomed, evidence)


def shown(toll: Toll) -> str:
    written = io.StringIO()
    toll.show(Console(file=written, width=80, highlight=False))
    lines = written.getvalue().splitlines()
    assert max(map(len, lines)) <= 80, written.getvalue()
    return " ".join(written.getvalue().split())


def test_it_is_said_who_comes_back_by_itself_and_who_does_not(toll: Toll) -> None:
    said = shown(toll)
    assert "2 others end with the same jobs: 1 comes back by itself (--others: not), " in said
    assert "1 is blocked by what is cancelled" in said
    assert "1 shard in 1 job" in said


def test_what_waits_elsewhere_and_comes_of_it_is_counted(toll: Toll) -> None:
    elsewhere = len(set(toll.doomed.blocked) - set(toll.doomed.others))
    one = elsewhere == 1
    line = f"{elsewhere} more shard{'' if one else 's'} come{'s' if one else ''} of these, blocked"
    assert elsewhere
    assert line in shown(toll)


def test_what_is_unsaved_is_said_and_with_now_that_it_is_lost(toll: Toll) -> None:
    assert "; 40s of device time are unsaved as yet" in shown(toll)
    assert "; 40s of device time are lost" in shown(replace(toll, now=True))


def test_machines_are_told_of_each_shard_what_becomes_of_it(toll: Toll, plan: Plan) -> None:
    first, second, third = chain(plan)
    training, child, stranger = toll.data()["shards"]
    assert {key: training[key] for key in training if key != "blocks"} == {
        "id": first,
        "name": plan.shards[first].name,
        "job": "7_0",
        "state": "runs",
        "step": 60,
        "total": 100,
        "unsaved_steps": 20,
        "unsaved_device_seconds": 40.0,
        "then": "cancelled",
    }
    assert {second, third} <= set(training["blocks"])
    assert (child["then"], child["state"], child["unsaved_steps"]) == ("blocked", "queued", None)
    assert (stranger["then"], stranger["blocks"]) == ("comes back", [])


def test_what_has_no_job_is_not_said_to_be_in_one(plan: Plan) -> None:
    roots = [key for key, shard in plan.shards.items() if not shard.parents]
    doomed = what_to_cancel(plan, known(plan, ()), seen(plan), plan.shards.keys(), led=True)
    toll = Toll(plan, doomed, {key: Evidence() for key in plan.shards})
    assert shown(toll).endswith(f" {len(roots)} shards not submitted yet")
    assert {row["state"] for row in toll.data()["shards"]} == {"not submitted"}


def test_that_what_waited_runs_by_now_matters_only_where_it_would_be_killed(toll: Toll) -> None:
    queued = replace(toll, evidence={key: Evidence(sight=Sight()) for key in toll.evidence})
    assert toll.what == queued.what
    assert replace(toll, now=True).what != replace(queued, now=True).what
