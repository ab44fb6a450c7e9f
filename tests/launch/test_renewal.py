"""What a newer lock would change: revisions, contents, tables that come and go, shards."""

from __future__ import annotations

from tests.conftest import lock_for
from xtl.launch.renewal import Change, changes, replaced
from xtl.sweep.lock import Lock
from xtl.sweep.manifest import Manifest
from xtl.sweep.plan import make_plan

POOL = "xtl/cldr-lookup/pool/train"


def other(lock: Lock, **update: object) -> Lock:
    """The lock with another pool."""
    table = lock.tables[POOL].model_copy(update=update)
    return lock.model_copy(update={"tables": lock.tables | {POOL: table}})


def test_the_same_lock_changes_nothing(small_manifest: Manifest) -> None:
    lock = lock_for(small_manifest)
    assert changes(lock, lock) == []


def test_a_new_revision_of_the_same_content_replaces_no_shard(small_manifest: Manifest) -> None:
    lock = lock_for(small_manifest)
    new = other(lock, revision="2")
    assert changes(lock, new) == [Change(POOL, "content-1", "2", 4096, 4096, same=True)]
    assert replaced(make_plan(small_manifest, lock), make_plan(small_manifest, new)) == []


def test_other_rows_at_the_same_revision_are_a_change(small_manifest: Manifest) -> None:
    lock = lock_for(small_manifest)
    new = other(lock, content="otherwise read", rows=4000)
    assert changes(lock, new) == [Change(POOL, "content-1", "content-1", 4096, 4000, same=False)]
    gone = replaced(make_plan(small_manifest, lock), make_plan(small_manifest, new))
    assert "lookup-pool 10% epochs s1" in [shard.name for shard in gone]


def test_tables_that_come_and_go_are_named(small_manifest: Manifest) -> None:
    lock = lock_for(small_manifest)
    less = lock.model_copy(
        update={"tables": {key: table for key, table in lock.tables.items() if key != POOL}}
    )
    assert changes(less, lock) == [Change(POOL, "", "content-1", 0, 4096, same=False)]
    assert changes(lock, less) == [Change(POOL, "content-1", "", 4096, 0, same=False)]
