"""What may go, and above all what never does. Pure, but for the removal itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xtl.launch.cleaning import DAY_S, KINDS, Doomed, Needed, what_may_go
from xtl.launch.listing import Listed, listing
from xtl.launch.removal import GONE, remove

NOW = 10 * DAY_S
QUIET: dict[str, Any] = {"busy": False, "led": False}
SACRED = [
    "manifest.yaml", "lock.json", "profile.yaml", "table.parquet", "report/index.html",
    "shards/a/result.json", "shards/a/predictions.parquet", "shards/a/attempts/0001/claim.json",
    "shards/a/attempts/0001/result.json", "shards/a/attempts/0001/predictions.parquet",
    "shards/a/shard.json", "wandb/offline-run-1", "wandb/records.json", "batches/b/batch.json",
    "mirror/tests/tiny/content-1/config.json", "submissions/s/submission.json",
    "batches/.mark-ab12",
]  # fmt: skip


def paths(found: list[Doomed]) -> list[str]:
    return [entry.path for entry in found]


def at(path: str, days: float = 5) -> Listed:
    return Listed(path, 10, 1, NOW - days * DAY_S)


def go(*places: str, days: float = 5, **needed: Any) -> list[str]:
    known = Needed(**{**QUIET, **needed})
    return paths(what_may_go([at(path, days) for path in places], known, NOW))


def test_resume_state_goes_when_its_shard_is_done_and_not_before() -> None:
    both = ("shards/a/checkpoints", "shards/b/checkpoints")
    assert go(*both, done=frozenset("a")) == ["shards/a/checkpoints"]


def test_an_artifact_goes_when_no_planned_child_needs_it() -> None:
    assert go("shards/a/artifact", done=frozenset("a")) == []
    assert go("shards/a/artifact", done=frozenset("a"), spare=frozenset("a")) != []


def test_a_launcher_that_leads_releases_artifacts_itself() -> None:
    assert go("shards/a/artifact", spare=frozenset("a"), led=True) == []


def test_nothing_goes_of_a_shard_that_an_open_submission_names() -> None:
    places = ("checkpoints", "artifact", "false-starts", ".released-7", ".result.json.x1")
    everything: dict[str, Any] = {"done": frozenset("a"), "spare": frozenset("a")}
    found = go(*(f"shards/a/{place}" for place in places), **everything)
    assert len(found) == len(places)
    assert go(*found, touched=frozenset("a"), **everything) == []


def test_a_temporary_file_goes_after_a_day() -> None:
    staged = ("shards/a/.result.json.k2_x", "shards/a/attempts/0001/.end.json.ab12", ".room-17")
    assert go(*staged, days=1.1) == list(staged)
    assert go(*staged, days=0.9) == []


def test_the_mark_of_a_folders_batches_is_no_temporary_file() -> None:
    assert go("batches/x/.mark-ab12", ".mark-ab12") == []


def test_code_stays_that_an_attempt_ran() -> None:
    both = ("code/0123456789ab", "code/ba9876543210")
    assert go(*both, codes=frozenset({"0123456789ab"})) == ["code/ba9876543210"]


def test_tokens_of_other_plans_go_where_the_mirror_is_the_sweeps_own() -> None:
    both = ("mirror/.tokens/ab/abc", "mirror/.tokens/cd/cde")
    assert go(*both, pools=frozenset({"abc"})) == ["mirror/.tokens/cd/cde"]
    assert go(*both, pools=None) == []
    assert go(*both, pools=frozenset(), busy=True) == []


def test_logs_go_when_they_are_asked_for_and_their_records_never() -> None:
    entries = [at("submissions/s/submitit"), at("submissions/s/submission.json")]
    known = Needed(**QUIET, over=frozenset("s"))
    assert what_may_go(entries, known, NOW) == []
    assert paths(what_may_go(entries, known, NOW, logs=True)) == ["submissions/s/submitit"]
    assert what_may_go(entries, Needed(**QUIET), NOW, logs=True) == []


def test_what_the_manifest_no_longer_asks_for_goes_only_if_it_is_asked_for() -> None:
    entries = [at("shards/z/artifact"), at("shards/z/checkpoints"), at("shards/z/result.json")]
    assert what_may_go(entries, Needed(**QUIET), NOW) == []
    found = what_may_go(entries, Needed(**QUIET), NOW, unplanned=True)
    assert paths(found) == ["shards/z/artifact", "shards/z/checkpoints"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_that_is_to_be_kept_stays(kind: str) -> None:
    entries = [at("shards/a/checkpoints"), at("wandb/cache"), at("shards/a/.gone-x-1")]
    found = what_may_go(entries, Needed(**QUIET, done=frozenset("a")), NOW, keep=[kind])
    assert kind not in {entry.kind for entry in found}


SHARDS = st.frozensets(st.sampled_from(["a", "s", "b", "1"]))
ANY = st.builds(
    Needed,
    planned=SHARDS, done=SHARDS, touched=SHARDS, spare=SHARDS, over=SHARDS, codes=SHARDS,
    pools=st.none() | SHARDS, busy=st.booleans(), led=st.booleans(),
)  # fmt: skip


@given(ANY, st.booleans(), st.booleans(), st.floats(0, 100))
def test_results_predictions_runs_and_records_never_go(
    known: Needed, logs: bool, unplanned: bool, days: float
) -> None:
    entries = [at(path, days) for path in SACRED]
    assert what_may_go(entries, known, NOW, logs, unplanned) == []


def test_a_listing_has_nothing_that_is_sacred_as_one_to_be_judged(tmp_path: Path) -> None:
    for name in [*SACRED, "shards/a/checkpoints/step-1/x", "wandb/cache/y", ".lock.json.abc"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"12345")
    found = {entry.path: entry for entry in listing(tmp_path)}
    assert (found["shards/a/checkpoints"].bytes, found["shards/a/checkpoints"].files) == (5, 3)
    assert found["wandb/cache"].bytes == 5
    assert not {"wandb", "mirror", "manifest.yaml", "shards/a/attempts"} & found.keys()


def test_bytes_of_a_file_with_another_name_elsewhere_are_not_freed(tmp_path: Path) -> None:
    folder = tmp_path / "shards" / "a" / "artifact"
    folder.mkdir(parents=True)
    (folder / "w").write_bytes(b"12345")
    (tmp_path / "elsewhere").hardlink_to(folder / "w")
    (entry,) = listing(tmp_path)
    assert (entry.path, entry.bytes) == ("shards/a/artifact", 0)


def test_a_deletion_that_is_cut_short_leaves_a_name_that_the_next_one_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "shards" / "a" / "artifact"
    folder.mkdir(parents=True)
    (folder / "w").write_bytes(b"1")
    monkeypatch.setattr("shutil.rmtree", lambda *_, **__: None)  # it dies right before
    remove(folder)
    assert not folder.exists()
    (entry,) = listing(tmp_path)
    assert entry.name.startswith(GONE)
    assert [doomed.kind for doomed in what_may_go([entry], Needed(**QUIET), NOW)] == [
        "half-deleted"
    ]
    monkeypatch.undo()
    remove(tmp_path / entry.path)
    assert listing(tmp_path) == []
