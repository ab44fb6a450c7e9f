from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.data.loopback_hub import Hub, serving
from xtl.data import lookup
from xtl.data.mirror import Mirror, Snapshot, content_hash, verify
from xtl.data.sources import model_hash, obtain
from xtl.errors import UserError

README = "---\nconfigs: []\n---\n"


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


def get(repo: str, mirror: Mirror, hub: Path | None, said: list[str] | None = None) -> Snapshot:
    report = said.append if said is not None else lambda _line: None
    return obtain(repo, "dataset", mirror, cache=mirror.root / "cache", hub=hub, report=report)


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


# The hub's client reads its address when it is imported: each of these is a process of its own.
ASK = (
    "import sys; from pathlib import Path; from xtl.data.mirror import Mirror\n"
    "from xtl.data.sources import obtain; from xtl.errors import UserError\n"
    "try:\n"
    "    print(obtain(sys.argv[2], 'dataset', Mirror(Path(sys.argv[1])), cache=Path('unused'),\n"
    "                 hub=None, report=lambda line: print(line, file=sys.stderr)).folder)\n"
    "except UserError as error:\n"
    "    sys.exit(f'UserError: {error}')\n"
)


def ask(address: str, root: Path, repo: str = "owner/set") -> subprocess.CompletedProcess[str]:
    home = root.parent / "hf-home"
    changes = {"HF_ENDPOINT": address, "HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1"}
    kept = {name: text for name, text in os.environ.items() if not name.startswith("HF_")}
    command = [sys.executable, "-c", ASK, str(root), repo]
    return subprocess.run(command, capture_output=True, text=True, env=kept | changes)


def small_hub() -> Hub:
    rows = json.dumps({"a": 1}).encode() + b"\n"
    return Hub("owner/set", {"README.md": b"# set\n", "plain/train.jsonl": rows, "set.py": b"1"})


@pytest.mark.slow
def test_the_hub_s_set_is_downloaded_once_and_without_its_scripts(tmp_path: Path) -> None:
    with serving(small_hub()) as hub:
        first = ask(hub.address, tmp_path / "mirror")
        assert first.returncode == 0, first.stderr
        folder = Path(first.stdout.strip())
        asked = len(hub.asked)
        again = ask(hub.address, tmp_path / "mirror")
        assert again.stdout == first.stdout
        assert len(hub.asked) == asked + 1  # which commit it is, and nothing more
    files = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    assert files == ["README.md", "plain/train.jsonl"]
    assert (folder / "plain/train.jsonl").read_bytes() == hub.files["plain/train.jsonl"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("trouble", "line"),
    [
        ("gated", "UserError: hub: dataset owner/set is gated: accept its terms"),
        ("unknown", "UserError: hub: found no dataset owner/nothing: check the name"),
        ("gone", "UserError: hub: dataset owner/set could not be fetched"),
    ],
)
def test_what_the_hub_refuses_is_one_clear_line(tmp_path: Path, trouble: str, line: str) -> None:
    hub = small_hub()
    hub.gated = trouble == "gated"
    with serving(hub):
        repo = "owner/nothing" if trouble == "unknown" else "owner/set"
        address = "http://127.0.0.1:9" if trouble == "gone" else hub.address
        done = ask(address, tmp_path / "mirror", repo)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(line), done.stderr
    assert not (tmp_path / "mirror" / "owner").exists()
