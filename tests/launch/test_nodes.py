"""Nodes that are left out: for what a log says of their hardware, for a time."""

from __future__ import annotations

from pathlib import Path

from tests.launch.records import attempt
from xtl.launch.nodes import Nodes, to_exclude
from xtl.launch.records import End, ExcludedNode, Failure
from xtl.launch.states import Evidence, states
from xtl.sweep.plan import Plan

XID = Failure(cls="node", line="Xid 79: fallen off the bus", file="a.err:3", node="n1", rank=0)


def blamed(plan: Plan, failure: Failure, before: list[ExcludedNode]) -> list[ExcludedNode]:
    shard = next(iter(plan.shards))
    end = End(status="failed", failure=failure, finished=1.0)
    evidence = {each: Evidence() for each in plan.shards}
    evidence[shard] = Evidence(attempts=(attempt(1, end),))
    return to_exclude(states(plan, evidence), evidence, before, hours=2.0, now=100.0)


def test_a_log_that_blames_the_hardware_excludes_its_node_for_a_time(
    plan: Plan, tmp_path: Path
) -> None:
    (entry,) = blamed(plan, XID, [])
    nodes = Nodes(tmp_path)
    nodes.exclude(entry)
    assert [each.node for each in nodes.excluded(100.0)] == ["n1"]
    assert nodes.excluded(100.0 + 2 * 3600) == []


def test_slurms_own_word_of_a_node_that_failed_excludes_nothing(plan: Plan) -> None:
    """It knows by itself, and takes the node back when it is well."""
    assert blamed(plan, Failure(cls="node", line="NODE_FAIL", node="n1"), []) == []


def test_what_a_readmitted_node_was_excluded_for_no_longer_counts(
    plan: Plan, tmp_path: Path
) -> None:
    nodes = Nodes(tmp_path)
    nodes.exclude(blamed(plan, XID, [])[0])
    assert nodes.readmit("n1", 200.0)
    assert not nodes.readmit("n1", 200.0)
    assert nodes.excluded(201.0) == []
    assert blamed(plan, XID, nodes.all()) == []
