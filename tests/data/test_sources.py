from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.data.loopback_hub import CONVERTED as CONVERSION
from tests.data.loopback_hub import Hub, ask_it, serving
from xtl.data import lookup
from xtl.data.mirror import Mirror, Snapshot, content_hash, verify
from xtl.data.sources import is_taken, model_hash, obtain
from xtl.errors import UserError

README = "---\nconfigs: []\n---\n"
MODEL_NAMES = {
    "README.md": True,
    "config.json": True,
    "model.safetensors": True,
    "model-00001-of-00002.safetensors": True,
    "model.safetensors.index.json": True,
    "sentencepiece.bpe.model": True,
    "model.fp16.safetensors": False,
    "onnx/config.json": False,
    "openvino/model.safetensors": False,
    "pytorch_model.bin": False,
    "training_args.bin": False,
}


@pytest.fixture
def local_hub(tmp_path: Path) -> Path:
    """A hub folder with one data set, and in it what must never be taken."""
    repo = tmp_path / "hub" / "owner" / "set"
    (repo / "plain").mkdir(parents=True)
    (repo / "README.md").write_text(README)
    (repo / "plain" / "train.jsonl").write_text('{"a": 1}\n')
    (repo / "set.py").write_text("raise SystemExit('run')")
    (repo / "weights.bin").write_bytes(b"pickle")
    return tmp_path / "hub"


def get(
    repo: str,
    mirror: Mirror,
    hub: Path | None,
    said: list[str] | None = None,
    revision: str | None = None,
) -> Snapshot:
    cache, report = mirror.root / "cache", said.append if said is not None else lambda _line: None
    return obtain(repo, "dataset", mirror, cache=cache, hub=hub, report=report, revision=revision)


def names(snapshot: Snapshot) -> list[str]:
    files = (path for path in snapshot.folder.rglob("*") if path.is_file())
    return sorted(path.relative_to(snapshot.folder).as_posix() for path in files)


def test_a_local_hub_s_set_is_copied_without_its_scripts(local_hub: Path, tmp_path: Path) -> None:
    snapshot = get("owner/set", Mirror(tmp_path / "mirror"), local_hub)
    assert names(snapshot) == ["README.md", "plain/train.jsonl"]
    assert snapshot.folder == tmp_path / "mirror" / "owner/set" / snapshot.revision
    verify(snapshot)


def test_asking_twice_copies_once(local_hub: Path, tmp_path: Path) -> None:
    mirror = Mirror(tmp_path / "mirror")
    said: list[str] = []
    first = get("owner/set", mirror, local_hub, said)
    second = get("owner/set", mirror, local_hub, said)
    assert first == second
    assert said == [
        f"copying 2 files from {local_hub / 'owner/set'}",
        f"owner/set: in the mirror now, {first.revision}",
        f"owner/set: in the mirror already, {first.revision}",
    ]


def test_a_changed_set_is_a_new_revision_and_the_old_one_stays(
    local_hub: Path, tmp_path: Path
) -> None:
    mirror = Mirror(tmp_path / "mirror")
    first = get("owner/set", mirror, local_hub)
    (local_hub / "owner/set/plain/train.jsonl").write_text('{"a": 22}\n')
    second = get("owner/set", mirror, local_hub)
    assert first.revision != second.revision
    verify(first)


def test_a_lost_index_gives_the_same_revision_again(local_hub: Path, tmp_path: Path) -> None:
    mirror = Mirror(tmp_path / "mirror")
    first = get("owner/set", mirror, local_hub)
    (mirror.root / ".index").rename(tmp_path / "lost")
    assert get("owner/set", mirror, local_hub) == first


def test_a_repo_without_any_data_is_refused_and_not_published(
    local_hub: Path, tmp_path: Path
) -> None:
    (local_hub / "owner/set/plain/train.jsonl").unlink()
    with pytest.raises(UserError, match=r"dataset owner/set: found no file of data"):
        get("owner/set", Mirror(tmp_path / "mirror"), local_hub)
    assert not (tmp_path / "mirror/owner").exists()


def test_a_model_needs_safetensors(local_hub: Path, tmp_path: Path) -> None:
    mirror = Mirror(tmp_path / "mirror")
    with pytest.raises(UserError, match=r"model owner/set: .* expected one of \*.safetensors"):
        obtain("owner/set", "model", mirror, cache=tmp_path, hub=local_hub, report=print)


MODEL_FILES = ["model.safetensors", "config.json", "tokenizer.json", "spm.model", "merges.txt"]


@pytest.mark.parametrize("name", [*MODEL_FILES, "README.md", "NOTES.txt"])
def test_a_model_s_hash_is_of_what_it_computes_with(tmp_path: Path, name: str) -> None:
    for file in (*MODEL_FILES, "README.md", "NOTES.txt"):
        (tmp_path / file).write_text("one")
    before = model_hash(tmp_path)
    (tmp_path / name).write_text("two")
    assert (model_hash(tmp_path) != before) == (name in MODEL_FILES)


def test_the_generated_set_is_built_once(tmp_path: Path, lookup_folder: Path) -> None:
    mirror = Mirror(tmp_path / "mirror")
    said: list[str] = []
    first = get(lookup.REPO, mirror, None, said)
    assert get(lookup.REPO, mirror, None, said) == first
    assert first.fingerprint == content_hash(lookup_folder)
    assert [line.partition(",")[0] for line in said] == [
        "xtl/cldr-lookup: composing questions from CLDR",
        "xtl/cldr-lookup: in the mirror now",
        "xtl/cldr-lookup: in the mirror already",
    ]


def test_a_prepare_that_is_killed_leaves_nothing_published_and_the_next_one_completes(
    tmp_path: Path,
) -> None:
    mirror = Mirror(tmp_path / "mirror")
    code = (
        "import os, sys; from pathlib import Path\n"
        "from xtl.data import lookup, sources; from xtl.data.mirror import Mirror\n"
        "def cut(folder):\n"
        "    (folder / 'half.parquet').write_text('x'); os.kill(os.getpid(), 9)\n"
        "lookup.build = cut\n"
        "sources.obtain(lookup.REPO, 'dataset', Mirror(Path(sys.argv[1])),\n"
        "               cache=Path('unused'), hub=None, report=print)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(mirror.root)], capture_output=True)
    assert killed.returncode == -9
    assert [path.name for path in mirror.root.iterdir()] == [".staging"]
    verify(get(lookup.REPO, mirror, None))
    assert list((mirror.root / ".staging").iterdir()) == []


ROWS = b'{"a": 1}\n'
TABLE = b"PAR1" * 99
FILES = {"README.md": b"# set\n", "plain/train.jsonl": ROWS, "set.py": b"1"}
SCRIPTS = {"README.md": b"# set\n", "dataset_infos.json": b"{}", "set.py": b"1"}
CONVERTED = {"en/train/0000.parquet": TABLE, "en/partial-test/0000.parquet": TABLE}


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The hub, as its client sees it: one data set on this machine's loopback."""
    with serving(Hub("owner/set", FILES)) as served:
        ask_it(served, monkeypatch)
        yield served


def test_the_hub_s_set_comes_without_its_scripts_and_is_named_by_its_commit(
    online: Hub, tmp_path: Path
) -> None:
    said: list[str] = []
    snapshot = get("owner/set", Mirror(tmp_path / "mirror"), None, said)
    assert snapshot.folder == tmp_path / "mirror/owner/set" / online.head
    assert names(snapshot) == ["README.md", "plain/train.jsonl"]
    assert (snapshot.folder / "plain/train.jsonl").read_bytes() == ROWS
    assert said == [
        f"owner/set: downloading {online.head} from the hub",
        "owner/set: 2 of 2 files, 0.0 of 0.0 KiB",
        f"owner/set: in the mirror now, {online.head}",
    ]
    verify(snapshot)


def test_a_commit_in_the_mirror_costs_one_question(online: Hub, tmp_path: Path) -> None:
    mirror = Mirror(tmp_path / "mirror")
    first = get("owner/set", mirror, None)
    online.asked.clear()
    assert get("owner/set", mirror, None) == first
    assert online.asked == ["/api/datasets/owner/set"]


def test_a_new_commit_appears_beside_the_old_one(online: Hub, tmp_path: Path) -> None:
    mirror = Mirror(tmp_path / "mirror")
    first = get("owner/set", mirror, None)
    online.commit({"plain/train.jsonl": ROWS * 2})
    second = get("owner/set", mirror, None)
    assert second.folder == first.folder.parent / online.head
    assert names(second) == ["plain/train.jsonl"]
    verify(first)


def test_an_old_commit_can_still_be_had(online: Hub, tmp_path: Path) -> None:
    first = get("owner/set", Mirror(tmp_path / "mirror"), None)
    online.commit({"plain/train.jsonl": ROWS * 2})
    again = get("owner/set", Mirror(tmp_path / "other"), None, revision=first.revision)
    assert (again.revision, again.fingerprint) == (first.revision, first.fingerprint)


def test_a_commit_that_is_gone_leaves_nothing_staged(online: Hub, tmp_path: Path) -> None:
    mirror = Mirror(tmp_path / "mirror")
    with pytest.raises(UserError, match="has no such commit any more"):
        get("owner/set", mirror, None, revision="0" * 40)
    assert list((mirror.root / ".staging").iterdir()) == []


def test_an_old_commit_in_the_mirror_is_not_asked_for(online: Hub, tmp_path: Path) -> None:
    mirror = Mirror(tmp_path / "mirror")
    first = get("owner/set", mirror, None)
    online.asked.clear()
    assert get("owner/set", mirror, None, revision=first.revision) == first
    assert online.asked == []


def test_what_is_not_a_commit_of_the_hub_s_gives_its_head(online: Hub, tmp_path: Path) -> None:
    mirror = Mirror(tmp_path / "mirror")
    assert get("owner/set", mirror, None, revision="content-1").revision == online.head


def test_a_local_hub_gives_what_it_has_whatever_commit_is_asked_for(
    local_hub: Path, tmp_path: Path
) -> None:
    mirror = Mirror(tmp_path / "mirror")
    first = get("owner/set", mirror, local_hub)
    assert get("owner/set", mirror, local_hub, revision="0" * 40) == first


def test_a_set_of_scripts_comes_from_the_hub_s_own_conversion(online: Hub, tmp_path: Path) -> None:
    online.commit(SCRIPTS)
    commit = online.commit(CONVERTED, CONVERSION)
    said: list[str] = []
    snapshot = get("owner/set", Mirror(tmp_path / "mirror"), None, said)
    assert snapshot.revision == commit
    assert names(snapshot) == ["en/train/0000.parquet"]
    assert said[:2] == [
        "owner/set: no table on its main branch, taking the hub's own refs/convert/parquet",
        "owner/set: leaving out what the hub converted in part alone "
        "(en/partial-test/0000.parquet, …)",
    ]
    again = get("owner/set", Mirror(tmp_path / "other"), None, revision=commit)
    assert (again.revision, again.fingerprint) == (commit, snapshot.fingerprint)


def test_a_set_of_scripts_that_the_hub_did_not_convert_is_refused(
    online: Hub, tmp_path: Path
) -> None:
    online.commit(SCRIPTS)
    with pytest.raises(UserError, match=r"dataset owner/set: found no file of data, expected one"):
        get("owner/set", Mirror(tmp_path / "mirror"), None)
    assert online.fetched() == []


def test_wrong_bytes_are_not_published_and_the_next_time_is_right(
    online: Hub, tmp_path: Path
) -> None:
    mirror = Mirror(tmp_path / "mirror")
    online.lies["plain/train.jsonl"] = b'{"b": 1}\n'
    with pytest.raises(
        UserError, match=r"plain/train.jsonl: found hash .* run `xtl prepare` again"
    ):
        get("owner/set", mirror, None)
    assert not (mirror.root / "owner").exists()
    online.lies.clear()
    verify(get("owner/set", mirror, None))
    assert online.fetched().count("plain/train.jsonl") == 2  # the other may have been cut off
    assert list((mirror.root / ".staging").iterdir()) == []


def test_a_changed_snapshot_of_the_commit_is_said(online: Hub, tmp_path: Path) -> None:
    mirror = Mirror(tmp_path / "mirror")
    (get("owner/set", mirror, None).folder / "README.md").unlink()
    (mirror.root / ".index").rename(tmp_path / "lost")
    with pytest.raises(UserError, match="it was changed after it was published; remove it and run"):
        get("owner/set", mirror, None)


def test_a_model_comes_from_the_hub_without_other_copies_of_its_weights(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    files = {name: b"1" for name, taken in MODEL_NAMES.items()}
    wanted = sorted(name for name, taken in MODEL_NAMES.items() if taken)
    with serving(Hub("owner/model", files, kind="model")) as online:
        ask_it(online, monkeypatch)
        mirror = Mirror(tmp_path / "mirror")
        snapshot = obtain(
            "owner/model", "model", mirror, cache=tmp_path, hub=None, report=lambda _line: None
        )
        assert snapshot.revision == online.head
    assert names(snapshot) == wanted


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("en/train-00000-of-00002.parquet", True),
        ("data/en/train.tsv", True),
        ("partial-results/train.parquet", True),
        ("en/partial-train/0000.parquet", False),
        ("set.py", False),
        ("data.zip", False),
        ("../other/train.jsonl", False),
        ("/tmp/train.jsonl", False),
        (".cache/train.jsonl", False),
        ("en//train.jsonl", False),
    ],
)
def test_of_a_data_set_visible_tables_are_taken(name: str, taken: bool) -> None:
    assert is_taken("dataset", name) == taken
