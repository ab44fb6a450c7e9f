"""A profile is held against its cluster before anything is submitted."""

from __future__ import annotations

import pytest

from tests.launch.slurm.clusters import cluster, profile
from xtl.errors import UserError
from xtl.launch.profile import parse_profile
from xtl.launch.slurm.facts import read_associations, read_nodes
from xtl.launch.slurm.fits import nodes_to_spare, require_computes, require_fits
from xtl.launch.slurm.limits import Limits
from xtl.sweep.shard import Precision


def refusal(change: dict[str, object], limits: Limits | None = None) -> str:
    fields = profile().model_dump(mode="json") | change
    kind = type(profile())
    with pytest.raises(UserError) as caught:
        require_fits(kind.model_validate(fields), limits or cluster())
    return str(caught.value)


def test_a_profile_that_fits_is_let_through() -> None:
    require_fits(profile(), cluster())
    require_fits(profile("account: lab\nqos: gpu\nconstraint: a100&ib\ngpu_type: a100"), cluster())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"partition": "gpus"},
         "partition: found gpus, expected one that the cluster has (cpu, gpu, old, short)"),
        ({"partition": "gpu,gpus"}, "partition: found gpus, expected"),
        ({"partition": "old"}, "partition: found old, which is DOWN, expected one that is UP"),
        ({"reconcile": {"partition": "login"}}, "reconcile.partition: found login, expected"),
        ({"gpus_per_node": 9}, "gpus_per_node: found 9, expected at most 8"),
        ({"gpus_per_node": 8, "gpu_type": "a100", "cpus_per_rank": 4, "memory_per_rank_gib": 4},
         "gpus_per_node: found 8, expected at most 4"),
        ({"gpu_type": "v100"},
         "gpu_type: found v100, expected one that a node of gpu has (a100, h100)"),
        ({"partition": "cpu"}, "gpus_per_node: found 4, expected at most 0"),
        ({"cpus_per_rank": 33}, "cpus_per_rank: found 33 (of 4 ranks a node), expected at most 32"),
        ({"memory_per_rank_gib": 251}, "memory_per_rank_gib: found 251 (of 4 ranks a node), "
                                       "expected at most 250 (the largest node of gpu has 1000.0)"),
        ({"constraint": "h100&nvlink"},
         "constraint: found nvlink, expected one that a node of gpu has (a100, h100, ib)"),
        ({"time": {"intermediate": 600, "target": 2881, "evaluate": 60}},
         "time.target: found 2-00:01:00, expected at most 1-12:00:00 (your account)"),
        ({"time": {"intermediate": 600, "target": 2161, "evaluate": 60}, "account": "lab"},
         "time.target: found 1-12:01:00, expected at most 1-12:00:00 (account lab)"),
        ({"time": {"intermediate": 600, "target": 2881, "evaluate": 60}, "qos": "long"},
         "time.target: found 2-00:01:00, expected at most 2-00:00:00 (partition gpu)"),
        ({"reconcile": {"partition": "cpu", "account": "guests", "time": 121}},
         "reconcile.time: found 02:01:00, expected at most 02:00:00 (account guests)"),
        ({"reconcile": {"account": "labs"}}, "reconcile.account: found labs, expected one of"),
        ({"reconcile": {"qos": "urgent"}}, "reconcile.qos: found urgent, expected one of yours"),
        ({"reconcile": {"partition": "short", "time": 3}},
         "reconcile.time: found 00:03:00, expected at most 00:02:00 (partition short)"),
        ({"account": "labs"}, "account: found labs, expected one of yours (guests, lab)"),
        ({"qos": "urgent"}, "qos: found urgent, expected one of yours (gpu, long, normal)"),
    ],
)  # fmt: skip
def test_what_the_cluster_lacks_is_said_with_its_key(change: dict[str, object], said: str) -> None:
    assert said in refusal(change)


def test_an_account_that_the_partition_does_not_admit_is_refused() -> None:
    books = (cluster().associations or ())[0].model_copy(update={"account": "others"})
    line = refusal({"account": "others"}, cluster(associations=(books,)))
    assert "account: found others, expected one that partition gpu admits (guests, lab)" in line


def test_some_one_node_must_have_all_that_is_asked() -> None:
    """4 A100s with 64 CPUs, or 8 H100s with 128: never 4 A100s with 128."""
    line = refusal({"gpu_type": "a100", "cpus_per_rank": 32})
    assert "no node has 4 x (32 CPUs and 100 GiB) and 4 GPUs" in line


def test_a_qos_may_give_more_time_than_an_account() -> None:
    change = {"time": {"intermediate": 2880, "target": 60, "evaluate": 60}, "qos": "long"}
    require_fits(
        type(profile()).model_validate(profile().model_dump(mode="json") | change), cluster()
    )


def test_the_partition_of_a_reconcile_has_rights_of_its_own() -> None:
    change = {"partition": "cpu", "gpus_per_node": 0, "ranks_per_node": 4, "memory_per_rank_gib": 9}
    others = cluster(associations=read_associations("others||normal||||\n"))
    line = refusal(change | {"account": "others", "reconcile": {"partition": "gpu"}}, others)
    assert "reconcile.account: found others, expected one that partition gpu admits" in line


def test_a_disabled_reconcile_is_not_looked_at() -> None:
    change = {"enabled": False, "partition": "login", "time": 10_000}
    fields = profile().model_dump(mode="json") | {"reconcile": change}
    require_fits(type(profile()).model_validate(fields), cluster())


def test_what_is_not_enforced_is_not_judged() -> None:
    require_fits(profile("account: labs\nqos: urgent"), cluster(enforced=("none",)))


def test_a_profile_without_gpus_asks_for_none() -> None:
    text = "cluster: slurm\npartition: cpu\nranks_per_node: 2\ncpus_per_rank: 32\n" + (
        "memory_per_rank_gib: 60\ntime: {intermediate: 9, target: 9, evaluate: 9}\n"
        "device_tflops: 1\nstart_seconds: 1\n"
    )
    found = parse_profile(text, "p.yaml")
    assert found.cluster == "slurm"
    require_fits(found, cluster())


NODES_OF = {
    "new": "gpu|4|64|512000|gpu:a100:4|x\n",
    "old": "gpu|4|64|512000|gpu:tesla_v100:4|x\n",
    "older": "gpu|4|64|512000|gpu:p100:4|x\n",
    "unnamed": "gpu|4|64|512000|gpu:4|x\n",
    "both": "gpu|4|64|512000|gpu:v100:4|x\ngpu|4|64|512000|gpu:a100:4|x\n",
}


@pytest.mark.parametrize(
    ("nodes", "more", "precision"),
    [
        ("new", "", "bf16"), ("new", "", "fp16"), ("old", "", "fp16"), ("old", "", "fp32"),
        ("older", "", "fp32"), ("unnamed", "", "bf16"), ("both", "", "bf16"),
        ("both", "gpu_type: a100", "bf16"),
    ],
)  # fmt: skip
def test_a_precision_is_let_through_unless_all_cards_are_known_to_lack_it(
    nodes: str, more: str, precision: Precision
) -> None:
    require_computes(profile(more), cluster(nodes=read_nodes(NODES_OF[nodes])), precision)


@pytest.mark.parametrize(
    ("nodes", "more", "precision", "said"),
    [
        ("old", "", "bf16", "expected fp16 or fp32: GPUs of gpu (tesla_v100) have no bf16"),
        ("both", "gpu_type: v100", "bf16", "expected fp16 or fp32: GPUs of gpu (v100) have no"),
        ("older", "", "bf16", "expected fp32: GPUs of gpu (p100) have no bf16"),
        ("older", "", "fp16", "expected fp32: GPUs of gpu (p100) have no fp16"),
    ],
)
def test_one_that_no_card_has_is_refused(
    nodes: str, more: str, precision: Precision, said: str
) -> None:
    with pytest.raises(UserError) as caught:
        require_computes(profile(more), cluster(nodes=read_nodes(NODES_OF[nodes])), precision)
    assert str(caught.value).startswith(f"engine.precision: found {precision}, {said}")


@pytest.mark.parametrize(
    ("change", "ranks", "spare"),
    [({}, 4, 5), ({}, 8, 4), ({"constraint": "a100"}, 8, 2), ({"partition": "gpu,cpu"}, 4, 5),
     ({"memory_per_rank_gib": 200}, 4, 1), ({}, 64, 0)],
)  # fmt: skip
def test_so_many_nodes_may_be_left_out_that_a_job_still_finds_its_own(
    change: dict[str, object], ranks: int, spare: int
) -> None:
    assert nodes_to_spare(profile().model_copy(update=change), cluster(), ranks) == spare
