"""Prepare, on a hub folder of a few rows: real files, a real mirror, real tables."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from jobs.prepare import prepare as prepare_verb
from jobs.prepare import wanted
from tests.tiny import tokenizer_into
from xtl.data.leakage import SEQUENCE_WORDS
from xtl.data.mirror import Mirror
from xtl.errors import UserError
from xtl.launch.prepare import missing, resolve
from xtl.launch.profile import read_profile
from xtl.launch.session import Session
from xtl.launch.store import Store
from xtl.sweep.lock import Lock
from xtl.sweep.manifest import Manifest
from xtl.sweep.reading import parse_manifest
from xtl.tasks.catalogue import EVALUATION_SETS, TARGETS, TASKS
from xtl.tasks.entries import DatasetRef, EvaluationSet, Target, Task
from xtl.tasks.settings import Recipe

DATA, MODEL = "tests/passages", "tests/model"
RUN = " ".join(f"shared{number}" for number in range(SEQUENCE_WORDS))
TABLES = [f"{DATA}/en/validation", f"{DATA}/pool/train", f"{DATA}/sw/validation"]


def text(model: str = MODEL, languages: str = "[en]") -> str:
    return (
        f"name: few\nmodel: {{repo: {model}}}\nintermediate: []\nsizes: [0]\nreplicates: [1]\n"
        f"targets:\n  - {{task: passages, languages: {languages}}}\n"
    )


def manifest(model: str = MODEL, languages: str = "[en]") -> Manifest:
    return parse_manifest(text(model, languages), "few.yaml")


@pytest.fixture(autouse=True)
def catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task of a few passages, as an entry of the catalogue."""
    recipe = Recipe(batch_size=2, learning_rate=1e-3)
    train = DatasetRef(DATA, "pool", "train", "squad")
    ask = DatasetRef(DATA, "{language}", "validation", "squad")
    task = Task("passages", "span-qa", (train,), 2, 8.0, 1, recipe)
    monkeypatch.setitem(TASKS, "passages", task)
    target = Target("passages", "passages", 1, recipe, ("passages",))
    monkeypatch.setitem(TARGETS, "passages", target)
    entry = EvaluationSet("passages", "span-qa", ask, ("en", "sw"), "f1", 1, 8.0)
    monkeypatch.setitem(EVALUATION_SETS, "passages", entry)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "hub"
    write_table(folder, "pool/train", ["Oslo is in Norway.", "Lima is in Peru."])
    write_table(folder, "en/validation", ["Accra is in Ghana."])
    write_table(folder, "sw/validation", ["Accra iko Ghana."])
    for name in (MODEL, "tests/other"):
        write_model(folder / name)
    monkeypatch.setenv("XTL_HUB", str(folder))
    monkeypatch.delenv("XTL_MIRROR", raising=False)
    return folder


def write_table(hub: Path, name: str, contexts: list[str]) -> None:
    path = hub / DATA / f"{name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        {
            "id": str(number),
            "context": words,
            "question": "Which?",
            "answers": {"text": [words.split()[0]], "answer_start": [0]},
        }
        for number, words in enumerate(contexts)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_model(folder: Path, weight: float = 0.0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "README.md").write_text("a model")
    config = {"model_type": "xlm-roberta", "num_hidden_layers": 2, "hidden_size": 4}
    (folder / "config.json").write_text(json.dumps(config))
    embeddings = np.full((8, 4), weight, dtype=np.float32)
    save_file({"embeddings.word_embeddings.weight": embeddings}, folder / "model.safetensors")
    tokenizer_into(folder)


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    return Mirror(tmp_path / "mirror")


def run(mirror: Mirror, lock: Lock | None = None, asked: Manifest | None = None) -> Lock:
    return resolve(asked or manifest(), lock, mirror, mirror.root / "cache", lambda _line: None)


def complaint(mirror: Mirror, lock: Lock | None = None, asked: Manifest | None = None) -> str:
    with pytest.raises(UserError) as caught:
        run(mirror, lock, asked)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_all_that_the_manifest_needs_is_locked_and_in_the_mirror(hub: Path, mirror: Mirror) -> None:
    assert missing(manifest(), None, mirror) == [MODEL, TABLES[1], TABLES[0]]
    lock = run(mirror)
    assert sorted(lock.tables) == TABLES[:2]
    assert lock.tables[TABLES[1]].rows == 2
    assert lock.model.parameters == 32
    assert missing(manifest(), lock, mirror) == []


def test_preparing_again_changes_nothing(hub: Path, mirror: Mirror) -> None:
    lock = run(mirror)
    assert run(mirror, lock) == lock


def test_a_lost_mirror_is_filled_again_with_what_is_locked(hub: Path, mirror: Mirror) -> None:
    lock = run(mirror)
    shutil.rmtree(mirror.root)
    assert missing(manifest(), lock, mirror) == [MODEL, TABLES[1], TABLES[0]]
    assert run(mirror, lock) == lock
    assert missing(manifest(), lock, mirror) == []


def test_a_lost_data_set_that_is_another_by_now_is_refused(hub: Path, mirror: Mirror) -> None:
    lock = run(mirror)
    locked = lock.tables[TABLES[0]].revision
    shutil.rmtree(mirror.root)
    write_table(hub, "pool/train", ["Oslo is in Norway."])
    line = complaint(mirror, lock)
    assert line.startswith(f"lock.json: tables: {DATA} is content-")
    assert f"now, expected {locked}, which the mirror {mirror.root} does not have" in line
    assert "start a new sweep folder" in line


def test_a_lost_model_with_other_weights_by_now_is_refused(hub: Path, mirror: Mirror) -> None:
    lock = run(mirror)
    shutil.rmtree(mirror.root / MODEL)
    write_model(hub / MODEL, weight=1.0)
    line = complaint(mirror, lock)
    assert line.startswith(f"lock.json: model.fingerprint: {MODEL} is ")
    assert f"now, expected {lock.model.fingerprint}" in line


def test_a_lost_model_whose_notes_alone_changed_is_the_same_model(
    hub: Path, mirror: Mirror
) -> None:
    lock = run(mirror)
    shutil.rmtree(mirror.root / MODEL)
    (hub / MODEL / "README.md").write_text("a model with a longer description")
    mended = run(mirror, lock)
    assert mended.model.fingerprint == lock.model.fingerprint
    assert missing(manifest(), mended, mirror) == []


def test_a_new_language_is_read_from_the_locked_revision(hub: Path, mirror: Mirror) -> None:
    lock = run(mirror)
    write_table(hub, "pool/train", ["Oslo is in Norway."])
    write_table(hub, "sw/validation", ["Lima iko Peru.", "Oslo iko Norway."])
    more = run(mirror, lock, manifest(languages="all"))
    assert sorted(more.tables) == TABLES
    assert {table.revision for table in more.tables.values()} == {lock.tables[TABLES[0]].revision}
    assert more.tables[TABLES[2]].rows == 1


def test_a_new_language_of_a_data_set_that_is_gone_and_another_by_now_is_refused(
    hub: Path, mirror: Mirror
) -> None:
    lock = run(mirror)
    shutil.rmtree(mirror.root)
    write_table(hub, "sw/validation", ["Lima iko Peru."])
    assert "start a new sweep folder" in complaint(mirror, lock, manifest(languages="all"))


def test_a_data_set_that_is_locked_at_two_revisions_is_refused(hub: Path, mirror: Mirror) -> None:
    lock = run(mirror)
    other = lock.tables[TABLES[0]].model_copy(update={"revision": "content-1"})
    mixed = lock.model_copy(update={"tables": lock.tables | {TABLES[0]: other}})
    line = complaint(mirror, mixed)
    assert line.startswith(f"lock.json: tables: found {DATA} at content-1 and at content-")


def test_another_model_is_locked_anew(hub: Path, mirror: Mirror) -> None:
    lock, other = run(mirror), manifest(model="tests/other")
    assert missing(other, lock, mirror)[0] == "tests/other"
    assert run(mirror, lock, other).model.repo == "tests/other"


def test_the_lock_says_which_tables_were_compared(hub: Path, mirror: Mirror) -> None:
    lock = run(mirror)
    assert lock.leakage_checked == (f"{TABLES[1]} / {TABLES[0]}",)
    assert lock.leakage == {}
    both = run(mirror, lock, manifest(languages="all"))
    assert both.leakage_checked == tuple(f"{TABLES[1]} / {asked}" for asked in TABLES[::2])


def test_a_lock_without_a_verdict_gets_one(hub: Path, mirror: Mirror) -> None:
    lock = run(mirror)
    bare = lock.model_copy(update={"leakage_checked": ()})
    assert missing(manifest(), bare, mirror) == ["the leakage verdict"]
    assert run(mirror, bare) == lock


def test_a_verdict_by_another_method_is_made_again(hub: Path, mirror: Mirror) -> None:
    lock = run(mirror)
    older = lock.model_copy(update={"leakage_method": lock.leakage_method - 1})
    assert missing(manifest(), older, mirror) == ["the leakage verdict"]
    assert run(mirror, older) == lock


def test_an_evaluation_context_in_the_training_table_is_in_the_lock(
    hub: Path, mirror: Mirror
) -> None:
    write_table(hub, "en/validation", ["oslo is  in Norway.", "Accra is in Ghana."])
    found = run(mirror).leakage[f"{TABLES[1]} / {TABLES[0]}"]
    assert (found.contexts, found.sequences) == (1, 0)


def test_a_new_language_that_shares_a_sequence_is_in_the_lock(hub: Path, mirror: Mirror) -> None:
    write_table(hub, "pool/train", [f"{RUN} in Norway."])
    write_table(hub, "sw/validation", [f"{RUN} katika Ghana."])
    lock = run(mirror)
    assert lock.leakage == {}
    more = run(mirror, lock, manifest(languages="all"))
    assert [overlap.sequences for overlap in more.leakage.values()] == [1]


def opened(root: Path, model: str = MODEL) -> Session:
    path = root.parent / "few.yaml"
    path.write_text(text(model))
    return Session(manifest(model), path, Store(root), read_profile("local"))


def command(root: Path, *, dry_run: bool = False, name: str | None = "few.yaml") -> None:
    chosen = root.parent / name if name else None
    prepare_verb(chosen, root, "local", None, dry_run=dry_run, json=True)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XTL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "sweep"


def test_the_verb_keeps_the_manifest_so_that_the_folder_alone_tells_it(
    hub: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    session = opened(root)
    command(root)
    assert session.store.manifest_path.read_text() == text()
    capsys.readouterr()
    command(root, name=None)
    said = json.loads(capsys.readouterr().out)
    assert said["missing"] == []
    assert said["lock"]["model"]["repo"] == MODEL


def test_a_dry_run_names_the_model_that_another_s_lock_lacks_and_writes_nothing(
    hub: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    opened(root)
    command(root)
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    session = opened(root, model="tests/other")
    assert wanted(session) == ["tests/other", TABLES[1], TABLES[0]]
    capsys.readouterr()
    command(root, dry_run=True)
    assert json.loads(capsys.readouterr().out)["missing"][0] == "tests/other"
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before


def test_what_overlaps_is_locked_and_refused_until_the_manifest_accepts_it(
    hub: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_table(hub, "en/validation", ["Oslo is in Norway."])
    session = opened(root)
    with pytest.raises(UserError, match=r"leakage: .*accept_overlap: "):
        command(root)
    assert (root / "lock.json").exists()
    accepted = "{training: passages, evaluation: passages, because: a test}"
    session.manifest_path.write_text(f"{text()}accept_overlap: [{accepted}]\n")
    command(root)
    assert json.loads(capsys.readouterr().out)["missing"] == []
