"""Nodes that are left out: for what a log says of their hardware, for a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.launch.records import attempt, claim
from xtl.launch.nodes import MOST_ALIKE, Nodes, is_spared, to_exclude, told
from xtl.launch.records import Attempt, End, ExcludedNode, Failure, FalseStart
from xtl.launch.states import Evidence, states
from xtl.sweep.plan import Plan

XID = Failure(cls="node", line="Xid 79: fallen off the bus", file="a.err:3", node="n1", rank=0)
ECC = XID.model_copy(update={"line": "uncorrectable ECC error"})
HOURS = 2.0


def on(node: str, failure: Failure = XID) -> Failure:
    return failure.model_copy(update={"node": node})


def tried(failure: Failure, began: float = 50.0) -> Evidence:
    end = End(status="failed", failure=failure, finished=began + 1)
    started = claim("a", 1).model_copy(update={"started": began})
    return Evidence(attempts=(Attempt(claim=started, end=end),))


def looked(
    plan: Plan,
    failing: Sequence[Evidence],
    before: Sequence[ExcludedNode] = (),
    now: float = 100.0,
    most: int | None = None,
    hours: float = HOURS,
) -> list[ExcludedNode]:
    """Of a sweep whose first shards without parents failed so."""
    first = [shard.id for shard in plan.shards.values() if not shard.parents]
    assert len(first) >= len(failing)
    evidence = {each: Evidence() for each in plan.shards}
    evidence |= dict(zip(first, failing, strict=False))
    return to_exclude(states(plan, evidence), evidence, before, hours, now, most)


def blamed(plan: Plan, failure: Failure, before: list[ExcludedNode]) -> list[ExcludedNode]:
    return looked(plan, [tried(failure)], before)


def out(found: Sequence[ExcludedNode]) -> list[str]:
    return [entry.node for entry in found if not is_spared(entry)]


def entry(node: str, line: str = XID.line, since: float = 90.0) -> ExcludedNode:
    until = since + 3600 * HOURS
    return ExcludedNode(node=node, line=line, shard="s", attempt=1, since=since, until=until)


def test_a_log_that_blames_the_hardware_excludes_its_node_for_a_time(
    plan: Plan, tmp_path: Path
) -> None:
    (found,) = blamed(plan, XID, [])
    nodes = Nodes(tmp_path)
    nodes.exclude(found)
    assert [each.node for each in nodes.excluded(100.0)] == ["n1"]
    assert nodes.excluded(100.0 + 3600 * HOURS) == []


def test_slurms_own_word_of_a_node_that_failed_excludes_nothing(plan: Plan) -> None:
    """It knows by itself, and takes the node back when it is well."""
    assert blamed(plan, Failure(cls="node", line="NODE_FAIL", node="n1"), []) == []


def test_where_a_profile_leaves_nodes_out_for_no_time_none_is_said_to_be(plan: Plan) -> None:
    assert looked(plan, [tried(XID)], hours=0.0) == []


def test_what_a_readmitted_node_was_excluded_for_no_longer_counts(
    plan: Plan, tmp_path: Path
) -> None:
    nodes = Nodes(tmp_path)
    nodes.exclude(blamed(plan, XID, [])[0])
    assert nodes.readmit("n1", 200.0)
    assert not nodes.readmit("n1", 200.0)
    assert nodes.excluded(201.0) == []
    assert looked(plan, [tried(XID)], nodes.all(), now=201.0) == []


def test_two_shards_that_failed_on_one_node_exclude_it_once(plan: Plan, tmp_path: Path) -> None:
    nodes, failing = Nodes(tmp_path), [tried(XID), tried(ECC)]
    for entered in looked(plan, failing):
        nodes.exclude(entered)
    assert looked(plan, failing, nodes.all(), now=101.0) == []
    nodes.readmit("n1", 200.0)
    assert looked(plan, failing, nodes.all(), now=201.0) == []


def test_when_its_time_is_over_only_what_began_after_it_counts(plan: Plan) -> None:
    over = 90.0 + 3600 * HOURS
    old, new = tried(XID), tried(XID, began=over + 5)
    assert looked(plan, [old, old], [entry("n1")], now=over + 1) == []
    assert out(looked(plan, [old, new], [entry("n1")], now=over + 10)) == ["n1"]


def test_a_job_that_ended_before_it_began_blames_its_node_once(plan: Plan) -> None:
    start = FalseStart(**XID.model_dump(), attempt=2, time=50.0)
    failing = [Evidence(attempts=(attempt(1),), false_starts=(start,))]
    (found,) = looked(plan, failing)
    assert (found.node, found.attempt) == ("n1", 2)
    assert looked(plan, failing, [found], now=101.0) == []
    later = start.model_copy(update={"time": found.until + 1})
    again = [Evidence(false_starts=(start, later))]
    assert out(looked(plan, again, [found], now=found.until + 2)) == ["n1"]


def test_of_nodes_with_one_fault_no_more_than_three_are_left_out(plan: Plan) -> None:
    """It may be of a driver that all have, and no node would be left."""
    before = [entry(f"m{number}") for number in range(MOST_ALIKE - 1)]
    found = looked(plan, [tried(on("n1")), tried(on("n2"))], before)
    assert [each.node for each in found] == ["n1", "n2"]
    assert out(found) == ["n1"]
    over = before[0].until
    assert out(looked(plan, [tried(on("n2"))], before, now=over + 1)) == ["n2"]


def test_another_fault_is_another_count(plan: Plan) -> None:
    before = [entry(f"m{number}") for number in range(MOST_ALIKE)]
    assert out(looked(plan, [tried(on("n1", ECC))], before)) == ["n1"]
    assert out(looked(plan, [tried(XID), tried(ECC)], before)) == ["n1"]


def test_a_job_keeps_the_nodes_that_it_needs(plan: Plan) -> None:
    assert out(looked(plan, [tried(XID)], [entry("m1", "x")], most=1)) == []
    assert out(looked(plan, [tried(XID)], [entry("m1", "x")], most=2)) == ["n1"]


def test_a_person_is_told_once_of_a_fault_that_too_many_nodes_have(
    plan: Plan, tmp_path: Path
) -> None:
    nodes, lines = Nodes(tmp_path), []
    for before in range(MOST_ALIKE):
        nodes.exclude(entry(f"m{before}"))
    for now in (100.0, 101.0, 102.0):
        failing = [tried(on("n1")), tried(on("n2"), began=now - 0.5)]
        known = nodes.all()
        found = looked(plan, failing, known, now=now)
        lines += told(found, known, HOURS)
        for entered in found:
            nodes.exclude(entered)
    assert len(lines) == 1
    assert "node n1 is blamed, and kept" in lines[0]
    assert XID.line in lines[0]
    assert [each.node for each in nodes.spared(103.0)] == ["n1", "n2"]
    assert [each.node for each in nodes.excluded(103.0)] == ["m0", "m1", "m2"]
    assert nodes.spared(90.0 + 3600 * HOURS) == []


def test_each_node_that_is_left_out_is_told(plan: Plan) -> None:
    found = blamed(plan, XID, [])
    assert told(found, [], HOURS) == ["node n1 is left out: Xid 79: fallen off the bus"]
