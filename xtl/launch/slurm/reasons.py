"""Why a job waits, in words for people, from the reason that squeue gives. Pure."""

from __future__ import annotations

import re

from xtl.launch.sight import Remedy

_WORDS = {
    "Priority": "jobs of higher priority are ahead of it",
    "Resources": "it is next, and waits for free nodes",
    "Dependency": "it waits for a job that it depends on",
    "DependencyNeverSatisfied": "a job that it depends on failed",
    "BeginTime": "it may not begin before a time (after a requeue, a moment)",
    "JobArrayTaskLimit": "as many tasks of its array run as the profile lets run at once",
    "JobHeldUser": "its owner, or this sweep, holds it",
    "JobHeldAdmin": "an administrator holds it",
    "JobHoldMaxRequeue": "it was requeued too often, and is held",
    "PartitionDown": "its partition takes no jobs at present",
    "PartitionInactive": "its partition takes no jobs at present",
    "PartitionNodeLimit": "it asks for more or fewer nodes than its partition gives a job",
    "PartitionTimeLimit": "it asks for more time than its partition gives a job",
    "PartitionConfig": "its partition cannot give what it asks for",
    "ReqNodeNotAvail": "nodes that it asks for are down, drained or reserved",
    "NodeDown": "its node is down",
    "Reservation": "its reservation has not begun, or is full",
    "ReservationDeleted": "its reservation is gone",
    "Licenses": "it waits for a licence",
    "BadConstraints": "no node has what it asks for",
    "InvalidAccount": "its account is not valid",
    "InvalidQOS": "its QOS is not valid",
    "AccountNotAllowed": "its account may not use its partition",
    "QOSNotAllowed": "its QOS may not be used with its account or partition",
    "QOSUsageThreshold": "the QOS's usage threshold is passed",
    "JobLaunchFailure": "it could not be launched",
    "SystemFailure": "Slurm, a file system or the network failed",
    "Prolog": "its node is being prepared",
    "Cleaning": "it was requeued, and its node is still being cleaned",
    "MaxMemPerLimit": "it asks for more memory than a node or CPU may give",
    "NodesRequired": "nodes that it needs are down, drained or reserved for other partitions",
    "LaunchHeld": "its node could not launch it, and Slurm holds it",
    "HeldRequeue": "it was requeued in held state",
}

_SENTENCES = (  # some reasons are sentences, which versions spell with spaces or underscores
    (re.compile("nodes required for job are", re.IGNORECASE), "NodesRequired"),
    (re.compile("(launch|env retrieval) failed requeued held", re.IGNORECASE), "LaunchHeld"),
    (re.compile("requeued in held state", re.IGNORECASE), "HeldRequeue"),
)

_STUCK = frozenset(
    {"DependencyNeverSatisfied", "JobHeldUser", "JobHeldAdmin", "JobHoldMaxRequeue", "LaunchHeld"}
    | {"HeldRequeue", "PartitionNodeLimit", "PartitionTimeLimit", "PartitionConfig"}
    | {"BadConstraints", "InvalidAccount", "InvalidQOS", "AccountNotAllowed", "QOSNotAllowed"}
    | {"ReservationDeleted", "MaxMemPerLimit"}
)

# A person's hold, JobHeldUser, is the person's. Slurm's own are let go: after a failed launch the
# node is drained, so that it does not happen there again.
_REMEDIES: dict[str, Remedy] = {
    "LaunchHeld": "release",
    "HeldRequeue": "release",
    "JobHoldMaxRequeue": "release",
    "DependencyNeverSatisfied": "cancel",
}

_LIMIT = re.compile(
    r"(?P<whose>Assoc|QOS|)(?P<kind>Grp|Max|Min)(?P<what>[A-Za-z]+?)"
    r"(?P<scope>Per(?:Job|Node|User|Account))?(?:Limit|NotSatisfied)?"
)
_WHOSE = {"Assoc": "the account", "QOS": "the QOS", "": "the QOS"}
_WHAT = (
    ("CPURunMinutes", "CPU minutes of running jobs"),
    ("RunMinutes", "minutes of running jobs"),
    ("Minutes", "minutes of use"),
    ("Wall", "time"),
    ("Submit", "jobs in the queue"),
    ("Jobs", "running jobs"),
    ("Cpu", "CPUs"),
    ("Node", "nodes"),
    ("Mem", "memory"),
    ("GRES", "GPUs"),
)
_SCOPE = {
    "PerJob": " per job",
    "PerNode": " per node",
    "PerUser": " per user",
    "PerAccount": " per account",
}


def words(reason: str) -> str:
    """The reason as a clause about the job; one that is not known here stays as it is."""
    key, _, rest = _key(reason).partition(",")
    if key in ("", "None", "(null)"):
        return ""
    limit = _limit(key)
    known = _WORDS.get(key) or limit
    detail = rest.strip() if key == "ReqNodeNotAvail" else ""
    return f"{known} ({detail})" if known and detail else known or reason


def is_stuck(reason: str) -> bool:
    """Whether a job that waits for this will wait for ever, unless somebody acts."""
    key = _key(reason).partition(",")[0]
    found = _LIMIT.fullmatch(key)
    never = found and (found["kind"] == "Min" or found["scope"] in ("PerJob", "PerNode"))
    return key in _STUCK or bool(never)


def remedy(reason: str) -> Remedy | None:
    """What a launcher may do for a job that waits for ever for this."""
    return _REMEDIES.get(_key(reason).partition(",")[0])


def _key(reason: str) -> str:
    plain = reason.strip().strip("()").replace("_", " ")
    for pattern, key in _SENTENCES:
        if pattern.search(plain):
            return key
    return reason.strip().strip("()")


def _limit(key: str) -> str:
    """Of an association or a QOS: their names are made of parts, over a hundred in all."""
    if key.startswith(("AssociationJobLimit", "AssociationResourceLimit", "AssociationTimeLimit")):
        return f"a limit of the account is reached ({key})"
    if key in ("QOSJobLimit", "QOSResourceLimit", "QOSTimeLimit"):
        return f"a limit of the QOS is reached ({key})"
    found = _LIMIT.fullmatch(key)
    if not found:
        return ""
    what = next((said for part, said in _WHAT if part in found["what"]), found["what"])
    if found["kind"] == "Min":
        return f"it asks for less than {_WHOSE[found['whose']]} wants: {what} ({key})"
    scope = _SCOPE.get(found["scope"] or "", "")
    return f"{_WHOSE[found['whose']]}'s limit on {what}{scope} is reached ({key})"
