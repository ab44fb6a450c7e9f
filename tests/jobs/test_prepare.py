"""`xtl prepare`, the verb, as a user runs it, against a hub on the loopback."""

from __future__ import annotations

import hashlib
import io
import json
import random
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from tests.data.loopback_hub import Files, Hub
from tests.jobs.hubs import DATA, MODEL, TARGET, Scene, alone, held, lookup_files, scene
from tests.slurm.checkouts import make_trivial
from xtl.data import lookup
from xtl.data.sources import model_hash

pytestmark = pytest.mark.slow

SERVED = {
    f"{DATA}/pool/train": 4096,
    f"{DATA}/target/train": 256,
    f"{DATA}/en/validation": 96,
    f"{DATA}/sw/validation": 96,
}


@pytest.fixture(scope="session")
def files(hub: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Files, Files]:
    """What the hub serves: the data set, the model."""
    folder = tmp_path_factory.mktemp("lookup")
    lookup.build(folder)
    return lookup_files(folder), held(hub / "tests" / "tiny-xlm-r")


@pytest.fixture(scope="session")
def undisturbed(
    files: tuple[Files, Files], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    """Prepared once; only to be looked at."""
    with scene(tmp_path_factory.mktemp("undisturbed"), *files) as found:
        found.prepared()
        yield found


@pytest.fixture
def fresh(files: tuple[Files, Files], tmp_path: Path) -> Iterator[Scene]:
    """Nothing prepared yet."""
    with scene(tmp_path, *files) as found:
        yield found


@pytest.fixture
def locked(undisturbed: Scene, tmp_path: Path) -> Iterator[Scene]:
    """All prepared, and the hub still there."""
    shutil.copytree(undisturbed.bench.folder, tmp_path, dirs_exist_ok=True)
    with scene(tmp_path, undisturbed.data.files, undisturbed.model.files) as found:
        yield found


def without_rows(data: bytes, count: int) -> bytes:
    """The same table without its last rows."""
    table = pq.read_table(io.BytesIO(data))
    cut = io.BytesIO()
    pq.write_table(table.slice(0, len(table) - count), cut)
    return cut.getvalue()


def rows_of(hub: Hub, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(io.BytesIO(hub.files[name])).to_pylist()
    return rows


def canonical_hash(rows: list[dict[str, Any]]) -> str:
    kept = ("answers", "context", "id", "question")
    encode = json.JSONEncoder(sort_keys=True, ensure_ascii=False).encode
    lines = (encode({key: row[key] for key in kept}) for row in rows)
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# -- whole ------------------------------------------------------------------------------------
def test_the_lock_names_the_hub_s_commits_and_counts_and_hashes_what_came(
    undisturbed: Scene, hub: Path
) -> None:
    lock = undisturbed.lock
    assert (lock.model.repo, lock.model.revision) == (MODEL, undisturbed.model.head)
    assert lock.model.fingerprint == model_hash(hub / "tests" / "tiny-xlm-r")
    assert {key: table.rows for key, table in lock.tables.items()} == SERVED
    assert {table.revision for table in lock.tables.values()} == {undisturbed.data.head}
    target = lock.tables[f"{DATA}/target/train"]
    assert target.content == canonical_hash(rows_of(undisturbed.data, TARGET))
    assert len(lock.leakage_checked) == 4


def test_the_mirror_has_what_the_hub_served_at_its_commit(undisturbed: Scene) -> None:
    for hub in (undisturbed.data, undisturbed.model):
        assert held(undisturbed.mirror / hub.repo) == {
            f"{hub.head}/{name}": data for name, data in hub.files.items()
        }
    pools = list((undisturbed.mirror / ".tokens").glob("*/*/pool.json"))
    names = {json.loads(path.read_text())["about"]["name"] for path in pools}
    assert names == {"lookup-pool", "lookup-qa", "lookup-qa en", "lookup-qa sw"}
    assert names_in(undisturbed.mirror / ".staging") == []


def test_a_second_one_asks_the_hub_nothing_and_changes_no_byte(undisturbed: Scene) -> None:
    asked, before = undisturbed.asked(), held(undisturbed.bench.folder)
    done = undisturbed.prepare()
    assert (done.returncode, done.stderr) == (0, "all is locked, and in the mirror\n")
    assert undisturbed.asked() == asked
    assert held(undisturbed.bench.folder) == before


def test_without_a_hub_the_lock_and_the_mirror_are_enough(undisturbed: Scene) -> None:
    there = alone(undisturbed)
    there.prepared()
    done = there.bench.run("sweep", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "would submit" in done.stdout


def test_a_dry_run_says_what_would_come_and_writes_nothing(fresh: Scene) -> None:
    before = held(fresh.bench.folder)
    said = fresh.prepared("--dry-run").splitlines()
    assert said[0] == f"would put into {fresh.mirror}, lock and tokenise:"
    tables = ", ".join(key.removeprefix(f"{DATA}/") for key in SERVED)
    assert said[1:] == [f"  {MODEL}", f"  {DATA}: {tables}"]
    assert held(fresh.bench.folder) == before
    assert not fresh.bench.root.exists()
    assert fresh.asked() == 0


def test_a_dry_run_names_the_tokens_that_are_missing(locked: Scene) -> None:
    shutil.rmtree(locked.mirror / ".tokens")
    before = held(locked.bench.folder)
    said = locked.prepared("--dry-run").splitlines()
    assert said[0] == f"would put into {locked.mirror}:"
    assert "  tokens of lookup-qa sw" in said
    assert held(locked.bench.folder) == before


def test_what_it_says_to_machines_has_the_same_keys_whatever_is_asked(locked: Scene) -> None:
    asked = [[], ["--dry-run"], ["--update"], ["--update", "--dry-run"]]
    said = [locked.prepared("--json", *words) for words in asked]
    found = [json.loads(text) for text in said]
    assert {tuple(document) for document in found} == {("lock", "missing", "update")}
    assert found[0]["lock"] == locked.lock.model_dump(mode="json")
    assert [document["update"] is None for document in found] == [True, True, False, False]
    assert {tuple(document["update"]) for document in found[2:]} == {
        ("changes", "replaced", "locked", "would_ask")
    }


def test_yes_alone_is_refused(undisturbed: Scene) -> None:
    assert undisturbed.refused("--yes") == "--yes: found without --update, expected both or none"


# -- refused ----------------------------------------------------------------------------------
def gated(hub: Hub) -> None:
    hub.gated = True


def missing(hub: Hub) -> None:
    hub.repo = "tests/another"


def refuses(hub: Hub) -> None:
    hub.refusals["/resolve/"] = 403


def lies(hub: Hub) -> None:
    hub.lies[TARGET] = bytes(len(hub.files[TARGET]))


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        (gated, f"hub: dataset {DATA} is gated: accept its terms at http"),
        (missing, f"hub: found no dataset {DATA}: check the name (for a private one, set HF_TOKEN"),
        (refuses, f"hub: dataset {DATA} was refused (403): set HF_TOKEN or run `hf auth login`"),
        (lies, f"hub: dataset {DATA}: {TARGET}: found hash "),
    ],
)
def test_what_the_hub_does_not_give_is_one_line_and_nothing_is_locked(
    fresh: Scene, fault: Callable[[Hub], None], line: str
) -> None:
    fault(fresh.data)
    assert fresh.refused().startswith(line)
    assert not fresh.bench.root.exists()
    assert not (fresh.mirror / DATA).exists()


def test_a_cut_connection_is_one_line_and_gone_on_with(fresh: Scene, undisturbed: Scene) -> None:
    fresh.data.cuts[TARGET], fresh.data.cut_always = 5000, True
    assert fresh.refused().startswith(f"hub: dataset {DATA} could not be fetched (")
    assert not fresh.bench.root.exists()
    came = set(fresh.data.fetched()) - {TARGET}
    fresh.data.cuts.clear()
    fresh.data.asked.clear()
    fresh.prepared()
    assert TARGET in fresh.data.fetched()
    assert came.isdisjoint(fresh.data.fetched())
    require_same(fresh, undisturbed)


# -- killed -----------------------------------------------------------------------------------
def require_same(found: Scene, expected: Scene) -> None:
    """The same lock, the same mirror with its tokens, and nothing half-done."""
    assert found.lock_path.read_bytes() == expected.lock_path.read_bytes()
    assert whole(held(found.mirror)) == whole(held(expected.mirror))
    folders = [found.mirror / ".staging", found.mirror / ".tokens" / ".building"]
    assert [names_in(folder) for folder in folders] == [[], []]
    assert sorted(whole(held(found.bench.root))) == ["lock.json", "manifest.yaml", "profile.yaml"]


def whole(files: Files) -> Files:
    """Without the hidden small ones that were being written by who was killed: nobody reads them,
    and they were never renamed to what they are the next text of."""
    parts = (".index-", ".lock.json.", ".manifest.yaml.", ".profile.yaml.")
    return {name: data for name, data in files.items() if not Path(name).name.startswith(parts)}


@pytest.mark.parametrize(
    "seed", [1, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 6))]
)
def test_killed_at_any_change_until_it_ends_it_gives_the_same_lock_and_mirror(
    fresh: Scene, undisturbed: Scene, seed: int
) -> None:
    """The instants are changes of files: the same on a slow machine."""
    draw = random.Random(seed)
    kills = 0
    while kills < 5 and fresh.killed_before(draw.randrange(20, 200)):
        kills += 1
    assert kills  # a late first one leaves little to kill
    fresh.prepared()
    require_same(fresh, undisturbed)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(3))
def test_killed_at_any_instant_until_it_ends_it_gives_the_same_lock_and_mirror(
    fresh: Scene, undisturbed: Scene, seed: int
) -> None:
    draw = random.Random(seed)
    fresh.data.bytes_per_second = fresh.model.bytes_per_second = 500_000
    for _ in range(6):
        running = fresh.bench.start("prepare")
        time.sleep(draw.uniform(0.5, 6))
        running.kill()
        running.communicate()
    fresh.prepared()
    require_same(fresh, undisturbed)


# -- another revision on the hub --------------------------------------------------------------
def fewer(hub: Hub) -> str:
    """A newer commit, without six rows of the target's training set."""
    return hub.commit(hub.files | {TARGET: without_rows(hub.files[TARGET], 6)})


def test_a_newer_revision_changes_nothing_that_is_locked(locked: Scene) -> None:
    fewer(locked.data)
    mirror, lock = held(locked.mirror), locked.lock_path.read_bytes()
    locked.prepared()
    assert (held(locked.mirror), locked.lock_path.read_bytes()) == (mirror, lock)
    assert locked.asked() == 0


@pytest.mark.parametrize("lost", ["mirror", "mirror/tests/lookup"])
def test_a_lost_mirror_is_filled_again_at_the_locked_commit(locked: Scene, lost: str) -> None:
    commit, lock = locked.data.head, locked.lock_path.read_bytes()
    before = held(locked.mirror / DATA)
    shutil.rmtree(locked.bench.folder / lost)
    fewer(locked.data)
    locked.prepared("--no-tokens")
    assert held(locked.mirror / DATA) == before
    assert names_in(locked.mirror / DATA) == [commit]
    assert locked.lock_path.read_bytes() == lock


def test_update_shows_what_would_change_and_changes_nothing(locked: Scene) -> None:
    old, new = locked.data.head, fewer(locked.data)
    before = held(locked.bench.root)
    said = locked.prepared("--update")
    assert held(locked.bench.root) == before
    (row,) = [line for line in said.splitlines() if "target/train" in line]
    assert old[:8] in row
    assert new[:8] in row
    assert "256 → 250" in said
    assert "4 shards would be replaced by others (4 missing):" in said
    assert "  lookup-pool 64 epochs s1 → lookup-qa (missing)" in said
    found = json.loads(locked.prepared("--update", "--json"))["update"]
    changed = [change for change in found["changes"] if not change["same"]]
    assert [(change["name"], change["before"], change["after"]) for change in changed] == [
        (f"{DATA}/target/train", old, new)
    ]
    assert {shard["state"] for shard in found["replaced"]} == {"missing"}
    assert not found["locked"]


def test_update_with_yes_locks_it_and_the_old_snapshot_stays(locked: Scene) -> None:
    old, new = locked.data.head, fewer(locked.data)
    snapshot = held(locked.mirror / DATA / old)
    assert json.loads(locked.prepared("--update", "--yes", "--json"))["update"]["locked"]
    assert {table.revision for table in locked.lock.tables.values()} == {new}
    assert locked.lock.tables[f"{DATA}/target/train"].rows == 250
    assert held(locked.mirror / DATA / old) == snapshot
    assert locked.prepared("--update") == "all data are as they are locked\n"


def test_a_newer_revision_with_the_same_rows_changes_no_shard(locked: Scene) -> None:
    described = locked.data.files["README.md"] + b"\nMore words.\n"
    new = locked.data.commit(locked.data.files | {"README.md": described})
    found = json.loads(locked.prepared("--update", "--yes", "--json"))["update"]
    assert [change["same"] for change in found["changes"]] == [True] * 4
    assert found["replaced"] == []
    assert {table.revision for table in locked.lock.tables.values()} == {new}
    assert json.loads(locked.prepared("--json"))["missing"] == []  # its tokens are there already


def test_update_says_in_which_states_the_shards_are(locked: Scene, tmp_path: Path) -> None:
    trivial = replace(locked.bench, checkout=make_trivial(tmp_path / "checkout"))
    trivial.sweep()
    fewer(locked.data)
    assert "4 shards would be replaced by others (4 done):" in locked.prepared("--update")


# -- one's own files --------------------------------------------------------------------------
def write_own(path: Path, rows: list[dict[str, Any]]) -> None:
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8")


def with_own(found: Scene, **more: Any) -> Path:
    """The target's training set is a file of the user's, as the hub has it."""
    path = found.bench.folder / "own [1].jsonl"
    write_own(path, rows_of(found.data, TARGET))
    body = yaml.safe_load(found.manifest.read_text()) | more
    body["training_data"]["lookup-qa"] = {"path": str(path)}
    found.manifest.write_text(yaml.safe_dump(body, allow_unicode=True))
    return path


def test_a_bad_line_is_named_before_anything_is_fetched_and_mended_it_is_prepared(
    fresh: Scene,
) -> None:
    path = with_own(fresh)
    rows = rows_of(fresh.data, TARGET)
    write_own(path, [*rows[:16], rows[16] | {"question": None}, *rows[17:]])
    assert fresh.refused() == f"{path}: line 17: column question: found nothing, expected text"
    assert fresh.asked() == 0
    assert not fresh.bench.root.exists()
    assert held(fresh.mirror) == {}
    write_own(path, rows)
    fresh.prepared("--no-tokens")
    (own,) = [table for key, table in fresh.lock.tables.items() if key.startswith("own/lookup-qa-")]
    assert own.content == canonical_hash(rows)
    path.unlink()
    asked = fresh.asked()
    fresh.prepared()
    assert fresh.asked() == asked
    assert json.loads(fresh.prepared("--json"))["missing"] == []


def leaking(found: Scene) -> Path:
    """One passage of the English evaluation set in the user's file."""
    path = with_own(found)
    asked = rows_of(found.data, "en/validation-00000-of-00001.parquet")
    write_own(path, [*rows_of(found.data, TARGET), asked[0]])
    return path


def test_an_overlap_is_locked_and_refused_until_the_manifest_accepts_it(fresh: Scene) -> None:
    leaking(fresh)
    line = fresh.refused()
    assert line.startswith("leakage: own/lookup-qa-")
    assert f"/default/data / {DATA}/en/validation: found 1 " in line
    (overlap,) = fresh.lock.leakage.values()
    assert overlap.contexts == 1
    assert fresh.refused("--dry-run") == line
    asked, lock = fresh.asked(), fresh.lock_path.read_bytes()
    assert "accept_overlap: [{" in line
    accepted = "accept_overlap: [{" + line.partition("accept_overlap: [{")[2]
    fresh.manifest.write_text(f"{fresh.manifest.read_text()}{accepted.replace('…', 'a test')}\n")
    fresh.prepared("--no-tokens")
    assert (fresh.asked(), fresh.lock_path.read_bytes()) == (asked, lock)


def test_an_overlap_that_is_mended_in_the_file_is_locked_anew_by_an_update(fresh: Scene) -> None:
    path = leaking(fresh)
    fresh.refused()
    write_own(path, rows_of(fresh.data, TARGET))
    assert "257 → 256" in fresh.prepared("--update", "--yes")
    assert fresh.lock.leakage == {}
    fresh.prepared("--no-tokens")


def test_an_update_that_would_overlap_is_refused_and_the_lock_stays(locked: Scene) -> None:
    name = "en/validation-00000-of-00001.parquet"
    asked, pool = (pq.read_table(io.BytesIO(locked.data.files[file])) for file in (name, TARGET))
    both = io.BytesIO()
    pq.write_table(pa.concat_tables([pool, asked.slice(0, 1)]), both)
    locked.data.commit(locked.data.files | {TARGET: both.getvalue()})
    lock = locked.lock_path.read_bytes()
    line = locked.refused("--update", "--yes")
    assert line.startswith(f"today's revisions: leakage: {DATA}/target/train / {DATA}/en/")
    assert line.endswith("; the lock stays as it is")
    assert locked.lock_path.read_bytes() == lock


# -- a login node -----------------------------------------------------------------------------
MANY_CORES = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>
int sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set) {
  memset(set, 0, size);
  for (int core = 0; core < 64; core++) CPU_SET_S(core, size, set);
  return 0;
}
int pthread_getaffinity_np(unsigned long thread, size_t size, cpu_set_t *set) {
  return sched_getaffinity(0, size, set);
}
long sysconf(int name) {
  long (*real)(int) = (long (*)(int)) dlsym(RTLD_NEXT, "sysconf");
  return name == _SC_NPROCESSORS_ONLN || name == _SC_NPROCESSORS_CONF ? 64 : real(name);
}
int get_nprocs(void) { return 64; }
int get_nprocs_conf(void) { return 64; }
"""


def test_on_a_node_of_64_cores_no_library_starts_a_thread_a_core(fresh: Scene) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler to make a library that tells a process of 64 cores")
    source, library = fresh.bench.folder / "cores.c", fresh.bench.folder / "cores.so"
    source.write_text(MANY_CORES)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    env = fresh.bench.env | {"LD_PRELOAD": str(library)}
    env.pop("OMP_NUM_THREADS", None)
    running = replace(fresh.bench, env=env).start("prepare")
    most = 0
    while running.poll() is None:
        try:
            most = max(most, psutil.Process(running.pid).num_threads())
        except psutil.NoSuchProcess:
            break
        time.sleep(0.02)
    said, _ = running.communicate()
    assert running.returncode == 0, said
    assert most <= 24
