"""Why a job waits, in words for people."""

from __future__ import annotations

import pytest

from xtl.launch.slurm.reasons import is_stuck, words


@pytest.mark.parametrize(
    ("reason", "said", "stuck"),
    [
        ("Priority", "jobs of higher priority are ahead of it", False),
        ("Resources", "it is next, and waits for free nodes", False),
        ("Dependency", "it waits for a job that it depends on", False),
        ("DependencyNeverSatisfied", "a job that it depends on failed", True),
        ("(Priority)", "jobs of higher priority are ahead of it", False),
        ("ReqNodeNotAvail, UnavailableNodes:n3",
         "nodes that it asks for are down, drained or reserved (UnavailableNodes:n3)", False),
        ("Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority",
         "nodes that it needs are down, drained or reserved for other partitions", False),
        ("launch failed requeued held", "its node could not launch it, and Slurm holds it", True),
        ("launch_failed_requeued_held", "its node could not launch it, and Slurm holds it", True),
        ("job requeued in held state", "it was requeued in held state", True),
        ("JobHeldUser", "its owner, or this sweep, holds it", True),
        ("PartitionTimeLimit", "it asks for more time than its partition gives a job", True),
        ("AssocGrpCpuLimit", "the account's limit on CPUs is reached (AssocGrpCpuLimit)", False),
        ("AssocMaxJobsLimit", "the account's limit on running jobs is reached (AssocMaxJobsLimit)",
         False),
        ("QOSMaxSubmitJobPerUserLimit",
         "the QOS's limit on jobs in the queue per user is reached (QOSMaxSubmitJobPerUserLimit)",
         False),
        ("QOSMaxJobsPerUserLimit",
         "the QOS's limit on running jobs per user is reached (QOSMaxJobsPerUserLimit)", False),
        ("QOSGrpGRES", "the QOS's limit on GPUs is reached (QOSGrpGRES)", False),
        ("MaxGRESPerAccount", "the QOS's limit on GPUs per account is reached (MaxGRESPerAccount)",
         False),
        ("AssocGrpCPURunMinutesLimit",
         "the account's limit on CPU minutes of running jobs is reached "
         "(AssocGrpCPURunMinutesLimit)", False),
        ("QOSMaxWallDurationPerJobLimit",
         "the QOS's limit on time per job is reached (QOSMaxWallDurationPerJobLimit)", True),
        ("AssocMaxNodePerJobLimit",
         "the account's limit on nodes per job is reached (AssocMaxNodePerJobLimit)", True),
        ("QOSMinGRES", "it asks for less than the QOS wants: GPUs (QOSMinGRES)", True),
        ("None", "", False),
        ("", "", False),
        ("SomethingNew", "SomethingNew", False),
        ("a site's own words", "a site's own words", False),
    ],
)  # fmt: skip
def test_a_reason_in_words(reason: str, said: str, stuck: bool) -> None:
    assert words(reason) == said
    assert is_stuck(reason) == stuck
