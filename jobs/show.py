"""`xtl show SHARD`: what a shard is and where its things lie, or the command that runs it again."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from jobs.choosing import one_shard
from jobs.columns import plain_table
from jobs.options import Cluster, Json, Manifest, NothingToDry, Profile, Root, print_json, session
from jobs.tries import history, told, whole
from jobs.why import section
from jobs.wording import many
from xtl.errors import UserError
from xtl.launch.code import command_for
from xtl.launch.profile import SlurmProfile
from xtl.launch.records import Submission
from xtl.launch.replay import original
from xtl.launch.session import Session
from xtl.launch.states import Evidence, State
from xtl.launch.store import Store
from xtl.sweep.shard import Shard
from xtl.tracking.record import flatten


def show(
    shard: Annotated[
        str | None,
        typer.Argument(metavar="SHARD", help="Its id, how that begins, or its name or a part."),
    ] = None,
    manifest: Manifest = None,
    root: Root = None,
    cluster: Cluster = "auto",
    profile: Profile = None,
    replay: Annotated[
        bool,
        typer.Option("--replay", help="Only print the command that runs it again, before you."),
    ] = False,
    into: Annotated[
        Path | None, typer.Option("--into", help="Where a replay writes. Default: a new folder.")
    ] = None,
    attempt: Annotated[
        int | None,
        typer.Option(
            "--attempt",
            min=1,
            help="Replay as this one ran. Default: the one that gave the result, else the latest.",
        ),
    ] = None,
    dry_run: NothingToDry = False,
    json: Json = False,
) -> None:
    """Show one shard: its settings, parents, children, attempts, result and files.

    With --replay, print the one command that runs it again in a terminal, from its frozen code and
    with its attempt's settings: here, or on nodes that salloc got. It never writes to the sweep's
    folder, stops at breakpoint(), and says at the end whether its result is the sweep's.
    """
    if not replay and (into or attempt):
        raise UserError("show: found --into or --attempt alone, expected --replay beside it")
    opened = session(manifest, root, cluster, profile)
    if shard is None:
        raise UserError("show: found no SHARD, expected one, such as `xtl show 3f2a`")
    observation, known = opened.look()
    found = opened.plan.shards[one_shard(opened.plan, known, shard)]
    if replay:
        _replay(opened, found, into, attempt, json)
    elif json:
        print_json(_data(opened, found, known, observation.evidence))
    else:
        _show(Console(highlight=False), opened, found, known, observation.evidence)


# -- the command -------------------------------------------------------------------------------
def _replay(
    opened: Session, shard: Shard, into: Path | None, attempt: int | None, json: bool
) -> None:
    submission = original(opened.store, shard.id, attempt, shard.name)
    command = replay_command(opened, shard.id, submission, into, attempt)
    nodes = _salloc(opened, submission, shard)
    if json:
        print_json({"command": command, "salloc": nodes})
        return
    if nodes:
        print(f"on this machine, or on nodes such as: {nodes}", file=sys.stderr)
    print(command)


def replay_command(
    opened: Session, shard: str, submission: Submission, into: Path | None, attempt: int | None
) -> str:
    """One command for a POSIX shell; the profile's `setup` runs before it, in a shell of its own.
    Its `environment` is set by the replay itself, from the sweep's profile: it may be secret."""
    root = opened.store.root.absolute()
    code = Path(os.path.normpath(root / submission.code))
    if not submission.code or not (code / "xtl" / "launch" / "replay.py").is_file():
        raise UserError(f"{code}: found no xtl.launch.replay in it, expected code that has one")
    words = [str(root), shard]
    words += ["--into", str(into.absolute())] if into else []
    words += ["--attempt", str(attempt)] if attempt else []
    # Without caches of compiled code: nothing is written beside the frozen files.
    command = f"PYTHONDONTWRITEBYTECODE=1 {command_for(code, 'xtl.launch.replay', *words)}"
    setup = opened.profile.setup if isinstance(opened.profile, SlurmProfile) else ()
    return "\n".join(["(", *setup, f"{command} )"]) if setup else command


def _salloc(opened: Session, submission: Submission, shard: Shard) -> str | None:
    """How to get nodes as its job had."""
    profile = opened.profile
    if not isinstance(profile, SlurmProfile):
        return None
    nodes, per_node = profile.nodes_for(submission.ranks)
    gpus = f"{profile.gpu_type}:{per_node}" if profile.gpu_type else per_node
    options = {
        "partition": profile.partition,
        "account": profile.account,
        "qos": profile.qos,
        "constraint": profile.constraint,
        "reservation": profile.reservation,
        "nodes": nodes,
        "ntasks-per-node": per_node,
        "cpus-per-task": profile.cpus_per_rank,
        "gpus-per-node": gpus if profile.gpus_per_node else None,
        "mem": f"{round(1024 * profile.memory_per_rank_gib * per_node)}M",
        "time": getattr(profile.time, shard.stage),
    }
    return shlex.join(["salloc", *(f"--{key}={value}" for key, value in options.items() if value)])


# -- what it is --------------------------------------------------------------------------------
def _data(
    opened: Session, shard: Shard, known: Mapping[str, State], evidence: Mapping[str, Evidence]
) -> dict[str, Any]:
    own, store = evidence[shard.id], opened.store
    parents, children = _family(opened, shard)
    tries = history(store, shard.id, own, known[shard.id])
    return {
        "id": shard.id if opened.plan.locked else None,
        "name": shard.name,
        "stage": shard.stage,
        "state": known[shard.id].name,
        "spec": shard.spec.model_dump(mode="json"),
        "parents": [_relative(each, known) for each in parents],
        "children": [_relative(each, known) for each in children],
        "attempts": [vars(entry) for entry in tries],
        "result": own.result and own.result.model_dump(mode="json"),
        "places": {name: str(path) for name, path in _places(store, shard.id)},
    }


def _show(
    console: Console,
    opened: Session,
    shard: Shard,
    known: Mapping[str, State],
    evidence: Mapping[str, Evidence],
) -> None:
    own, state = evidence[shard.id], known[shard.id]
    console.print(Text(shard.name, style="bold"))
    identity = shard.id if opened.plan.locked else "no id before `xtl prepare`"
    console.print(Text(f"{identity} · {shard.stage} · {state.name}"))
    parents, children = _family(opened, shard)
    for heading, others in (("parent", parents), ("child", children)):
        for each in others:
            console.print(Text(f"{heading}: {each.name}, {known[each.id].name}"))
    console.print()
    table = plain_table("setting", "value", wrap=True)
    table.columns[1].overflow = "fold"  # a hash is told whole
    for key, value in settings(shard):
        table.add_row(Text(key), Text(value))
    console.print(table)
    tries = history(opened.store, shard.id, own, state)
    section(console, "attempts", (line for entry in tries for line in told(entry)))
    section(console, "result", _result(own))
    places = _places(opened.store, shard.id)
    section(console, "files", (whole(Text(f"{name}: {path}")) for name, path in places))


def _family(opened: Session, shard: Shard) -> tuple[list[Shard], list[Shard]]:
    """Parents, and children."""
    shards = opened.plan.shards
    children = [each for each in shards.values() if shard.id in each.parents]
    return [shards[parent] for parent in shard.parents], children


def _relative(shard: Shard, known: Mapping[str, State]) -> dict[str, str]:
    return {"id": shard.id, "name": shard.name, "state": known[shard.id].name}


def settings(shard: Shard) -> Iterator[tuple[str, str]]:
    """The spec, key by key; of a table its place in the mirror, its rows and its content."""
    body = shard.spec.model_dump(mode="json")
    for key, value in flatten(_numbered(body)).items():
        if value not in (None, "", [], {}):
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            yield key.replace("/", "."), text


def _numbered(value: Any) -> Any:
    """Lists of mappings as mappings, by number or by the language that they begin with."""
    if isinstance(value, dict):
        return {key: _numbered(entry) for key, entry in value.items()}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        if len(value) == 1:
            return _numbered(value[0])
        return {str(index): _numbered(entry) for index, entry in enumerate(value, start=1)}
    if isinstance(value, list) and value and isinstance(value[0], list):
        return {str(key): _numbered(entry) for key, entry in value}
    return value


def _result(own: Evidence) -> Iterator[Text]:
    result = own.result
    if result is None:
        return
    yield Text(f"of attempt {result.attempt}, {result.device_seconds:,.1f} device-seconds")
    if result.artifact:
        gone = "" if own.artifact else ", released"
        mib = result.artifact.bytes / 2**20
        yield Text(f"artifact {result.artifact.digest[:16]}…, {mib:,.1f} MiB{gone}")
    if result.training:
        updates, loss = many(result.training.updates, "update"), result.training.final_loss
        yield Text(f"{updates}, loss {loss:.4g} (the mean of its last tenth)")
    for language, metrics in result.metrics.items():
        scores = ", ".join(f"{name} {value:.2f}" for name, value in metrics.items())
        yield Text(f"{language}: {scores}")
    if result.degenerate:
        yield Text("degenerate: its scores are at chance")


def _places(store: Store, shard: str) -> list[tuple[str, Path]]:
    """Of what is there."""
    named = {
        "folder": store.shard(shard),
        "result": store.result_path(shard),
        "artifact": store.artifact(shard),
        "predictions": store.predictions_path(shard),
        "checkpoints": store.checkpoints(shard),
    }
    runs = sorted(store.root.glob(f"wandb/*run-*-{shard}"))
    return [pair for pair in (*named.items(), *(("W&B", run) for run in runs)) if pair[1].exists()]
